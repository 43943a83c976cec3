"""Frames of a library: they are kept beside its index, so that unchanged files are neither read again nor made Turns."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

import nbturns as nt
from tests.libraries.test_library import chat, claude_code_line, folder, home  # noqa: F401  # fixtures
from tests.store.test_store_frames import used_turns

FRAMES = ("blocks", "turns", "inferences", "tool_calls", "runs", "problems")


@pytest.mark.parametrize("name", FRAMES)
def test_unchanged_files_make_no_turns(folder: Path, name: str) -> None:  # noqa: F811
    library = nt.library(folder)
    read = getattr(nt.frames, name)
    first = read(library)

    with used_turns() as turns:
        again = read(nt.library(folder))

    assert turns == []
    pd.testing.assert_frame_equal(again, first)
    pd.testing.assert_frame_equal(read(library, cache=False), first)


def test_a_changed_file_is_read_again(folder: Path) -> None:  # noqa: F811
    library = nt.library(folder)
    nt.frames.blocks(library)

    with (folder / "deep/claude.jsonl").open("a") as file:
        file.write(claude_code_line("user", "and in Rome", 2))

    assert "and in Rome" in set(nt.frames.blocks(library).text)


def test_kept_frames_may_be_deleted_and_are_not_transcripts(folder: Path) -> None:  # noqa: F811
    library = nt.library(folder, index=folder / "index.sqlite")
    first, ids = nt.frames.blocks(library), library.ids()

    assert library.ids() == ids
    assert library.frames_path.is_dir()
    shutil.rmtree(library.frames_path)
    pd.testing.assert_frame_equal(nt.frames.blocks(library), first)


def test_a_folder_that_cannot_be_written_needs_no_cache(folder: Path, home: Path) -> None:  # noqa: F811
    library = nt.library(folder, index=home / "index.sqlite")
    library.frames_path.write_text("a file in its place")

    assert len(nt.frames.blocks(library)) > 0


def test_one_cache_keeps_the_ids_of_the_library_and_of_the_files_apart(tmp_path: Path, home: Path) -> None:  # noqa: F811
    for name, time in (("a", 2e9), ("b", 1e9)):  # the library has b first, the folder a
        (tmp_path / "logs" / name).mkdir(parents=True)
        file = tmp_path / "logs" / name / "s.jsonl"
        file.write_text(claude_code_line("user", name, 0))
        os.utime(file, (time, time))
    library, cache = nt.library(tmp_path / "logs"), home / "frames"
    ids = library.ids_by_file()
    (tmp_path / "logs/b/s.jsonl").unlink()

    by_files = nt.frames.blocks(tmp_path / "logs", cache=cache)
    by_library = nt.frames.blocks(library, cache=cache)

    assert tuple(by_library.run_id) == ids[str(tmp_path / "logs/a/s.jsonl")] != tuple(by_files.run_id)
    pd.testing.assert_frame_equal(by_library, nt.frames.blocks(library, cache=False))
    pd.testing.assert_frame_equal(by_files, nt.frames.blocks(tmp_path / "logs", cache=False))
