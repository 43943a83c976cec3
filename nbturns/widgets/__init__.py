"""Live views. Python decides, JavaScript draws; a view owns no truth.

Values show themselves as static tables (`html.py`); these are for looking closer, and for what is still going on.
"""

from __future__ import annotations

from typing import Any, Protocol, overload

from ..comparison import Comparison
from ..errors import MisuseError
from ..execution import Execution
from ..profiles import Profiles
from ..session import Session
from ..turns import Run, Turn
from .compare_view import CompareView as CompareView
from .profile_picker import ProfilePicker as ProfilePicker
from .run_view import RunView as RunView
from .stepper import Stepper as Stepper
from .stepper import show as show
from .turn_view import TurnView as TurnView

__all__ = ["CompareView", "ProfilePicker", "RunView", "Stepper", "TurnView", "view"]


ROWS = ("attrs", "_asdict", "to_pydict", "collect_schema", "compute")  # of pandas, itertuples, Arrow, Polars and Dask


class Rows(Protocol):
    """Rows of a frame: a DataFrame of pandas, or a Series; those of other backends will do as well."""

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
def view(x: Rows) -> TurnView | RunView: ...
def view(
    x: Turn | Run | Session | Execution | Comparison | Profiles | Rows,
) -> TurnView | RunView | Stepper | CompareView | ProfilePicker:
    """The live view of a Turn, a Run, a Session, a comparison, an execution with its buttons, or profiles to pick from.

    Of a row of a frame: its Turn, with its block selected; of several rows the same, or the Run of their Turns.
    Any number of views may show one value or execution; each shows where it stands, whenever it is opened.
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
    if any(hasattr(x, name) for name in ROWS):  # those of other things are refused there
        return _rows_view(x)
    raise MisuseError(
        f"there is a live view for a Turn, a Run, a Session, an Execution, a comparison, Profiles or rows of a frame, not for {type(x).__name__}: {x!r:.60}"
    )


def _rows_view(rows: Any) -> TurnView | RunView:
    from ..frames import to_turns
    from ..frames.origin import block_indexes

    turns = to_turns(rows)
    if len(turns) != 1:
        return RunView(Run(turns))
    return TurnView(turns[0], selected=[place for place in block_indexes(rows) if place < len(turns[0])])


def __dir__() -> list[str]:
    return sorted(__all__)
