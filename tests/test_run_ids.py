"""The ids of Runs whose source has none: equal at every load, and in every frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt


def chat(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"{text}!"}]}


def write(path: Path, *texts: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(json.dumps(chat(text)) for text in texts))
    return path


def frame_ids(x: Any) -> list[list[str]]:
    frames = nt.frames.read(x)
    every_frame = (frames.blocks, frames.turns, frames.inferences, nt.frames.blocks(x), nt.frames.runs(x))
    return [list(dict.fromkeys(frame.run_id)) for frame in every_frame]


def test_a_run_has_the_path_below_the_folder_and_its_index(tmp_path: Path) -> None:
    write(tmp_path / "chats.jsonl", "a", "b")
    write(tmp_path / "sub" / "chats.jsonl", "c")
    expected = ["chats.jsonl#0", "chats.jsonl#1", "sub/chats.jsonl#0"]
    for x in (tmp_path, f"{tmp_path}/**/*.jsonl"):
        assert [run.id for run in nt.load_all(x)] == expected
        assert all(ids == expected for ids in frame_ids(x))
    single = tmp_path / "sub" / "chats.jsonl"
    assert nt.load(single).id == "chats.jsonl#0"
    assert all(ids == ["chats.jsonl#0"] for ids in frame_ids(single))
    assert all(ids == ["chats.jsonl#0"] for ids in frame_ids(nt.load(single)))


def test_files_of_one_name_have_distinct_ids(tmp_path: Path) -> None:
    paths = [write(tmp_path / folder / "chats.jsonl", folder) for folder in "ab"]
    for ids in frame_ids(paths):
        assert len(set(ids)) == 2
    assert len({tuple(ids) for ids in frame_ids(paths)}) == 1


def test_a_value_without_a_file_is_numbered_in_memory() -> None:
    assert nt.loads(json.dumps(chat("a"))).id == "memory#0"
    records = [chat("a"), chat("b")]
    assert [run.id for run in nt.load_all(records)] == ["memory#0", "memory#1"]
    assert all(ids == ["memory#0", "memory#1"] for ids in frame_ids(records))
    turns = [nt.Turn((nt.user("x"), nt.assistant("y"))), nt.Turn((nt.user("z"), nt.assistant("y")))]
    assert list(nt.frames.turns(turns).run_id) == list(nt.frames.runs(turns).run_id) == ["memory#0", "memory#1"]


def test_an_id_of_the_source_and_our_own_values_stay(tmp_path: Path) -> None:
    run = nt.Run((nt.Turn((nt.user("x"),)),))
    path = nt.save(run, tmp_path / "run.json")
    assert nt.load(path) == run
    assert all(ids == ["run.json#0"] for ids in frame_ids(path)[3:])
    assert nt.load(nt.save(nt.Run(run.turns, id="mine"), tmp_path / "mine.json")).id == "mine"


def test_a_block_is_addressed_by_its_run(tmp_path: Path) -> None:
    path = write(tmp_path / "chats.jsonl", "a", "b")
    assert list(nt.frames.blocks(path).block_id)[2:] == ["chats.jsonl#1/0/0", "chats.jsonl#1/0/1"]
