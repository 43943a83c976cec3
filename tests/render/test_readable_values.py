"""One odd value in the metadata of a file hides nothing else: views show what they can, and mark the block."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.render.block_rows import block_row
from nbturns.render.readable_values import readable_run, readable_turn

ODD: list[dict[str, Any]] = [
    {"geppetto.inference_result@v1": {"stop_reason": 5}},
    {"geppetto.inference_result@v1": "claude"},
    {"nbturns.inference_id@v1": [1]},
    {"nbturns.stdout@v1": 5},
    {"nbturns.duration_ms@v1": "3 s"},
    {"nbturns.duration_ms@v1": float("nan")},
]
ODD_TURNS: list[dict[str, Any]] = [
    {"nbturns.inferences@v1": 5},
    {"nbturns.inferences@v1": [{"usage": "many"}]},
    {"nbturns.status@v1": {}},
    {"geppetto.session_id@v1": 7},
    {"geppetto.inference_id@v1": []},
]


def run_of(block_metadata: dict[str, Any], turn_metadata: dict[str, Any]) -> nt.Run:
    blocks = [
        {"kind": "user", "payload": {"text": "question"}},
        {"kind": "tool_use", "payload": {"id": "c", "result": "the result"}, "metadata": block_metadata},
    ]
    return nt.loads(json.dumps({"blocks": blocks, "metadata": turn_metadata}))


CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [(odd, {}) for odd in ODD] + [({}, odd) for odd in ODD_TURNS]


@pytest.mark.parametrize(("of_block", "of_turn"), CASES, ids=map(str, range(len(CASES))))
def test_a_view_shows_all_but_the_odd_value(tmp_path: Path, of_block: dict[str, Any], of_turn: dict[str, Any]) -> None:
    run = run_of(of_block, of_turn)

    for html in (run._repr_html_(), run.latest._repr_html_(), nt.save(run, tmp_path / "a.html").read_text()):
        assert "question" in html
        assert "the result" in html
    assert "the result" in nt.save(run, tmp_path / "a.md").read_text()
    nt.view(run).close()
    nt.view(run.latest).close()
    assert repr(nt.load(nt.save(run, tmp_path / "a.json"))[0].to_dict()) == repr(run[0].to_dict())


@pytest.mark.parametrize("odd", ODD, ids=map(str, range(len(ODD))))
def test_the_block_of_an_odd_value_is_marked_and_its_value_is_unchanged(odd: dict[str, Any]) -> None:
    run = run_of(odd, {})

    (mark,) = block_row(readable_turn(run.latest)[1])["marks"]

    assert (mark["label"], next(iter(odd)) in mark["note"]) == ("unreadable value", True)
    assert repr(dict(run.latest[1].metadata.items())) == repr(odd)


def test_what_can_be_read_is_the_same_object_and_shared_blocks_stay_shared() -> None:
    run = nt.example()
    assert readable_run(run) is run

    odd = run_of(ODD[0], {}).latest
    turns = readable_run(nt.Run((odd, odd + nt.user("and?")))).turns
    assert turns[1].blocks.shared_length(turns[0].blocks) == 2
