"""Ask for an answer of a certain shape, and go on asking until it has it.

The provider is told the shape as a JSON Schema. What it answers is checked here all the
same; where it does not fit, the model is told why, as a block of the user's like any
other, and asked again.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..contract import Engine, Scope
from ..errors import EngineError, MisuseError
from ..events import Notice
from ..frozen import freeze
from ..packages import require
from ..results import INFERENCE_RESULT, OUTPUT, FinishClass
from ..settings import STRUCTURED_OUTPUT_CONFIG, StructuredOutputConfig
from ..turns import Turn, user

FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
WRAPPED = "value"  # schemas are of objects; what is none stands in one under this name
BAD_IN_NAME = re.compile(r"[^a-zA-Z0-9_]+")


class CheckedOutput:
    """A middleware after which `turn.output` is a `type`: a pydantic model, a dataclass, `list[int]`, …

    `corrections` is how often a model is told what does not fit. Raises EngineError of
    kind "output" when the answer still does not, or is a refusal.
    """

    name = "checked output"

    def __init__(self, type: Any, *, corrections: int = 2) -> None:
        self.type = type
        self.corrections = corrections
        self.config  # noqa: B018 - what is no type with a schema is refused here, not in a run

    @cached_property
    def _adapter(self) -> Any:
        require("pydantic")
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError

        try:
            return TypeAdapter(self.type)
        except PydanticUserError as error:
            raise MisuseError(
                f"output is a pydantic model, a dataclass or a type with a JSON Schema: {error}"
            ) from None

    @cached_property
    def config(self) -> StructuredOutputConfig:
        """The shape as a Turn says it."""
        from pydantic.errors import PydanticUserError

        try:
            schema: dict[str, Any] = self._adapter.json_schema()
        except PydanticUserError as error:
            raise MisuseError(
                f"output is a pydantic model, a dataclass or a type with a JSON Schema: {error}"
            ) from None
        if schema.get("type") != "object" and "$ref" not in schema:
            inner = {name: value for name, value in schema.items() if name != "$defs"}
            defs = {"$defs": schema["$defs"]} if "$defs" in schema else {}
            schema = {"type": "object", "properties": {WRAPPED: inner}, "required": [WRAPPED], **defs}
        called = getattr(self.type, "__name__", "") or str(self.type)
        name = BAD_IN_NAME.sub("_", called).strip("_") or "answer"
        return StructuredOutputConfig(name=name, schema=schema, require_valid=True)

    @property
    def _is_wrapped(self) -> bool:
        return list(self.config.schema.get("properties") or ()) == [WRAPPED] and "title" not in self.config.schema

    async def __call__(self, turn: Turn, scope: Scope, engine: Engine) -> Turn:
        asked = turn.with_data(STRUCTURED_OUTPUT_CONFIG, self.config)
        for corrected in range(self.corrections + 1):
            try:
                answer = await engine(asked, scope)
            except (asyncio.CancelledError, EngineError) as error:
                if isinstance(so_far := getattr(error, "turn", None), Turn):
                    error.turn = so_far._with(data=turn.data)  # type: ignore[union-attr]  # what was said travels with it
                raise
            kept = answer._with(data=turn.data)
            if answer.pending or _goes_on(answer):
                return kept
            said = _said(answer, asked)
            try:
                value = self._checked(said)
            except ValueError as error:
                problem = _in_words(error)
                if corrected == self.corrections or _refused(answer):
                    raise EngineError(
                        f"the answer is no {self.config.name}: {problem}", kind="output", turn=kept
                    ) from None
            else:
                raw = freeze({"": self._adapter.dump_python(value, mode="json")})[""]
                return kept._with(
                    metadata=kept.metadata.holding_all({OUTPUT.name: raw}, {OUTPUT.name: (OUTPUT.type, value)})
                )
            scope.emit(Notice(f"the answer does not fit {self.config.name}, and the model is told: {problem}"))
            words = f"That does not fit. {problem}\nAnswer again, with JSON alone that fits this schema: "
            asked = answer + user(words + json.dumps(self._adapter.json_schema(), ensure_ascii=False))
        raise AssertionError  # the last answer was returned, or raised

    def _checked(self, said: str) -> Any:
        """What the text says, as the type. Raises ValueError in words."""
        fenced = FENCE.match(said)
        if not said.strip():
            raise ValueError("There is no answer.")
        if not self._is_wrapped:
            return self._adapter.validate_json(fenced[1] if fenced else said)
        given = json.loads(fenced[1] if fenced else said)
        return self._adapter.validate_python(
            given[WRAPPED] if isinstance(given, Mapping) and list(given) == [WRAPPED] else given
        )


def _said(answer: Turn, asked: Turn) -> str:
    """The text of the last reply: pieces that a provider broke it into belong together."""
    new = answer.blocks.since(answer.blocks.shared(asked.blocks))
    return "".join(block.text for block in new if block.kind == "llm_text")


def _goes_on(answer: Turn) -> bool:
    result = answer.metadata.get(INFERENCE_RESULT)
    return result is not None and result.finish_class is FinishClass.CONTINUE


def _refused(answer: Turn) -> bool:
    result = answer.metadata.get(INFERENCE_RESULT)
    return result is not None and result.finish_class in (FinishClass.REFUSED, FinishClass.FILTERED)


def _in_words(error: ValueError) -> str:
    """What does not fit, as pydantic or the reader of JSON says it, without addresses of pages."""
    listed = getattr(error, "errors", None)
    if listed is None:
        return f"It is no JSON: {error}." if isinstance(error, json.JSONDecodeError) else str(error)
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in listed(include_url=False)[:10]
    )
