"""The structure of imported conversations, their counts and their times, on data made for each rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.values.times import parsed_time


class Session:
    """A Claude Code session while it is written."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def add(self, uuid: str, parent: str | None, type: str, **fields: Any) -> None:
        header = {"uuid": uuid, "parentUuid": parent, "sessionId": "session-9", "timestamp": "2026-05-04T08:00:00Z"}
        self.records.append({**header, "type": type, **fields})

    def user(self, uuid: str, parent: str | None, content: Any, **fields: Any) -> None:
        self.add(uuid, parent, "user", message={"role": "user", "content": content}, **fields)

    def model(self, uuid: str, parent: str, part: Any, output_tokens: int, id: str = "", **fields: Any) -> None:
        content = [{"type": "text", "text": part}] if isinstance(part, str) else [part]
        usage = {"input_tokens": 7, "output_tokens": output_tokens}
        message = {"id": id or f"msg-{uuid}", "role": "assistant", "model": "m", "content": content, "usage": usage}
        self.add(uuid, parent, "assistant", message=message, **fields)

    def save(self, folder: Path) -> Path:
        path = folder / "session.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in self.records))
        return path


def texts(turn: nt.Turn) -> list[str]:
    return [block.text for block in turn if block.kind in ("user", "llm_text")]


def rewound_session() -> Session:
    session = Session()
    session.user("1", None, "start")
    session.model("2", "1", {"type": "tool_use", "id": "call-a", "name": "ls", "input": {"path": "."}}, 11)
    session.add("3", "2", "progress", data={"step": 1})
    session.user("4", "3", [{"type": "tool_result", "tool_use_id": "call-a", "content": "x.py"}])
    session.model("5", "4", "found", 13)
    session.add("6", "5", "progress")
    session.user("7", "6", "old prompt")
    session.model("8", "7", "old answer", 17)
    session.user("9", "6", "new prompt")
    session.model("10", "9", "new answer", 19)
    return session


def test_a_parent_that_is_a_progress_record_is_found(tmp_path: Path) -> None:
    path = rewound_session().save(tmp_path)

    runs = list(nt.load_all(path, strict=True))

    assert [texts(run.latest) for run in runs] == [
        ["start", "found", "new prompt", "new answer"],
        ["start", "found", "old prompt", "old answer"],
    ]


def test_calls_that_branches_share_are_one_row_each(tmp_path: Path) -> None:
    frames = nt.frames.read(rewound_session().save(tmp_path))

    assert sorted(frames.inferences.output_tokens) == [11, 13, 17, 19]
    assert frames.inferences.inference_id.is_unique and len(frames.tool_calls) == 1
    assert frames.blocks.text.tolist().count("start") == 1 and frames.turns.output_tokens.sum() == 60


def test_equal_blocks_of_separate_conversations_are_rows_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [call]}]
    path.write_text((json.dumps({"messages": messages}) + "\n") * 3)

    assert len(nt.frames.read(path).tool_calls) == 3


def test_a_turn_after_a_compaction_begins_with_the_summary(tmp_path: Path) -> None:
    session = Session()
    session.user("1", None, "first")
    session.model("2", "1", "answer", 5)
    session.add("3", None, "system", subtype="compact_boundary", content="compacted", logicalParentUuid="2")
    session.user("4", "3", "summary of part one", isCompactSummary=True)
    session.user("5", "4", "second")
    session.model("6", "5", "another answer", 6)
    session.records += json.loads(json.dumps(session.records[:2]))  # a later compaction copies them

    path = session.save(tmp_path)
    run = nt.load(path)

    assert texts(run.latest) == ["summary of part one", "second", "another answer"]
    assert "first" not in json.dumps(run.to_messages("anthropic"))
    assert [message.keys() for message in run.to_messages("anthropic")] == [{"role", "content"}] * 3
    assert nt.frames.blocks(path).text.tolist().count("first") == 1
    assert nt.frames.blocks(path)["at"].notna().all()


def test_a_message_of_a_failed_request_is_an_error_without_tokens(tmp_path: Path) -> None:
    session = Session()
    session.user("1", None, "q")
    session.model("2", "1", "API Error: 500", 0, isApiErrorMessage=True)

    row = nt.frames.inferences(session.save(tmp_path)).iloc[0]

    assert row.finish_class == "error" and nt.frames.inferences(tmp_path).output_tokens.isna().all()


def test_the_largest_count_cost_and_duration_of_a_message_are_taken(tmp_path: Path) -> None:
    session = Session()
    session.user("1", None, "q")
    session.model("2", "1", "a", 40, id="msg", costUSD=0.5, durationMs=1200)
    session.model("3", "2", "b", 3, id="msg")

    row = nt.frames.inferences(session.save(tmp_path)).iloc[0]

    assert (row.output_tokens, row.cost, row.duration_ms) == (40, 0.5, 1200)


def test_a_subagent_of_a_stream_is_a_run_of_its_own(tmp_path: Path) -> None:
    def record(role: str, text: str, parent_call: str | None) -> dict[str, Any]:
        content = [{"type": "text", "text": text}]
        message = {"role": role, "content": content, **({"id": text} if role == "assistant" else {})}
        return {"type": role, "session_id": "s-1", "parent_tool_use_id": parent_call, "uuid": text, "message": message}

    rows = [record("user", "main", None), record("user", "inner prompt", "t"), record("assistant", "inner", "t"), record("assistant", "end", None)]  # fmt: skip
    path = tmp_path / "stream.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    runs = list(nt.load_all(path))

    assert [texts(run.latest) for run in runs] == [["main", "end"], ["inner prompt", "inner"]]
    assert runs[0].id == "s-1"


def test_a_snapshot_sets_the_order_and_a_replayed_stream_is_not_doubled() -> None:
    reply = [
        {"type": "TEXT_MESSAGE_START", "messageId": "r", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "r", "delta": "pong"},
        {"type": "TEXT_MESSAGE_END", "messageId": "r"},
    ]
    snapshot = {"type": "MESSAGES_SNAPSHOT", "messages": [{"id": "p", "role": "user", "content": "ping"}, {"id": "r", "role": "assistant", "content": "pong"}]}  # fmt: skip

    run = nt.loads([{"type": "RUN_STARTED", "threadId": "t", "runId": "1"}, *reply, *reply, snapshot], "ag-ui")
    replayed = nt.loads([{"type": "RUN_STARTED", "threadId": "t", "runId": "1"}, *reply, *reply], "ag-ui")

    assert texts(run.latest) == ["ping", "pong"] and texts(replayed.latest) == ["pong"]


def test_results_without_ids_belong_to_calls_by_name_and_order() -> None:
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("a", "b", "b")]
    results = [{"role": "tool", "name": name, "content": content} for name, content in (("b", "1"), ("a", "2"), ("b", "3"))]  # fmt: skip
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": calls}, *results]

    tool_calls = nt.frames.tool_calls(nt.loads({"messages": messages}))

    assert tool_calls.result.tolist() == ["2", "1", "3"]


@pytest.mark.parametrize("shape", ["request", "messages"])
def test_the_reply_of_a_recorded_pair_is_in_a_block_with_its_usage(tmp_path: Path, shape: str) -> None:
    message = {"role": "assistant", "content": "forty-two"}
    usage = {"prompt_tokens": 8, "completion_tokens": 3}
    response = {"object": "chat.completion", "model": "m", "usage": usage, "choices": [{"message": message, "finish_reason": "stop"}]}  # fmt: skip
    request = {"model": "m", "messages": [{"role": "user", "content": "q"}]}
    pair: Mapping[str, Any] = {"request": request, "response": response} if shape == "request" else {**request, "response": response}  # fmt: skip
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(pair) + "\n")

    run = nt.load(path, strict=True)

    assert run.import_report.format == "openai-chat" and texts(run.latest) == ["q", "forty-two"]
    assert run.usage.output_tokens == 3 and nt.frames.blocks(path).text.tolist() == ["q", "forty-two"]


def test_embedded_subagents_are_runs_and_steps_without_a_call_are_no_calls(tmp_path: Path) -> None:
    def trajectory(id: str, tokens: int, **fields: Any) -> dict[str, Any]:
        step = {"step_id": 1, "source": "agent", "message": id, "metrics": {"prompt_tokens": tokens, "completion_tokens": 1}}  # fmt: skip
        quiet_step = {"step_id": 2, "source": "agent", "message": "by rule", "llm_call_count": 0}
        agent = {"name": id, "version": "1", "model_name": "m"}
        return {"schema_version": "ATIF-v1.7", "trajectory_id": id, "agent": agent, "steps": [step, quiet_step], **fields}  # fmt: skip

    inner = trajectory("inner", 30)
    middle = trajectory("middle", 20, subagent_trajectories=[inner])
    path = tmp_path / "trajectory.json"
    path.write_text(json.dumps(trajectory("outer", 10, subagent_trajectories=[middle])))
    runs = list(nt.load_all(path))

    assert [run.id for run in runs] == ["outer", "middle", "inner"]
    assert [run.usage.input_tokens for run in runs] == [10, 20, 30]
    assert all(len(run.inferences) == 1 for run in runs)


MOMENT = datetime(2023, 12, 31, 22, 25, 12, 345000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["1704061512.345", "1704061512345", "1704061512345000", "1704061512345000000", "2023-12-31T22:25:12.345", "2024-01-01T00:25:12.345+02:00"],
)  # fmt: skip
def test_a_time_is_told_by_its_size_and_is_utc_without_a_zone(text: str) -> None:
    assert parsed_time(text) == MOMENT


def test_unknown_counts_are_na_known_zeros_are_zero_and_both_are_saved() -> None:
    def step(metrics: dict[str, Any]) -> dict[str, Any]:
        return {"step_id": 1, "source": "agent", "message": "x", "metrics": metrics}

    counts = {"prompt_tokens": 5.0, "completion_tokens": 1}
    agent = {"name": "a", "version": "1"}
    steps = [step(counts), step({**counts, "cached_tokens": 0}), step({**counts, "cached_tokens": 2**70})]
    run = nt.loads({"schema_version": "ATIF-v1.6", "session_id": "s", "agent": agent, "steps": steps})

    for each in (run, nt.Run.from_dict(run.to_dict()), nt.Run.from_yaml(run.to_yaml())):
        frame = nt.frames.inferences(each)
        assert frame.cached_tokens.isna().tolist() == [True, False, True] and frame.cached_tokens[1] == 0
        assert frame.input_tokens.tolist() == [5, 5, 5]
