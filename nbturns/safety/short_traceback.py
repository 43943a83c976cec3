"""The traceback of an error of ours in a notebook: the lines of the user and the message, without frames of the package.

The frames of the package are of no use to a reader, and `%xmode Verbose` would print their variables, which may hold keys and texts.
`sys.last_value` keeps the whole traceback, for `traceback.print_exception` and debuggers.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGE = str(Path(__file__).parents[1]) + os.sep
LIBRARIES = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "purelib", "platlib")})


def short_traceback(error: BaseException) -> list[str]:
    """Return the lines that IPython shows for an error and for what caused it. Raises RuntimeError outside of IPython."""
    from IPython import get_ipython

    shell: Any = get_ipython()
    if shell is None:
        raise RuntimeError("there is no IPython here")
    with _without_own_frames(error):
        lines: list[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, error.__traceback__, tb_offset=1
        )
    return lines


@contextmanager
def _without_own_frames(error: BaseException) -> Iterator[None]:
    """Shorten the tracebacks of an error and of its causes while they are shown."""
    whole_tracebacks: list[tuple[BaseException, TracebackType | None]] = []
    cause: BaseException | None = error
    while cause is not None and all(cause is not earlier for earlier, _ in whole_tracebacks):
        whole_tracebacks.append((cause, cause.__traceback__))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    try:
        for exception, whole_traceback in whole_tracebacks:
            exception.__traceback__ = _shortened(whole_traceback)
        yield
    finally:
        for exception, whole_traceback in whole_tracebacks:
            exception.__traceback__ = whole_traceback


def _shortened(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback up to the first frame of the package, and of the frames after it those of the user's code."""
    entries: list[TracebackType] = []
    is_inside = False
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        is_inside = is_inside or file.startswith(PACKAGE)
        if not is_inside or not file.startswith((PACKAGE, *LIBRARIES)):
            entries.append(traceback)
        traceback = traceback.tb_next
    shortened: TracebackType | None = None
    for entry in reversed(entries):
        shortened = TracebackType(shortened, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return shortened
