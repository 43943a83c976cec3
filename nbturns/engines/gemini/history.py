"""A request of Gemini's, read back into the blocks it was made of.

Calls without an id get one, so that each result stands with its call; Google pairs them
by name and order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import EngineError
from ...runtime.call_ids import PROVIDER_CALL_ID
from ...values.frozen_json import FrozenDict, freeze
from ...values.persistent_list import PersistentList
from ...values.turns import Block, Kind, Turn
from .parts import ORIGINALS, decoded, field_of


def history(request: Mapping[str, Any]) -> Turn:
    """The blocks of a recorded request, `systemInstruction` first; sent again they say the same.

    Calls without an id get one, so that each result stands with its call. The request's
    other parameters are not a Turn's. Raises EngineError where it is no request.
    """
    request = freeze(request)
    contents = request.get("contents") if isinstance(request, Mapping) else None
    if isinstance(contents, Mapping):  # Google takes one where a list is due
        contents = [contents]
    if not isinstance(contents, list):
        raise EngineError("a request of Gemini's has a list of contents", kind="bad_request")
    instructions = field_of(request, "systemInstruction")
    pairs = _Pairs()
    blocks = list(_content_blocks(instructions, "system", pairs)) if instructions else []
    for content in contents:
        role = content.get("role") if isinstance(content, Mapping) else None
        blocks += _content_blocks(content, "model" if role == "model" else "user", pairs)
    return Turn(PersistentList(blocks))


def _content_blocks(content: Any, role: str, pairs: _Pairs) -> Iterator[Block]:
    parts = content.get("parts") if isinstance(content, Mapping) else [content]
    for index, part in enumerate(parts if isinstance(parts, list) else [parts] if parts else ()):
        if not isinstance(part, FrozenDict):
            raise EngineError(f"a content has parts, and each is an object, not {part!r:.60}", kind="bad_request")
        if role == "model":
            yield pairs.called(ORIGINALS.attach(decoded(part), raw=part, index=index))
        else:
            yield ORIGINALS.attach(_input_block(part, role, pairs), raw=part, index=index)


@dataclass(slots=True)
class _Pairs:
    """Gives an id to calls that have none, and the same one to their results, which follow by name and order."""

    made: int = 0
    waiting: list[Block] = field(default_factory=list)

    def called(self, block: Block) -> Block:
        if block.kind != "tool_call" or block.tool_call_id:
            return block
        self.made += 1
        block = block.edit(id=f"call_{self.made}")._with(
            metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: ""})
        )
        self.waiting.append(block)
        return block

    def answered(self, name: Any) -> str:
        """Return the id of the first call of this name without a result; "" when there is none."""
        call = next((call for call in self.waiting if call.name == name), None)
        if call is None:
            return ""
        self.waiting.remove(call)
        return call.tool_call_id


def _input_block(part: FrozenDict, role: str, pairs: _Pairs) -> Block:
    """Return the block of a part from a user, a tool or the system."""
    answer = field_of(part, "functionResponse")
    if isinstance(answer, Mapping):
        id = answer.get("id") or pairs.answered(answer.get("name"))
        media = {"media": answer["parts"]} if answer.get("parts") else {}
        return Block(
            Kind.TOOL_USE,
            {"id": id if isinstance(id, str) else "", **_result_and_error(answer.get("response")), **media},
        )
    if isinstance(part.get("text"), str):
        return Block(Kind.SYSTEM if role == "system" else Kind.USER, {"text": part["text"]}, role)
    if image := _image_map(part):
        return Block(Kind.USER, {"text": "", "images": [image]}, role)
    if isinstance(field_of(part, "inlineData") or field_of(part, "fileData"), Mapping):
        return Block(Kind.USER, {"text": "", "media": [part]}, role)
    return Block(Kind.OTHER, part, role)


def _result_and_error(response: Any) -> dict[str, Any]:
    """Return result and error of a response object, which names them as Google's page advises, or is the result."""
    match response:
        case {"error": str(error)} if error and len(response) == 1:
            return {"result": None, "error": error}
        case {"result": result} | {"output": result} if len(response) == 1:
            return {"result": result, "error": ""}
    return {"result": response, "error": ""}


def _image_map(part: FrozenDict) -> dict[str, Any] | None:
    """Return the image map of an image part."""
    data = field_of(part, "inlineData") or field_of(part, "fileData")
    kind = field_of(data, "mimeType") if isinstance(data, Mapping) else None
    if not isinstance(kind, str) or not kind.startswith("image/"):
        return None
    match data.get("data"), field_of(data, "fileUri"):
        case str(content), _:
            return {"media_type": kind, "content": content}
        case _, str(uri):
            return {"url" if uri.startswith(("http:", "https:")) else "file_uri": uri, "media_type": kind}
    return None
