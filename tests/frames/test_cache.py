"""Frames with a cache: what is opened again, what it is worth, and what becomes of what is in it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbturns as nt
from nbturns import frames
from nbturns.frames import cache as packs

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]
OPENED: list[str] = []
WATCHED = ["/nowhere/"]


def watch(event: str, given: Any) -> None:
    if event == "open" and str(given[0]).startswith(WATCHED[0]):
        OPENED.append(Path(str(given[0])).name)


@pytest.fixture(scope="module", autouse=True)
def watching() -> None:
    sys.addaudithook(watch)  # told of every file that Python opens, for as long as it runs


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "logs"
    folder.mkdir()
    WATCHED[0] = str(folder)
    yield folder
    WATCHED[0] = "/nowhere/"


def chat(path: Path, count: int = 2, **beside: Any) -> Path:
    path.write_text("".join(json.dumps({"messages": CHAT, **beside}) + "\n" for _ in range(count)))
    return path


def opened() -> list[str]:
    """Which of the files were opened since this was asked last."""
    names = sorted({*OPENED})
    OPENED.clear()
    return names


def same(one: Any, other: Any) -> None:
    for name in ("blocks", "turns", "inferences", "tool_calls", "snapshots", "reports", "errors"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def test_of_a_thousand_files_the_second_read_opens_only_those_that_changed(logs: Path, tmp_path: Path) -> None:
    for number in range(1_000):
        chat(logs / f"{number:04}.jsonl", 1)
    opened()
    first = frames.read(logs, cache=tmp_path / "cache")
    assert len(opened()) == 1_000
    assert len(first.blocks) == 2_000

    again = frames.read(logs, cache=tmp_path / "cache")
    assert opened() == []
    same(again, first)

    for name in ("0003.jsonl", "0500.jsonl", "new.jsonl"):
        chat(logs / name, 3)
    (logs / "0777.jsonl").unlink()
    opened()
    changed = frames.read(logs, cache=tmp_path / "cache")
    assert opened() == ["0003.jsonl", "0500.jsonl", "new.jsonl"]
    same(changed, frames.read(logs))
    assert len([*(tmp_path / "cache").iterdir()]) == 2


def test_one_frame_after_all_and_all_after_one_open_what_is_not_known(logs: Path, tmp_path: Path) -> None:
    for name in "abc":
        chat(logs / f"{name}.jsonl")
    cache = tmp_path / "cache"
    opened()

    frames.blocks(logs, cache=cache)
    assert len(opened()) == 3
    whole = frames.read(logs, cache=cache)
    assert len(opened()) == 3
    pd.testing.assert_frame_equal(frames.turns(logs, cache=cache), whole.turns)
    some = frames.blocks(logs / "b.jsonl", columns=frames.BLOCK[:3], cache=cache)
    assert [*some.columns] == ["kind", "name", "role"]
    assert opened() == []


def test_part_of_what_is_known_has_no_categories_of_the_rest(logs: Path, tmp_path: Path) -> None:
    for name in "abc":
        chat(logs / f"{name}.jsonl")
    frames.read(logs, cache=tmp_path / "cache")
    opened()

    for some in ([logs / "b.jsonl"], [logs / "c.jsonl", logs / "a.jsonl"]):
        found = frames.read(some, cache=tmp_path / "cache")
        assert opened() == []
        same(found, frames.read(some))
        opened()
    assert [*frames.blocks(logs / "b.jsonl", cache=tmp_path / "cache").file.cat.categories] == [str(logs / "b.jsonl")]


def test_what_cannot_be_read_is_known_too_and_a_strict_pass_refuses_it(logs: Path, tmp_path: Path) -> None:
    chat(logs / "a.jsonl")
    (logs / "b.jsonl").write_text(f"{json.dumps(CHAT)}\nnot json\n{json.dumps(CHAT)}\n")
    (logs / "c.bin").write_bytes(b"\x00\x01\x02")
    (logs / "d.jsonl").write_bytes(b"")
    chat(logs / "e.jsonl")
    first = frames.read(logs, cache=tmp_path / "cache")
    opened()

    same(frames.read(logs, cache=tmp_path / "cache"), first)
    assert opened() == []
    assert len(first.errors) == 2
    for _ in range(2):
        with pytest.raises(nt.LoadError, match=r"b\.jsonl: line 2"):
            frames.blocks(logs, cache=tmp_path / "cache")


def test_a_pass_that_ends_early_keeps_the_files_it_has_read(logs: Path, tmp_path: Path) -> None:
    good = [chat(logs / f"{name}.jsonl") for name in "abc"]
    (logs / "d.jsonl").write_text("{broken")
    cache = tmp_path / "cache"
    with pytest.raises(nt.LoadError):
        frames.blocks(logs, cache=cache)
    opened()
    frames.blocks(good, cache=cache)
    assert opened() == []

    def interrupting() -> Iterator[Path]:
        yield from good[:2]
        signal.raise_signal(signal.SIGINT)

    found = frames.read(interrupting(), cache=tmp_path / "another")
    assert found.turns.file.nunique() == 2
    assert "interrupted" in found.errors.reason[0]
    opened()
    frames.read(good, cache=tmp_path / "another")
    assert opened() == ["c.jsonl"]


def test_runs_of_one_id_are_told_apart_as_without_a_cache_whatever_is_known(logs: Path, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        run = nt.Run([nt.turn(name)], id="same").to_dict()
        (logs / f"{name}.jsonl").write_text(json.dumps(run) + "\n")
    cache = tmp_path / "cache"

    for given in ([logs / "two.jsonl"], logs, [logs / "three.jsonl", logs / "one.jsonl"], logs, logs / "one.jsonl"):
        same(frames.read(given, cache=cache), frames.read(given))


def test_a_cache_that_is_broken_or_of_another_version_is_made_anew(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    for name in "abc":
        chat(logs / f"{name}.jsonl")
    first = frames.read(logs, cache=cache)
    for broken in ("blocks.arrow", "index.json"):
        for path in cache.glob(f"*/{broken}"):
            path.write_bytes(path.read_bytes()[:100])
        same(first, frames.read(logs, cache=cache))

    monkeypatch.setattr("nbturns.frames.cache.version_mark", lambda: "another")
    opened()
    same(first, frames.read(logs, cache=cache))
    assert len(opened()) == 3


def test_many_small_packs_become_one_and_what_is_not_ours_stays(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    (cache / "notes").mkdir(parents=True)
    (cache / "notes" / "mine.txt").write_text("mine")
    os.utime(cache / "notes", (0, 0))
    stray = cache / f"{packs.PARTIAL_PREFIX}stray"
    stray.mkdir()
    os.utime(stray, (0, 0))
    for number in range(packs.SMALL_PACKS + 4):
        chat(logs / f"{number:02}.jsonl")
        frames.read(logs, cache=cache)

    assert len([*cache.glob(f"{packs.PACK_PREFIX}*")]) <= packs.SMALL_PACKS
    assert not stray.exists()
    opened()
    same(frames.read(logs, cache=cache), frames.read(logs))
    assert (cache / "notes" / "mine.txt").read_text() == "mine"
    opened()
    frames.read(logs, cache=cache)
    assert opened() == []

    chat(logs / "00.jsonl", 5)
    monkeypatch.setattr(packs, "PACK_ROWS", 1)  # so each frame that is put is a pack of its own
    same(frames.read(logs, cache=cache), frames.read(logs))


def test_processes_and_parquet_take_from_the_cache_as_well(logs: Path, tmp_path: Path) -> None:
    for name in "abc":
        chat(logs / f"{name}.jsonl")
    whole = frames.read(logs)
    opened()

    same(frames.read(logs, processes=2, cache=tmp_path / "cache"), whole)
    assert opened() == []  # other processes did that
    same(frames.read(logs, cache=tmp_path / "cache"), whole)
    same(frames.read(logs, processes=2, cache=tmp_path / "cache"), whole)
    frames.to_parquet(logs, tmp_path / "parquet", cache=tmp_path / "cache", rows=1)
    assert opened() == []
    same(frames.from_parquet(tmp_path / "parquet"), whole)


def test_a_cache_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a file"):
        frames.read([], cache=chat(tmp_path / "file"))
