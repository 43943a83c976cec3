"""Snapshot files: the conversation that a test expects, as YAML that people read and edit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import MisuseError
from ..files import load, save
from ..values.blocks import Block, comparable_content
from ..values.turns import Run, Turn
from .turn_tables import block_table, difference_lines, latest_turn

UPDATE_OPTION = "--update-turn-snapshots"


class TurnSnapshot:
    """Compares conversations with files; `turn_snapshot(turn)` in a test of pytest.

    The content is compared: kinds, roles and payloads. Ids, times, tokens and other metadata are neither compared
    nor written, and the ids of tool calls become call_1, call_2, …. With `update` the files are written instead.
    """

    def __init__(self, folder: Path, name: str, *, update: bool = False) -> None:
        self.folder = folder
        self.name = name
        self.update = update

    def __call__(self, value: Any, name: str = "") -> None:
        """Assert that a Turn, or the Run of a session, has the content of its file.

        `name` is added to the file name of the test; a test with two snapshots needs it. Raises AssertionError that
        shows the differences, or MisuseError for a value without Turns.
        """
        content = snapshot_value(value)
        path = self.path(name)
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            save(content, path)
            return
        if not path.exists():
            raise AssertionError(f"there is no snapshot {path}; run pytest {UPDATE_OPTION} to write it")
        expected = load(path)
        if _turn_contents(expected.turns) != _turn_contents(_turns(content)):
            sides = (expected, content) if isinstance(content, Run) else (expected.latest, content)
            turn = latest_turn(content)
            lines = [
                f"the conversation differs from {path}; run pytest {UPDATE_OPTION} to accept it",
                *difference_lines(*sides),
                "the blocks now:",
                block_table(turn) if turn is not None else "  the Run has no Turn",
            ]
            raise AssertionError("\n".join(lines))

    def path(self, name: str = "") -> Path:
        """Return the path of a snapshot of this test."""
        return self.folder / f"{self.name}{'.' + name if name else ''}.yaml"


def snapshot_value(value: Any) -> Turn | Run:
    """Return the content of a value as a snapshot file holds it: without ids and metadata."""
    run = getattr(value, "run", None) if not isinstance(value, (Turn, Run)) else value
    run = run if isinstance(run, (Turn, Run)) else latest_turn(value)
    if isinstance(run, Turn):
        return _plain_turn(run)
    if isinstance(run, Run):
        return Run(tuple(map(_plain_turn, run.turns)))
    raise MisuseError(f"expected a Turn, a Run, a session or an execution, got {type(value).__name__}")


def _plain_turn(turn: Turn) -> Turn:
    blocks = []
    for kind, role, payload in comparable_content(turn.blocks):
        plain = dict(payload)
        if isinstance(plain.get("id"), int):
            plain["id"] = f"call_{plain['id']}"
        blocks.append(Block(kind, plain, role=role))
    return Turn(tuple(blocks))


def _turns(value: Turn | Run) -> Sequence[Turn]:
    return value.turns if isinstance(value, Run) else (value,)


def _turn_contents(turns: Sequence[Turn]) -> list[Any]:
    return [comparable_content(turn.blocks) for turn in turns]
