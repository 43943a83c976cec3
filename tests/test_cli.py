"""The command line lists, shows and checks profiles."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nbturns as nt
from nbturns.cli import main

TEAM = """
slug: team
profiles:
  base: {engine: "anthropic:claude-sonnet-4-5", description: for most things}
  brief: {like: base, params: {max_tokens: 200}, allow_overrides: [temperature]}
"""


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("NBTURNS_PROFILE", raising=False)
    path = tmp_path / "team.yaml"
    path.write_text(TEAM)
    return str(path)


def test_profiles_list_names_each_with_its_engine_and_marks_the_default(
    team: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profiles", "list", team]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["*", "base", "team/base", "anthropic:claude-sonnet-4-5", "for", "most", "things"]
    assert second.split()[:2] == ["brief", "team/brief"]


def test_profiles_show_prints_the_settings_and_their_sources(team: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profiles", "show", team, "brief", "--set", "temperature=0"]) == 0
    out = capsys.readouterr().out
    assert any(
        line.split()[:2] == ["params.max_tokens", "200"] and "team.yaml line 5" in line for line in out.splitlines()
    )
    assert any(line.split() == ["params.temperature", "0", "override"] for line in out.splitlines())
    assert main(["profiles", "show", team, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["profile"] == "team/base"


def test_profiles_check_names_each_that_cannot_be_resolved(
    team: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profiles", "check", team]) == 0
    (tmp_path / "more.yaml").write_text('slug: more\nprofiles: {lost: {like: nobody}, fine: {engine: "openai:x"}}')
    capsys.readouterr()
    assert main(["profiles", "check", team, str(tmp_path / "more.yaml")]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("lost: no profile 'nobody'")
    assert "fine: openai:x" in captured.out


def test_json_has_the_names_that_the_page_lists(team: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, other = str(tmp_path / "run.yaml"), str(tmp_path / "other.yaml")
    nt.save(nt.example(), run)
    nt.save(nt.Run((nt.example()[0].edit(1, text="Paris?").drop(-1),)), other)
    arguments = {
        "convert": [run, str(tmp_path / "run.json")],
        "search": ["tomato", run],
        "cost": [run],
        "problems": [run],
        "doctor": [],
        "profiles list": [team],
        "profiles check": [team],
        "profiles show": [team, "brief"],
    }
    table = (Path(nt.__file__).parents[1] / "docs" / "cli.md").read_text(encoding="utf-8").split("## JSON")[1]
    listed = {command: set(re.findall(r'"(\w+)"', cell.split("}")[0])) for command, cell in re.findall(r"^\| `([^`]+)`[^|]*\| (.*) \|$", table, re.MULTILINE)}  # fmt: skip

    for command, rest in arguments.items():
        main([*command.split(), *rest, "--json"])
        answer = json.loads(capsys.readouterr().out)
        first = answer[0] if isinstance(answer, list) else answer
        assert listed[command] and listed[command] <= set(first), command
    main(["diff", run, other, "--json"])
    pair = json.loads(capsys.readouterr().out)[0]
    assert all(f"`{name}`" in table for name in pair), pair


def test_the_sources_may_be_set_in_the_environment(
    team: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NBTURNS_PROFILES", team)
    assert main(["profiles", "show", "brief"]) == 0
    monkeypatch.delenv("NBTURNS_PROFILES")
    assert main(["profiles", "list"]) == 1
    assert "pass a file" in capsys.readouterr().err


def test_an_error_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("slug: t\nprofiles:\n  a:\n    systm: x\n")
    done = subprocess.run(
        [sys.executable, "-m", "nbturns", "profiles", "check", str(tmp_path / "bad.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("nbturns: ") and "line 4" in done.stderr and "did you mean 'system'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "temperature"], "like --set temperature=0, not 'temperature'"),
        (["--set", "=3"], "--set needs KEY=VALUE"),
        (["--set", "tools=["], "--set tools: "),
    ],
)
def test_an_invalid_override_is_rejected_with_an_example(
    arguments: list[str], message: str, team: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profiles", "show", team, *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_missing_source_is_an_error_with_instructions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NBTURNS_PROFILES", raising=False)
    assert main(["profiles", "check"]) == 1
    assert "or set NBTURNS_PROFILES" in capsys.readouterr().err
