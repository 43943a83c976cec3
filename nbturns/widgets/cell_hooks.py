"""The cells of the notebook that runs: which of them carry the code of saved views, and work at their end."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

_code_cells: set[str] = set()  # ids of the cells whose output has the code of saved views
_waiting_functions: dict[int, Callable[[], None]] = {}  # by the identity of their owner
_running_cells = [True]  # whether a cell runs; hooks are registered by one that does
_hooked_shells: set[int] = set()


def _shell() -> Any:
    """Return the IPython shell; None outside of IPython."""
    from IPython import get_ipython

    return get_ipython()


def in_kernel() -> bool:
    """Return whether this process is the kernel of a notebook."""
    return getattr(_shell(), "kernel", None) is not None


def cell_carries_code() -> bool:
    """Return whether the output of the running cell carries the code: the first one, and when it is run again."""
    _hook_cells()
    cell_id = _running_cell_id()
    if _code_cells and cell_id not in _code_cells:
        return False
    _code_cells.add(cell_id)
    return True


def _running_cell_id() -> str:
    """Return the id of the running cell, or a digest of its text where the host sends no id."""
    kernel = getattr(_shell(), "kernel", None)
    try:
        parent: Any = kernel.get_parent()  # type: ignore[union-attr]  # AttributeError without a kernel
        metadata, content = parent.get("metadata") or {}, parent.get("content") or {}
    except (AttributeError, LookupError):
        return ""
    return str(metadata.get("cellId") or sha256(str(content.get("code", "")).encode()).hexdigest())


def at_end_of_cell(owner: object, function: Callable[[], None]) -> None:
    """Call `function` once when the cell that runs, or else the next one, has finished.

    A later function of the same owner replaces it. Does nothing outside a kernel.
    """
    if _hook_cells():
        _waiting_functions[id(owner)] = function


def cell_is_running() -> bool:
    """Return whether a cell runs; True until that is known."""
    return _hook_cells() and _running_cells[-1]


def _hook_cells() -> bool:
    """Register the hooks once, while a cell runs; return False outside a kernel."""
    shell = _shell()
    if getattr(shell, "kernel", None) is None:
        return False
    if id(shell) not in _hooked_shells:
        _hooked_shells.add(id(shell))
        shell.events.register("pre_run_cell", _on_cell_start)
        shell.events.register("post_run_cell", _on_cell_end)
    return True


def _on_cell_start(*_: Any) -> None:
    _running_cells[-1] = True


def _on_cell_end(*_: Any) -> None:
    while _waiting_functions:
        _waiting_functions.pop(next(iter(_waiting_functions)))()
    _running_cells[-1] = False
