"""The model calls of a Turn for the lane of a page: figures, growth and cache breaks."""

from __future__ import annotations

from typing import Any

import nbturns as nt
from nbturns.render.run_heading import heading_entry
from nbturns.render.timeline import Timeline
from nbturns.values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, Usage
from nbturns.values.persistent_list import PersistentList


def reply(id: str, *blocks: nt.Block, **figures: Any) -> list[nt.Block]:
    result = InferenceResult(inference_id=id, model="claude-sonnet-4-5", **figures)
    return [block.with_metadata(INFERENCE_RESULT, result).with_metadata(INFERENCE_ID, id) for block in blocks]


def lanes(*turns: nt.Turn) -> list[list[dict[str, Any]]]:
    timeline = Timeline()
    for index, turn in enumerate(turns):
        timeline.put(index, turn)
    return [entry["lane"] for entry in timeline.entries]


BLOCKS = [nt.system("Be brief. " * 40), nt.user("q")]
BLOCKS += reply("a", nt.tool_call("c", "read", {"path": "log"}), usage=Usage(100, 5, 0), cost=0.5, duration_ms=40)
BLOCKS += [nt.tool_use("c", "line " * 500), *reply("b", nt.assistant("x"), usage=Usage(2_100, 9, 90), duration_ms=50)]


def test_a_call_has_its_figures_and_the_block_that_made_its_request_grow() -> None:
    ((first, second),) = lanes(nt.Turn(BLOCKS))

    assert first == {"first": 2, "input": 100, "output": 5, "cached": 0, "cost": 0.5, "ms": 40}
    assert (second["first"], second["grew"]) == (4, [2_000, 3])
    assert "again" not in second  # nothing was read from the cache before


def test_a_cache_that_broke_counts_the_tokens_that_are_billed_again() -> None:
    more = [*BLOCKS, nt.user("more"), *reply("c", nt.assistant("y"), usage=Usage(2_200, 9, 0))]
    kept = [*BLOCKS, nt.user("more"), *reply("c", nt.assistant("y"), usage=Usage(2_200, 9, 2_100))]

    assert lanes(nt.Turn(BLOCKS), nt.Turn(more))[1][0]["again"] == 2_100
    assert "again" not in lanes(nt.Turn(BLOCKS), nt.Turn(kept))[1][0]


def test_a_changed_request_tells_the_first_block_that_differs() -> None:
    changed = [nt.system("Be long. " * 40), *BLOCKS[1:], nt.user("more")]
    changed += reply("c", nt.assistant("y"), usage=Usage(2_200, 9, 0))

    (_, (call,)) = lanes(nt.Turn(BLOCKS), nt.Turn(changed))

    assert call["differs"] == 0
    assert 1_500 < call["again"] < 2_200  # all but the changed block was sent before


def test_equal_blocks_of_another_object_are_the_same_request() -> None:
    copied = [nt.Block(block.kind, dict(block.payload), metadata=block.metadata) for block in BLOCKS]

    (_, (call,)) = lanes(nt.Turn(BLOCKS), nt.Turn([*copied, nt.user("more"), *reply("c", nt.assistant("y"))]))

    assert "differs" not in call


def test_failed_and_empty_calls_are_part_of_the_lane() -> None:
    turn = nt.Turn(BLOCKS)
    results = (InferenceResult(inference_id="z", finish_class=nt.FinishClass.ERROR), *turn.inferences)
    turn = turn.with_metadata(nt.keys.INFERENCES, PersistentList(results))

    ((failed, first, _),) = lanes(turn)

    assert failed == {"first": first["first"], "empty": True, "state": "failed"}


def test_the_heading_names_the_file_and_the_outcome() -> None:
    outcome = nt.Outcome(success=False, limit="time", scores={"match": 0.5})
    run = nt.Run((nt.Turn(BLOCKS),), name="repair", metadata=nt.Turn().with_metadata(nt.keys.OUTCOME, outcome).metadata)

    assert heading_entry(run) == {
        "name": "repair",
        "outcome": {"state": "failed", "text": "failed · limit time · match 0.5"},
    }
    assert heading_entry(nt.Run(), "Session") == {"name": "Session"}
