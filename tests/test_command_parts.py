"""Parts of the command line: colours, replay, completion, the notebook of `lab`, and the check of an installation."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nbturns as nt
from nbturns import environment_check
from nbturns.cli import main
from nbturns.shell_notebook import write_notebook


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    hostile = nt.assistant("plain \x1b[31mred\x1b[0m")
    return Path(nt.save(nt.turn("Hi") + nt.reasoning("thinking") + hostile, tmp_path / "run.yaml"))


def output(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_colours_are_ours_and_those_of_a_model_are_escaped(
    transcript: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colored = output(capsys, "show", transcript, "--color", "always")
    assert "\x1b[1;36m[0] user\x1b[0m" in colored
    assert "\x1b[31mred" not in colored
    assert "\x1b" not in output(capsys, "show", transcript)  # not a terminal


def test_replay_prints_each_block_once_word_by_word(transcript: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "replay", transcript, "--pace", 0)
    assert text.count("thinking") == 1
    assert "\x1b" not in text
    whole = output(capsys, "show", Path(nt.__file__).parent / "data" / "example.yaml")
    replayed = output(capsys, "replay", Path(nt.__file__).parent / "data" / "example.yaml", "--pace", 0)
    assert "readings(sensor='door', hours=8)" in replayed
    assert len(replayed.splitlines()) <= len(whole.splitlines()) + 10
    assert json.loads(output(capsys, "replay", transcript, "--json"))["turns"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [(["pro"], {"problems", "profiles"}), (["profiles", ""], {"list", "show", "check", "--help"}), (["show", "--co"], {"--color"}), (["completion", "z"], {"zsh"})],
)  # fmt: skip
def test_bash_completes_commands_and_options(
    words: list[str], expected: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(output(capsys, "completion", "bash"))
    typed = " ".join(f"'{word}'" for word in words)
    program = (
        f"source {script}; COMP_WORDS=(nbturns {typed}); COMP_CWORD={len(words)}; _nbturns; echo ${{COMPREPLY[@]}}"
    )

    completed = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert set(completed.stdout.split()) == expected


def test_the_scripts_of_other_shells_have_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("zsh", "fish"):
        script = output(capsys, "completion", shell)
        assert all(name in script for name in ("problems", "doctor", "completion", "replay", "list", "pace"))


def test_lab_starts_jupyterlab_with_a_notebook_that_shows_the_file(transcript: Path) -> None:
    command = [sys.executable, "-m", "nbturns", "lab", str(transcript), "--", "--version"]

    started = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", started.stdout.strip())
    notebook = transcript.with_name("run.nbturns.ipynb")
    sources = ["".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"]]
    assert "nt.view('run.yaml')" in sources[0]
    notebook.write_text("{}")
    assert write_notebook(transcript).read_text() == "{}"
    assert main(["lab", "nowhere.yaml"]) == 2


def test_doctor_names_what_is_wrong_and_what_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = tmp_path / "share" / "jupyter" / "kernels" / "old"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["/nowhere/python", "-m", "ipykernel_launcher"]}')
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(environment_check, "FAULTY_KERNELS", (environment_check.installed_version("ipykernel") or "",))

    assert main(["doctor", "--json"]) == 1

    data = json.loads(capsys.readouterr().out)
    found = {
        problem["what"].split(" ")[0] + " " + problem["what"].split(" ")[1]: problem["command"]
        for problem in data["problems"]
    }
    assert "pip install 'ipykernel>=7.4'" in found.values()
    assert any("ipykernel install" in command for what, command in found.items() if what == "the kernel")
    assert set(data) == {"versions", "extras", "problems"}
