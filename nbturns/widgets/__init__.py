"""Live views. Python decides, JavaScript draws; a view owns no truth.

Values show themselves as static tables (`html.py`); these are for looking closer, and for what is still going on.
"""

from __future__ import annotations

from typing import overload

from ..comparison import Comparison
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
def view(
    x: Turn | Run | Session | Execution | Comparison | Profiles,
) -> TurnView | RunView | Stepper | CompareView | ProfilePicker:
    """The live view of a Turn, a Run, a Session, a comparison, an execution with its buttons, or profiles to pick from.

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
    raise TypeError(
        f"there is a live view for a Turn, a Run, a Session, an Execution, a comparison or Profiles, not for {type(x).__name__}: {x!r:.60}"
    )
