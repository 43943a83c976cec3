"""Live views. Python holds the data and decides, and JavaScript draws.

Values also display as static tables; these views let you explore them and follow running executions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol, overload

from ..branches.branch_runs import Branches
from ..capturing import Captured
from ..errors import LoadError, MisuseError
from ..profiles import Profiles
from ..render.comparison import Comparison
from ..render.group_comparison import GroupComparison
from ..render.readable_values import readable_run, readable_turn
from ..render.totals import count_phrase
from ..runtime.execution import Execution
from ..session import Session
from ..values.provenance import BRANCH_OF
from ..values.turns import Run, Turn
from .captured_view import CapturedView as CapturedView
from .compare_view import CompareView as CompareView
from .fan_out_view import FanOutView as FanOutView
from .group_view import GroupView as GroupView
from .labelling import LabelsArgument, labels_for_view
from .profile_picker import ProfilePicker as ProfilePicker
from .run_view import RunView as RunView
from .runs_view import RunsView as RunsView
from .session_view import SessionView as SessionView
from .stepper import Stepper as Stepper
from .stepper import show as show
from .turn_view import TurnView as TurnView

__all__ = [
    "CapturedView",
    "CompareView",
    "FanOutView",
    "GroupView",
    "ProfilePicker",
    "RunView",
    "RunsView",
    "SessionView",
    "Stepper",
    "TurnView",
    "view",
]


FRAME_ATTRIBUTES = (
    "attrs",
    "_asdict",
    "to_pydict",
    "collect_schema",
    "compute",
)  # pandas, itertuples, Arrow, Polars, Dask


VIEWABLE = "expected a Turn, Run, Session, Execution, capture, comparison, Branches, Profiles, rows of a frame, or what nt.load_all accepts"


Places = Mapping[tuple[str, str], list[tuple[int, int | None]]]
"""The Turn and block indexes of rows, by the id and the file of their Run."""


class FrameRows(Protocol):
    """Rows of a frame: a pandas DataFrame or Series, or their equivalents of another backend."""

    @property
    def attrs(self) -> Any: ...


@overload
def view(x: Turn, *, labels: LabelsArgument = ..., markdown: bool = ...) -> TurnView: ...
@overload
def view(x: Session, *, markdown: bool = ...) -> SessionView: ...
@overload
def view(x: Run | Session, *, labels: LabelsArgument = ..., failed: Any = ..., markdown: bool = ...) -> RunView: ...
@overload
def view(x: Execution, *, markdown: bool = ...) -> Stepper: ...
@overload
def view(x: Captured, *, markdown: bool = ...) -> CapturedView: ...
@overload
def view(x: Comparison) -> CompareView: ...
@overload
def view(x: GroupComparison) -> GroupView: ...
@overload
def view(x: Branches) -> FanOutView: ...
@overload
def view(x: Profiles) -> ProfilePicker: ...
@overload
def view(
    x: FrameRows, *, labels: LabelsArgument = ..., failed: Any = ..., markdown: bool = ...
) -> TurnView | RunView | RunsView: ...
@overload
def view(x: Any, *, labels: LabelsArgument = ..., failed: Any = ..., markdown: bool = ...) -> Any: ...
def view(
    x: Any,
    *,
    labels: LabelsArgument = None,
    failed: Any = None,
    markdown: bool = False,
) -> TurnView | RunView | RunsView | CapturedView | Stepper | CompareView | GroupView | FanOutView | ProfilePicker:
    """Return the live view of a Turn, Run, Session, Execution, capture, comparison, Branches, Profiles, Runs or rows of a frame.

    A file, a folder, a list or an iterator of several Runs, and a frame of `nt.frames.runs`, are shown as a table of
    Runs, in which a click opens one. Rows of other frames are shown as their Turn with the blocks selected, or as a Run
    if they belong to several Turns. Any number of views may show the same value or execution; each shows the current
    state, whenever it is opened. `labels`, of `nt.labels(path)`, are shown on Runs and blocks, and the key `l` adds one.
    `failed` is the rule for results that look failed, as in `nt.problems`; the views of Runs list them with other problems.
    With `markdown` the texts of users and models start rendered; the button Rendered and the key `M` switch.
    Raises MisuseError for other values.
    """
    labels = labels_for_view(labels) if labels is not None else None
    settings = {"labels": labels, "failed": failed, "markdown": markdown}
    match x:
        case Turn():
            return TurnView(readable_turn(x), labels=labels, markdown=markdown)
        case Run():
            return RunView(readable_run(x), **settings)
        case Session():
            return SessionView(x, markdown=markdown) if labels is None else RunView(x, **settings)
        case Execution() | Captured() | Comparison() | GroupComparison() | Branches() | Profiles() if (
            labels is not None
        ):
            raise MisuseError(f"labels= is for Turns and Runs, got {type(x).__name__}")
        case Comparison() | GroupComparison() | Branches() | Profiles() if markdown:
            raise MisuseError(f"markdown=True is for conversations, got {type(x).__name__}")
        case Execution():
            return Stepper(x, markdown=markdown)
        case Captured():
            return CapturedView(x, markdown=markdown)
        case Comparison():
            return CompareView(x)
        case GroupComparison():
            return GroupView(x)
        case Branches():
            return FanOutView(x)
        case Profiles():
            return ProfilePicker(x)
    if any(hasattr(x, name) for name in FRAME_ATTRIBUTES):
        try:
            return _rows_view(x, settings)
        except MisuseError:  # not rows of a frame of ours, perhaps a table of messages
            pass
    return _runs_view(x, settings)


def _runs_view(x: Any, settings: Mapping[str, Any]) -> RunView | RunsView:
    """Return the view of the conversations in a path, in messages, in a table or in an object of another package."""
    from ..frames.run_rows import rows_of_runs

    runs, skipped = _load_all(x)
    if not any(run.metadata.get(BRANCH_OF) != runs[0].id for run in runs[1:]):
        return RunView(readable_run(runs[0]), **settings)
    note = ""
    if skipped:
        note = f"{count_phrase(len(skipped), 'file')} {'was' if len(skipped) == 1 else 'were'} not read: {skipped[0]}"
    return RunsView(rows_of_runs(runs, settings["labels"]), runs.__getitem__, note=note, runs=runs, **settings)


def _load_all(x: Any) -> tuple[list[Run], tuple[LoadError, ...]]:
    """Return all conversations of a value, and the errors of the files that were skipped."""
    from ..files import load, load_all

    if isinstance(x, str) and not x:
        load(x)  # raises the error of a path that is missing
    try:
        found = load_all(x)
        runs = list(found)
    except MisuseError as error:
        raise MisuseError(f"{VIEWABLE}, got {type(x).__name__}: {x!r:.60}") from error
    if not runs:
        raise LoadError("there is no conversation to view", file=str(x) if isinstance(x, (str, os.PathLike)) else "")
    return runs, found.errors


def _rows_view(rows: Any, settings: Mapping[str, Any]) -> TurnView | RunView | RunsView:
    from ..frames import to_turns
    from ..frames.origin import block_indexes, blocks_by_run
    from ..frames.run_rows import rows_of_frame, run_of_row

    if (run_rows := rows_of_frame(rows)) is not None:
        if len(run_rows) == 1:
            return RunView(readable_run(run_of_row(run_rows[0], rows)), **settings)
        return RunsView(run_rows, lambda index: run_of_row(run_rows[index], rows), **settings)
    turns = to_turns(rows)
    if len(places := blocks_by_run(rows)) > 1:
        return _view_of_places(rows, places, settings)
    if len(turns) != 1:
        return RunView(Run(turns), **settings)
    selected = [position for position in block_indexes(rows) if position < len(turns[0])]
    return TurnView(turns[0], selected=selected, labels=settings["labels"], markdown=settings["markdown"])


def _view_of_places(rows: Any, places: Places, settings: Mapping[str, Any]) -> RunsView:
    """Return a table of the Runs of these rows. Each Run opens at its first row; the first one is open."""
    from ..frames.run_rows import rows_of_runs, run_of_row

    runs = [run_of_row({"run_id": run_id, "file": file}, rows) for run_id, file in places]
    openings = [_opening(run, run_places) for run, run_places in zip(runs, places.values(), strict=True)]
    view = RunsView(rows_of_runs(runs, settings["labels"]), runs.__getitem__, openings=openings.__getitem__, **settings)
    view.open_run(0)
    return view


def _opening(run: Run, run_places: list[tuple[int, int | None]]) -> dict[str, Any]:
    """Return the Turn of the first row of a Run, and its blocks there; a call is selected with its result."""
    turn_index = min(run_places[0][0], len(run) - 1)
    indexes = {block for turn, block in run_places if turn == turn_index and block is not None}
    blocks = run[turn_index].blocks
    call_ids = {blocks[index].tool_call_id for index in indexes if index < len(blocks)} - {""}
    partners = {index for index, block in enumerate(blocks) if call_ids and block.tool_call_id in call_ids}
    return {"turn": turn_index, "selected": sorted(index for index in indexes | partners if index < len(blocks))}


def __dir__() -> list[str]:
    return sorted(__all__)
