"""Live views. Python decides, JavaScript draws; a view owns no truth.

Values show themselves as static tables (`html.py`); these are for what is still going on.
"""

from __future__ import annotations

from ..execution import Execution
from .stepper import Stepper as Stepper
from .stepper import show as show

__all__ = ["Stepper", "view"]


def view(x: Execution) -> Stepper:
    """The live view of an execution: its buttons, and its blocks as they come.

    Any number of views may show one execution; each shows where it stands, whenever it is opened.
    """
    if isinstance(x, Execution):
        return Stepper(x)
    raise TypeError(
        f"there is a live view for an execution, not for {type(x).__name__}; a Turn, a Run or a Session shows itself as the last line of a cell"
    )
