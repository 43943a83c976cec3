"""A frame column is defined once, and the fast readers can be removed without changing an answer."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import nbturns as nt
from nbturns import frames
from nbturns.errors import LoadError, MisuseError, NbturnsError
from nbturns.frames import BLOCK, TURN, Column
from nbturns.frames.fast import dispatch
from nbturns.frames.frame_pass import FrameRequest, RowRules

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "nbturns"
NO_TRANSCRIPTS = {"profiles", "mcp", "__marimo__", "__pycache__"}
FIXTURES = sorted(
    p
    for p in (ROOT / "fixtures").rglob("*.*")
    if p.is_file() and p.suffix != ".py" and NO_TRANSCRIPTS.isdisjoint(p.parts)
)
WITHOUT_FAST_READERS = """
def vector_builder(columns, *, repeat):
    return None

def record_frames(builders, request):
    return None

def read_fast(frame_pass, file, advance):
    return False

def read_stored(frame_pass, stored):
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
        "frames/scheduler.py": {"fast.dispatch.read_fast", "fast.dispatch.read_stored"},
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


def test_a_missing_file_or_role_is_na_also_as_a_single_value() -> None:
    turn = nt.turn("q") + nt.tool_call("c", "f", {})
    blocks = nt.frames.blocks(turn)

    assert blocks.file.iloc[0] is pd.NA and blocks.file[1] is pd.NA and blocks.role.iloc[1] is pd.NA
    assert blocks.file.dtype == "category" and blocks.file.cat.categories.dtype == "string"
    assert blocks[blocks.kind == "tool_call"].role.iloc[0] is pd.NA and blocks.role.iloc[0] == "user"
    assert next(blocks.itertuples()).file is pd.NA
    assert pickle.loads(pickle.dumps(blocks)).file.iloc[0] is pd.NA  # noqa: S301  # our own bytes


READ_FIRST = {
    "blocks": ["kind", "name"],
    "turns": ["prompt", "text", "status", "error"],
    "inferences": ["model", "stop_reason", "finish_class", "error"],
    "tool_calls": ["name", "args", "result", "error"],
    "snapshots": ["phase", "text"],
    "decisions": ["action"],
    "runs": ["name"],
}


@pytest.mark.parametrize("name", READ_FIRST)
def test_columns_come_in_the_order_in_which_one_reads_them_in_every_backend(name: str) -> None:
    names = list(getattr(nt.frames, name)(nt.example()).columns)

    assert names[: len(READ_FIRST[name])] == READ_FIRST[name]
    ids = [index for index, column in enumerate(names) if column.endswith("_id") or column == "file"]
    values = [
        index for index, column in enumerate(names) if column in ("text", "error", "tokens", "cost", "duration_ms")
    ]
    assert not values or max(values) < min(ids), "ids come last"
    for backend in ("arrow", "polars", "dask"):
        frame = getattr(nt.frames, name)(nt.example(), backend=backend)
        columns = frame.column_names if backend == "arrow" else frame.columns
        assert list(columns) == names, backend


def test_a_block_without_an_id_has_its_address_in_every_frame() -> None:
    first = nt.turn("q") + nt.assistant("a")
    run = nt.Run((first, first + nt.user("again") + nt.tool_call("c", "f", {})), id="run")
    first_columns = tuple(column for column in frames.BLOCK if column.name in ("block_id", "text"))

    assert frames.tool_calls(run).block_id.tolist() == ["run/1/3"]
    for columns in (frames.BLOCK, first_columns):
        assert frames.blocks(run, columns=columns).block_id.tolist() == ["run/0/0", "run/0/1", "run/1/2", "run/1/3"]


def test_columns_keep_their_name_in_a_copy() -> None:
    for columns in (frames.BLOCK, frames.TURN, frames.TOOL_CALL):
        copied = copy.copy(columns)
        assert copied == columns
        assert repr(copied) == repr(columns)


def test_another_process_has_its_own_columns_and_copies_of_those_of_the_user() -> None:
    own = Column("own", len, "Int64")
    request = FrameRequest({"blocks": (*BLOCK, own), "turns": TURN}, rules=RowRules(failed="error"))

    copied = pickle.loads(pickle.dumps(request))  # noqa: S301  # our own bytes

    assert all(column is ours for column, ours in zip(copied.columns["blocks"], BLOCK, strict=False))
    assert copied.columns["blocks"][-1] == own
    assert (copied.columns["turns"], copied.rules) == (tuple(TURN), request.rules)
