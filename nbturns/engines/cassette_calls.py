"""The calls of a cassette, and their form in its YAML file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LoadError, NbturnsError
from ..safety.regular_files import read_regular
from ..serialization.serde import block_from_dict, block_to_dict, yamlable
from ..values.blocks import Block, comparable_content
from ..values.frozen_json import EMPTY_DICT, freeze, thaw
from ..values.inference_results import InferenceResult
from ..values.metadata import NO_METADATA
from ..values.turns import Turn

VERSION = 1
CONDITIONS = ("engine", "settings", "tools", "tool_choice")  # what must match besides the question


@dataclass(slots=True)
class CassetteCall:
    """One recorded call: the whole Turn that was sent, and the blocks of the answer."""

    conditions: dict[str, Any]  # engine, settings, tools
    question: Turn
    blocks: tuple[Block, ...]
    result: InferenceResult
    notes: Mapping[str, Any] = EMPTY_DICT  # fields that people added to the call
    _digest: str = ""

    @property
    def digest(self) -> str:
        """The digest of the question."""
        if not self._digest:
            self._digest = question_digest(self.conditions, self.question)
        return self._digest


def question_digest(conditions: Mapping[str, Any], question: Turn) -> str:
    """Return a digest that is equal for questions which are equal to a model; the engine is not part of it."""
    question_content = [[kind, role, thaw(payload)] for kind, role, payload in comparable_content(question)]
    known_conditions = {name: value for name, value in conditions.items() if name != "engine"}
    text = json.dumps([known_conditions, question_content], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_calls(calls: Sequence[CassetteCall]) -> Iterator[dict[str, Any]]:
    """Yield each call for the file; a question leaves out what an earlier call already holds."""
    earlier_contents: list[list[Any]] = []
    for call in calls:
        question = comparable_content(call.question)
        number_before, start = 0, 0
        for number, earlier in enumerate(earlier_contents, 1):
            if start < len(earlier) <= len(question) and question[: len(earlier)] == earlier:
                number_before, start = number, len(earlier)
        new_blocks = [_question_dict(block) for block in call.question.blocks[start:]]
        question_data = {**({"after": number_before} if number_before else {}), "blocks": new_blocks}
        answer_data = {"blocks": [_answer_dict(block) for block in call.blocks], "result": _result_dict(call.result)}
        yield {**call.conditions, **call.notes, "asked": question_data, "answer": answer_data}
        earlier_contents.append(comparable_content((*call.question, *call.blocks)))


def _question_dict(block: Block) -> dict[str, Any]:
    return block_to_dict(block._with(id="", metadata=NO_METADATA), converter=yamlable)


def _answer_dict(block: Block) -> dict[str, Any]:
    return block_to_dict(block, converter=yamlable)


def _result_dict(result: InferenceResult) -> dict[str, Any]:
    fields = result.to_dict()
    for name in ("inference_id", "duration_ms", "time_to_first_token_ms"):
        fields.pop(name, None)
    plain: dict[str, Any] = yamlable(freeze(fields))
    return plain


def read_calls(path: Path) -> Iterator[CassetteCall]:
    """Yield the calls of a file. Raises LoadError that names the position."""
    from ..serialization.yaml_text import load_yaml  # brings yaml with it

    try:
        content = read_regular(path)
    except OSError as error:
        raise LoadError(f"the cassette cannot be read: {error.strerror or error}", file=str(path)) from None
    file_data = load_yaml(content, str(path))
    if not isinstance(file_data, Mapping) or not isinstance(file_data.get("calls"), list):
        raise LoadError("a cassette needs a list of calls", file=str(path))
    if file_data.get("version", VERSION) != VERSION:
        raise LoadError(
            f"cassette version {file_data['version']!r} is not supported; expected {VERSION}", file=str(path)
        )
    earlier_turns: list[Turn] = []
    for number, raw_call in enumerate(file_data["calls"], 1):
        call = _read_call(raw_call, earlier_turns, str(path), f"call {number}")
        earlier_turns.append(call.question + call.blocks)
        yield call


def _read_call(call_record: Any, earlier_turns: Sequence[Turn], file: str, position: str) -> CassetteCall:
    try:
        question, answer = call_record["asked"], call_record["answer"]
        number_before = question.get("after", 0)
        if type(number_before) is not int or not 0 <= number_before <= len(earlier_turns):
            raise ValueError(f"`after: {number_before!r:.40}` names no earlier call")
        earlier_turn = earlier_turns[number_before - 1] if number_before else Turn()
        blocks = tuple(block_from_dict(block) for block in answer["blocks"])
        fields = {name: thaw(value) for name, value in call_record.items() if name not in ("asked", "answer")}
        conditions = {name: value for name, value in fields.items() if name in CONDITIONS}
        return CassetteCall(
            conditions,
            earlier_turn + tuple(block_from_dict(block) for block in question.get("blocks") or ()),
            blocks,
            InferenceResult.from_dict(answer.get("result") or {}),
            {name: value for name, value in fields.items() if name not in CONDITIONS},
        )
    except LoadError as error:
        raise LoadError(error.reason, file=file, position=f"{position} {error.position}".strip()) from None
    except (NbturnsError, KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise LoadError(f"a call needs `asked` and `answer`: {error}", file=file, position=position) from None
