"""Keep arguments that may hold keys out of tracebacks.

`%xmode Verbose`, rich and cgitb print the local variables of every frame. A function that handles keys is therefore
decorated with `hides_locals`: its errors begin at the decorator, whose frame holds no argument.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from ..errors import NbturnsError

P = ParamSpec("P")
R = TypeVar("R")


def hides_locals(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function or coroutine function so that its errors carry none of its frames and arguments."""
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def hidden_coroutine(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except BaseException as error:
                args, kwargs = (), {}
                failure = without_frames(error)
            raise failure

        return cast("Callable[P, R]", hidden_coroutine)

    @wraps(function)
    def hidden_call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            args, kwargs = (), {}  # type: ignore[assignment]  # the frame of this call stays in the traceback
            failure = without_frames(error)
        raise failure

    return hidden_call


def without_frames(error: BaseException) -> BaseException:
    """Return the error without its traceback and context; its cause loses them too.

    An error that is not ours gets a note with the places of the removed frames.
    """
    if not isinstance(error, NbturnsError) and isinstance(error, Exception):
        places = [
            f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        error.add_note("raised at " + " < ".join(reversed(places)))
    error.__context__ = None
    if error.__cause__ is not None:
        error.__cause__ = without_frames(error.__cause__)
    return error.with_traceback(None)
