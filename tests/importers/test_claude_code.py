"""Claude Code sessions: the tree of records, copies, compactions and subagents; and iFlow's, which look like them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers import Source, claude_code, claude_code_records
from nbturns.importers.kit import transcript

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"


def prompt(uuid: str, parent: str | None, content: Any, **fields: Any) -> dict[str, Any]:
    message = {"role": "user", "content": content}
    return {"type": "user", "uuid": uuid, "parentUuid": parent, "sessionId": "s", "message": message, **fields}


def reply(uuid: str, parent: str | None, content: Any, id: str, output: int = 5, **fields: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    usage = {"input_tokens": 10, "output_tokens": output}
    message = {"role": "assistant", "id": id, "model": "claude-sonnet-4-5", "content": parts, "usage": usage}
    return {"type": "assistant", "uuid": uuid, "parentUuid": parent, "sessionId": "s", "message": message, **fields}


def task(id: str, text: str) -> list[dict[str, Any]]:
    return [{"type": "tool_use", "id": id, "name": "Task", "input": {"prompt": text}}]


def answer(id: str, text: str) -> list[dict[str, Any]]:
    return [{"type": "tool_result", "tool_use_id": id, "content": text}]


def load(tmp_path: Path, *records: dict[str, Any], strict: bool = True) -> list[nt.Run]:
    path = tmp_path / "session.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return list(nt.load_all(path, strict=strict))


def texts(turn: nt.Turn) -> list[str]:
    return [block.text or str(block.result or block.name) for block in turn]


def test_a_record_that_is_written_before_its_parent_follows_it(tmp_path: Path) -> None:
    (run,) = load(
        tmp_path,
        prompt("1", None, "first"),
        reply("3", "2", "third", "m3"),
        prompt("4", "3", "fourth"),
        reply("2", "1", "second", "m2"),
    )

    assert texts(run.latest) == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_copies_of_records_with_new_ids_are_no_more_blocks_and_calls(tmp_path: Path, copies: int) -> None:
    records = [
        prompt("1", None, "Hello?", timestamp="2026-05-01T09:00:00Z"),
        reply("2", "1", "One", "m1", timestamp="2026-05-01T09:00:01Z"),
        reply("3", "2", task("t1", "Two"), "m1", output=40),
        prompt("4", "3", answer("t1", "Done"), timestamp="2026-05-01T09:00:03Z"),
        reply("5", "4", "Three", "m2"),
    ]
    copied = [
        {
            **record,
            "uuid": f"{record['uuid']}-{n}",
            "parentUuid": record["parentUuid"] and f"{record['parentUuid']}-{n}",
        }
        for n in range(copies)
        for record in records
    ]

    (run,) = load(tmp_path, *records, *copied, strict=False)

    assert texts(run.latest) == ["Hello?", "One", "Task", "Done", "Three"]
    assert [(call.inference_id, call.usage and call.usage.output_tokens) for call in run.inferences] == [
        ("m1", 40),
        ("m2", 5),
    ]
    assert "5-0" in json.dumps(run.to_dict())  # what a copy has of its own is kept


def test_a_copy_with_a_larger_count_gives_the_count(tmp_path: Path) -> None:
    (run,) = load(
        tmp_path,
        prompt("1", None, "Hello?"),
        reply("2", "1", "One", "m1", output=1),
        reply("2b", "1", "One", "m1", output=90),
    )

    assert run.usage.output_tokens == 90 and texts(run.latest) == ["Hello?", "One"]


def test_records_without_a_message_id_are_one_call_by_their_request(tmp_path: Path) -> None:
    first, second = reply("2", "1", "One", "", requestId="r"), reply("3", "2", task("t1", "go"), "", requestId="r")

    (run,) = load(tmp_path, prompt("1", None, "Hello?"), first, second)

    assert len(run.inferences) == 1


def test_a_preserved_segment_is_in_the_context_after_a_compaction_and_counts_once(tmp_path: Path) -> None:
    segment = {"headUuid": "3", "anchorUuid": "s", "tailUuid": "4"}
    boundary = {
        "type": "system",
        "subtype": "compact_boundary",
        "uuid": "b",
        "parentUuid": None,
        "logicalParentUuid": "4",
        "sessionId": "s",
        "content": "Conversation compacted",
        "compactMetadata": {"trigger": "auto", "preTokens": 9000, "preservedSegment": segment},
    }
    path = tmp_path / "session.jsonl"
    (run,) = load(
        tmp_path,
        prompt("1", None, "old"),
        reply("2", "1", "older answer", "m1"),
        prompt("3", "2", "kept"),
        reply("4", "3", "kept answer", "m2"),
        boundary,
        prompt("s", "b", "summary", isCompactSummary=True),
        prompt("5", "4", "new"),
        reply("6", "5", "new answer", "m3"),
    )

    assert texts(run.latest) == ["summary", "kept", "kept answer", "new", "new answer"]
    assert len(run.inferences) == 3
    assert nt.frames.blocks(path).text.tolist().count("kept answer") == 1


# Subagents.


def main_records() -> list[dict[str, Any]]:
    result = {"agentId": "a1", "status": "completed"}
    return [
        prompt("1", None, "Look around"),
        reply("2", "1", task("t1", "Read the files"), "m1"),
        prompt("3", "2", answer("t1", "All read"), toolUseResult=result),
        reply("4", "3", "Done", "m2"),
    ]


def agent_records(**fields: Any) -> list[dict[str, Any]]:
    fields = {"isSidechain": True, **fields}
    return [
        prompt("a", None, "Read the files", **fields),
        reply("b", "a", task("t2", "Deeper"), "m5", **fields),
        prompt("c", "b", answer("t2", "Read"), **fields),
        reply("d", "c", "All read", "m6", **fields),
    ]


@pytest.mark.parametrize("fields", [{"agentId": "a1"}, {}, {"parent_tool_use_id": "t1", "isSidechain": False}])
def test_a_subagent_and_its_tool_call_name_each_other(tmp_path: Path, fields: dict[str, Any]) -> None:
    main, agent = load(tmp_path, *main_records(), *agent_records(**fields))

    (call,) = main.latest.of_kind("tool_call")
    assert call.child_run_id == agent.id and agent.parent_id == main.id
    assert main.child_ids == (agent.id,) and main.parent_id == ""
    assert agent.metadata[nt.keys.PARENT_TOOL_CALL] == "t1"
    assert len(main.inferences) == 2 and len(agent.inferences) == 2
    assert nt.Run.from_dict(main.to_dict()).child_ids == main.child_ids


def test_a_subagent_of_a_subagent_names_the_subagent(tmp_path: Path) -> None:
    inner_result = {"agentId": "a2"}
    agent = agent_records(agentId="a1")
    agent[2]["toolUseResult"] = inner_result
    inner = [
        prompt("x", None, "Deeper", isSidechain=True, agentId="a2"),
        reply("y", "x", "Nothing", "m9", isSidechain=True, agentId="a2"),
    ]

    runs = {run.id: run for run in load(tmp_path, *main_records(), *agent, *inner)}

    assert runs["s/sidechain a2"].parent_id == "s/sidechain a1"
    assert runs["s/sidechain a2"].metadata[nt.keys.ROOT_RUN] == "s"
    assert runs["s/sidechain a1"].child_ids == ("s/sidechain a2",)


def test_a_subagent_in_a_file_of_its_own_has_the_id_that_its_call_names(tmp_path: Path) -> None:
    (main,) = load(tmp_path, *main_records())
    (agent,) = load(tmp_path, *agent_records(agentId="a1"))

    assert main.child_ids == (agent.id,)
    assert agent.parent_id == main.id


# iFlow.


def test_an_iflow_session_is_one_run_with_each_call_once(tmp_path: Path) -> None:
    def call(number: int) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"call_{number}", "name": "read_file", "input": {"path": f"{number}.md"}}

    def snapshot(uuid: str, id: str, *parts: dict[str, Any]) -> dict[str, Any]:
        record = reply(uuid, "1", list(parts), id)
        record["message"]["usage"] = {"input_tokens": 0, "output_tokens": 0}
        return record

    text = {"type": "text", "text": "I read them."}
    run = nt.loads(
        "\n".join(
            map(
                json.dumps,
                [
                    prompt("1", None, "Read"),
                    snapshot("2", "response-1768975012469-tool-call_1", text, call(1)),
                    snapshot("3", "response-1768975012487-tool-call_2", call(1), call(2)),
                    snapshot("4", "response-1768975012497", call(2)),
                    prompt("5", "4", answer("call_1", "one")),
                    prompt("6", "4", answer("call_2", "two")),
                    snapshot("7", "response-1768975014728", {"type": "text", "text": "Done."}),
                ],
            )
        )
    )

    assert run.import_report.format == "iflow" and run.import_report.complete
    assert texts(run.latest) == ["Read", "I read them.", "read_file", "read_file", "one", "two", "Done."]
    assert [call.usage for call in run.inferences] == [None, None]


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("levels", [50, 98, 99, 150, 250])
def test_a_tool_call_that_is_nested_too_deeply_costs_no_other_record(tmp_path: Path, levels: int) -> None:
    deep_call = {"type": "tool_use", "id": "call_1", "name": "Bash", "input": nested(levels)}

    (run,) = load(
        tmp_path,
        prompt("1", None, "first"),
        reply("2", "1", [deep_call], "m2"),
        prompt("3", "2", "last", toolUseResult=nested(levels)),
        {"type": "progress", "uuid": "4", "parentUuid": "3", "data": nested(levels)},
        strict=False,
    )

    assert [block.text for block in run.latest if block.kind == "user"] == ["first", "last"]
    assert len(run.latest) == 3 and len(run.inferences) == 1
    assert str(run.latest[1].payload).count("'a'") + run.latest[1].payload.get("json", "").count('"a"') == levels


@pytest.mark.parametrize("levels", [0, 98, 99, 150, 250])
def test_the_column_of_extra_fields_has_the_fields_that_the_block_keeps(tmp_path: Path, levels: int) -> None:
    records = [prompt(f"{level}", None, "text", toolUseResult=nested(level), slug=None) for level in (levels, 1)]
    (run,) = load(tmp_path, *records, strict=False)

    extras = nt.frames.blocks(tmp_path / "session.jsonl").extra  # before the values of the blocks are asked for

    kept_fields = [block.metadata[nt.keys.FIELDS] for block in run.latest]
    assert [json.loads(extra) for extra in extras] == [
        {name: value for name, value in fields.items() if value is not None} for fields in kept_fields
    ]


def test_changing_parsed_records_after_the_import_changes_no_run() -> None:
    records = [prompt("1", None, "first", cwd="/a"), {"type": "progress", "uuid": "2", "parentUuid": "1", "data": {}}]
    run = next(claude_code.read_session(Source.of_data(records)))
    expected_run = next(claude_code.read_session(Source.of_data(json.loads(json.dumps(records)))))

    records[0]["cwd"] = records[0]["message"]["content"] = records[1]["data"]["text"] = "changed"

    assert (
        run.to_dict()["turns"] == expected_run.to_dict()["turns"]
        and run.latest[0].metadata[nt.keys.FIELDS]["cwd"] == "/a"
    )


def test_the_usual_parts_become_the_blocks_that_the_codec_makes_of_them(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [FIXTURES / "claude-code.jsonl", *sorted((shared / "transcripts/more/claude-code").glob("*.jsonl"))]
    usual = [run.to_dict() for path in paths for run in nt.load_all(path)]

    monkeypatch.setattr(claude_code_records, "usual_blocks", lambda *_: None)

    assert [run.to_dict() for path in paths for run in nt.load_all(path)] == usual


def test_deferred_fields_give_the_same_runs_and_frames(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [shared / "transcripts/more" / name for name in ("claude-code", "codex", "iflow")]
    paths = [FIXTURES / "claude-code.jsonl", *sorted(path for folder in folders for path in folder.glob("*.json*"))]

    def read_all() -> list[Any]:
        frames = [nt.frames.read(path).blocks.to_dict("records") for path in paths]
        return [repr(frames), *(run.to_dict() for path in paths for run in nt.load_all(path))]

    values = read_all()
    monkeypatch.setattr(transcript, "deferred", lambda read, *values, freeze_value: freeze_value(read(*values)))

    assert read_all() == values
