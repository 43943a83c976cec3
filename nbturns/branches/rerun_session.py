"""`rerun`: a session that continues a recorded Run from any of its blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

from ..errors import MisuseError
from ..runtime.engine_protocol import Engine
from ..runtime.toolbox import Toolbox
from ..session import Session
from ..tools import Tool
from ..values.turns import Run, Turn
from .recorded_calls import Recorded, RecordedRule, answered_calls, recorded_tools


def rerun(
    run: Run | Turn | Session,
    engine: Engine | str,
    at: int | tuple[int, int] | str | None = None,
    tools: Iterable[Tool | Callable[..., Any]] = (),
    recorded: Recorded = "same-arguments",
    **session_arguments: Any,
) -> Session:
    """Return a session that continues a recorded Run; `session.ask(session.latest)` asks the model again from there.

    `at` is the last thing to keep: a Turn by its index, a block by (index of the Turn, index of the block)
    or by its id; None keeps all. A call that equals the next recorded call of its name, later in the Run, is answered with
    its result ("same-arguments"), whatever its arguments ("always"), or not ("never"). Other calls of `tools` run; the
    execution pauses before any other. Recorded tools that are not in `tools` are offered with the recorded schema, or one
    that is inferred from the recorded arguments. `session_arguments` are those of Session. Answers from the
    recording have the mark "recorded" (`nt.keys.ANSWERED_BY`).
    """
    whole_run = _run_of(run)
    if recorded not in get_args(Recorded):
        raise MisuseError(f"recorded must be one of {', '.join(get_args(Recorded))}, got {recorded!r:.60}")
    turn_index, block_count = _position(whole_run, at)
    kept_turn = whole_run[turn_index]
    if block_count < len(kept_turn):
        kept_turn = kept_turn[:block_count]
    toolbox = tools if isinstance(tools, Toolbox) else Toolbox(tools)
    tool_names = [tool.name for tool in toolbox]
    session = Session(
        _engine_of(engine),
        tools=[*toolbox, *recorded_tools(whole_run, tool_names)],
        run=Run((*whole_run.turns[:turn_index], kept_turn)),
        **session_arguments,
    )
    later_calls = answered_calls(whole_run.turns[turn_index:], kept_turn)
    session._call_rules = (*session._call_rules, RecordedRule(later_calls, recorded))
    return session


def _run_of(run: Any) -> Run:
    value = run.run if isinstance(run, Session) else Run((run,)) if isinstance(run, Turn) else run
    if not isinstance(value, Run):
        raise MisuseError(f"expected a Run, like nt.load(path), got {type(run).__name__}: {run!r:.60}")
    if not len(value):
        raise MisuseError("the Run has no Turns, so there is nothing to continue")
    return value


def _engine_of(engine: Any) -> Any:
    if isinstance(engine, str):
        from ..engines import engine as make_engine

        return make_engine(engine)
    return engine


def _position(run: Run, at: Any) -> tuple[int, int]:
    """Return the index of the last Turn to keep, and the number of its blocks to keep."""
    if at is None:
        return len(run) - 1, len(run[-1])
    if isinstance(at, str):
        return _position_of_block(run, at)
    if isinstance(at, int) and not isinstance(at, bool):
        return (index := _index(at, len(run), "Turn")), len(run[index])
    if isinstance(at, tuple) and len(at) == 2 and all(isinstance(part, int) for part in at):
        index = _index(at[0], len(run), "Turn")
        return index, _index(at[1], len(run[index]), "block") + 1
    raise MisuseError(f"at must be an index of a Turn, (turn_index, block_index) or the id of a block, got {at!r:.60}")


def _index(index: int, length: int, noun: str) -> int:
    if not -length <= index < length:
        raise MisuseError(f"{noun} {index} is out of range (there are {length})")
    return range(length)[index]


def _position_of_block(run: Run, block_id: str) -> tuple[int, int]:
    for turn_index, turn in enumerate(run):
        for block_index, block in enumerate(turn):
            if block_id and block_id in (block.id, f"{run.id}/{turn_index}/{block_index}"):
                return turn_index, block_index + 1
    raise MisuseError(f"no block has the id {block_id!r:.60}")


__all__ = ["rerun"]
