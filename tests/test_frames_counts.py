"""Snapshots of what was stepped, and counts beside an independent reading of the raw files."""

from __future__ import annotations

import json
import struct
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
import zstandard

import nbturns as nt
from nbturns import frames


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


def test_snapshots_of_a_stepped_execution_say_what_each_boundary_added() -> None:
    script = nt.scripted([nt.tool_call("c", "add", {"a": 1, "b": 2})], "three")
    session = nt.Session(script, tools=[add])
    execution = session.ask("1 + 2?", step=True)
    pause = execution.next().result(20)
    assert pause is not None
    execution.step(pause.turn.edit(-1, args={"a": 5, "b": 5})).result(20)
    execution.resume()
    execution.result(20)

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
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


def test_inspect_logs_have_the_calls_and_results_of_their_messages(shared: Path) -> None:
    for path in sorted((shared / "transcripts/dev/inspect").iterdir()):
        messages = [message for sample in inspect_samples(path) for message in sample["messages"]]
        roles = Counter(message["role"] for message in messages)

        kinds = frames.blocks(path).kind.value_counts()

        assert kinds["user"] == roles["user"], path.name
        assert kinds["system"] == roles["system"], path.name
        assert kinds["tool_use"] == roles["tool"], path.name
        assert kinds["tool_call"] == sum(len(message.get("tool_calls") or ()) for message in messages), path.name


def test_geppetto_turns_have_the_blocks_of_their_files(shared: Path) -> None:
    for path in sorted((shared / "transcripts/dev/geppetto").glob("*.yaml")):
        raw = yaml.safe_load(path.read_text())

        frame = frames.blocks(path)

        assert [*frame.kind] == [block["kind"] for block in raw["blocks"]], path.name
