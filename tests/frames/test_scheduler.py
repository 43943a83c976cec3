"""Frames of many files: what cannot be read, what ends early, what is known from before, where it goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import nbturns as nt
from nbturns import files, frames
from nbturns.frames import Column, scheduler
from nbturns.frames.progress import Progress
from nbturns.frames.turn_frame import TurnBuilder

NAMES = ("blocks", "turns", "inferences", "tool_calls", "snapshots", "reports", "errors")
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"city": "Paris", "n": 3}'}}
CHAT = {
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ]
}


def chats(path: Path, count: int = 2, **beside: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({**CHAT, **beside}) + "\n" for _ in range(count)))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good files, one with a broken line in its midst, one that is nothing."""
    for name in "abc":
        chats(tmp_path / "logs" / f"{name}.jsonl")
    nt.save(nt.Run([nt.turn("q") + nt.assistant("a")], id="ours"), tmp_path / "logs" / "d.yaml")
    (tmp_path / "logs" / "e.jsonl").write_text(f"{json.dumps(CHAT)}\nnot json\n{json.dumps(CHAT)}\n")
    (tmp_path / "logs" / "f.bin").write_bytes(b"\x00\x01\x02")
    return tmp_path / "logs"


def same(one: frames.Frames, other: frames.Frames) -> None:
    for name in NAMES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


# What cannot be read.


def test_read_keeps_what_can_be_read_and_lists_the_rest_with_file_position_and_reason(folder: Path) -> None:
    found = frames.read(folder)

    assert found.blocks.run_id.nunique() == 9
    assert [Path(file).name for file in found.errors.file] == ["e.jsonl", "f.bin"]
    assert found.errors.position[0] == "line 2, column 1"
    assert "invalid JSON" in found.errors.reason[0]
    assert found.errors.dtypes.astype(str).to_dict() == dict.fromkeys(["file", "position", "reason"], "string")


@pytest.mark.parametrize("made", [frames.blocks, frames.turns, lambda x: frames.read(x, strict=True)])
def test_strict_refuses_at_the_first(folder: Path, made: Callable[[Any], Any]) -> None:
    with pytest.raises(nt.LoadError, match=r"e\.jsonl: line 2"):
        made(folder)


def test_a_path_with_nothing_behind_it_is_an_error_among_others(folder: Path) -> None:
    found = frames.read([folder / "a.jsonl", folder / "gone.jsonl", str(folder / "*.none")])

    assert len(found.turns) == 2
    assert len(found.errors) == 2
    with pytest.raises(nt.LoadError, match="file not found"):
        frames.blocks(folder / "gone.jsonl")


def test_a_run_whose_metadata_do_not_fit_is_in_all_frames_without_them() -> None:
    turn = nt.turn("q")
    broken = nt.Run([turn, turn._with(metadata=turn.metadata.with_raw(**{nt.keys.INFERENCES.name: "none"}))], id="bad")

    found = frames.read([broken, nt.Run([turn], id="good")])

    for name in ("blocks", "turns", "snapshots"):
        assert {*getattr(found, name).run_id} == {"bad", "good"}
    assert found.errors.position[0] == "run bad"
    assert nt.keys.INFERENCES.name in found.errors.reason[0]


def test_all_frames_are_those_that_are_made_one_by_one(folder: Path) -> None:
    paths = [folder / f"{name}.jsonl" for name in "abc"]

    found = frames.read(paths, strict=True)

    for name in NAMES[:5]:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(frames, name)(paths))


def test_one_pass_reads_each_file_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    each = files.read_runs_of_file

    def counted(path: Path) -> Iterator[Any]:
        read.append(path.name)
        return each(path)

    monkeypatch.setattr(scheduler, "read_runs_of_file", counted)

    frames.read(folder)

    assert sorted(read) == sorted({*read})


def test_two_files_of_one_name_have_ids_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        chats(tmp_path / name / "log.jsonl", 1)

    found = frames.read(tmp_path)

    assert [*found.turns.run_id] == ["one/log.jsonl#0", "two/log.jsonl#0"]
    assert found.blocks.block_id.is_unique
    assert len(found.blocks.merge(found.turns, on="turn_id")) == len(found.blocks)


def test_reports_say_what_an_importer_did_not_take_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(
        json.dumps([{"role": "user", "content": "hi"}, {"role": "tool", "content": "x"}])
    )

    report = frames.read(tmp_path).reports.iloc[0]

    assert (report["format"], report["read"], report["guessed"]) == ("openai-chat", 2, 1)
    assert "tool result without the id of a call" in report["notes"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are a thing of Unix")
def test_a_pipe_among_the_files_is_passed_by_and_links_lead_nowhere_twice(folder: Path) -> None:
    before = frames.read(folder)
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "up").symlink_to(folder)
    same(frames.read(folder), before)

    (folder / "gone.jsonl").symlink_to(folder / "nothing")
    (folder / "self.jsonl").symlink_to(folder / "self.jsonl")
    found = frames.read(folder)
    pd.testing.assert_frame_equal(found.blocks, before.blocks)
    names = {Path(file).name: reason for file, reason in zip(found.errors.file, found.errors.reason, strict=True)}
    assert names.keys() == {"e.jsonl", "f.bin", "gone.jsonl", "self.jsonl"}
    assert "cannot be opened" in names["gone.jsonl"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is shut to root")
def test_files_and_folders_that_are_shut_are_errors_among_others(folder: Path) -> None:
    before = frames.read(folder)
    (folder / "shut").mkdir(mode=0)
    chats(folder / "g.jsonl").chmod(0)

    found = frames.read(folder)

    pd.testing.assert_frame_equal(found.blocks, before.blocks)
    assert sorted(Path(file).name for file in found.errors.file) == ["e.jsonl", "f.bin", "g.jsonl", "shut"]
    (folder / "shut").chmod(0o700)


# What ends early.


def interrupting(at: int) -> Iterator[nt.Run]:
    for number in range(10):
        if number == at:
            signal.raise_signal(signal.SIGINT)
        yield nt.Run([nt.turn("q")], id=str(number))


def test_an_interrupt_keeps_what_is_done_and_says_so() -> None:
    found = frames.read(interrupting(3))

    assert [*found.blocks.run_id] == [*found.turns.run_id] == ["0", "1", "2"]
    assert "interrupted" in found.errors.reason[0]
    with pytest.raises(KeyboardInterrupt):
        frames.blocks(interrupting(3))


def test_an_interrupt_in_the_middle_of_a_run_leaves_it_out_of_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    visit = TurnBuilder.visit

    def interrupted(self: Any, at: Any) -> None:
        visit(self, at)
        if at.source.id == "b" and at.turn_index == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TurnBuilder, "visit", interrupted)
    turn = nt.turn("q")
    runs = [nt.Run([turn, turn + nt.assistant("a")], id=id) for id in "abc"]

    found = frames.read(runs)

    for name in ("blocks", "turns", "snapshots"):
        assert {*getattr(found, name).run_id} == {"a"}


def test_a_click_on_stop_keeps_the_files_that_were_read(tmp_path: Path) -> None:
    """In a process of its own, interrupted while it reads."""
    for number in range(400):
        chats(tmp_path / f"{number:03}.jsonl", 20)
    code = (
        "import nbturns as nt\n"
        "from nbturns.frames.scheduler import _Scheduler\n"
        "from tests.interrupts import interrupt_in\n"
        f"nt.frames.read({str(tmp_path / '000.jsonl')!r}).blocks\n"
        "with interrupt_in(_Scheduler.add):\n"
        f"    found = nt.frames.read({str(tmp_path)!r})\n"
        "blocks, turns = found.blocks.run_id.nunique(), found.turns.run_id.nunique()\n"
        "print(blocks, turns, len(found.errors), *found.errors.reason[-1:])"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        out = process.stdout.read()

    blocks, turns, errors, *reason = out.split(maxsplit=3)
    assert blocks == turns
    assert (int(blocks), int(errors)) == (8000, 0) or reason[0].startswith("interrupted")


# What is known from before.


def test_columns_of_ones_own_have_no_cache_and_say_so(folder: Path, tmp_path: Path) -> None:
    mine = (*frames.BLOCK, Column("length", lambda row: len(row.block.text)))

    with pytest.raises(ValueError, match="of your own"):
        frames.blocks(folder, columns=mine, cache=tmp_path / "cache")
    some = frames.blocks(folder / "a.jsonl", columns=frames.BLOCK[:3], cache=tmp_path / "cache")
    assert [*some.columns] == ["kind", "name", "role"]


def test_several_processes_make_the_frames_that_one_makes(folder: Path, tmp_path: Path) -> None:
    same(frames.read(folder, processes=2, cache=tmp_path / "cache"), frames.read(folder))
    same(frames.read(folder, cache=tmp_path / "cache"), frames.read(folder))
    for wrong in (0, -1, True, "two"):
        with pytest.raises(ValueError, match="invalid number of processes"):
            frames.read(folder, processes=wrong)  # type: ignore[arg-type]


# How it looks meanwhile.


def test_short_work_has_no_bar_and_long_work_has_one_that_goes_away(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(100) as short:
        short.advance(100)
        assert short._bar is None

    with Progress(100, visible=True) as long:
        long.advance(50)
        long.advance(25)
        assert (long._bar.n, long._bar.total) == (75, 100)
    assert long._bar is None
    assert capsys.readouterr().err.endswith("\r")


def test_progress_counts_the_bytes_of_all_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(Progress, "advance", lambda self, size: seen.append(size))
    good = [path for path in folder.glob("*.jsonl") if path.name != "e.jsonl"]

    frames.read(good)
    assert sum(seen) == sum(path.stat().st_size for path in good)
    seen.clear()
    frames.blocks(good)
    assert sum(seen) == sum(path.stat().st_size for path in good)


# Where it goes.


def test_backends_hold_the_same(folder: Path) -> None:
    path = folder / "a.jsonl"
    for name in NAMES[:5]:
        made = getattr(frames, name)
        frame, table, columns = made(path), made(path, backend="arrow"), made(path, backend="polars")

        assert isinstance(table, pa.Table)
        assert isinstance(columns, pl.DataFrame)
        assert [*frame.columns] == table.column_names == columns.columns
        for column in frame:
            plain = [None if pd.api.types.is_scalar(one) and pd.isna(one) else one for one in frame[column]]
            given = table.column(column).to_pylist()
            assert [json.loads(one) for one in given] == plain if column == "args" else given == plain
            assert columns[column].to_list() == given


def test_dtypes_keep_na_times_have_a_zone_and_kinds_are_categories() -> None:
    session = nt.Session(nt.scripted("a"))
    session.ask("q").result(60)

    dtypes = frames.snapshots(session).dtypes.astype(str)

    assert dtypes["at"] == "datetime64[us, UTC]"
    assert (dtypes["phase"], dtypes["iteration"], dtypes["elapsed_ms"]) == ("category", "Int64", "Float64")
    assert frames.snapshots(session, backend="arrow").schema.field("elapsed_ms").metadata[b"unit"] == b"ms"


def test_a_backend_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="pandas, arrow, polars, dask"):
        frames.blocks([], backend="spark")


def test_parquet_is_read_back_and_by_other_engines_as_it_is(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "parquet"
    errors = frames.to_parquet(folder, target, rows=30)

    found = frames.from_parquet(target)

    same(found, frames.read(folder))
    pd.testing.assert_frame_equal(errors, found.errors)
    assert len([*(target / "blocks").iterdir()]) > 1
    kinds = found.blocks.kind.astype(str).value_counts().to_dict()
    query = f"select kind, count(*) from '{target}/blocks/*.parquet' group by kind"
    assert dict(duckdb.connect().execute(query).fetchall()) == kinds
    counted = pl.scan_parquet(target / "blocks" / "*.parquet").group_by("kind").len().collect()
    assert dict(counted.with_columns(pl.col("kind").cast(pl.String)).rows()) == kinds
    with pytest.raises(ValueError, match="is not empty"):
        frames.to_parquet(folder, target)
    with pytest.raises(nt.LoadError, match="no frames in this folder"):
        frames.from_parquet(folder)


def test_frames_in_memory_are_written_as_well(folder: Path, tmp_path: Path) -> None:
    found = frames.read(folder)

    same(frames.from_parquet(found.to_parquet(tmp_path / "parquet")), found)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from distributed import Client

    make: Any = Client
    with make(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0") as client:
        yield client


def without_marks(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out what a worker cannot know, because it depends on other files."""
    return frame.drop(columns="maybe_duplicate", errors="ignore").astype("object")


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_makes_the_same_frames_with_a_partition_for_each_file(
    folder: Path, tmp_path: Path, cluster: Any
) -> None:
    paths = [folder / f"{name}.jsonl" for name in "abc"]

    lazy = frames.blocks(paths, backend="dask")
    assert lazy.npartitions == 3
    found = lazy.compute().reset_index(drop=True)  # type: ignore[no-untyped-call]
    whole = frames.blocks(paths)
    assert without_marks(found).equals(without_marks(whole))
    assert (
        lazy.groupby("kind", observed=True).size().compute().to_dict()
        == whole.groupby("kind", observed=True).size().to_dict()
    )

    many = frames.read(folder, backend="dask")
    assert len(many.errors.compute()) == 2
    assert len(many.turns.compute()) == len(frames.read(folder).turns)
    frames.to_parquet(folder, tmp_path / "parquet")
    assert len(frames.from_parquet(tmp_path / "parquet", backend="dask").blocks) == len(many.blocks.compute())


@pytest.mark.filterwarnings("ignore")
def test_every_frame_of_a_folder_with_broken_files_is_made_on_a_cluster_and_written_there(
    folder: Path, tmp_path: Path, cluster: Any
) -> None:
    many, whole = frames.read(folder, backend="dask"), frames.read(folder)

    for name in NAMES:
        lazy, expected = getattr(many, name), getattr(whole, name)
        assert lazy.npartitions == 6
        assert [*lazy.columns] == [*expected.columns]
        found = lazy.compute().reset_index(drop=True)
        texts = expected.assign(args=expected.args.map(json.dumps)) if name == "tool_calls" else expected
        assert without_marks(found).equals(without_marks(texts))
    many.blocks.to_parquet(tmp_path / "blocks", write_index=False)
    assert len(pd.read_parquet(tmp_path / "blocks")) == len(whole.blocks)
    assert {"profile", "signature"} <= {*many.turns.columns} & {*many.inferences.columns}
    assert frames.to_turns(many.blocks[many.blocks.kind == "tool_use"]) == frames.to_turns(
        whole.blocks[whole.blocks.kind == "tool_use"]
    )
    for made in (frames.blocks, frames.turns, frames.inferences, frames.tool_calls, frames.snapshots):
        with pytest.raises(nt.LoadError):
            made(folder, backend="dask").compute()  # type: ignore[no-untyped-call]


# Arguments, each in a column.


def test_arguments_are_spread_out_on_request(folder: Path) -> None:
    calls = frames.tool_calls(folder / "a.jsonl", spread=True)

    assert [*calls["args.city"]] == ["Paris", "Paris"]
    assert str(calls["args.n"].dtype) == "Int64"
    plain = frames.tool_calls(folder / "a.jsonl")
    pd.testing.assert_frame_equal(frames.spread(plain), calls)
    assert "args.city" in frames.tool_calls(folder / "a.jsonl", spread=True, backend="arrow").column_names
    with pytest.raises(ValueError, match="unknown column 'args'"):
        frames.spread(frames.turns([]))


def test_arguments_of_several_types_are_texts_and_strange_ones_are_kept() -> None:
    given: list[Any] = [{"x": 1}, {"x": "one"}, {"x": [1]}, {}, {"x": 10**30}]
    turn = nt.Turn() + [nt.tool_call(str(n), "f", args) for n, args in enumerate(given)]

    spread = frames.tool_calls(turn, spread=True)

    assert [None if pd.isna(x) else x for x in spread["args.x"]] == ["1", "one", "[1]", None, str(10**30)]
    whole = frames.tool_calls(nt.Turn() + nt.tool_call("c", "f", {"n": 10**30}), spread=True)
    assert [*whole["args.n"]] == [str(10**30)]


# The way back.


def test_rows_lead_back_to_the_whole_turns_they_came_from(folder: Path) -> None:
    blocks = frames.blocks([folder / "a.jsonl", folder / "b.jsonl"])
    runs = [*nt.load_all([folder / "a.jsonl", folder / "b.jsonl"])]

    calls = blocks[blocks.kind == "tool_call"]

    assert frames.to_turns(calls) == tuple(run[0] for run in runs)
    assert frames.to_turns(calls.iloc[[3, 0]].reset_index()) == (runs[3][0], runs[0][0])
    assert frames.at(blocks.iloc[-1]) == runs[-1][0]


def test_every_frame_and_every_backend_leads_back(folder: Path) -> None:
    path = folder / "a.jsonl"
    turns = tuple(run[0] for run in nt.load_all(path))

    for name in NAMES[:5]:
        for backend in ("pandas", "arrow", "polars"):
            assert frames.to_turns(getattr(frames, name)(path, backend=backend)) == turns


def test_turns_of_a_session_and_of_values_come_back_as_the_same_objects() -> None:
    session = nt.Session(nt.scripted("a", "b"))
    session.ask("q").result(60)
    session.ask("r").result(60)

    (turn,) = frames.to_turns(frames.blocks(session).query("turn_index == 1"))

    assert turn is session.turns[1]
    joined = frames.blocks(session).merge(frames.turns(session)[["turn_id", "status"]], on="turn_id")
    assert frames.to_turns(joined, session) == session.turns
    assert frames.to_turns(frames.blocks(session).iloc[:0]) == ()


def test_what_does_not_lead_back_says_what_to_give() -> None:
    frame = frames.blocks(iter([nt.Run([nt.turn("q")], id="x")]))

    with pytest.raises(nt.LoadError, match=r"to_turns\(frame, source\)"):
        frames.to_turns(frame)
    with pytest.raises(ValueError, match="keep both columns"):
        frames.to_turns(frame[["text"]])
    with pytest.raises(ValueError, match="got rows of 2"):
        frames.at(frames.blocks([nt.Run([nt.turn("q")], id="x"), nt.Run([nt.turn("q")], id="y")]))
    assert len(frames.to_turns(frame, nt.Run([nt.turn("q")], id="x"))) == 1


def test_what_a_frame_was_made_of_goes_along_with_copies_and_files(tmp_path: Path, folder: Path) -> None:
    frame = frames.blocks(folder / "a.jsonl").sort_values("text").copy()
    frame.to_parquet(tmp_path / "mine.parquet")

    assert len(frames.to_turns(frame)) == 2
    assert len(frames.to_turns(pd.read_parquet(tmp_path / "mine.parquet"))) == 2


def test_a_row_opens_in_the_view_with_its_block_selected(folder: Path) -> None:
    blocks = frames.blocks(folder / "a.jsonl")

    view = nt.view(blocks.iloc[2])

    assert view.selected == [2]
    assert view.selection[0].kind == "tool_use"
    assert nt.view(blocks[blocks.run_id == "a.jsonl#0"]).selected == [0, 1, 2, 3]
    rows: list[Any] = [*blocks[blocks.run_id == "a.jsonl#0"].itertuples()]
    assert nt.view(rows[3]).selected == [3]
    assert frames.at(rows[0]).text == "It is sunny."
    assert nt.view(frames.turns(folder / "a.jsonl").iloc[1]).selected == []
    assert nt.view(frames.blocks(folder / "a.jsonl", backend="polars")[1]).selected == [1]
    assert nt.view(frames.blocks(folder / "a.jsonl", backend="arrow").slice(2, 1)).selected == [2]
    with pytest.raises(nt.LoadError, match="no format matches"):
        nt.view({"run_id": "a"})
    assert type(nt.view(blocks)).__name__ == "RunsView"  # rows of several Runs


# A store, and a clock.


class Shelf:
    """What a store looks like."""

    def __init__(self, runs: list[nt.Run]) -> None:
        self._runs = {run.id: run for run in runs}

    def runs(self) -> list[str]:
        return [*self._runs]

    def load(self, id: str) -> nt.Run:
        return self._runs[id]


def test_any_store_that_lists_and_loads_its_runs_will_do() -> None:
    runs = [nt.Run([nt.turn("q")], id=id) for id in "xy"]

    assert [*frames.turns(Shelf(runs)).run_id] == ["x", "y"]
    assert frames.to_turns(frames.turns(Shelf(runs)), Shelf(runs)) == tuple(run[0] for run in runs)


def test_time_of_a_block_is_that_of_its_file_in_utc(tmp_path: Path) -> None:
    turn = nt.turn("q")
    said = turn[0]._with(metadata=turn[0].metadata.with_raw(**{"nbturns.timestamp@v1": "2026-01-01T10:00:00+02:00"}))
    odd = turn[0]._with(metadata=turn[0].metadata.with_raw(**{"nbturns.timestamp@v1": "noon"}))

    at = frames.blocks(nt.Turn() + said + odd + turn[0])["at"]

    assert at[0] == pd.Timestamp("2026-01-01T08:00:00Z")
    assert at[1:].isna().all()


def test_runs_of_one_id_in_several_files_or_lines_are_told_apart_however_they_are_read(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run = nt.Run([nt.turn(name), nt.turn(name) + nt.assistant("a")], id="same").to_dict()
        (tmp_path / "logs").mkdir(exist_ok=True)
        (tmp_path / "logs" / f"{name}.jsonl").write_text((json.dumps(run) + "\n") * 2)

    found = frames.read(tmp_path / "logs")

    assert [*found.blocks.run_id.unique()] == ["same", "one/same", "two/same", "two/same~2"]
    assert [*frames.blocks(tmp_path / "logs").run_id.unique()] == [*found.blocks.run_id.unique()]
    for _ in range(2):
        same(frames.read(tmp_path / "logs", cache=tmp_path / "cache"), found)
    assert found.turns.set_index(["run_id", "turn_index"]).index.is_unique
    assert [turn[0].text for turn in frames.to_turns(found.turns)] == ["one"] * 4 + ["two"] * 4
    assert [*frames.turns([nt.Run([nt.turn("q")], id="x")] * 2).run_id] == ["x", "x~2"]
