"""The arguments of a call that Gemini streams in pieces (`streamFunctionCallArguments`).

Each piece names a place by a JSON path and says what stands there; a text goes on as
long as its pieces say so. Facts: Vertex AI's page on function calling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...values.frozen_json import thaw

VALUES = ("stringValue", "string_value", "numberValue", "number_value", "boolValue", "bool_value")
STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"]*)['\"]\]")


class Arguments:
    """A call on its way. `whole` once the last piece came and each had its place."""

    def __init__(self, call: Mapping[str, Any]) -> None:
        self.call: dict[str, Any] = {k: v for k, v in thaw(call).items() if k not in STREAMING}
        begun = self.call.get("args")
        self.args: dict[str, Any] = begun if isinstance(begun, dict) else {}
        self.pieces: list[Any] = []
        self.open = False
        self.fits = True
        self.take(call)

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> Arguments | None:
        """The arguments of a call that comes in pieces; None for one that came at once."""
        return cls(call) if any(name in call for name in STREAMING) else None

    @property
    def whole(self) -> bool:
        return self.fits and not self.open

    def take(self, call: Mapping[str, Any]) -> None:
        """Take what one chunk says."""
        self.open = bool(call.get("willContinue", call.get("will_continue")))
        pieces = call.get("partialArgs", call.get("partial_args"))
        for piece in pieces if isinstance(pieces, list) else ():
            self.pieces.append(thaw(piece))
            path = piece.get("jsonPath", piece.get("json_path")) if isinstance(piece, Mapping) else None
            self.fits = self.fits and isinstance(path, str) and self._put(path, _value(piece))
        if self.pieces:
            self.call["args"] = self.args

    def _put(self, path: str, value: Any) -> bool:
        """Put `value` at its place; a text behind the text that is there. Whether there is such a place."""
        steps: list[str | int] = [
            int(number) if number else name or quoted for name, number, quoted in STEP.findall(path)
        ]
        if not steps or path != "$" + "".join(found[0] for found in STEP.finditer(path)):
            return False
        at: Any = self.args
        for step, after in zip(steps, [*steps[1:], None], strict=True):
            if isinstance(step, int) != isinstance(at, list) or (isinstance(step, int) and step > len(at)):
                return False
            if isinstance(step, int) and step == len(at):
                at.append(None)
            known = at[step] if isinstance(step, int) else at.get(step)
            if after is None:
                at[step] = known + value if isinstance(known, str) and isinstance(value, str) else value
            elif known is None:
                at[step] = [] if isinstance(after, int) else {}
            elif not isinstance(known, (dict, list)):
                return False
            at = at[step]
        return True


STREAMING = frozenset({"partialArgs", "partial_args", "willContinue", "will_continue"})


def _value(piece: Mapping[str, Any]) -> Any:
    """What a piece says; None for null, and where it says nothing."""
    return next((piece[name] for name in VALUES if name in piece), None)
