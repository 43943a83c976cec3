"""Summaries describe what is shown: a slice, a selection, one block; unknown is a dash, an estimate says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.values.inference_results import INFERENCE_ID, INFERENCE_RESULT, INFERENCES
from nbturns.values.persistent_list import PersistentList
from nbturns.widgets.turn_view import turn_totals
from tests.render.test_html import Seen
from tests.runtime.test_tool_loop import call, double

FIXTURE = Path(__file__).parents[2] / "fixtures" / "greenhouse.yaml"


def result(id: str, **fields: Any) -> nt.InferenceResult:
    return nt.InferenceResult(inference_id=id, model="m", finish_class=nt.FinishClass.COMPLETED, **fields)


def turn_of(*results: nt.InferenceResult) -> nt.Turn:
    """A Turn with a ledger, and a text by each of these calls."""
    blocks = [
        nt.assistant(f"text {n}")
        .with_metadata(INFERENCE_RESULT, call_result)
        .with_metadata(INFERENCE_ID, call_result.inference_id)
        for n, call_result in enumerate(results)
    ]
    return nt.Turn([nt.user("q"), *blocks]).with_metadata(INFERENCES, PersistentList(results))


def caption(value: Any) -> str:
    text = Seen(value._repr_html_()).text
    return text.partition("#")[0].rpartition("\n")[2].strip()


THREE = turn_of(*(result(f"i{n}", usage=nt.Usage(100 * n, n), cost=n / 1000, duration_ms=10) for n in (1, 2, 3)))


@pytest.mark.parametrize(
    ("part", "phrases"),
    [
        (THREE, "4 blocks · 3 model calls of m · 600 → 6 tokens · $0.0060 · 30 ms"),
        (THREE[3:], "1 block · 1 model call of m · 300 → 3 tokens · $0.0030 · 10 ms"),
        (THREE[:2], "2 blocks · 1 model call of m · 100 → 1 tokens · $0.0010 · 10 ms"),
        (THREE[9:], "0 blocks"),
        (THREE[2], "1 block · 1 model call of m · 200 → 2 tokens · $0.0020 · 10 ms"),
        (THREE[0], "1 block"),
    ],
)
def test_a_caption_counts_the_calls_of_the_blocks_that_it_is_about(part: Any, phrases: str) -> None:
    assert caption(part) == f"Turn · {phrases}"


def test_a_selection_of_a_view_counts_its_own_calls() -> None:
    view, run_view = nt.view(THREE), nt.view(nt.Run([THREE]))
    assert view.selection.usage == nt.Usage()

    view.selected, run_view.selected = [3], [1]

    assert ids(view.selection) == ["i3"]
    assert ids(run_view.selection) == ["i1"]


def ids(turn: nt.Turn) -> list[str]:
    return [call_result.inference_id for call_result in turn.inferences]


def test_a_slice_of_everything_and_a_dropped_block_keep_the_whole_ledger() -> None:
    failed = result("i9").replace(finish_class=nt.FinishClass.ERROR)
    turn = THREE.with_metadata(INFERENCES, PersistentList([*THREE.inferences, failed]))

    assert turn[:] == turn
    assert turn.drop(3).inferences == turn.inferences
    assert THREE[1:3].usage == nt.Usage(300, 3)


def test_unknown_is_a_dash_and_a_partly_known_sum_is_a_bound() -> None:
    unknown = turn_of(result("i1"))
    partly = turn_of(result("i1", usage=nt.Usage(5, 1)), result("i2"))

    assert caption(unknown) == "Turn · 2 blocks · 1 model call of m · tokens — · cost — · time —"
    assert caption(partly) == "Turn · 3 blocks · 2 model calls of m · ≥ 5 → 1 tokens · cost — · time —"
    assert turn_totals(partly)["phrases"][1] == "≥ 5 → 1 tokens"


def test_an_estimated_cost_says_so() -> None:
    turn = turn_of(result("i1", usage=nt.Usage(5, 1), cost=0.5, cost_source="table", duration_ms=1))

    assert "≈ $0.5000" in caption(turn)
    assert nt.view(turn)._start["calls"]["i1"]["estimated"] is True
    assert "≈ $0.5000" in nt.view(nt.Run([turn])).start["head"]


def test_a_count_of_one_is_singular_in_every_repr() -> None:
    execution = nt.Session(nt.scripted([call("a", 1)], "done"), tools=[double]).ask("q", step={"pre_inference"})
    execution.next().result(60)

    assert repr(execution) == "<Execution paused: 1 snapshot, 1 block>"
    assert repr(nt.view(execution)) == f"<Stepper of {execution!r}>"
    assert repr(nt.Run([nt.turn("q")])) == "<Run 1 turn, 1 block>"
    execution.stop()
