"""Snapshots of what was stepped, and counts beside an independent reading of the raw files."""

from __future__ import annotations

import json
import struct
import zipfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
import yaml

import nbturns as nt
from nbturns import frames
from nbturns.importers.kit.zip_archive import zstd_module
from nbturns.values.persistent_list import PersistentList


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


def test_snapshots_of_a_stepped_execution_say_what_each_boundary_added() -> None:
    script = nt.scripted([nt.tool_call("c", "add", {"a": 1, "b": 2})], "three")
    session = nt.Session(script, tools=[add])
    execution = session.ask("1 + 2?", step=True)
    pause = execution.next().result(60)
    assert pause is not None
    execution.step(pause.turn.edit(-1, args={"a": 5, "b": 5})).result(60)
    execution.resume()
    execution.result(60)

    frame = frames.snapshots(session)

    phases = "pre_inference post_inference post_tools pre_inference post_inference final"
    assert [*frame.phase] == phases.split()
    assert [*frame.added] == [1, 1, 1, 0, 1, 0]
    assert [*frame.edited] == [0, 0, 1, 0, 0, 0]
    assert [*frame.pending] == [0, 1, 0, 0, 0, 0]
    assert frame.added_kinds.dropna().tolist() == ["user", "tool_call", "tool_use", "llm_text"]
    assert frame["at"].is_monotonic_increasing
    assert [*frame.blocks] == [len(one.turn) for one in execution.snapshots]


def inspect_samples(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".json":
        samples: list[dict[str, Any]] = json.loads(path.read_text())["samples"]
        return samples
    with zipfile.ZipFile(path) as log:
        members = [one for one in log.infolist() if one.filename.startswith("samples/")]
        return [json.loads(unpacked(path.read_bytes(), log, one)) for one in members]


def unpacked(archive: bytes, log: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member; one that is packed with zstd (93) by hand, because Python knows it from 3.14 on."""
    if member.compress_type != 93:
        return log.read(member)
    name, extra = struct.unpack_from("<HH", archive, member.header_offset + 26)
    begins = member.header_offset + 30 + name + extra
    packed = archive[begins : begins + member.compress_size]
    content: bytes = zstd_module().decompress(packed)
    return content


def test_inspect_logs_have_the_calls_and_results_of_their_messages(shared: Path) -> None:
    for path in sorted((shared / "transcripts/dev/inspect").iterdir()):
        messages = [message for sample in inspect_samples(path) for message in sample["messages"]]
        roles = Counter(message["role"] for message in messages)

        kinds = frames.blocks(path).kind.value_counts()

        assert kinds["user"] == roles["user"], path.name
        assert kinds["system"] == roles["system"], path.name
        assert kinds["tool_use"] == roles["tool"], path.name
        assert kinds["tool_call"] == sum(len(message.get("tool_calls") or ()) for message in messages), path.name


def outputs(sample: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The output of each model call by the id of its message; the sample's own is that of the last."""
    made = [event["output"] for event in sample.get("events", ()) if event["event"] == "model" and event.get("output")]
    known = {choice["message"].get("id"): one for one in made for choice in one["choices"]}
    last = [message for message in sample["messages"] if message["role"] == "assistant"][-1]
    return {last.get("id"): sample["output"], **known}


def test_inspect_logs_have_the_samples_model_calls_tokens_and_results_of_their_files(shared: Path) -> None:
    for path in sorted((shared / "transcripts/dev/inspect").iterdir()):
        samples = inspect_samples(path)
        messages = [message for sample in samples for message in sample["messages"]]
        replies = [message for message in messages if message["role"] == "assistant"]
        calls = [call for message in replies for call in message.get("tool_calls") or ()]
        results = {message["tool_call_id"]: message for message in messages if message["role"] == "tool"}
        told = [
            outputs(sample).get(message.get("id"), {})
            for sample in samples
            for message in sample["messages"]
            if message["role"] == "assistant"
        ]
        prompts = [
            sum(one["role"] == "user" and other["role"] not in ("user", "system") for other, one in pairwise(messages))
            for messages in (sample["messages"] for sample in samples)
        ]

        found = frames.read(path)

        assert not len(found.errors), path.name
        assert found.turns.run_id.nunique() == len(found.reports) == len(samples), path.name
        assert found.reports["read"].sum() == len(messages), path.name
        assert len(found.turns) == sum(prompts) + len(samples), path.name
        assert len(found.inferences) == len(replies), path.name
        spent = sum((one.get("usage") or {}).get("output_tokens", 0) for one in told)
        assert found.inferences.output_tokens.sum() == spent, path.name
        assert [*found.inferences.stop_reason.fillna("")] == [
            one["choices"][0].get("stop_reason", "") if one else "" for one in told
        ], path.name
        tools = found.tool_calls
        assert [*zip(tools.tool_call_id, tools.name, strict=True)] == [(c["id"], c["function"]) for c in calls]
        assert [*tools.args] == [call["arguments"] for call in calls], path.name
        assert [*tools.answered] == [call["id"] in results for call in calls], path.name
        for id, result in tools.set_index("tool_call_id").result.dropna().items():
            assert isinstance(results[id]["content"], list) or result == results[id]["content"], path.name


def test_geppetto_turns_have_the_blocks_of_their_files(shared: Path) -> None:
    for path in sorted((shared / "transcripts/dev/geppetto").glob("*.yaml")):
        raw = yaml.safe_load(path.read_text())
        calls = [block["payload"] for block in raw["blocks"] if block["kind"] == "tool_call"]
        results = {block["payload"]["id"] for block in raw["blocks"] if block["kind"] == "tool_use"}

        found = frames.read(path)

        assert [*found.blocks.kind] == [block["kind"] for block in raw["blocks"]], path.name
        assert [*found.blocks.block_id] == [block["id"] for block in raw["blocks"]], path.name
        assert [*found.turns.blocks] == [len(raw["blocks"])], path.name
        assert [*zip(found.tool_calls.tool_call_id, found.tool_calls.name, strict=True)] == [
            (call["id"], call["name"]) for call in calls
        ], path.name
        assert [*found.tool_calls.args] == [call["args"] for call in calls], path.name
        assert [*found.tool_calls.answered] == [call["id"] in results for call in calls], path.name


def test_geppetto_events_have_the_model_calls_and_texts_of_their_files(shared: Path) -> None:
    for path in sorted((shared / "transcripts/dev/geppetto").glob("*.ndjson")):
        events = [json.loads(line)["event"] for line in path.read_text().splitlines()]
        of = {
            kind: [event for event in events if event["type"] == kind] for kind in {event["type"] for event in events}
        }

        found = frames.read(path)

        ended = of["provider-call-finished"]
        assert [*found.inferences.inference_id] == [event["correlation"]["provider_call_id"] for event in ended], (
            path.name
        )
        assert [*found.inferences.duration_ms] == [event["duration_ms"] for event in ended], path.name
        assert [*found.inferences.finish_class] == [event["finish_class"] for event in ended], path.name
        requested = of.get("tool-call-requested", [])
        assert [*found.tool_calls.tool_call_id] == [event["tool_call_id"] for event in requested], path.name
        texts = found.blocks.text[found.blocks.kind == "llm_text"]
        assert [*texts] == [event["text"] for event in of.get("text-segment-finished", [])], path.name


def test_chat_lines_have_the_messages_of_their_files(shared: Path) -> None:
    for path in sorted((shared / "transcripts/dev/openai-chat").iterdir()):
        chats = [json.loads(line) for line in path.read_text().splitlines()]
        listed = [chat["messages"] if isinstance(chat, dict) else chat for chat in chats]
        roles = Counter(message["role"] for messages in listed for message in messages)
        calls = [call for messages in listed for message in messages for call in message.get("tool_calls") or ()]

        found = frames.read(path)

        assert not len(found.errors), path.name
        assert len(found.reports) == len(chats), path.name
        kinds = found.blocks.kind.value_counts()
        assert kinds["user"] == roles["user"], path.name
        assert kinds["system"] == roles["system"] + roles["developer"], path.name
        assert kinds["tool_use"] == roles["tool"], path.name
        assert len(found.inferences) == roles["assistant"], path.name
        assert kinds["tool_call"] == len(calls), path.name
        assert [*found.tool_calls.name] == [call["function"]["name"] for call in calls], path.name
        assert found.tool_calls.answered.sum() == roles["tool"], path.name


@pytest.mark.parametrize("name", ["duration_ms", "max_tokens", "attempts", "time_to_first_token_ms"])
@pytest.mark.parametrize("value", [2**63, 2**70, -(2**70), float("inf")])
def test_a_number_that_64_bits_cannot_hold_is_missing_in_its_row_alone(name: str, value: Any) -> None:
    calls = [
        nt.assistant("x")
        .with_metadata(
            nt.keys.INFERENCE_RESULT, nt.InferenceResult(inference_id=f"i{number}", **cast(Any, {name: number}))
        )
        .with_metadata(nt.keys.INFERENCE_ID, f"i{number}")
        for number in (value, 3)
    ]
    frames = nt.frames.read(nt.Turn((nt.user("a"), *calls)))
    assert frames.inferences[name].isna().tolist() == [True, False]
    assert frames.inferences[name][1] == 3


@pytest.mark.parametrize("count", [2**63, 2**70, -1])
def test_a_count_that_is_none_is_missing(count: Any) -> None:
    result = nt.InferenceResult(inference_id="i", usage=nt.Usage(count, 1))
    block = nt.assistant("x").with_metadata(nt.keys.INFERENCE_ID, "i")
    turn = nt.Turn((block,)).with_metadata(nt.keys.INFERENCES, PersistentList([result]))
    assert nt.frames.inferences(turn).input_tokens.isna().all()


def test_a_frame_of_values_has_no_file_and_its_category_has_texts() -> None:
    pa = pytest.importorskip("pyarrow")
    turn = nt.Turn((nt.user("a"), nt.assistant("b")))
    for frame in (nt.frames.blocks(turn), nt.frames.turns(turn), nt.frames.inferences(turn), nt.frames.runs(turn)):
        assert frame.file.isna().all()
        assert all(value is pd.NA for value in frame.file.astype(object))
        table = pa.Table.from_pandas(frame)
        for field in table.schema:
            if pa.types.is_dictionary(field.type):
                texts = field.type.value_type  # of pandas 2, with offsets of 32 bits
                assert pa.types.is_large_string(texts) or pa.types.is_string(texts), field
