"""The fast readers give the rows and errors of the importers for records that are valid but for one or two values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns import frames
from nbturns.frames.fast import block_batch, chat_lines, inspect_samples, nbturns_lines
from nbturns.frames.fast.batch_vectors import BatchVectors
from nbturns.frames.fast.block_arrays import VECTORS
from nbturns.values.provenance import FIELDS, FORMER_NAMES, OPENAI_CHAT_FIELDS, TIMESTAMP
from tests.frames.comparison import assert_same_blocks, assert_same_rows_and_errors, write_lines


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


# Odd records: valid ones with any value replaced, or any field added.

DEEP: Any = 1
for _ in range(150):
    DEEP = [DEEP] if isinstance(DEEP, dict) else {"x": DEEP}
ODD_VALUES = st.one_of(
    st.sampled_from(
        [None, True, False, 0, 1, -1, 1.5, 10**30, "", " ", "x", "user", "a", "\ud83d", "2024-01-01T00:00:00"]
    ),
    st.sampled_from(
        [
            [],
            {},
            [None],
            [[]],
            {"a": 1},
            DEEP,
            [DEEP],
            {"!!binary": "aGk="},
            {"!!binary!": 1},
            {"a": {"!!binary": "aGk="}},
        ]
    ),
)
ODD_NAMES = st.sampled_from(
    [
        *(
            "x",
            "id",
            "kind",
            "role",
            "text",
            "content",
            "payload",
            "metadata",
            "data",
            "version",
            "shared_blocks",
            "blocks",
        ),
        *(
            "turns",
            "name",
            "error",
            "images",
            "result",
            "args",
            "args_raw",
            "refusal",
            "tool_calls",
            "model",
            "usage",
            "extra",
        ),
        *("input_tokens", "!!binary", "!!binary!", "provider", "finish_class", "inference_id", "duration_ms"),
        *(key.name for key in (nt.keys.SESSION_ID, nt.keys.INFERENCE_ID, nt.keys.INFERENCE_RESULT, nt.keys.INFERENCES)),
        *(TIMESTAMP.name, FIELDS.name, OPENAI_CHAT_FIELDS.name, *FORMER_NAMES),
    ]
)


def containers(value: Any) -> Iterator[Any]:
    """All dicts and lists in a value."""
    if isinstance(value, (dict, list)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


@st.composite
def odd(draw: st.DrawFn, record: Any) -> Any:
    record = json.loads(json.dumps(record))
    for _ in range(draw(st.integers(1, 2))):
        container = draw(st.sampled_from([*containers(record)]))
        value = json.loads(json.dumps(draw(ODD_VALUES)))
        if isinstance(container, dict):
            container[draw(ODD_NAMES | st.sampled_from([*container, "x"]))] = value
        elif container:
            container[draw(st.integers(0, len(container) - 1))] = value
        else:
            container.append(value)
    return record


def plain_call(id: str, name: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": '{"x": [1]}'}}


USUAL_CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "tool_calls": [plain_call("a", "f"), plain_call("b", "g")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "assistant", "content": "done"},
    ],
}


def usual_run() -> dict[str, Any]:
    """A saved session of two prompts with a tool call."""
    session = nt.Session(nt.scripted([nt.tool_call("c", "add", {"a": 1, "b": 2})], "three", "bye"), tools=[add])
    session.ask("q").result(60)
    session.ask("again").result(60)
    return session.run.to_dict()


def usual_run_with_fields() -> dict[str, Any]:
    """A run that an importer read: its blocks have unknown fields and times."""
    record = nt.loads(
        {"messages": [{"role": "user", "content": "q", "weight": 1}, {"role": "assistant", "content": "a"}]}
    )
    return {"version": 1, **record.to_dict()}


def usual_run_of_another_program() -> dict[str, Any]:
    """A run whose calls are listed late, and whose blocks have times, images and unknown fields."""
    result = {"inference_id": "i", "provider": "claude", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 2}}
    call = {
        nt.keys.INFERENCE_ID.name: "i",
        nt.keys.INFERENCE_RESULT.name: result,
        TIMESTAMP.name: "2024-01-01T10:00:00",
    }
    prompt = {"kind": "user", "payload": {"text": "q", "images": [{"url": "u"}]}, "unknown": {"a": [1]}}
    reply = {"kind": "llm_text", "payload": {"text": "a"}, "metadata": call}
    tool_call = {"kind": "tool_call", "payload": {"id": "c", "name": "f", "args": {"x": [1]}}, "metadata": call}
    failure = {"kind": "tool_use", "payload": {"id": "c", "result": None, "error": "no"}}
    ledger = [{**result, "stop_reason": "stop", "finish_class": "completed"}]
    first = {"blocks": [prompt, reply, tool_call]}
    second = {"shared_blocks": 3, "blocks": [failure, reply], "metadata": {nt.keys.INFERENCES.name: ledger}}
    return {"version": 1, "turns": [first, second]}


USUAL_SAMPLE = {
    "id": 1,
    "epoch": 1,
    "uuid": "u",
    "messages": [
        {"id": "m1", "role": "user", "content": "q", "source": "input"},
        {
            "id": "m2",
            "role": "assistant",
            "content": [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "so"}],
            "tool_calls": [{"id": "c", "function": "f", "arguments": {"x": [1]}, "type": "function"}],
        },
        {"id": "m3", "role": "tool", "content": "1", "tool_call_id": "c"},
    ],
    "events": [
        {"event": "model", "model": "openai/y", "output": {"model": "y", "choices": [{"message": {"id": "m2"}}]}}
    ],
}
RUNS = [usual_run(), usual_run_with_fields(), usual_run_of_another_program()]


@settings(max_examples=100)
@given(st.lists(odd(USUAL_CHAT), min_size=1, max_size=3))
def test_odd_chats_give_the_rows_and_errors_their_values_give(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("chat") / "chat.jsonl"

    assert_same_rows_and_errors(write_lines(path, [USUAL_CHAT, *records, USUAL_CHAT]))


@settings(max_examples=150)
@given(st.lists(st.sampled_from(RUNS).flatmap(odd), min_size=1, max_size=3))
def test_odd_runs_give_the_rows_and_errors_their_values_give(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("ours") / "ours.jsonl"

    assert_same_rows_and_errors(write_lines(path, [RUNS[0], *records, RUNS[0]]))


@pytest.mark.parametrize("value", [None, 5, [1], {"a": 1}])
def test_a_known_key_with_a_value_of_another_type_costs_no_run(tmp_path: Path, value: Any) -> None:
    names = [key.name for key in vars(nt.keys).values() if isinstance(key, nt.Key)]
    block = {"kind": "user", "payload": {"text": "q"}}
    turns = [{"blocks": [block], "metadata": {name: value}} for name in names]
    records = [{"version": 1, "turns": [turn]} for turn in turns]  # without an id, so that of a session would do
    path = write_lines(tmp_path / "keys.jsonl", records)

    read = nt.frames.read(path, strict=False)
    assert (len(read.blocks), len(read.turns)) == (len(names), len(names))
    assert_same_rows_and_errors(path)


@pytest.mark.parametrize("places", [["ledger"], ["turn"], ["block"], ["turn", "ledger"], ["block", "ledger"]], ids=str)
@pytest.mark.parametrize(
    ("field", "odd"), [("duration_ms", False), ("truncated", 1), ("usage", {"input_tokens": True, "output_tokens": 2})]
)
def test_a_record_of_a_call_that_equals_a_valid_one_is_reported_by_both_paths(
    tmp_path: Path, places: list[str], field: str, odd: Any
) -> None:
    usage = {"input_tokens": 1, "output_tokens": 2}
    result = {"inference_id": "i", "provider": "p", "duration_ms": 0, "truncated": True, "usage": usage}
    records = {place: {**result, **({field: odd} if place in places else {})} for place in ("ledger", "turn", "block")}
    name, ids = nt.keys.INFERENCE_RESULT.name, {nt.keys.INFERENCE_ID.name: "i"}
    reply = {"kind": "llm_text", "payload": {"text": "a"}, "metadata": {**ids, name: records["block"]}}
    metadata = {nt.keys.INFERENCES.name: [records["ledger"]], name: records["turn"]}
    path = write_lines(tmp_path / "ours.jsonl", [{"version": 1, "turns": [{"blocks": [reply], "metadata": metadata}]}])

    assert not assert_same_rows_and_errors(path).errors.empty


@settings(max_examples=75)
@given(odd(USUAL_SAMPLE))
def test_odd_inspect_samples_give_the_rows_and_errors_their_values_give(
    tmp_path_factory: pytest.TempPathFactory, sample: Any
) -> None:
    head = {"version": 2, "eval": {"eval_id": "e", "model": "openai/gpt"}}
    path = tmp_path_factory.mktemp("inspect") / "log.json"
    path.write_text(json.dumps({**head, "samples": [USUAL_SAMPLE, sample]}), encoding="utf-8")

    assert_same_rows_and_errors(path)


@settings(max_examples=25)
@given(st.sampled_from([USUAL_CHAT, *RUNS]).flatmap(odd), st.sampled_from([None, 1]))
def test_a_document_of_one_conversation_gives_the_rows_and_errors_its_values_give(
    tmp_path_factory: pytest.TempPathFactory, record: Any, indent: int | None
) -> None:
    path = tmp_path_factory.mktemp("one") / "one.json"
    path.write_text(json.dumps(record, indent=indent), encoding="utf-8")

    assert_same_rows_and_errors(path)


def test_a_field_nested_too_deeply_gives_the_same_block_by_blocks_and_by_read(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "annotations": DEEP}]
    path = write_lines(tmp_path / "chat.jsonl", [USUAL_CHAT, {"messages": messages}])

    blocks = assert_same_rows_and_errors(path).blocks

    pd.testing.assert_frame_equal(blocks, frames.read(path).blocks)
    assert [*blocks[blocks.run_id == "chat.jsonl#1"].kind] == ["user", "other"]


@pytest.mark.parametrize("place", ["block", "payload", "metadata", "turn", "run"])
def test_a_run_with_a_field_nested_too_deeply_is_the_same_error_by_blocks_and_by_read(
    tmp_path: Path, place: str
) -> None:
    record = usual_run()
    block = record["turns"][0]["blocks"][0]
    container = {"block": block, "turn": record["turns"][0], "run": record}.get(place) or block.setdefault(place, {})
    container["unknown"] = DEEP
    path = write_lines(tmp_path / "ours.jsonl", [usual_run(), record])

    result = assert_same_rows_and_errors(path)

    pd.testing.assert_frame_equal(result.errors, frames.read(path).errors)
    assert len(result.errors) == 1 and result.blocks.run_id.nunique() == 1


@pytest.mark.parametrize("odd_value", [{"!!binary": "aGk="}, {"!!binary": "!"}, {"a": 1}, [], 1.5, True], ids=str)
@pytest.mark.parametrize(
    "field",
    [
        *("id", "kind", "role", "payload.id", "payload.name", "payload.args", "payload.error"),
        *(f"metadata.{key.name}" for key in (TIMESTAMP, nt.keys.STDOUT, nt.keys.DURATION_MS, nt.keys.EDITED)),
    ],
)
def test_an_odd_value_of_a_field_gives_the_rows_and_errors_its_values_give(
    tmp_path: Path, field: str, odd_value: Any
) -> None:
    record = json.loads(json.dumps(usual_run_of_another_program()))
    for block in [record["turns"][0]["blocks"][2], record["turns"][1]["blocks"][0]]:
        *place, name = field.split(".", 1)
        container = block.setdefault(place[0], {}) if place else block
        container[name] = odd_value

    assert_same_rows_and_errors(write_lines(tmp_path / "ours.jsonl", [usual_run(), record]))


# The comparisons notice a fast reader that is wrong.


def wrong_role(vectors: Any) -> Any:
    return BatchVectors.kind(vectors)


def wrong_extra(*_: Any) -> None:
    return None


def wrong_text(kind: str, payload: dict[str, Any], *_: Any) -> str:
    return str(payload.get("text"))


@pytest.mark.parametrize(
    ("owner", "name", "mutation"),
    [
        (VECTORS, "role", wrong_role),
        (chat_lines, "RESULT", block_batch.CALL),
        (chat_lines.ChatRecords, "_extra", wrong_extra),
        (nbturns_lines, "block_text", wrong_text),
        (nbturns_lines, "_extra", wrong_extra),
        (nbturns_lines, "_role", lambda *_: "user"),
        (inspect_samples, "_tool_calls", lambda _: []),
    ],
)
def test_a_wrong_fast_reader_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, mutation: Any
) -> None:
    chat = {"messages": [*USUAL_CHAT["messages"], {"role": "user", "content": "q", "weight": 1}]}
    head = {"version": 2, "eval": {"eval_id": "e", "model": "openai/gpt"}}
    log = tmp_path / "log.json"
    log.write_text(json.dumps({**head, "samples": [USUAL_SAMPLE]}), encoding="utf-8")
    paths = [write_lines(tmp_path / "chat.jsonl", [chat]), write_lines(tmp_path / "ours.jsonl", RUNS), log]
    for path in paths:
        assert_same_blocks(path)

    if isinstance(owner, dict):
        monkeypatch.setitem(owner, name, mutation)
    else:
        monkeypatch.setattr(owner, name, mutation)

    with pytest.raises((AssertionError, TypeError)):  # pandas raises a TypeError for NA beside an object
        for path in paths:
            assert_same_blocks(path)
