"""Figures of conversations, and tables for papers."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

import nbturns as nt
from nbturns.render.tex import tex_text
from nbturns.values.inference_results import INFERENCE_RESULT

FIXTURE = Path(__file__).parents[2] / "fixtures" / "greenhouse.yaml"
EVIL = r"$\frac{$ \input{/etc/passwd} 50% & <b>_x_^2~ #1 {a}" + "\ud800\x00\x1b"
FIXTURE_KINDS = ("tokens", "cost", "time", "context", "tools")


def run_of_calls(*results: nt.InferenceResult) -> nt.Run:
    blocks = [nt.user("go")]
    for number, result in enumerate(results):
        answered = result.replace(inference_id=f"call-{number}")
        blocks.append(nt.assistant(f"answer {number}").with_metadata(INFERENCE_RESULT, answered))
    return nt.Run((nt.Turn(blocks),))


def heights(figure: Any) -> list[float]:
    return [bar.get_height() for bar in figure.axes[0].patches]


@pytest.mark.parametrize("kind", FIXTURE_KINDS)
def test_each_kind_is_drawn_of_a_run_a_turn_a_session_and_a_path(kind: str) -> None:
    from matplotlib.figure import Figure

    run = nt.load(FIXTURE)
    session = nt.Session(nt.scripted("yes"))
    session.ask("is it?").result(60)

    for value in (run, run[0], session, FIXTURE):
        figure = nt.figure(value, kind)
        assert isinstance(figure, Figure)
        assert figure.axes


def test_unknown_values_are_gaps_and_known_ones_bars() -> None:
    run = run_of_calls(
        nt.InferenceResult(cost=0.5, duration_ms=1500, usage=nt.Usage(100, 7, cached_tokens=40)),
        nt.InferenceResult(model="m"),
        nt.InferenceResult(cost=0.0, duration_ms=500, usage=nt.Usage(10, 1)),
    )

    cost, time, tokens = (heights(nt.figure(run, kind)) for kind in ("cost", "time", "tokens"))

    assert (cost[0], cost[2], time[0], time[2]) == (0.5, 0.0, 1.5, 0.5)
    assert math.isnan(cost[1]) and math.isnan(time[1])
    assert [tokens[0], tokens[3], tokens[6]] == [60, 40, 7]
    assert math.isnan(tokens[1]) and math.isnan(tokens[4]) and math.isnan(tokens[7])


def test_failed_calls_of_tools_are_counted() -> None:
    blocks = [nt.tool_call("1", "read", {}), nt.tool_use("1", error="no file"), nt.tool_call("2", "read", {})]
    axes = nt.figure(nt.Turn(blocks), "tools").axes[0]

    assert [patch.get_bbox().width for patch in axes.patches] == [1, 1]  # type: ignore[attr-defined]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["read"]


def test_another_kind_is_refused_with_the_kinds() -> None:
    with pytest.raises(nt.MisuseError, match=r"'pie'; use one of tokens, cost, time, context, tools"):
        nt.figure(nt.Turn(), "pie")
    with pytest.raises(nt.MisuseError, match="no figure"):
        nt.figure(nt.Turn(), ["tokens"])  # type: ignore[arg-type]


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_run_and_a_turn_are_saved_as_figures(suffix: str, start: bytes, tmp_path: Path) -> None:
    from matplotlib import rc_context

    hostile = nt.Turn([nt.user(EVIL), nt.tool_call("1", EVIL, {"a": EVIL}), nt.tool_use("1", EVIL)])
    for value in (nt.load(FIXTURE), hostile, nt.Run((hostile,), name=EVIL), nt.Turn()):
        path = nt.save(value, tmp_path / f"figure.{suffix}")
        first = path.read_bytes()
        assert first.startswith(start)
        assert nt.save(value, path).read_bytes() == first
    with rc_context({"text.usetex": True}):
        texts = nt.figure(hostile, "tools").axes[0].get_yticklabels()
    assert not any(text.get_usetex() or text.get_parse_math() for text in texts)


def test_pyplot_is_not_imported() -> None:
    code = (
        "import sys, nbturns as nt; nt.figure(nt.example(), 'tokens'); "
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_cell_shows_a_figure_without_pyplot() -> None:
    (shown, _) = DisplayFormatter().format(nt.figure(nt.example(), "context"))  # type: ignore[no-untyped-call]  # of IPython

    assert shown["image/png"].startswith(b"\x89PNG")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(nt.MissingPackageError, match=r"pip install 'nbturns\[figures\]'"):
        nt.figure(nt.example(), "cost")
    with pytest.raises(nt.MissingPackageError, match=r"pip install 'nbturns\[figures\]'"):
        nt.save(nt.example(), tmp_path / "run.svg")
    assert not (tmp_path / "run.svg").exists()


def test_every_character_of_a_tex_fragment_is_escaped(tmp_path: Path) -> None:
    assert tex_text("a\\b{}") == r"a\textbackslash{}b\{\}"
    assert tex_text("5% & $x_1^2$ #~") == r"5\% \& \$x\_1\textasciicircum{}2\$ \#\textasciitilde{}"
    assert tex_text("--- ?`'\"<>|[*]") == (
        r"{-}{-}{-} ?\textasciigrave{}\textquotesingle{}\char34{}\textless{}\textgreater{}\textbar{}{[}{*}{]}"
    )
    assert tex_text("one\r\n\n\ntwo") == r"one \newline{} two"

    turn = nt.Turn(
        [nt.user(EVIL), nt.tool_call("1", EVIL, {EVIL: EVIL}), nt.Block(EVIL, {"text": "%\n\\end{tabular}"})]
    )
    fragment = nt.save(turn, tmp_path / "turn.tex").read_text("utf-8")

    assert r"\input" not in fragment
    assert fragment.count(r"\end{tabular}") == 1
    assert len(fragment.splitlines()) == 10
    assert all(line.endswith("\\\\") for line in fragment.splitlines()[5:8])


def test_a_comparison_is_a_table_with_a_column_for_each_value(tmp_path: Path) -> None:
    run = nt.example()
    other = nt.Run((run[0] + nt.assistant(r"\input{x} & 50 % _a_"),), name="b_1")

    for comparison, columns in ((nt.compare(run, other), 2), (nt.compare(run, other, run), 3)):
        tex = nt.save(comparison, tmp_path / "c.tex").read_text("utf-8")
        assert f"*{{{columns}}}{{p{{" in tex
        assert r"\textbackslash{}input\{x\} \& 50 \% \_a\_" in tex
        assert r"b\_1" in tex and "difference" not in tex
        rows = [line for line in tex.split("\n") if line.endswith(r"\\")]
        assert {line.count(" & ") for line in rows} == {columns}
        svg = nt.save(comparison, tmp_path / "c.svg").read_bytes()
        assert svg == nt.save(comparison, tmp_path / "d.svg").read_bytes()
        assert nt.save(comparison, tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "different from block" in nt.view(nt.compare(run, other, run))._repr_html_()


def test_the_window_of_the_model_is_a_line_where_the_bars_come_near() -> None:
    few, many = (
        nt.figure(run_of_calls(nt.InferenceResult(model="claude-sonnet-4-5", usage=nt.Usage(tokens, 0))), "context")
        for tokens in (900, 90_000)
    )

    assert not few.axes[0].lines
    assert few.axes[0].get_title() == "window of the model: 200,000 tokens"
    assert [list(map(float, line.get_ydata())) for line in many.axes[0].lines] == [[200_000.0]]  # type: ignore[arg-type]
