"""Live views. Python holds the data and decides, and JavaScript draws.

Values also display as static tables; these views let you explore them and follow running executions.
"""

from __future__ import annotations

from typing import Any, Protocol, overload

from ..errors import MisuseError
from ..profiles import Profiles
from ..render.comparison import Comparison
from ..runtime.execution import Execution
from ..session import Session
from ..values.turns import Run, Turn
from .compare_view import CompareView as CompareView
from .profile_picker import ProfilePicker as ProfilePicker
from .run_view import RunView as RunView
from .stepper import Stepper as Stepper
from .stepper import show as show
from .turn_view import TurnView as TurnView

__all__ = ["CompareView", "ProfilePicker", "RunView", "Stepper", "TurnView", "view"]


FRAME_ATTRIBUTES = (
    "attrs",
    "_asdict",
    "to_pydict",
    "collect_schema",
    "compute",
)  # pandas, itertuples, Arrow, Polars, Dask


class FrameRows(Protocol):
    """Rows of a frame: a pandas DataFrame or Series, or their equivalents of another backend."""

    @property
    def attrs(self) -> Any: ...


@overload
def view(x: Turn) -> TurnView: ...
@overload
def view(x: Run | Session) -> RunView: ...
@overload
def view(x: Execution) -> Stepper: ...
@overload
def view(x: Comparison) -> CompareView: ...
@overload
def view(x: Profiles) -> ProfilePicker: ...
@overload
def view(x: FrameRows) -> TurnView | RunView: ...
def view(
    x: Turn | Run | Session | Execution | Comparison | Profiles | FrameRows,
) -> TurnView | RunView | Stepper | CompareView | ProfilePicker:
    """Return the live view of a Turn, Run, Session, Execution, comparison, Profiles or rows of a frame.

    Rows of a frame are shown as their Turn with the blocks selected, or as a Run if they belong to several Turns. Any
    number of views may show the same value or execution; each shows the current state, whenever it is opened. Raises
    MisuseError for other values.
    """
    match x:
        case Turn():
            return TurnView(x)
        case Run() | Session():
            return RunView(x)
        case Execution():
            return Stepper(x)
        case Comparison():
            return CompareView(x)
        case Profiles():
            return ProfilePicker(x)
    if any(hasattr(x, name) for name in FRAME_ATTRIBUTES):  # other values are rejected by to_turns
        return _rows_view(x)
    raise MisuseError(
        f"expected a Turn, Run, Session, Execution, comparison, Profiles or rows of a frame, got {type(x).__name__}: {x!r:.60}"
    )


def _rows_view(rows: Any) -> TurnView | RunView:
    from ..frames import to_turns
    from ..frames.origin import block_indexes

    turns = to_turns(rows)
    if len(turns) != 1:
        return RunView(Run(turns))
    return TurnView(turns[0], selected=[position for position in block_indexes(rows) if position < len(turns[0])])


def __dir__() -> list[str]:
    return sorted(__all__)
