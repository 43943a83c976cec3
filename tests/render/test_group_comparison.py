"""Three and more conversations side by side, their figures, and where they part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.values.inference_results import INFERENCE_RESULT

EVIL = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"
FIXTURE = Path(__file__).parents[2] / "fixtures" / "greenhouse.yaml"


def run_of(answer: str, *, result: Any = "12 °C", usage: nt.Usage | None = None, **fields: Any) -> nt.Run:
    inference = nt.InferenceResult(model="m", inference_id=answer, usage=usage, **fields)
    blocks = [
        nt.user("How cold?"),
        nt.tool_call(f"call-{answer}", "read", {"sensor": 1}),
        nt.tool_use(f"call-{answer}", result),
        nt.assistant(answer),
    ]
    blocks[3] = blocks[3].with_metadata(INFERENCE_RESULT, inference)
    return nt.Run((nt.Turn(blocks),), name=f"run {answer}")


def test_each_value_has_a_row_of_figures_and_differences() -> None:
    a = run_of("12", usage=nt.Usage(10, 2), cost=0.5, duration_ms=100)
    b = run_of("11", usage=nt.Usage(30, 4), cost=0.75, duration_ms=80)
    c = run_of("9", result="Error: no such sensor")

    metrics = nt.compare(a, b, c).metrics

    assert list(metrics["name"]) == ["run 12", "run 11", "run 9"]
    assert list(metrics["blocks"]) == [4, 4, 4]
    assert list(metrics["failed_calls"]) == [0, 0, 1]
    assert list(metrics["tokens"][:2]) == [12, 34]
    assert list(metrics["difference.tokens"][:2]) == [0, 22]
    assert list(metrics["difference.cost"][:2]) == [0, 0.25]
    assert list(metrics["difference.duration_ms"][:2]) == [0, -20]
    unknown = metrics.loc[2, ["tokens", "cost", "duration_ms", "difference.tokens", "difference.cost", "outcome"]]
    assert unknown.isna().all()
    assert list(nt.compare(a, b).metrics["tokens"]) == [12, 34]


def test_the_first_different_block_is_named() -> None:
    a, b, c = run_of("12"), run_of("12"), run_of("9")

    assert nt.compare(a, b, a).divergence is None
    assert nt.compare(a, b).divergence is None
    assert nt.compare(a, b, c).divergence == 3
    assert nt.compare(a[0], a[0], a[0] + nt.user("more")).divergence == 4
    assert nt.compare(a[0], a[0].edit(0, text="How warm?")).divergence == 0


def test_blocks_stand_in_columns() -> None:
    first = nt.Turn((nt.user("one"), nt.assistant("two")))
    longer = first.insert(1, nt.assistant("inserted words")) + nt.user("three")
    edited = first.edit(1, text="two and more")

    comparison = nt.compare(first, longer, edited)

    texts = [tuple(block.text if block else None for block in row) for row in comparison.rows]
    assert texts == [
        ("one", "one", "one"),
        (None, "inserted words", None),
        ("two", "two", "two and more"),
        (None, "three", None),
    ]
    assert [len(pair.changes) for pair in comparison.pairs] == [2, 1]


def test_the_tables_say_what_is_the_same_and_figures_have_units() -> None:
    a = run_of("12", usage=nt.Usage(10, 2), cost=0.5, duration_ms=1_100)
    b = run_of("12", usage=nt.Usage(30, 4), cost=0.25, duration_ms=80)
    c = run_of("9", usage=nt.Usage(30, 4), cost=0.5, duration_ms=1_100)

    html = nt.compare(a, b, c)._repr_html_()

    assert "$0.2500 (−$0.2500)" in html
    assert "80 ms (−1.02 s)" in html
    assert "= 3 blocks the same in all" in html
    assert "= A" in html
    assert html.count("How cold?") == 1


def test_two_are_compared_as_before() -> None:
    run = nt.load(FIXTURE)

    assert type(nt.compare(run[0], run[-1])) is nt.Comparison
    assert type(nt.compare(run[0], run[-1], run)) is nt.GroupComparison


def test_hostile_texts_are_escaped_in_the_cell_and_in_the_file(tmp_path: Path) -> None:
    runs = [nt.Run((nt.Turn((nt.user(EVIL + str(n)),)),), name=EVIL) for n in range(3)]
    comparison = nt.compare(*runs)

    page = nt.save(comparison, tmp_path / "three.html").read_text("utf-8")

    for html in (comparison._repr_html_(), page):
        assert "<img" not in html and "<script" not in html
        assert "&lt;img src=x" in html
        assert "first difference" in html
    with pytest.raises(ValueError, match=r"\.html"):
        nt.save(comparison, tmp_path / "three.yaml")


def test_another_value_is_refused() -> None:
    with pytest.raises(nt.MisuseError, match="expects Turns or Runs, got int: 3"):
        nt.compare(nt.Turn(), nt.Turn(), 3)
