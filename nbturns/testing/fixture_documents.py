"""Fixture documents of geppetto as tests: `turn` is asked first, then each of `followups`.

A document has no answers. An engine comes from `answers`, a list that nbturns reads and geppetto ignores, or from a
recording beside the document: `weather.yaml` is answered by the Run in `weather.recording.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engines import replay, scripted
from ..engines.scripted_engine import Scripted
from ..errors import LoadError, NbturnsError
from ..files import load
from ..importers.geppetto_fixtures import FORMAT
from ..serialization.serde import block_from_dict
from ..session import Session
from ..values.blocks import Block
from ..values.frozen_json import thaw
from ..values.turns import Run, Turn

RECORDING_SUFFIX = ".recording.yaml"


@dataclass(frozen=True, slots=True)
class FixtureDocument:
    """A fixture document: the first Turn, the blocks that follow up, and the answers if it has any."""

    path: Path
    turn: Turn
    followups: tuple[Block, ...] = ()
    answers: tuple[tuple[Block, ...], ...] = ()

    def engine(self) -> Any:
        """Return the engine that answers the document: scripted from `answers`, else a replay of the recording.

        Raises LoadError for a document that has neither.
        """
        if self.answers:
            return scripted(*self.answers)
        recording = self.path.with_name(self.path.stem + RECORDING_SUFFIX)
        if recording.exists():
            return replay(recording)
        raise LoadError(
            f"the document has no answers; add `answers`, or save a Run as {recording.name}", file=str(self.path)
        )

    def run(self, engine: Any = None, *, tools: Iterable[Any] = (), timeout: float = 60.0) -> Run:
        """Ask the first Turn and each follow-up, and return the Run; without `engine`, with `engine()`.

        `timeout` is the seconds for one Turn. Raises AssertionError if a scripted engine has answers left, and
        what `session.ask` raises.
        """
        engine = self.engine() if engine is None else engine
        session = Session(engine, tools=tuple(tools))
        prompts: list[Turn | Block] = [self.turn, *self.followups]
        for prompt in prompts:
            session.ask(prompt).result(timeout)
        check_exhausted(engine)
        return session.run


def fixture_document(path: str | Path) -> FixtureDocument:
    """Return the fixture document in a file. Raises LoadError for another file."""
    run = load(path, format=FORMAT)
    before = [len(turn) for turn in run.turns]
    followups = tuple(turn[length] for turn, length in zip(run.turns[1:], before, strict=False))
    raw_answers = thaw(run.fields.get("answers") or [])
    if not isinstance(raw_answers, list):
        raise LoadError("answers must be a list", file=str(path), position="answers")
    answers = tuple(_answer(raw, str(path), f"answers[{index}]") for index, raw in enumerate(raw_answers))
    return FixtureDocument(Path(path), run.turns[0], followups, answers)


def _answer(raw: Any, file: str, position: str) -> tuple[Block, ...]:
    """Return the blocks of one answer: a text, a block, or a list of blocks."""
    if isinstance(raw, str):
        return (Block("llm_text", {"text": raw}, role="assistant"),)
    try:
        return tuple(block_from_dict(block) for block in ([raw] if isinstance(raw, Mapping) else raw))
    except (NbturnsError, TypeError, ValueError) as error:
        raise LoadError(f"not an answer: {error}", file=file, position=position) from None


def check_exhausted(engine: Any) -> None:
    """Raise AssertionError if a scripted engine has answers that were not asked for; other engines pass."""
    if isinstance(engine, Scripted) and engine.call_count < len(engine.answers):
        left = len(engine.answers) - engine.call_count
        raise AssertionError(
            f"{left} of {len(engine.answers)} scripted answers left; the conversation made {engine.call_count} model calls"
        )
