"""Requests about earlier snapshots and other branches: look, compare, fork, retry, open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...branches.branch_summaries import branch_summaries
from ...branches.fork_session import calls_after
from ...errors import MisuseError
from ...events import Phase, Snapshot
from ...render.block_rows import model_call_cells_by_key
from ...render.comparison import compare
from ...render.text import call_line, result_text, shorten, visible
from ...render.timeline import change_entry, pool_row
from ...runtime.execution import Execution
from ...runtime.marks import ANSWERED_BY
from ...session import Session
from ...values.blocks import user
from ...values.turns import Turn
from ..block_formats import format_block
from ..throttle import Throttle
from .asking_again import block_choices, continue_at_limit, turn_without
from .failure_card import engine_label, retry_arguments
from .model_call_layers import layer_rows, layer_turns

MAX_PAIRS = 300
MAX_EARLIER_CALLS = 200
MAX_BRANCHES = 500
MAX_PROMPT = 1_000_000  # characters
FORK_PHASES = ("pre_inference", "post_inference", "post_tools")  # a fork pauses before it asks a model
CHOICES = ("run", "reuse", "skip", "confirm")


class GoingBack:
    """A mixin of views that can show an earlier snapshot, and another branch."""

    _debug_execution: Execution | None
    _send_debug_throttled: Throttle
    _debug_session: Callable[[], Any]
    _show_execution: Callable[[Execution], None]  # in place of this one: a retry, or one of a fork
    _show_session: Callable[[Session], None]  # in place of this one
    _shown_turn: Callable[[], Turn]  # the Turn whose rows the page has

    def _answer_going_back(self, action: str, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request; None for one of another kind."""
        match action:
            case "look":
                return self._look(message)
            case "compare":
                return self._compare_snapshots(message)
            case "layers":
                return {"layers": layer_rows(self._execution_here(), self._snapshot(message))}
            case "compare_layer":
                turns = layer_turns(
                    self._execution_here(), self._snapshot(message), message.get("layer"), message.get("side")
                )
                return pairs_of(*turns)
            case "format":
                return self._block_text(message)
            case "earlier_calls":
                return {"calls": self._earlier_calls(message)}
            case "fork":
                return self._fork(message)
            case "retry":
                return self._retry(message)
            case "kept_blocks":
                return {"blocks": block_choices(self._snapshot(message).turn)}
            case "ask_without":
                return self._ask_without(message)
            case "continue":
                self._show_execution(continue_at_limit(self._session_here(), message.get("limit")))
                return {}
            case "branches":
                return {"branches": self._branch_rows()}
            case "open_branch":
                self._show_session(self._branch_session(message.get("branch")))
                return {}
            case "compare_branches":
                return self._compare_branches(message)
        return None

    # Snapshots.

    def _execution_here(self) -> Execution:
        if self._debug_execution is None:
            raise MisuseError("nothing is running yet")
        return self._debug_execution

    def _snapshot(self, message: Mapping[str, Any]) -> Snapshot:
        snapshots = self._execution_here().snapshots
        index = message.get("snapshot")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(snapshots):
            raise MisuseError(f"there is no snapshot {index!r:.20}")
        return snapshots[index]

    def _look(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the rows of a snapshot, as far as the page does not have them, and its totals."""
        turn = self._snapshot(message).turn
        start = turn.blocks.shared_length(self._shown_turn().blocks)
        blocks = list(turn.blocks.since(start))
        return {
            "from": start,
            "rows": list(map(pool_row, blocks)),
            "calls": model_call_cells_by_key(blocks),
            "totals": {
                "model_calls": len(turn.inferences),
                "input": turn.usage.input_tokens,
                "output": turn.usage.output_tokens,
                "cost": turn.cost,
            },
        }

    def _block_text(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return a block of a snapshot in a format."""
        turn, index = self._snapshot(message).turn, message.get("row")
        if not isinstance(index, int) or not 0 <= index < len(turn):
            raise MisuseError(f"there is no block {index!r:.20}")
        return {"text": format_block(turn[index], str(message.get("format")))}

    def _compare_snapshots(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Compare a snapshot with the one before it, or with the newest state."""
        snapshot, snapshots = self._snapshot(message), self._execution_here().snapshots
        index = snapshots.index(snapshot)
        if message.get("with") == "now":
            return pairs_of(snapshot.turn, self._execution_here().turn, f"snapshot {index + 1}", "now")
        parent = snapshots[index - 1].turn if index else self._start_turn()
        return pairs_of(parent, snapshot.turn, f"snapshot {index}" if index else "the start", f"snapshot {index + 1}")

    def _start_turn(self) -> Turn:
        session = self._debug_session()
        return Turn() if session is None or not session.turns else session.turns[0][:0]

    def _earlier_calls(self, message: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the calls that were answered after a snapshot, those with effects first to be asked about."""
        session = self._session_here()
        turn = self._snapshot(message).turn
        newest_turn = self._execution_here().turn
        places = {block.tool_call_id: index for index, block in enumerate(newest_turn) if block.kind == "tool_call"}
        rows = []
        for call, answer in calls_after(session, turn)[:MAX_EARLIER_CALLS]:
            tool = session.tools.get(call.name)
            rows.append(
                {
                    "id": call.tool_call_id,
                    "row": places.get(call.tool_call_id),
                    "line": call_line(call, 160),
                    "effect": "effectful" if tool is None else tool.effect,
                    "answered_by": visible(answer.metadata.get(ANSWERED_BY) or "tool"),
                    "failed": bool(answer.error),
                    "result": shorten(answer.error or result_text(answer.result), 120),
                }
            )
        return rows

    # Forks and retries.

    def _session_here(self) -> Session:
        session = self._debug_session()
        if not isinstance(session, Session):
            raise MisuseError("this execution has no session, so it cannot be forked")
        return session

    def _fork(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Fork the session at a snapshot and start the fork, paused before its first step."""
        session, snapshot = self._session_here(), self._snapshot(message)
        choices: dict[str, list[str]] = {choice: [] for choice in CHOICES}
        given_choices = message.get("calls") or {}
        if not isinstance(given_choices, Mapping):
            raise MisuseError(f"expected a choice for each call, got {given_choices!r:.60}")
        for id, choice in given_choices.items():
            if choice not in choices or not isinstance(id, str):
                raise MisuseError(f"a choice must be one of {', '.join(CHOICES)}, got {choice!r:.40}")
            choices[choice].append(id)
        choices.pop("run")
        name = message.get("name")
        fork = session.fork(snapshot, name=name.strip()[:60] if isinstance(name, str) else "", **choices)
        prompt = prompt_text(message.get("text"))
        turn = snapshot.turn + user(prompt) if prompt else snapshot.turn
        if snapshot.phase is Phase.FINAL and not prompt:
            self._show_session(fork)
        else:
            self._show_execution(fork.ask(turn, step=FORK_PHASES))
        return {"notice": f"{fork._lineage.name or 'the fork'} continues from snapshot {message['snapshot'] + 1}"}

    def _retry(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a model call again, with another engine or other parameters; as a branch if the page wants one."""
        session = self._session_here()
        arguments = retry_arguments(session, message)
        snapshot = None if message.get("snapshot") is None else self._snapshot(message)
        if message.get("branch"):
            fork = session.fork(snapshot if snapshot is not None else _last_before_model(self._execution_here()))
            fork.engine = session._engine_with(arguments.pop("engine", None), arguments)
            self._show_execution(fork.ask(fork.latest))
        else:
            self._show_execution(session.retry(snapshot, **arguments))
        return {"notice": "asked again"}

    def _ask_without(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Ask again from a snapshot without some blocks, in a fork that pauses before its tools run."""
        turn = turn_without(self._snapshot(message).turn, message.get("rows"))
        fork = self._session_here().fork(turn)
        self._show_execution(fork.ask(turn, step=True))
        return {"notice": "asked again without these blocks; tools wait for you"}

    # Branches.

    def _branch_state(self, session: Session) -> dict[str, Any]:
        root = session.tree
        nodes = list(root)
        node = next((node for node in nodes if node.session is session), root)
        return {"name": visible(shorten(node.name, 60)), "count": len(nodes)}

    def _branch_rows(self) -> list[dict[str, Any]]:
        session = self._session_here()
        summaries = branch_summaries(session.tree)[:MAX_BRANCHES]
        return [
            {
                "name": visible(shorten(summary.name, 60)),
                "depth": summary.depth,
                "here": summary.node.session is session,
                "changes": [[visible(subject), mark] for subject, mark in summary.changes],
                "from": summary.start,
                "calls": summary.model_calls,
                "cost": summary.cost,
                "status": summary.status,
                "outcome": visible(shorten(summary.outcome, 120)),
                "engine": engine_label(summary.node.session.engine),
            }
            for summary in summaries
        ]

    def _branch_session(self, index: Any) -> Session:
        summaries = branch_summaries(self._session_here().tree)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(summaries):
            raise MisuseError(f"there is no branch {index!r:.20}")
        session: Session = summaries[index].node.session
        return session

    def _compare_branches(self, message: Mapping[str, Any]) -> dict[str, Any]:
        indexes = message.get("branches")
        if not isinstance(indexes, list) or len(indexes) != 2:
            raise MisuseError("tick two branches to compare them")
        sessions = [self._branch_session(index) for index in indexes]
        names = [next(node.name for node in session.tree if node.session is session) for session in sessions]
        first, second = (newest_turn(session) for session in sessions)
        return pairs_of(first, second, visible(names[0]), visible(names[1]))


def newest_turn(session: Session) -> Turn:
    """Return the Turn of the execution in progress, else the last one of the session."""
    execution = session.execution
    return session.latest if execution is None else execution.turn


def recorded_length(session: Session) -> int | None:
    """Return the number of blocks from the recorded Run that a session continues; None if it began without one."""
    root = session.tree.session
    if not root._loaded_turn_count:
        return None
    first_turn = session._lineage.first_turn
    length = len(root.turns[root._loaded_turn_count - 1])
    return length if first_turn is None else min(length, len(first_turn))


def prompt_text(text: Any) -> str:
    """Return the text of a prompt box, without white space around it. Raises MisuseError for other values."""
    if text is not None and (not isinstance(text, str) or len(text) > MAX_PROMPT):
        raise MisuseError(f"a prompt is a text of at most {MAX_PROMPT:,} characters")
    return (text or "").strip()


def _last_before_model(execution: Execution) -> Snapshot:
    found = next((item for item in reversed(execution.snapshots) if item.phase is Phase.PRE_INFERENCE), None)
    if found is None:
        raise MisuseError("no model call was made yet")
    return found


def pairs_of(a: Turn, b: Turn, a_name: str, b_name: str) -> dict[str, Any]:
    """Return a comparison of two Turns as pairs for a page."""
    comparison = compare(a, b)
    rows = comparison.rows
    return {"pairs": [change_entry(row) for row in rows[:MAX_PAIRS]], "total": len(rows), "heads": [a_name, b_name]}


__all__ = ["GoingBack", "newest_turn", "pairs_of", "prompt_text", "recorded_length"]
