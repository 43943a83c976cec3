"""Reading file by file what can be read, and naming what cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nbturns as nt
from nbturns.files import read_runs_of_file

GOOD = json.dumps({"messages": [{"role": "user", "content": "hi"}]})
MESSAGE = json.dumps({"role": "user", "content": "hi"})


def test_lines_behind_a_broken_one_are_read(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(f"{GOOD}\nnot json\n{GOOD}\n[1, 2]\n{GOOD}\n")

    found = list(read_runs_of_file(path))

    assert [isinstance(one, nt.Run) for one in found] == [True, False, True, False, True]
    assert [one.position for one in found if isinstance(one, nt.LoadError)] == ["line 2, column 1", "line 4"]
    with pytest.raises(nt.LoadError, match="line 2"):
        list(nt.load_all(path, strict=True))
    reports = [run.import_report.dropped for run in nt.load_all(path)]
    assert [[note.position for note in notes] for notes in reports] == [["line 2, column 1"], ["line 4"], []]


def test_of_messages_on_lines_all_but_a_broken_one_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(f"{MESSAGE}\n{MESSAGE}\nnot json\n{MESSAGE}\n")

    error, run = read_runs_of_file(path)

    assert isinstance(error, nt.LoadError) and error.position == "line 3, column 1"
    assert isinstance(run, nt.Run) and len(run.latest) == 3


def test_a_file_that_is_not_there_any_more_is_an_error_that_names_it(tmp_path: Path) -> None:
    (error,) = read_runs_of_file(tmp_path / "gone.jsonl")

    assert isinstance(error, nt.LoadError)
    assert error.file.endswith("gone.jsonl")
    assert "cannot be opened" in error.reason
