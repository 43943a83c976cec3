"""The counts of frames are those of independent scripts, for recorded files of Claude Code, ATIF, Inspect and agents."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import pytest

import nbturns as nt
from tests import raw_counts, raw_counts_of_agents

COUNTERS = {**raw_counts.COUNTERS, **raw_counts_of_agents.COUNTERS}
FOLDERS = [(origin, format) for origin in ("dev", "more") for format in raw_counts.COUNTERS]
FOLDERS += [("more", format) for format in raw_counts_of_agents.COUNTERS]


@pytest.mark.parametrize(("origin", "format"), FOLDERS)
def test_the_frames_of_a_recorded_file_count_what_its_json_has(shared: Path, origin: str, format: str) -> None:
    paths = [path for path in sorted((shared / "transcripts" / origin / format).rglob("*")) if path.is_file()]
    assert paths
    for path in paths:
        expected = COUNTERS[format](path)
        frames = nt.frames.read(path)

        calls = frames.inferences
        reported_costs = calls.cost[calls.cost_source == "provider"]
        counted = (
            len(calls),
            int(calls.input_tokens.fillna(0).sum()),
            int(calls.output_tokens.fillna(0).sum()),
            len(frames.tool_calls),
            round(float(reported_costs.sum()), 9),
        )
        assert counted == expected.as_tuple(), path
        assert not len(frames.errors)


@pytest.mark.parametrize("script", [raw_counts, raw_counts_of_agents], ids=lambda script: script.__name__)
def test_the_scripts_share_no_code_with_the_importers(script: ModuleType) -> None:
    tree = ast.parse(Path(str(script.__file__)).read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported <= {
        "__future__",
        "json",
        "sys",
        "zipfile",
        "dataclasses",
        "pathlib",
        "typing",
        "collections",
        "tests",
    }


def test_the_script_counts_made_up_files(tmp_path: Path) -> None:
    """A script that finds nothing would agree with importers that find nothing."""
    path = tmp_path / "t.json"
    path.write_text(
        '{"steps": [{"source": "agent", "tool_calls": [{}], "metrics": {"prompt_tokens": 7, "completion_tokens": 2,'
        ' "cost_usd": 0.5}}, {"source": "agent", "llm_call_count": 0}, {"source": "user"}]}'
    )

    assert raw_counts.count_atif(path).as_tuple() == (1, 7, 2, 1, 0.5)
