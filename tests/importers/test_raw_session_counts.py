"""The counts of frames are those of an independent script, for public sessions of agents and exports of chat pages."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import nbturns as nt
from tests import raw_session_counts


@pytest.mark.parametrize("folder", raw_session_counts.COUNTERS)
def test_the_frames_of_a_public_file_count_what_its_raw_lines_have(shared: Path, folder: str) -> None:
    paths = [path for path in sorted((shared / "transcripts" / "more" / folder).rglob("*")) if path.is_file()]
    assert paths
    for path in paths:
        frames = nt.frames.read(path)

        calls, blocks = frames.inferences, frames.blocks
        counted = (
            int((blocks.kind == "user").sum()),
            len(calls),
            int(calls.input_tokens.fillna(0).sum()),
            int(calls.output_tokens.fillna(0).sum()),
            len(frames.tool_calls),
            int((blocks.kind == "tool_use").sum()),
            round(float(calls.cost[calls.cost_source == "provider"].sum()), 9),
        )
        assert counted == raw_session_counts.COUNTERS[folder](path).as_tuple(), path
        assert not len(frames.errors)


def test_the_script_shares_no_code_with_the_importers() -> None:
    tree = ast.parse(Path(raw_session_counts.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {
        name.partition(".")[0]
        for node in imports
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }

    assert names <= {"__future__", "json", "re", "sys", "collections", "dataclasses", "pathlib", "typing"}
