"""Metadata of a wrong type under a known key: the Run is counted and shown without that value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns import frames
from nbturns.keys import DECISIONS, INFERENCES
from nbturns.render.readable_values import BLOCK_KEYS, RUN_KEYS, TURN_KEYS

PLACES = [("block", key.name) for key in BLOCK_KEYS]
PLACES += [("turn", key.name) for key in TURN_KEYS if key.type is not Any]
PLACES += [("run", key.name) for key in RUN_KEYS]

# A session reads decisions and the ledger of a Turn before it goes on, and refuses these with a DecodeError.
SHOWN = [(place, name) for place, name in PLACES if place != "run" and name not in (DECISIONS.name, INFERENCES.name)]


def record(place: str, name: str) -> dict[str, Any]:
    call = {"kind": "tool_call", "payload": {"id": "c", "name": "f", "args": {}}}
    reply = {"kind": "tool_use", "payload": {"id": "c", "result": 1}}
    blocks: list[dict[str, Any]] = [{"kind": "user", "payload": {"text": "q"}}, call, reply]
    turn: dict[str, Any] = {"blocks": blocks}
    run: dict[str, Any] = {"version": 1, "id": "odd", "turns": [turn]}
    for container in {"block": blocks, "turn": [turn], "run": [run]}[place]:
        container["metadata"] = {name: [{"stop_reason": 5}]}
    return run


@pytest.mark.parametrize(("place", "name"), PLACES)
def test_a_run_is_counted_without_the_value_and_the_errors_name_it(place: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(record(place, name)), encoding="utf-8")

    result = frames.read(path)

    assert (len(result.blocks), len(result.turns), len(result.tool_calls)) == (3, 1, 1)
    assert not result.blocks.maybe_duplicate.any()
    assert len(result.errors) == 1 and name in result.errors.reason[0]


@pytest.mark.parametrize(("place", "name"), SHOWN)
def test_a_session_that_goes_on_from_it_is_shown(place: str, name: str) -> None:
    turn = nt.Run.from_dict(record(place, name)).turns[0]
    session = nt.Session(nt.scripted("answer"))

    execution = session.ask(turn)
    views: list[Any] = [nt.view(session), nt.view(execution)]
    execution.result(10)

    for view in [*views, nt.view(session), nt.view(execution)]:
        assert "answer" in json.dumps(view.get_state(), default=str) or "answer" in view._repr_html_()
