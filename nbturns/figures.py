"""`figure`: a Matplotlib figure of a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import MisuseError
from .files import load, run_or_turn
from .render.figures import KINDS, draw_figure
from .values.turns import Run, Turn

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(x: Any, kind: str = "tokens") -> Figure:
    """Return a Matplotlib figure of a Run, a Turn, a session, or all that `nt.load` reads.

    `kind` is "tokens", "cost", "time" or "context", with a bar for each model call, or "tools", with a bar for each
    tool. Unknown values are gaps. The figure is not one of pyplot: a cell shows it once. Raises MisuseError for
    another kind, and MissingPackageError without Matplotlib.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise MisuseError(f"no figure {kind!r:.60}; use one of {', '.join(KINDS)}")
    value = x if isinstance(x, (Run, Turn)) else getattr(x, "run", None) or getattr(x, "turn", None)
    return draw_figure(run_or_turn(x) if isinstance(value, (Run, Turn)) else load(x), kind)
