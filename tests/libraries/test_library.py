"""A library: what it finds, when it reads files again, and what it never touches."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import BrokenExecutor, Future
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.files import read_runs_of_file
from nbturns.libraries import catalog, file_reading
from nbturns.libraries.agent_folders import agent_folders
from nbturns.libraries.file_reading import IndexedFile, index_file

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home folder of its own."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR")
    monkeypatch.delenv("CODEX_HOME")
    return home


def chat(*texts: str) -> str:
    return json.dumps([{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)])


def claude_code_line(kind: str, text: str, number: int, session: str = "s1") -> str:
    message: dict[str, Any] = {"role": kind, "content": text}
    if kind == "assistant":
        message |= {"id": f"m{number}", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": text}]}
    return json.dumps(
        {
            "type": kind, "uuid": f"u{number}", "parentUuid": f"u{number - 1}" if number else None, "sessionId": session,
            "timestamp": f"2026-01-02T03:04:{number:02}Z", "cwd": "/work", "version": "2.0.0", "message": message,
        }
    ) + "\n"  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with transcripts of three formats, a damaged one, and other files."""
    folder = tmp_path / "logs"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "chat.json").write_text(chat("How is Paris?", "Sunny."))
    (folder / "deep/claude.jsonl").write_text(
        claude_code_line("user", "find the umbrella in Paris", 0)
        + claude_code_line("assistant", "under get_user_name()", 1)
    )
    nt.save(nt.example(), folder / "deep/er/greenhouse.yaml")
    (folder / "damaged.json").write_text(chat("How is Rome?", "Wet.")[:-20])
    (folder / "notes.txt").write_text("shopping list")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return folder


def test_transcripts_of_every_format_are_listed(folder: Path) -> None:
    library = nt.library(folder)
    runs = library.runs()

    assert set(runs["format"]) >= {"openai-chat", "claude-code"}
    assert len(runs) == len(library) == 4
    assert runs["run_id"].is_unique
    assert set(runs["models"].dropna()) >= {"claude-sonnet-4-5"}
    for run_id in runs["run_id"]:
        assert library.load(run_id).id == run_id
    assert [run.id for run in library] == library.ids()
    page = library._repr_html_()
    assert "4 Runs below" in page
    assert "find the umbrella" in page


def test_a_run_without_an_id_has_that_of_its_place(folder: Path) -> None:
    (folder / "deep/many.jsonl").write_text(f'{{"messages": {chat("a", "b")}}}\n{{"messages": {chat("c", "d")}}}\n')
    library = nt.library(folder)

    assert {"chat.json#0", "deep/many.jsonl#0", "deep/many.jsonl#1"} <= set(library.ids())
    assert library.load("deep/many.jsonl#1")[0][0].text == "c"


def test_two_files_of_one_session_are_two_runs(folder: Path) -> None:
    shutil.copy(folder / "deep/claude.jsonl", folder / "copy.jsonl")
    library = nt.library(folder)
    ids = [id for id in library.ids() if library.load(id)[0][0].text == "find the umbrella in Paris"]

    assert len(set(ids)) == 2


def test_search_finds_and_opens_blocks_of_all_formats(folder: Path) -> None:
    library = nt.library(folder)
    hits = library.search("paris")

    assert {hit.file for hit in hits} == {"chat.json", "deep/claude.jsonl"}
    assert all("paris" in hit.block.text.lower() for hit in hits)
    assert [hit.kind for hit in library.search("model:sonnet user")] == ["llm_text"]
    assert library.search("file:claude paris")[0].open().selection[0].text == "find the umbrella in Paris"
    assert len(library.search("paris session:s1")) + len(library.search("paris session:claude")) >= 1
    assert len(library.search("before:2026-01-03 after:2026-01-02")) == 2
    assert set(hits.to_df()["run_id"]) == {hit.run_id for hit in hits}


def test_damaged_files_are_listed_and_the_others_are_read(folder: Path) -> None:
    library = nt.library(folder)

    (path,) = library.problems
    assert Path(path).name == "damaged.json"
    assert library.problems[path][0]
    assert "1 damaged file: see .problems" in library._repr_html_()


def test_only_changed_files_are_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = nt.library(folder)
    assert library.update().read == 6
    assert library.update() == (0, 6, 0)
    read: list[str] = []
    index_file = catalog.index_file

    def recording_index_file(path: Path) -> IndexedFile:
        read.append(path.name)
        return index_file(path)

    monkeypatch.setattr(catalog, "index_file", recording_index_file)

    (folder / "chat.json").write_text(chat("How is Oslo?", "Cold."))
    os.utime(folder / "deep/claude.jsonl", (1, 1))  # the same content
    (folder / "notes.txt").unlink()
    (folder / "new.json").write_text(chat("How is Bern?", "Foggy."))

    assert library.update() == (2, 4, 1)
    assert sorted(read) == ["chat.json", "new.json"]
    assert [hit.file for hit in library.search("oslo OR bern")] == ["new.json", "chat.json"]
    assert len(library.search("sunny file:chat.json")) == 0
    assert library.update() == (0, 6, 0)


def test_a_session_that_grows_is_read_again(folder: Path) -> None:
    library = nt.library(folder)
    before = len(library.search("file:claude"))
    with (folder / "deep/claude.jsonl").open("a") as file:
        file.write(claude_code_line("user", "and the hat?", 2))

    assert len(library.search("hat")) == 1
    assert len(library.search("file:claude")) == before + 1


def test_nothing_is_written_into_the_folders(folder: Path, home: Path) -> None:
    def state() -> dict[str, Any]:
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}

    before = state()
    library = nt.library(folder)
    library.search("paris")
    for run_id in library.ids():
        library.load(run_id)

    assert state() == before
    assert home in library.index_path.parents


def test_the_index_may_be_anywhere_and_deleted_at_any_time(folder: Path) -> None:
    index = folder / "index.db"
    library = nt.library(folder, index=index)
    assert len(library.runs()) == 4
    index.unlink()
    for suffix in ("-wal", "-shm"):
        index.with_name(index.name + suffix).unlink(missing_ok=True)
    assert len(library.runs()) == 4
    index.write_bytes(b"this is no database, but a text of some length" * 100)
    assert len(nt.library(folder, index=index).search("paris")) == 2


def test_the_folders_of_agents(home: Path) -> None:
    with pytest.raises(nt.MisuseError, match="claude-code has no transcripts here"):
        nt.library(agent="claude-code")
    folder = home / ".claude/projects/-work"
    folder.mkdir(parents=True)
    (folder / "s1.jsonl").write_text(claude_code_line("user", "hello", 0) + claude_code_line("assistant", "hi", 1))

    assert len(nt.library(agent="claude-code").search("hello")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "not both, and not neither"),
        ({"path": "x", "agent": "codex"}, "not both"),
        ({"agent": "clippy"}, "unknown agent 'clippy'; use one of claude-code, codex"),
        ({"path": "nowhere"}, "does not exist"),
        ({"path": 5}, "expects a folder"),
        ({"path": []}, "expects a folder"),
    ],
)
def test_other_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(nt.MisuseError, match=message):
        nt.library(**arguments)


def test_an_unknown_run_is_an_error(folder: Path) -> None:
    with pytest.raises(nt.StoreError, match="no Run 'x'"):
        nt.library(folder).load("x")


def refuse(*_: Any) -> Any:
    raise AssertionError("a Run is loaded")


def test_a_library_and_a_store_stand_where_conversations_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = nt.library(folder)
    store = nt.TurnStore(tmp_path / "runs.db")
    session = nt.Session(nt.scripted("hello"), store=store)
    session.ask("go").result(timeout=30)

    with monkeypatch.context() as patch:
        patch.setattr(type(library), "load", refuse)  # its files are read as such
        turns = nt.frames.turns(library)
    assert set(turns["run_id"]) == set(library.ids())
    assert set(turns["file"]) == {str(path) for path in library.ids_by_file()}
    assert "damaged.json" in str(nt.frames.read(library).errors["file"].tolist())
    assert list(nt.frames.blocks(store)["text"]) == ["go", "hello"]
    assert len(nt.frames.snapshots(store)) == len(store.snapshots(session.id)[0])
    assert list(store.runs()["run_id"]) == [session.id]
    assert list(store.runs()["status"]) == ["done"]


def test_many_files_are_read_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.json").write_text(chat(f"question {number}", "answer"))
    monkeypatch.setattr(catalog, "PARALLEL_SIZE", 1000)

    assert len(nt.library(folder).search("question", limit=50)) == 20


def test_the_index_of_a_file_is_that_of_its_whole_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [*(FIXTURES / "transcripts").glob("*.json*"), FIXTURES / "claude_code_night.jsonl"]
    texts_only = list(map(index_file, files))
    monkeypatch.setattr(file_reading, "read_runs_of_file", lambda path, **_: read_runs_of_file(path))

    assert texts_only == list(map(index_file, files))
    assert sum(len(run.entries) for file in texts_only for run in file.runs) > 300


def test_a_killed_process_is_an_error_that_keeps_what_was_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed:
        def submit(self, function: Any, path: Path) -> Future[IndexedFile]:
            future: Future[IndexedFile] = Future()
            if path.name == "damaged.json":
                future.set_exception(BrokenExecutor())
            else:
                future.set_result(function(path))
            return future

    monkeypatch.setattr(catalog, "PARALLEL_SIZE", 1)
    monkeypatch.setattr(catalog, "_pool", lambda _: nullcontext(Killed()))
    os.utime(folder / "damaged.json", (2e9, 2e9))  # the last to be read
    library = nt.library(folder)
    with pytest.raises(nt.StoreError, match="a process that read files was killed"):
        library.update()
    monkeypatch.undo()

    assert library.update().read == 1


def test_what_cannot_be_read_is_listed(folder: Path) -> None:
    (folder / "gone.json").symlink_to(folder / "nowhere.json")
    (folder / "loop").symlink_to(folder / "loop")
    library = nt.library(folder)

    assert len(library.runs()) == 4
    names = {Path(path).name for path in library.problems}
    assert names == {"damaged.json", "gone.json", "loop"}


def test_a_file_whose_name_is_not_utf_8_is_read_like_any_other(folder: Path) -> None:
    odd_name = os.fsencode(folder) + b"/caf\xe9.yaml"
    try:
        Path(os.fsdecode(odd_name)).write_text(nt.Run((nt.turn("a peculiar question"),)).to_yaml())
    except OSError:
        pytest.skip("this disk refuses such names")
    library = nt.library(folder)

    assert len(library.runs()) == 5
    hit = library.search("peculiar file:caf")[0]
    assert library.load(hit.run_id)[0].text == "" and library.load(hit.run_id)[0][0].text == "a peculiar question"
    assert library.update().read == 0
    Path(os.fsdecode(odd_name)).unlink()
    assert library.update().removed == 1
    assert len(library.runs()) == 4


def test_lone_surrogates_in_names_and_texts_hide_no_other_file(folder: Path) -> None:
    call = nt.tool_call("c", "look\udc00", {"at": "a peculiar \ud83d place"})
    nt.save(nt.Run((nt.Turn([nt.user("x"), call]),), id="half\ud83d"), folder / "odd.json")
    library = nt.library(folder)

    assert len(library.runs()) == 5
    assert len(library.search("peculiar")) == 1
    (folder / "odd.json").unlink()
    assert len(library.runs()) == 4


def test_the_folders_and_the_database_of_an_agent_are_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tmp_path / ".config" / "Code" / "User" / "globalStorage" / "saoudrizwan.claude-dev" / "tasks"
    tasks.mkdir(parents=True)
    database = tmp_path / ".local" / "share" / "kilo" / "kilo.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)

    assert agent_folders("cline") == [tasks]
    assert agent_folders("kilo") == [database]
    with pytest.raises(nt.MisuseError, match="kiro has no transcripts here"):
        agent_folders("kiro")
