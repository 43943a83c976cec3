"""Ask for an answer that fits a schema, and repeat the request until it does.

The provider gets the schema as a JSON Schema. The answer is checked here all the same; if it does
not fit, the model gets the reason as a user block and answers again.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..errors import EngineError, MisuseError
from ..events import Notice
from ..packages import require
from ..runtime.engine_protocol import Engine, Scope
from ..values.frozen_json import freeze
from ..values.inference_results import INFERENCE_RESULT, OUTPUT, FinishClass
from ..values.inference_settings import STRUCTURED_OUTPUT_CONFIG, StructuredOutputConfig
from ..values.turns import Turn, user

FENCE = "```"
WRAPPER = "value"  # any other type goes into an object under this name, because schemas are of objects
BAD_IN_NAME = re.compile(r"[^a-zA-Z0-9_]+")


class CheckedOutput:
    """A middleware that validates the answer and puts it into `turn.output` as a `type`.

    `type` is a pydantic model, a dataclass, `list[int]`, … . `corrections` is the number of
    times that the model gets the validation errors back. Raises EngineError of kind "output"
    when the answer is still invalid, or a refusal.
    """

    name = "checked output"

    def __init__(self, type: Any, *, corrections: int = 2) -> None:
        self.type = type
        self.corrections = corrections
        self.config  # noqa: B018 - refuses a type without a schema here, not in a run

    @cached_property
    def _adapter(self) -> Any:
        require("pydantic")
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError

        try:
            return TypeAdapter(self.type)
        except PydanticUserError as error:
            raise MisuseError(
                f"output must be a pydantic model, a dataclass or a type with a JSON Schema: {error}"
            ) from None

    @cached_property
    def config(self) -> StructuredOutputConfig:
        """Return the schema as the data of a Turn hold it."""
        from pydantic.errors import PydanticUserError

        try:
            schema: dict[str, Any] = self._adapter.json_schema()
        except PydanticUserError as error:
            raise MisuseError(
                f"output must be a pydantic model, a dataclass or a type with a JSON Schema: {error}"
            ) from None
        if schema.get("type") != "object" and "$ref" not in schema:
            inner_schema = {name: value for name, value in schema.items() if name != "$defs"}
            defs = {"$defs": schema["$defs"]} if "$defs" in schema else {}
            schema = {"type": "object", "properties": {WRAPPER: inner_schema}, "required": [WRAPPER], **defs}
        type_name = getattr(self.type, "__name__", "") or str(self.type)
        name = BAD_IN_NAME.sub("_", type_name).strip("_") or "answer"
        return StructuredOutputConfig(name=name, schema=schema, require_valid=True)

    @property
    def _is_wrapped(self) -> bool:
        return list(self.config.schema.get("properties") or ()) == [WRAPPER] and "title" not in self.config.schema

    async def __call__(self, turn: Turn, scope: Scope, engine: Engine) -> Turn:
        question = turn.with_data(STRUCTURED_OUTPUT_CONFIG, self.config)
        for correction in range(self.corrections + 1):
            try:
                answer = await engine(question, scope)
            except (asyncio.CancelledError, EngineError) as error:
                if isinstance(so_far := getattr(error, "turn", None), Turn):
                    error.turn = so_far._with(data=turn.data)  # type: ignore[union-attr]  # the partial Turn travels with it
                raise
            result = answer._with(data=turn.data)
            if answer.pending or _continues(answer):
                return result
            text = _answer_text(answer, question)
            try:
                value = self._validated(text)
            except ValueError as error:
                problem = _describe_error(error)
                if correction == self.corrections or _is_final(answer):
                    raise EngineError(
                        f"the answer does not match {self.config.name}: {problem}{_limit_hint(answer)}",
                        kind="output",
                        turn=result,
                    ) from None
            else:
                raw = freeze({"": self._adapter.dump_python(value, mode="json")})[""]
                return result._with(
                    metadata=result.metadata.with_stored_values({OUTPUT.name: raw}, {OUTPUT.name: (OUTPUT.type, value)})
                )
            scope.emit(
                Notice(f"the answer does not match {self.config.name}; asking the model to correct it: {problem}")
            )
            request = f"The answer is not valid: {problem}\nAnswer again, only with JSON that matches this schema: "
            question = answer + user(request + json.dumps(self._adapter.json_schema(), ensure_ascii=False))
        raise AssertionError  # the last answer was returned, or raised

    def _validated(self, text: str) -> Any:
        """Return the value of the text. Raises ValueError with a description of the problem."""
        if not text.strip():
            raise ValueError("the answer is empty")
        json_text = without_fence(text)
        if not self._is_wrapped:
            return self._adapter.validate_json(json_text)
        value = json.loads(json_text)
        return self._adapter.validate_python(
            value[WRAPPER] if isinstance(value, Mapping) and list(value) == [WRAPPER] else value
        )


def without_fence(text: str) -> str:
    """Return the content of a text that is one fenced block of Markdown, and any other text as it is.

    Written without a regular expression, because these need time that grows faster than the text.
    """
    fenced_text = text.strip()
    if not fenced_text.startswith(FENCE) or not fenced_text.endswith(FENCE) or len(fenced_text) < 2 * len(FENCE):
        return text
    language, line_end, content = fenced_text[len(FENCE) : -len(FENCE)].partition("\n")
    return content.rstrip() if line_end and language.strip() in ("", "json") else text


def _answer_text(answer: Turn, question: Turn) -> str:
    """Return the text of the last reply, which a provider may split into several blocks."""
    new_blocks = answer.blocks.since(answer.blocks.shared_length(question.blocks))
    return "".join(block.text for block in new_blocks if block.kind == "llm_text")


def _continues(answer: Turn) -> bool:
    result = answer.metadata.get(INFERENCE_RESULT)
    return result is not None and result.finish_class is FinishClass.CONTINUE


def _is_final(answer: Turn) -> bool:
    """Tell whether another request would end in the same way: after a refusal, and at the limit of the answer."""
    result = answer.metadata.get(INFERENCE_RESULT)
    final_classes = (FinishClass.REFUSED, FinishClass.FILTERED, FinishClass.MAX_TOKENS)
    return result is not None and result.finish_class in final_classes


def _limit_hint(answer: Turn) -> str:
    result = answer.metadata.get(INFERENCE_RESULT)
    is_cut = result is not None and result.finish_class is FinishClass.MAX_TOKENS
    return "; the answer was cut at its limit of tokens, so raise max_tokens" if is_cut else ""


def _describe_error(error: ValueError) -> str:
    """Return the error of pydantic or of the JSON decoder, without links to documentation."""
    error_list = getattr(error, "errors", None)
    if error_list is None:
        return f"invalid JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
    return "; ".join(
        f"{'.'.join(map(str, detail['loc'])) or 'the answer'}: {detail['msg']}"
        for detail in error_list(include_url=False)[:10]
    )
