"""Decode a recorded request of Gemini's.

Calls without an id get one, so that each result has the id of its call; Google pairs them by
name and order.
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
from .parts import ORIGINALS, block_of_part, field_of


def history(request: Mapping[str, Any]) -> Turn:
    """Return the blocks of a recorded request, `systemInstruction` first; encoding them gives the same request.

    Calls without an id get one. Other parameters are not part of a Turn. Raises EngineError for a
    value that is not a request.
    """
    request = freeze(request)
    request_contents = request.get("contents") if isinstance(request, Mapping) else None
    if isinstance(request_contents, Mapping):  # Google accepts a single content
        request_contents = [request_contents]
    if not isinstance(request_contents, list):
        raise EngineError("expected a request of Gemini's with a list of contents", kind="bad_request")
    system_content = field_of(request, "systemInstruction")
    call_ids = _CallIds()
    blocks = list(_content_blocks(system_content, "system", call_ids)) if system_content else []
    for content in request_contents:
        role = content.get("role") if isinstance(content, Mapping) else None
        blocks += _content_blocks(content, "model" if role == "model" else "user", call_ids)
    return Turn(PersistentList(blocks))


def _content_blocks(content: Any, role: str, call_ids: _CallIds) -> Iterator[Block]:
    content_parts = content.get("parts") if isinstance(content, Mapping) else [content]
    for index, content_part in enumerate(
        content_parts if isinstance(content_parts, list) else [content_parts] if content_parts else ()
    ):
        if not isinstance(content_part, FrozenDict):
            raise EngineError(f"expected a part to be an object, got {content_part!r:.60}", kind="bad_request")
        if role == "model":
            yield call_ids.with_id(ORIGINALS.attach(block_of_part(content_part), raw=content_part, index=index))
        else:
            yield ORIGINALS.attach(_input_block(content_part, role, call_ids), raw=content_part, index=index)


@dataclass(slots=True)
class _CallIds:
    """Assigns ids to calls without one, and to their results, which are matched by name and order."""

    id_count: int = 0
    unanswered_calls: list[Block] = field(default_factory=list)

    def with_id(self, block: Block) -> Block:
        """Return a block; a call without an id gets one."""
        if block.kind != "tool_call" or block.tool_call_id:
            return block
        self.id_count += 1
        block = block.edit(id=f"call_{self.id_count}")._with(
            metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: ""})
        )
        self.unanswered_calls.append(block)
        return block

    def id_of_result(self, tool_name: Any) -> str:
        """Return the id of the first call of this name without a result; "" without one."""
        call = next((call for call in self.unanswered_calls if call.name == tool_name), None)
        if call is None:
            return ""
        self.unanswered_calls.remove(call)
        return call.tool_call_id


def _input_block(part: FrozenDict, role: str, call_ids: _CallIds) -> Block:
    """Return the block of a part from a user, a tool or the system."""
    function_response = field_of(part, "functionResponse")
    if isinstance(function_response, Mapping):
        call_id = function_response.get("id") or call_ids.id_of_result(function_response.get("name"))
        media_field = {"media": function_response["parts"]} if function_response.get("parts") else {}
        return Block(
            Kind.TOOL_USE,
            {
                "id": call_id if isinstance(call_id, str) else "",
                **_result_and_error(function_response.get("response")),
                **media_field,
            },
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
    image_data = field_of(part, "inlineData") or field_of(part, "fileData")
    media_type = field_of(image_data, "mimeType") if isinstance(image_data, Mapping) else None
    if not isinstance(media_type, str) or not media_type.startswith("image/"):
        return None
    match image_data.get("data"), field_of(image_data, "fileUri"):
        case str(base64_content), _:
            return {"media_type": media_type, "content": base64_content}
        case _, str(file_uri):
            return {
                "url" if file_uri.startswith(("http:", "https:")) else "file_uri": file_uri,
                "media_type": media_type,
            }
    return None
