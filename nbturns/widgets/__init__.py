"""Live views. Python decides, JavaScript draws; a view owns no truth.

Values show themselves as static tables (`html.py`); these are for looking closer, and for what is still going on.
"""

from __future__ import annotations

from typing import overload

from ..comparison import Comparison
from ..execution import Execution
from ..session import Session
from ..turns import Run, Turn
from .compare_view import CompareView as CompareView
from .run_view import RunView as RunView
from .stepper import Stepper as Stepper
from .stepper import show as show
from .turn_view import TurnView as TurnView

__all__ = ["CompareView", "RunView", "Stepper", "TurnView", "view"]


@overload
def view(x: Turn) -> TurnView: ...
@overload
def view(x: Run | Session) -> RunView: ...
@overload
def view(x: Execution) -> Stepper: ...
@overload
def view(x: Comparison) -> CompareView: ...
def view(x: Turn | Run | Session | Execution | Comparison) -> TurnView | RunView | Stepper | CompareView:
    """The live view of a Turn, a Run, a Session, a comparison, or an execution with its buttons.

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
    raise TypeError(
        f"there is a live view for a Turn, a Run, a Session, an Execution or a comparison, not for {type(x).__name__}: {x!r:.60}"
    )
