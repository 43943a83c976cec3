"""A frame column is defined once, and the fast readers can be removed without changing an answer."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nbturns import frames
from nbturns.errors import LoadError, MisuseError, NbturnsError
from nbturns.frames.fast import dispatch

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "nbturns"
FIXTURES = sorted(path for path in (ROOT / "fixtures").rglob("*.*") if path.is_file() and "profiles" not in path.parts)
WITHOUT_FAST_READERS = """
def vector_builder(columns, *, repeat):
    return None

def read_fast(frame_pass, file, advance):
    return False
"""
PRINT_FRAMES = """
import sys
from nbturns import frames
for path in sys.argv[1:]:
    print(frames.blocks(path).to_json(), *[table.to_pylist() for table in frames.read(path).tables.values()])
"""


def test_only_the_pass_and_the_scheduler_know_the_fast_readers() -> None:
    importing: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        if file.parent == PACKAGE / "frames" / "fast":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module or ''}.{alias.name}" for alias in node.names}
                if any("fast" in name.split(".") for name in names):
                    importing[str(file.relative_to(PACKAGE))] = names

    assert importing == {
        "frames/frame_pass.py": {"fast.dispatch"},
        "frames/scheduler.py": {"fast.dispatch.read_fast"},
    }


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_without_the_fast_readers_every_frame_of_a_fixture_is_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("blocks", "turns", "inferences", "tool_calls", "snapshots")
    result = frames.read(path)
    assert dispatch.vector_builder(frames.BLOCK, repeat=False) is not None
    fast_frames = [getattr(frames, name)(path) for name in names]

    monkeypatch.setattr(dispatch, "vector_builder", lambda *_, **__: None)

    slow_result = frames.read(path)
    for name, fast_frame in zip(names, fast_frames, strict=True):
        pd.testing.assert_frame_equal(fast_frame, getattr(frames, name)(path))
        pd.testing.assert_frame_equal(fast_frame, getattr(slow_result, name))
    for name in (*names, "reports", "errors"):
        pd.testing.assert_frame_equal(getattr(result, name), getattr(slow_result, name))


def test_without_the_fast_readers_the_blocks_of_every_recorded_file_are_the_same(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [path for path in (shared / "transcripts/dev").rglob("*.*") if path.suffix in (".jsonl", ".json", ".eval")]
    fast_blocks = [blocks_or_error(path) for path in paths]

    monkeypatch.setattr(dispatch, "vector_builder", lambda *_, **__: None)

    assert len(paths) > 20
    for path, fast in zip(paths, fast_blocks, strict=True):
        slow = blocks_or_error(path)
        if isinstance(fast, str) or isinstance(slow, str):
            assert fast == slow, path
        else:
            pd.testing.assert_frame_equal(fast, slow)


def blocks_or_error(path: Path) -> pd.DataFrame | str:
    try:
        blocks: pd.DataFrame = frames.blocks(path)
    except LoadError as error:
        return str(error)
    return blocks


def copied_package(folder: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, folder / "nbturns", ignore=shutil.ignore_patterns("__pycache__", "static")))


def run(folder: Path, code: str, *args: Path) -> str:
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True
    ).stdout  # noqa: S603  # our own code


def chat_with_a_refusal(folder: Path) -> Path:
    plain = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    refused = [{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "refusal": "no"}]
    path = folder / "chat.jsonl"
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in (plain, refused)))
    return path


def test_the_folder_of_the_fast_readers_can_be_deleted(tmp_path: Path) -> None:
    package = copied_package(tmp_path)
    paths = [
        chat_with_a_refusal(tmp_path),
        ROOT / "fixtures/transcripts/inspect.json",
        ROOT / "fixtures/greenhouse.yaml",
    ]
    with_fast_readers = run(tmp_path, PRINT_FRAMES, *paths)

    for file in (package / "frames/fast").iterdir():
        if file.name != "__init__.py" and file.suffix == ".py":
            file.unlink()
    (package / "frames/fast/dispatch.py").write_text(WITHOUT_FAST_READERS)

    assert run(tmp_path, PRINT_FRAMES, *paths) == with_fast_readers


def test_a_column_is_added_in_one_place_and_is_the_same_by_every_path(tmp_path: Path) -> None:
    """The column is inserted into the source of `BLOCK`, and nothing else changes."""
    package = copied_package(tmp_path)
    path = chat_with_a_refusal(tmp_path)
    source = package / "frames/block_frame.py"
    column = 'Column("refusal", lambda row: row.block.payload.get("refusal"), "string", doc="refusal of the model"),\n'
    text = source.read_text("utf-8")
    source.write_text(text.replace("    *RESULT_COLUMNS,\n", f"    {column}    *RESULT_COLUMNS,\n"), "utf-8")
    assert text != source.read_text("utf-8")

    code = """
import sys
from nbturns import frames
path = sys.argv[1]
one_frame, all_frames = frames.blocks(path), frames.read(path).blocks
cached = [frames.read(path, cache=sys.argv[2]).blocks for _ in range(2)]
print([list(frame.refusal.fillna("")) for frame in (one_frame, all_frames, *cached)], "refusal of the model" in frames.__doc__)
"""
    refusals = ["", "", "", "no"]
    assert run(tmp_path, code, path, tmp_path / "cache").strip() == f"{[refusals] * 4} True"


def test_an_object_without_turns_is_a_misuse_that_says_what_to_pass() -> None:
    with pytest.raises(MisuseError, match="got int: 3; pass a Turn, a Run") as caught:
        frames.blocks(3)
    assert isinstance(caught.value, NbturnsError)
