"""The arguments of a call that Gemini streams in pieces (`streamFunctionCallArguments`).

Each piece has a JSON path and the value at that path; a string continues over several pieces.
Facts: Vertex AI's page on function calling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...values.frozen_json import thaw

VALUE_FIELDS = ("stringValue", "string_value", "numberValue", "number_value", "boolValue", "bool_value")
PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"]*)['\"]\]")


class StreamedArguments:
    """Arguments under construction. `is_complete` after the last piece, if every path was valid."""

    will_continue: bool
    has_valid_paths: bool

    def __init__(self, function_call: Mapping[str, Any]) -> None:
        self.call: dict[str, Any] = {
            name: value for name, value in thaw(function_call).items() if name not in STREAMING_FIELDS
        }
        initial_args = self.call.get("args")
        self.args: dict[str, Any] = initial_args if isinstance(initial_args, dict) else {}
        self.pieces: list[Any] = []
        self.will_continue = False
        self.has_valid_paths = True
        self.take(function_call)

    @classmethod
    def of(cls, function_call: Mapping[str, Any]) -> StreamedArguments | None:
        """Return the arguments of a call that comes in pieces; None for a complete call."""
        return cls(function_call) if any(name in function_call for name in STREAMING_FIELDS) else None

    @property
    def is_complete(self) -> bool:
        """Tell whether the last piece has come and every path was valid."""
        return self.has_valid_paths and not self.will_continue

    def take(self, function_call: Mapping[str, Any]) -> None:
        """Take the pieces of one chunk."""
        self.will_continue = bool(function_call.get("willContinue", function_call.get("will_continue")))
        pieces = function_call.get("partialArgs", function_call.get("partial_args"))
        for piece in pieces if isinstance(pieces, list) else ():
            self.pieces.append(thaw(piece))
            json_path = piece.get("jsonPath", piece.get("json_path")) if isinstance(piece, Mapping) else None
            self.has_valid_paths = (
                self.has_valid_paths and isinstance(json_path, str) and self._set_value(json_path, _piece_value(piece))
            )
        if self.pieces:
            self.call["args"] = self.args

    def _set_value(self, json_path: str, value: Any) -> bool:
        """Set the value at a path, or append to the string there; return False for an invalid path."""
        path_steps: list[str | int] = [
            int(list_index) if list_index else field_name or quoted_name
            for field_name, list_index, quoted_name in PATH_STEP.findall(json_path)
        ]
        if not path_steps or json_path != "$" + "".join(step_match[0] for step_match in PATH_STEP.finditer(json_path)):
            return False
        container: Any = self.args
        for step, next_step in zip(path_steps, [*path_steps[1:], None], strict=True):
            if isinstance(step, int) != isinstance(container, list) or (
                isinstance(step, int) and step > len(container)
            ):
                return False
            if isinstance(step, int) and step == len(container):
                container.append(None)
            known_value = container[step] if isinstance(step, int) else container.get(step)
            if next_step is None:
                container[step] = (
                    known_value + value if isinstance(known_value, str) and isinstance(value, str) else value
                )
            elif known_value is None:
                container[step] = [] if isinstance(next_step, int) else {}
            elif not isinstance(known_value, (dict, list)):
                return False
            container = container[step]
        return True


STREAMING_FIELDS = frozenset({"partialArgs", "partial_args", "willContinue", "will_continue"})


def _piece_value(piece: Mapping[str, Any]) -> Any:
    """Return the value of a piece; None for null and for a piece without one."""
    return next((piece[name] for name in VALUE_FIELDS if name in piece), None)
