"""`session.fork`: a session that continues from an earlier place, and the calls that ran after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ..errors import MisuseError
from ..events import Pause, Snapshot
from ..runtime.lineage import is_beginning_of
from ..runtime.marks import RECORDED, SKIPPED, answered_by
from ..session import Session
from ..tools import Tool
from ..values.blocks import Block, tool_use
from ..values.turns import Run, Turn
from .recorded_calls import answered_calls, arguments_key
from .session_tree import all_turns

EarlierCall = tuple[Block, Block]  # a call and its answer
Choice = Literal["reuse", "skip", "confirm"]


def fork(
    session: Session,
    at: Snapshot | Pause | Turn | int | None,
    *,
    name: str = "",
    reuse: Iterable[str] = (),
    skip: Iterable[str] = (),
    confirm: Iterable[str] = (),
) -> Session:
    """Return a fork of a session: see `Session.fork`."""
    turns = _turns_at(session, at)
    choices = {"reuse": reuse, "skip": skip, "confirm": confirm}
    chosen_calls = _chosen_calls(session, turns[-1] if turns else Turn(), choices)
    branch = Session(
        session.engine,
        system=session.system,
        tools=session.tools,
        middleware=session.middleware,
        sinks=session.sinks,
        on_snapshot=session.on_snapshot,
        store=session.store,
        tool_config=session.tool_config,
        step=session.step,
        break_when=session.break_when,
        policy=session.policy,
        run=Run(turns),
        runtime=session.runtime,
    )
    is_whole_turn = at is None or isinstance(at, int)
    branch._loaded_turn_count = min(session._loaded_turn_count, len(turns)) if is_whole_turn else 0
    copied_rules = (rule.copy() for rule in session._call_rules if rule is not session._policy_rule)
    branch._call_rules = (*branch._call_rules, *([EarlierCalls(chosen_calls)] if chosen_calls else ()), *copied_rules)
    branch._lineage.name = name
    session._lineage.add(session, branch)
    return branch


def _turns_at(session: Session, at: Any) -> tuple[Turn, ...]:
    """Return the Turns of a session up to a place in it."""
    turns = session.turns
    if at is None:
        return turns
    if isinstance(at, int):
        if not -len(turns) <= at < len(turns):
            raise IndexError(f"index {at} is out of range (this session has {len(turns)} Turns)")
        return turns[: range(len(turns))[at] + 1]
    turn = at.turn if isinstance(at, (Snapshot, Pause)) else at
    if not isinstance(turn, Turn):
        raise MisuseError(f"fork() expects a snapshot, a Turn or an index of a Turn, got {at!r:.60}")
    return (*(earlier_turn for earlier_turn in turns if is_beginning_of(earlier_turn, turn)), turn)


def calls_after(session: Session, turn: Turn) -> list[EarlierCall]:
    """Return the calls of a session that were answered after a Turn, each with its answer, in order."""
    return answered_calls(all_turns(session), turn)


def _chosen_calls(
    session: Session, turn: Turn, choices: Mapping[str, Iterable[str]]
) -> list[tuple[EarlierCall, Choice]]:
    """Return the calls that the arguments of `fork` name. Raises MisuseError for one that did not run after the Turn."""
    names_by_choice: dict[Any, list[str]] = {}
    for choice, names in choices.items():
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise MisuseError(
                f'{choice} must be a list of call ids or tools, like {choice}=["edit_file"], got {names!r:.60}'
            )
        names_by_choice[choice] = list(names)
    if not any(names_by_choice.values()):
        return []
    earlier_calls = calls_after(session, turn)
    chosen: dict[str, tuple[EarlierCall, Choice]] = {}
    for choice, names in names_by_choice.items():
        for name in names:
            matches = [pair for pair in earlier_calls if name in (pair[0].tool_call_id, pair[0].name)]
            if not matches:
                known_names = ", ".join(dict.fromkeys(call.name for call, _ in earlier_calls)) or "no tool"
                raise MisuseError(f"{choice}: no call {name!r:.60} ran after this place; these did: {known_names}")
            for pair in matches:
                id = pair[0].tool_call_id
                if id in chosen and chosen[id][1] != choice:
                    raise MisuseError(f"call {id!r:.60} is named in {chosen[id][1]} and in {choice}; name it once")
                chosen[id] = (pair, choice)
    return list(chosen.values())


class EarlierCalls:
    """The rule for calls that ran after the place of a fork, when the fork makes the same call again."""

    def __init__(self, chosen_calls: Iterable[tuple[EarlierCall, Choice]], *, can_pause: bool = True) -> None:
        self._open: list[tuple[str, str, Block, Choice]] = [
            (call.name, arguments_key(call), answer, choice) for (call, answer), choice in chosen_calls
        ]
        self._can_pause = can_pause
        self._matched: dict[str, tuple[Block, Choice]] = {}  # by the id of the new call

    def _match(self, call: Block) -> tuple[Block, Choice] | None:
        """Return the earlier answer to the same call, and what was chosen for it; each is used once."""
        id = call.tool_call_id
        if id not in self._matched and any(name == call.name for name, *_ in self._open):
            key = arguments_key(call)
            for index, (name, earlier_key, answer, choice) in enumerate(self._open):
                if name == call.name and earlier_key == key:
                    del self._open[index]
                    self._matched[id] = (answer, choice)
                    break
        return self._matched.get(id)

    def answer(self, call: Block, tool: Tool | None) -> tuple[Block, None] | None:
        del tool
        match = self._match(call)
        if match is None or match[1] == "confirm":
            return None
        answer, choice = match
        if choice == "skip":
            error = "skipped: this call already ran before the fork"
            return answered_by(tool_use(call.tool_call_id, None, error), SKIPPED), None
        return answered_by(tool_use(call.tool_call_id, answer.result, answer.error), RECORDED), None

    def pause_reason(self, call: Block, tool: Tool | None) -> str:
        del tool
        match = self._match(call)
        if match is None or match[1] != "confirm" or not self._can_pause:
            return ""
        return f"{call.name} already ran with these arguments before the fork"

    def copy(self) -> EarlierCalls:
        rule = EarlierCalls((), can_pause=self._can_pause)
        rule._open, rule._matched = list(self._open), dict(self._matched)
        return rule

    def without_pauses(self) -> EarlierCalls:
        rule = self.copy()
        rule._can_pause = False
        return rule


__all__ = ["EarlierCall", "calls_after", "fork"]
