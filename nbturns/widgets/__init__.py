"""Live views. Python decides, JavaScript draws; a view owns no truth.

Values show themselves as static tables (`html.py`); these are for looking closer, and for what is still going on.
"""

from __future__ import annotations

from typing import overload

from ..execution import Execution
from ..session import Session
from ..turns import Run, Turn
from .stepper import Stepper as Stepper
from .stepper import show as show
from .turn_view import TurnView as TurnView

__all__ = ["Stepper", "TurnView", "view"]


@overload
def view(x: Execution) -> Stepper: ...
@overload
def view(x: Turn | Run | Session) -> TurnView: ...
def view(x: Execution | Turn | Run | Session) -> Stepper | TurnView:
    """The live view of a Turn, of an execution with its buttons, of the latest Turn of a Run or a Session.

    Any number of views may show one value or execution; each shows where it stands, whenever it is opened.
    """
    match x:
        case Execution():
            return Stepper(x)
        case Turn():
            return TurnView(x)
        case Run() | Session():
            return TurnView(x.latest)
    raise TypeError(
        f"there is a live view for a Turn, a Run, a Session or an Execution, not for {type(x).__name__}: {x!r:.60}"
    )
