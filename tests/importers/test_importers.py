"""Transcripts of other tools: what becomes of each shape, and of what is broken, hostile or enormous."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.importers import detect_importer, importers
from nbturns.importers.kit.source import Source
from nbturns.importers.kit.zip_archive import zstd_module
from nbturns.values.provenance import FIELDS, MESSAGE, TIMESTAMP

SAMPLES = Path(__file__).parents[2] / "fixtures" / "transcripts"
FORMAT_BY_FILE = {
    "openai-chat.jsonl": "openai-chat",
    "anthropic.jsonl": "anthropic",
    "gemini.jsonl": "gemini",
    "openai-responses.jsonl": "openai",
    "inspect.json": "inspect",
    "claude-code.jsonl": "claude-code",
}
CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
LINE = json.dumps({"messages": CHAT})


def kinds(run: nt.Run) -> list[str]:
    return [block.kind for block in run.latest]


# Formats.


@pytest.mark.parametrize("name", FORMAT_BY_FILE)
def test_a_format_is_known_by_what_a_file_holds_and_not_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_bytes((SAMPLES / name).read_bytes())

    assert (importer := detect_importer(Source.of_file(path).sample)) and importer.name == FORMAT_BY_FILE[name]
    runs = list(nt.load_all(path))
    assert runs and all(run.import_report.complete for run in runs)
    assert [run.latest for run in nt.load_all(path, strict=True)] == [run.latest for run in runs]
    packed = tmp_path / "notes"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    wide = tmp_path / "wide"
    wide.write_bytes(path.read_text().encode("utf-16"))
    assert [run.turns for run in nt.load_all(packed)] != [] != [run.turns for run in nt.load_all(wide)]


def test_a_request_of_anthropic_with_its_reply_has_thoughts_calls_failures_and_the_usage() -> None:
    vents, heat = nt.load_all(SAMPLES / "anthropic.jsonl")

    assert kinds(vents) == [
        *("system", "user", "reasoning", "llm_text", "tool_call", "tool_call", "tool_use", "tool_use", "user"),
        "llm_text",
    ]
    assert (vents.name, vents.metadata[FIELDS]["max_tokens"]) == ("vents", 1024)
    assert (vents.latest[7].error, vents.latest[7].tool_call_id) == ("it jams", "toolu_2")
    assert len({block.inference_id for block in vents.latest[2:6]}) == 1
    assert [block.metadata.get(MESSAGE) for block in vents.latest] == [None, 0, 1, 1, 1, 1, 2, 2, 2, 3]
    (result,) = heat.inferences
    assert result.usage is not None
    assert (result.model, result.stop_reason, result.usage.input_tokens) == ("claude-sonnet-4-5", "end_turn", 108)


def test_a_sample_of_inspect_has_its_attachments_and_what_its_events_say_of_each_call() -> None:
    run = nt.load(SAMPLES / "inspect.json")

    assert kinds(run) == ["system", "user", "reasoning", "llm_text", "tool_call", "tool_use", "llm_text"]
    assert run.latest[0].text == "You tend a greenhouse. " * 3
    assert (run.id, run.name, run.metadata[FIELDS]["events"]) == ("smp1", "greenhouse 1", {"model": 2, "tool": 1})
    first, second = run.inferences
    assert (first.model, first.provider, first.finish_class) == ("claude-sonnet-4-5", "anthropic", "tool_calls_pending")
    assert (first.duration_ms, first.usage) == (1500, nt.Usage(105, 20, 100))
    assert second.usage == nt.Usage(130, 4)
    assert (run.latest[5].error, run.latest[5].metadata[nt.keys.DURATION_MS]) == ("it jams", 250.0)


def write_archive(path: Path, members: dict[str, Any], *, method: int) -> Path:
    """A zip as Inspect writes it; zstd (93) by hand, because Python knows it from 3.14 on."""
    with zipfile.ZipFile(path, "w") as made:
        for name, value in members.items():
            content = json.dumps(value).encode()
            if method != 93:
                made.writestr(name, content, compress_type=method)
                continue
            packed = zstd_module().compress(content)
            info = zipfile.ZipInfo(name)
            made.writestr(info, packed)  # stored, and then called what it is
            info.compress_type, info.file_size, info.CRC = 93, len(content), zlib.crc32(content)
    return path


def test_a_member_packed_by_zstd_unpacks_to_no_more_than_it_says(tmp_path: Path) -> None:
    content = b"[" * (64 << 20)
    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w") as made:
        info = zipfile.ZipInfo("conversations.json")
        made.writestr(info, zstd_module().compress(content))
        info.compress_type, info.file_size, info.CRC = 93, 1000, zlib.crc32(content)

    tracemalloc.start()
    with Source.of_file(path).open_zip() as opened:
        assert opened.head("conversations.json", 10) == content[:10]
        with pytest.raises(nt.LoadError, match=r"conversations.json: the checksum does not match"):
            opened.read("conversations.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, 93])
def test_an_eval_archive_is_read_however_it_is_packed(tmp_path: Path, method: int) -> None:
    log = json.loads((SAMPLES / "inspect.json").read_text())
    (sample,) = log.pop("samples")
    members = {"header.json": log, "samples/1_epoch_1.json": sample, "summaries.json": []}

    run = nt.load(write_archive(tmp_path / "log.eval", members, method=method))

    assert run.turns == nt.load(SAMPLES / "inspect.json").turns or kinds(run) == kinds(
        nt.load(SAMPLES / "inspect.json")
    )
    assert run.import_report.format == "inspect" and run.usage.output_tokens == 24


def test_a_sample_in_pieces_is_put_together_from_its_pool(tmp_path: Path) -> None:
    log = json.loads((SAMPLES / "inspect.json").read_text())
    (sample,) = log.pop("samples")
    messages, events = sample.pop("messages"), sample.pop("events")
    text = next(iter(sample.pop("attachments").values()))
    messages[0]["content"] = "attachment://0"
    pool = [*messages[:2], {"id": "gone", "role": "user", "content": "compacted since"}, *messages[2:]]
    folder = "samples/1_epoch_1"
    members = {
        "header.json": log,
        f"{folder}/sample.json": {**sample, "message_refs": [[0, 2], [3, 6]]},
        f"{folder}/messages/0.json": pool[:4],
        f"{folder}/messages/4.json": pool[4:],
        f"{folder}/events/0.json": events,
        f"{folder}/events/stats.json": {},
        f"{folder}/attachments/0.json": [text],
    }

    run = nt.load(write_archive(tmp_path / "log.eval", members, method=93))

    assert [block.text for block in run.latest[:2]] == [text, "Open a vent."]
    assert kinds(run) == kinds(nt.load(SAMPLES / "inspect.json"))
    assert run.usage == nt.load(SAMPLES / "inspect.json").usage


def test_an_attachment_named_often_is_held_once() -> None:
    text, hash = "x" * 1_000_000, "0" * 32
    messages = [{"id": f"m{n}", "role": "user", "content": f"attachment://{hash}"} for n in range(300)]
    sample = {"id": 1, "epoch": 1, "messages": messages, "attachments": {hash: text}}
    tracemalloc.start()
    try:
        run = nt.loads({"version": 2, "eval": {"task": "t"}, "samples": [sample]})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len({id(block.text) for block in run.latest}) == 1
    assert peak < 20_000_000


def test_a_session_of_claude_code_is_the_way_to_its_end_and_what_branched_off_stands_alone() -> None:
    main, branch, side = nt.load_all(SAMPLES / "claude-code.jsonl")

    assert main.name == "Vents and frost"
    assert [block.text for block in main.latest.of_kind("user")] == ["Open both vents.", "Leave it, then."]
    assert kinds(main) == [
        *("user", "reasoning", "tool_call", "tool_call", "tool_use", "tool_use", "llm_text", "user", "llm_text"),
    ]
    assert [block.text for block in branch.latest.of_kind("user")] == ["Open both vents.", "Oil it."]
    assert [block.text for block in side.latest] == ["Why does it jam?", "Rust."]
    assert [run.import_report.read for run in (main, branch, side)] == [11, 2, 2]
    assert len({run.id for run in (main, branch, side)}) == 3
    first = main.inferences[0]  # of three records, of which the last has all of its usage
    assert (len(main.inferences), first.usage) == (3, nt.Usage(100, 40, 90))
    assert len({block.inference_id for block in main.latest[1:4]}) == 1
    assert main.latest[0].metadata[TIMESTAMP] == "2026-05-01T10:00:02Z"
    assert main.latest[4].metadata[FIELDS]["toolUseResult"] == {"stdout": "open"}
    assert main.metadata[FIELDS]["records"][1]["type"] == "file-history-snapshot"


def test_circles_lost_parents_and_ids_used_twice_in_a_session_lose_nothing(tmp_path: Path) -> None:
    def record(uuid: str, parent: str | None, text: str) -> str:
        message = {"role": "user", "content": text}
        return json.dumps({"type": "user", "uuid": uuid, "parentUuid": parent, "sessionId": "s", "message": message})

    path = tmp_path / "session.jsonl"
    path.write_text(
        "\n".join([record("a", "c", "1"), record("b", "a", "2"), record("c", "c", "3"), record("b", "gone", "4")])
        + '\n5\n"junk"\n{"type": "user", "mess\n'
    )

    run = nt.load(path)

    assert [block.text for block in run.latest] == ["3", "1", "2", "4"]  # each behind its parent
    assert len(run.import_report.guessed) == 3 and len(run.import_report.dropped) == 3
    assert [note.position for note in run.import_report.dropped] == ["line 5", "line 6", "line 7, column 18"]
    with pytest.raises(nt.LoadError, match=r"session\.jsonl"):
        nt.load(path, strict=True)


@pytest.mark.parametrize(
    ("message", "format"),
    [
        ({"role": "user", "content": "hi"}, "openai-chat"),
        ({"role": "tool", "tool_call_id": "c1", "content": "hi"}, "openai-chat"),
        ({"role": "user", "content": [{"type": "text", "text": "hi"}]}, "anthropic"),
        ({"role": "user", "parts": [{"text": "hi"}]}, "gemini"),
        ({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}, "openai"),
        ({"type": "human", "data": {"content": "hi"}}, "langchain"),
        ({"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "hi"}]}, "pydantic-ai"),
        ({"id": "1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}, "vercel-ui"),
        ({"id": "1", "role": "user", "content": "hi"}, "ag-ui"),
    ],
)
def test_one_message_alone_is_a_conversation_as_a_list_of_it_is(message: Any, format: str) -> None:
    alone, listed = nt.loads(message), nt.loads([message])

    assert alone.import_report.format == listed.import_report.format == format
    assert [(block.kind, block.text or block.result) for block in alone.latest] == [
        ("tool_use" if message.get("role") == "tool" else "user", "hi")
    ]
    assert alone.latest.same_content(listed.latest)
    assert nt.loads(json.dumps(message)).latest == alone.latest


def test_a_name_decides_where_looking_does_not(tmp_path: Path) -> None:
    assert nt.loads(CHAT).import_report.format == "openai-chat"
    assert nt.loads(CHAT, format="anthropic").import_report.format == "anthropic"
    assert nt.loads(CHAT, format="claude").import_report.format == "anthropic"
    assert {"openai", "openai-responses", "anthropic", "claude", "gemini", "google", "inspect"} <= importers().keys()


def test_a_report_is_a_text_a_page_and_a_frame() -> None:
    report = nt.loads([*CHAT, {"role": "<b>", "content": "x"}, {"role": "tool", "content": "r"}]).import_report

    assert str(report).splitlines()[0] == "openai-chat: 4 records read, 4 blocks made, 1 guessed, 1 unknown, 0 dropped"
    frame = report.to_df()
    assert list(frame.columns) == ["kind", "file", "position", "what"]
    assert frame["kind"].tolist() == ["guessed", "unknown"]
    assert frame["position"].tolist()[0] == "messages[3]"
    assert "&lt;b&gt;" in report._repr_html_() and "<b>" not in report._repr_html_()


# Out again.


def test_messages_are_written_for_the_four_providers_from_any_conversation() -> None:
    turn = nt.turn("q", system="s") + (nt.tool_call("c", "f", {"x": 1}), nt.tool_use("c", "r"), nt.assistant("a"))

    chat = turn.to_messages("openai-chat")
    assert [message["role"] for message in chat] == ["system", "user", "assistant", "tool", "assistant"]
    claude = turn.to_messages("anthropic")
    assert [message["role"] for message in claude] == ["user", "assistant", "user", "assistant"]
    assert claude.body["system"] == [{"type": "text", "text": "s"}] and claude.body["messages"] == claude
    assert [content["role"] for content in turn.to_messages("gemini")] == ["user", "model", "user", "model"]
    items = nt.Run((turn,)).to_messages("openai")
    assert [item.get("type") for item in items][-3:] == ["function_call", "function_call_output", "message"]
    with pytest.raises(nt.EngineError, match="unknown provider 'wordperfect'"):
        turn.to_messages("wordperfect")


@pytest.mark.parametrize("name", ["anthropic.jsonl", "gemini.jsonl", "openai-responses.jsonl", "openai-chat.jsonl"])
def test_what_is_edited_is_written_anew_and_the_rest_as_it_was(name: str) -> None:
    run = next(iter(nt.load_all(SAMPLES / name)))
    at = next(at for at, block in enumerate(run.latest) if block.kind == "llm_text")

    edited = run.latest.edit(at, text="Something else.").to_messages(FORMAT_BY_FILE[name])

    assert len(edited) == len(run.to_messages(FORMAT_BY_FILE[name]))
    assert "Something else." in json.dumps(edited) != json.dumps(run.to_messages(FORMAT_BY_FILE[name]))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "name", "id", "function", "arguments", "type", "text", "refusal"]), inner, max_size=5,
        ),
        max_leaves=12,
    ),
    st.sampled_from(["system", "developer", "user", "assistant", "tool", "function", "x"]),
)  # fmt: skip
@settings(max_examples=150)
def test_any_chat_message_comes_back_as_it_was(given_: Any, role: str) -> None:
    message = {**given_, "role": role} if isinstance(given_, dict) else {"role": role, "content": given_}
    chat = [{"role": "user", "content": "q"}, message]

    run = nt.loads(chat, format="openai-chat")

    assert json.dumps(run.to_messages("openai-chat"), sort_keys=True) == json.dumps(chat, sort_keys=True)


# What is broken.


def test_of_a_file_that_was_cut_all_that_stands_is_read_and_the_place_is_named(tmp_path: Path) -> None:
    text = json.dumps({"id": "chat", "messages": CHAT * 50})
    for cut in (len(text) - 3, len(text) // 2, 60):
        path = tmp_path / "cut.json"
        path.write_text(text[:cut])
        run = nt.load(path)
        (note,) = run.import_report.dropped
        assert (note.file, note.position.split(",")[0]) == (str(path), "line 1") and "cut" in note.what
        assert len(run.latest) >= text[:cut].count('"role"') - 1
        with pytest.raises(nt.LoadError, match=r"cut\.json: line 1, column"):
            nt.load(path, strict=True)


def test_a_folder_of_many_formats_is_read_and_what_is_none_is_named(tmp_path: Path) -> None:
    for name in FORMAT_BY_FILE:
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "chat.txt").write_text(LINE)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x").write_text("x")

    runs = nt.load_all(tmp_path)
    formats = {run.import_report.format for run in runs}

    assert formats == set(FORMAT_BY_FILE.values())
    assert sorted(Path(error.file).name for error in runs.errors) == ["picture.png", "table.csv"]
    assert "2 files skipped" in repr(runs)
    with pytest.raises(nt.LoadError, match="no format matches this file"):
        list(nt.load_all(tmp_path, strict=True))
    with pytest.raises(nt.LoadError, match="this is a folder"):
        nt.load(tmp_path)
    with pytest.raises(nt.LoadError, match="no format matches this file"):
        list(nt.load_all(tmp_path / "table.csv"))


def test_bytes_that_are_not_utf_8_are_replaced_and_told(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(LINE.encode() + b"\n" + LINE.encode().replace(b'"a"', b'"\xff\xfe"') + b"\n" + LINE.encode())

    runs = list(nt.load_all(path))

    assert [run.latest[0].text for run in runs] == ["a", "\ufffd\ufffd", "a"]
    (note,) = runs[0].import_report.dropped
    assert note.position.startswith("line 2, byte") and "UTF-8" in note.what
    with pytest.raises(nt.LoadError, match="line 2"):
        list(nt.load_all(path, strict=True))


def test_a_line_of_200_mb_is_passed_by_when_it_is_no_json_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as made:
        made.write(LINE.encode() + b"\n")
        for _ in range(200):
            made.write(b"x" * 1_000_000)
        made.write(b"\n" + LINE.encode() + b"\n")
    tracemalloc.start()
    try:
        runs = list(nt.load_all(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(runs) == 2 and peak < 20_000_000
    assert "line 2: a line of 200,000,001 bytes" in runs[0].import_report.dropped[0]


def test_a_long_list_of_conversations_streams(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    row = {"messages": [{"role": "user", "content": "x" * 100_000}]}
    path.write_text("[" + ",\n".join([json.dumps(row)] * 400) + "]")
    tracemalloc.start()
    try:
        count = sum(1 for _ in nt.load_all(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 400
    assert peak < 25_000_000 < path.stat().st_size


def test_calls_that_are_amiss_are_told_and_refused_when_strict() -> None:
    def called(id: str) -> dict[str, Any]:
        call = {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    result = {"role": "tool", "tool_call_id": "c", "content": "r"}
    user = {"role": "user", "content": "q"}
    for chat, said in (
        ([user, called("c"), result, called("c"), result], "tool call id 'c' is used twice"),
        ([user, result], "tool result for 'c', but no tool call has this id"),
        ([user, called("c"), user], "tool call 'c' has no result"),
    ):
        run = nt.loads(chat)
        assert said in run.import_report.guessed[0] and len(run.latest) == len(chat)
        with pytest.raises(nt.LoadError, match=said):
            nt.loads(chat, strict=True)
    assert nt.loads([user, called("c")], strict=True).latest.pending


def damage(data: bytes, offset: int, replacement: bytes) -> bytes:
    offset %= max(1, len(data))
    return data[:offset] + replacement + data[offset + len(replacement) :]


@given(st.sampled_from(sorted(FORMAT_BY_FILE)), st.integers(0, 10_000), st.binary(max_size=6), st.booleans())
@settings(max_examples=250, deadline=None)
def test_any_damage_gives_runs_or_an_error_of_ours(name: str, at: int, put: bytes, strict: bool) -> None:
    try:
        nt.loads(damage((SAMPLES / name).read_bytes(), at, put), strict=strict)
    except nt.NbturnsError as error:
        assert "failed" not in str(error) and "cannot be read: " not in str(error)


def mutations_of(value: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values like `value` with parts replaced by any other value."""
    junk: st.SearchStrategy[Any] = (
        st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({}) | st.just([None])
    )
    if isinstance(value, dict):
        whole = st.fixed_dictionaries({}, optional={name: mutations_of(one) for name, one in value.items()})
        return st.integers(0, 9).flatmap(lambda n: junk if n == 0 else whole)
    if isinstance(value, list):
        return st.integers(0, 9).flatmap(lambda n: junk if n == 0 else st.tuples(*map(mutations_of, value)).map(list))
    return st.integers(0, 5).flatmap(lambda n: junk if n == 0 else st.just(value))


HOSTILE_VALUES = st.one_of(
    *(
        st.tuples(st.just(format), mutations_of(json.loads(line)))
        for name, format in FORMAT_BY_FILE.items()
        if name.endswith("l")
        for line in (SAMPLES / name).read_text().splitlines()[:8]
    ),
    st.tuples(st.just("inspect"), mutations_of(json.loads((SAMPLES / "inspect.json").read_text()))),
)


@pytest.mark.parametrize("choices", [1, True, "text", {"a": 1}])
def test_choices_of_inspect_that_are_no_list_cost_no_sample(choices: Any) -> None:
    event = {
        "event": "model",
        "model": "m",
        "input": [{"role": "user", "content": "q"}],
        "output": {"choices": choices},
    }
    log = {"version": 2, "status": "success", "samples": [{"messages": event["input"], "events": [event]}]}

    run = nt.loads(json.dumps(log), format="inspect", strict=False)
    assert [block.text for turn in run.turns for block in turn] == ["q"]


@given(HOSTILE_VALUES, st.booleans(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_shape_gives_runs_or_an_error_of_ours(given_: tuple[str, Any], strict: bool, named: bool) -> None:
    format, value = given_
    text = json.dumps(value)
    try:
        run = nt.loads(text, format=format if named else None, strict=strict)
    except nt.NbturnsError as error:
        assert "failed: " not in str(error) and "cannot be read: " not in str(error), text
    else:
        assert run.import_report is None or not any("cannot be read: " in note for note in run.import_report.dropped)
        nt.Run.from_dict(json.loads(json.dumps(run.to_dict())))


@given(st.binary(max_size=60))
def test_any_bytes_give_runs_or_an_error_of_ours(data: bytes) -> None:
    for content in (data, b"PK\x03\x04" + data, b"\x1f\x8b" + data, b"{" + data, b"[" + data, b'{"messages":[' + data):
        try:
            nt.loads(content)
        except nt.NbturnsError as error:
            assert "failed: " not in str(error)


def test_an_archive_that_asks_for_a_newer_zip_is_an_error_of_ours() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        made.writestr("header.json", "{}")
    newer = bytearray(held.getvalue())
    newer[newer.index(b"PK\x01\x02") + 6] = 99  # the version it needs, ten times

    with pytest.raises(nt.LoadError, match=r"invalid zip archive: zip file version 9\.9"):
        nt.loads(bytes(newer))


@given(st.integers(0, 3000), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_damaged_archive_gives_runs_or_an_error_of_ours(at: int, put: int) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        log = json.loads((SAMPLES / "inspect.json").read_text())
        made.writestr("samples/1_epoch_1.json", json.dumps(log["samples"][0]))
        made.writestr("header.json", json.dumps({"version": 2, "eval": log["eval"]}))
    try:
        nt.loads(damage(held.getvalue(), at, bytes([put])))
    except nt.NbturnsError as error:
        assert "failed: " not in str(error)


# Formats of others.

DIARY = """
from nbturns.values.blocks import assistant, user
from nbturns.importers import SURE, Importer, Transcript, document_reader

def score(sample):
    return SURE if "diary_version" in sample.record else 0

def read_one(value, notes):
    transcript = Transcript(notes)
    transcript.read_records("pages", value["pages"], lambda page: transcript.add_blocks([user(page)]))
    transcript.add_blocks([assistant("Read.")])
    return transcript.to_run(name=value["title"])

IMPORTER = Importer("diary", score, document_reader("diary", read_one))
"""


def test_a_format_of_ones_own_is_a_module_among_the_entry_points(tmp_path: Path) -> None:
    (tmp_path / "diaries.py").write_text(DIARY)
    about = tmp_path / "diaries-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: diaries\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[nbturns.importers]\ndiary = diaries\n")
    (tmp_path / "mine.json").write_text(json.dumps([{"diary_version": 1, "title": "May", "pages": ["Rain."]}]))
    script = (
        "import nbturns as nt; run = nt.load('mine.json'); print(run.import_report.format, run.name, len(run.latest))"
    )

    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert said.stdout.split() == ["diary", "May", "2"]
