"""Each model call, block and tool call is one row, however many files, forks, branches and copies hold it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbturns as nt


def claude_record(session: str, uuid: str, parent: str | None, message: dict[str, Any]) -> dict[str, Any]:
    kind = message["role"]
    return {
        "parentUuid": parent,
        "isSidechain": False,
        "sessionId": session,
        "type": kind,
        "uuid": uuid,
        "timestamp": "2026-03-01T10:00:00.000Z",
        "message": message,
    }


def claude_reply(id: str, output: int, *parts: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": output}
    return {"id": id, "role": "assistant", "model": "claude-opus-4-6", "content": [*parts], "usage": usage}


def claude_session(session: str, end: str, *, lead: str = "") -> str:
    """Return a session of two model calls with a tool call, and a third call that is its own."""
    call = {"type": "tool_use", "id": "t1", "name": "ls", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "a.txt"}
    records = [
        claude_record(session, "u1", None, {"role": "user", "content": "list them"}),
        claude_record(session, "a1", "u1", claude_reply("m1", 5, call)),
        claude_record(session, "r1", "a1", {"role": "user", "content": [result]}),
        claude_record(session, "a2", "r1", claude_reply("m2", 6, {"type": "text", "text": "one file"})),
        claude_record(session, f"u-{end}", "a2", {"role": "user", "content": f"now {end}"}),
        claude_record(session, f"a-{end}", f"u-{end}", claude_reply(f"m-{end}", 7, {"type": "text", "text": end})),
    ]
    if lead:
        records.insert(0, claude_record(session, f"lead-{session}", None, {"role": "user", "content": lead}))
        records[1]["parentUuid"] = f"lead-{session}"
    return "\n".join(map(json.dumps, records))


def read(path: Any, **options: Any) -> Any:
    return nt.frames.read(path, **options)


def totals(frames: Any) -> tuple[int, int, int, int, int]:
    calls = frames.inferences
    assert frames.turns.output_tokens.sum() == calls.output_tokens.sum()
    assert frames.turns.new_blocks.sum() == len(frames.blocks)
    assert frames.turns.tool_calls.sum() == len(frames.tool_calls)
    assert frames.turns.inferences.sum() == len(calls)
    return len(calls), int(calls.output_tokens.sum()), len(frames.blocks), len(frames.tool_calls), len(frames.turns)


@pytest.mark.parametrize("lead", ["", "a note that only the fork has"])
def test_a_session_and_its_fork_add_up_to_what_was_billed(tmp_path: Path, lead: str) -> None:
    (tmp_path / "one.jsonl").write_text(claude_session("s1", "sort"))
    (tmp_path / "two.jsonl").write_text(claude_session("s2", "count", lead=lead))
    frames = read(tmp_path)
    assert totals(frames)[:4] == (4, 5 + 6 + 7 + 7, 8 + bool(lead), 1)
    assert not frames.inferences.maybe_duplicate.any()
    assert frames.blocks.inference_id.nunique() == frames.inferences.inference_id.nunique() == 4


def test_a_copied_file_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(claude_session("s1", "sort"))
    alone = totals(read(tmp_path / "one.jsonl"))
    shutil.copy(tmp_path / "one.jsonl", tmp_path / "one (copy).jsonl")
    with zipfile.ZipFile(tmp_path / "backup.zip", "w") as archive:
        archive.write(tmp_path / "one.jsonl", "a/one.jsonl")
        archive.write(tmp_path / "one.jsonl", "b/one.jsonl")
    frames = read(tmp_path)
    assert totals(frames)[:4] == alone[:4]
    assert len(frames.turns) == 4 * alone[4]


def test_our_own_copy_of_a_foreign_file_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(claude_session("s1", "sort"))
    alone = totals(read(tmp_path / "a.jsonl"))
    nt.save(nt.load(tmp_path / "a.jsonl"), tmp_path / "b.json")
    nt.save(nt.load(tmp_path / "a.jsonl"), tmp_path / "c.yaml")
    assert totals(read(tmp_path))[:4] == alone[:4]
    pd.testing.assert_frame_equal(nt.frames.blocks(tmp_path), read(tmp_path).blocks)


def test_a_fork_that_has_more_of_a_call_adds_only_that(tmp_path: Path) -> None:
    records = claude_session("s1", "sort").split("\n")
    (tmp_path / "a.jsonl").write_text("\n".join(records[:4]))
    more = claude_record("s2", "a2-b", "a2", claude_reply("m2", 6, {"type": "text", "text": "it is a.txt"}))
    (tmp_path / "b.jsonl").write_text("\n".join([*records[:4], json.dumps(more)]))
    frames = read(tmp_path)
    assert totals(frames)[:4] == (2, 11, 5, 1)
    assert set(frames.blocks.inference_id.dropna()) == set(frames.inferences.inference_id)


def test_a_session_of_ours_and_its_fork_are_counted_once() -> None:
    session = nt.Session(nt.scripted(*(nt.assistant(text) for text in ("one", "two"))))
    session.ask("a").result()
    fork = session.fork()
    session.ask("b").result()
    fork_turn = fork.latest + nt.user("c")
    runs = [session.run, nt.Run((*fork.turns, fork_turn), id="fork")]
    frames = read(runs)
    assert list(frames.blocks.text) == ["a", "one", "b", "two", "c"]
    assert len(frames.inferences) == 2


def chat(*texts: str, call_id: str = "") -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        messages.append({"role": "assistant" if number % 2 else "user", "content": text})
    if call_id:
        function = {"name": "ls", "arguments": "{}"}
        messages.append(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": call_id, "type": "function", "function": function}],
            }
        )
        messages.append({"role": "tool", "tool_call_id": call_id, "content": "a.txt"})
    return {"messages": messages}


def write_chats(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_where_nothing_tells_copies_apart_both_stay_and_the_later_one_is_marked(tmp_path: Path) -> None:
    write_chats(tmp_path / "a.jsonl", chat("hi", "hello", "more", "so"))
    write_chats(tmp_path / "b.jsonl", chat("hi", "hello", "other", "no"))
    frames = read(tmp_path)
    assert list(frames.blocks.maybe_duplicate) == [False] * 4 + [True, True, False, False]
    assert list(frames.inferences.maybe_duplicate) == [False, False, True, False]
    assert len(frames.inferences) == 4


def test_equal_prompts_with_other_replies_are_no_duplicates(tmp_path: Path) -> None:
    path = write_chats(tmp_path / "a.jsonl", chat("hi", "hello"), chat("hi", "good day"), chat("hi"))
    frames = read(path)
    assert not frames.blocks.maybe_duplicate.any()
    assert not frames.inferences.maybe_duplicate.any()


def test_an_equal_conversation_with_the_same_call_id_is_a_copy_and_one_with_another_id_is_not(tmp_path: Path) -> None:
    long, other = "call_0123456789abcdef", "call_fedcba9876543210"
    lines = [chat("hi", "hello", "list", call_id=id) for id in (long, long, other)]
    frames = read(write_chats(tmp_path / "a.jsonl", *lines))
    assert list(frames.tool_calls.tool_call_id) == [long, other]
    assert list(frames.inferences.maybe_duplicate) == [False, False, True, False]


def test_a_call_id_that_many_conversations_have_tells_nothing(tmp_path: Path) -> None:
    id = "call_0123456789abcdef"
    lines = [chat("hi", "hello", "list", call_id=id), chat("good day", "hello", "list", call_id=id)]
    frames = read(write_chats(tmp_path / "a.jsonl", *lines))
    assert len(frames.tool_calls) == 2
    assert frames.tool_calls.answered.all()
    assert not frames.tool_calls.maybe_duplicate.any()


def test_equal_replies_at_the_same_millisecond_are_one(tmp_path: Path) -> None:
    def turn(second: str) -> nt.Run:
        at = f"2026-03-01T10:00:{second}Z"
        reply = nt.assistant("hello").with_metadata(nt.keys.TIMESTAMP, at)
        return nt.Run((nt.Turn((nt.user("hi"), reply)),))

    same, whole = [turn("00.123"), turn("00.123")], [turn("00"), turn("00")]
    assert len(nt.frames.blocks(same)) == 2
    assert len(nt.frames.blocks(whole)) == 4
    for name, runs in (("same", same), ("whole", whole)):
        folder = tmp_path / name
        folder.mkdir()
        for number, run in enumerate(runs):
            nt.save(run, folder / f"{number}.json")
        assert len(nt.frames.blocks(folder)) == len(read(folder).blocks) == len(nt.frames.blocks(runs))


def test_the_fast_readers_find_the_same_copies(tmp_path: Path) -> None:
    long = "call_0123456789abcdef"
    write_chats(tmp_path / "a.jsonl", chat("hi", "hello"), chat("hi", "hello", "list", call_id=long))
    write_chats(tmp_path / "b.jsonl", chat("hi", "hello", "list", call_id=long), chat("hi", "hello"), chat("x", "y"))
    session = nt.Session(nt.scripted("one", "two"))
    session.ask("a").result()
    nt.save(session.run, tmp_path / "c.jsonl")
    session.ask("b").result()
    nt.save(session.run, tmp_path / "d.jsonl")
    frames = read(tmp_path)
    pd.testing.assert_frame_equal(nt.frames.blocks(tmp_path), frames.blocks)
    assert list(frames.blocks.text[frames.blocks.file.str.endswith("d.jsonl")]) == ["b", "two"]
    assert list(frames.blocks.text[frames.blocks.file.str.endswith("b.jsonl")]) == ["hi", "hello", "x", "y"]


@pytest.mark.parametrize("option", ["processes", "cache"])
def test_other_processes_and_a_cache_find_the_same_copies(tmp_path: Path, option: str) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "one.jsonl").write_text(claude_session("s1", "sort"))
    (logs / "three.jsonl").write_text(claude_session("s3", "alone").replace('"m', '"other-m').replace("list", "show"))
    (logs / "two.jsonl").write_text(claude_session("s2", "count"))
    write_chats(logs / "chat.jsonl", chat("hi", "hello"))
    write_chats(logs / "chats.jsonl", chat("hi", "hello"), chat("x", "y"))
    expected = read(logs)
    options: dict[str, Any] = {"processes": 2} if option == "processes" else {"cache": tmp_path / "cache"}
    for _ in range(2):
        frames = read(logs, **options)
        for name in ("blocks", "turns", "inferences", "tool_calls"):
            pd.testing.assert_frame_equal(getattr(frames, name), getattr(expected, name))
    if option == "cache":  # cached with the others, and read without them
        assert totals(read(logs / "two.jsonl", **options)) == totals(read(logs / "two.jsonl"))
        (logs / "one.jsonl").unlink()
        assert totals(read(logs, **options)) == totals(read(logs))


def test_a_run_that_is_passed_twice_has_its_rows_once() -> None:
    run = nt.example()
    frames = read([run, run])
    assert totals(frames)[:4] == totals(read(run))[:4]
    assert totals(read(run))[1] == run.usage.output_tokens


def test_a_copied_inspect_log_is_counted_once_and_ids_do_not_depend_on_its_place(tmp_path: Path) -> None:
    prompt = {"id": "id-of-the-prompt-of-the-data-set", "role": "user", "content": "2+2?"}
    samples = [
        {
            "id": 1,
            "epoch": epoch,
            "uuid": f"uuid-{epoch}",
            "messages": [prompt, {"id": f"id-of-the-reply-in-epoch-{epoch}", "role": "assistant", "content": "4"}],
            "output": {"model": "m", "choices": [], "usage": {"input_tokens": 7, "output_tokens": 1}},
        }
        for epoch in (1, 2)
    ]
    log = json.dumps({"version": 2, "eval": {"eval_id": "e", "task": "t"}, "samples": samples})
    for name in ("a.json", "deeper/other.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(log)

    both, moved = nt.frames.read(tmp_path), nt.frames.read(tmp_path / "deeper/other.json")

    assert both.inferences.input_tokens.sum() == 14 and both.blocks.kind.tolist() == ["user", "llm_text"] * 2
    for name, column in (("blocks", "block_id"), ("inferences", "inference_id")):
        assert getattr(both, name)[column].tolist() == getattr(moved, name)[column].tolist()
    assert nt.frames.blocks(tmp_path).inference_id.tolist() == both.blocks.inference_id.tolist()
    assert nt.frames.blocks(tmp_path).block_id.tolist() == both.blocks.block_id.tolist()


def test_a_call_has_the_largest_output_count_of_its_copies_in_every_frame(tmp_path: Path) -> None:
    def session(output_tokens: int) -> str:
        prompt = {"type": "user", "uuid": "record-of-the-prompt", "message": {"role": "user", "content": "q"}}
        message = {
            "id": "msg_of_the_reply_0001",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "a"}],
            "usage": {"input_tokens": 10, "output_tokens": output_tokens},
        }
        reply = {"type": "assistant", "uuid": "record-of-the-reply", "parentUuid": prompt["uuid"], "message": message}
        records = [{**record, "sessionId": f"s{output_tokens}"} for record in (prompt, reply)]
        return "".join(json.dumps(record) + "\n" for record in records)

    for name, output_tokens in (("a", 1), ("b", 50), ("c", 7)):
        (tmp_path / f"{name}.jsonl").write_text(session(output_tokens))

    found, alone = nt.frames.read(tmp_path), nt.frames.inferences(tmp_path / "b.jsonl")

    assert found.inferences.output_tokens.tolist() == [50] and found.inferences.total_tokens.tolist() == [60]
    assert found.inferences.cost.tolist() == pytest.approx(alone.cost.tolist())
    assert found.turns.output_tokens.sum() == nt.frames.runs(tmp_path).output_tokens.sum() == 50
    assert found.turns.cost.sum() == pytest.approx(alone.cost.sum())
    for options in ({"processes": 2}, {"cache": tmp_path / "cache"}, {"cache": tmp_path / "cache"}):
        again = nt.frames.read(sorted(tmp_path.glob("*.jsonl")), **options)
        pd.testing.assert_frame_equal(again.inferences, found.inferences)
        pd.testing.assert_frame_equal(again.turns, found.turns)
