"""The commands of the shell that read transcripts: what they print, and their exit status."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "logs"
    folder.mkdir()
    nt.save(nt.example(), folder / "greenhouse.yaml")
    (folder / "chat.json").write_text(json.dumps([{"role": "user", "content": "jane@example.org asks"}]))
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main([str(argument) for argument in arguments])
    return status, capsys.readouterr().out


def test_show_prints_a_transcript_or_its_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = run(capsys, "show", folder / "greenhouse.yaml")
    assert status == 0
    assert "greenhouse" in text
    _, text = run(capsys, "show", folder / "greenhouse.yaml", "--json")
    assert nt.Run.from_dict(json.loads(text)) == nt.load(folder / "greenhouse.yaml")


def test_a_pipe_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'[{"role": "user", "content": "from a pipe"}]')))

    assert "from a pipe" in run(capsys, "show", "-")[1]


def test_runs_frames_cost_and_problems(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, text = run(capsys, "runs", folder, "--json")
    assert len(json.loads(text)) == 2
    _, text = run(capsys, "frames", "blocks", folder / "chat.json")
    assert len(text.splitlines()) == 2
    status, text = run(capsys, "frames", "blocks", folder, "-o", folder.parent / "blocks.parquet", "--json")
    assert (status, json.loads(text)["rows"] > 5) == (0, True)
    _, text = run(capsys, "cost", folder / "greenhouse.yaml", "--json")
    assert json.loads(text)[0]["calls"] == len(nt.example().inferences)
    status, text = run(capsys, "problems", folder / "greenhouse.yaml", "--json")
    assert (status, bool(json.loads(text))) in ((1, True), (0, False))


def test_search_in_a_folder_and_in_a_store(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = run(capsys, "search", "jane", folder, "--json")
    assert (status, len(json.loads(text))) == (0, 1)
    assert run(capsys, "search", "nothing-like-this", folder)[0] == 1
    store = nt.TurnStore(folder.parent / "runs.db")
    store.add(nt.example())
    status, text = run(capsys, "search", "sensor", store.path)
    assert (status, "<Hits" in text) == (0, True)
    assert len(json.loads(run(capsys, "runs", store.path, "--json")[1])) == 1


def test_convert_with_redaction_and_diff(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder.parent / "shared.md"
    assert run(capsys, "convert", folder / "chat.json", target, "--redact")[0] == 0
    assert "[email-1] asks" in target.read_text()
    assert run(capsys, "html", folder / "chat.json", folder.parent / "page.html")[0] == 0
    assert run(capsys, "diff", folder / "chat.json", folder / "chat.json")[0] == 0
    assert run(capsys, "diff", folder / "chat.json", folder / "greenhouse.yaml")[0] == 1


def test_doctor_names_versions_and_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    data: dict[str, Any] = json.loads(run(capsys, "doctor", "--json")[1])
    assert data["versions"]["nbturns"]
    assert "anthropic" in data["extras"]
    with pytest.raises(SystemExit) as exit_status:
        main(["--version"])
    assert exit_status.value.code == 0
    assert nt.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [("show", "nowhere.json"), ("frames", "cells", "x"), ("search", "x"), ("convert", "-", "-"), ("search", "?!", ".")],
)
def test_errors_have_the_status_2(arguments: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(arguments)) == 2
    assert capsys.readouterr().err.startswith("nbturns: ")


def test_a_reader_that_leaves_a_pipe_is_no_error(folder: Path) -> None:
    program = f"{sys.executable} -m nbturns show {folder / 'greenhouse.yaml'} | head -1"
    answer = subprocess.run(program, shell=True, capture_output=True, text=True, check=True, timeout=60)

    assert answer.stdout
    assert "Traceback" not in answer.stderr


def test_convert_writes_the_formats_of_other_tools(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = folder / "example.yaml", folder / "out.json"
    nt.save(nt.example(), source)
    assert main(["convert", str(source), str(target), "--format", "atif"]) == 0
    assert nt.load(target).import_report.format == "atif"
    assert main(["convert", str(source), str(target), "--format", "atiff"]) == 2
    assert "use one of atif" in capsys.readouterr().err
