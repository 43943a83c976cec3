"""OpenAI Responses: encode a Turn as a request.

Facts: OpenAI's Responses reference. A request is a list of items, one for each block, in
order. Unedited blocks from the model or from a recorded request go out verbatim (see
`verbatim.py`); blocks from another provider go as plain messages and calls, without ids.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ...errors import EngineError
from ...runtime.engine_protocol import Scope
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.images import normal_image
from ...values.turns import Block, Turn
from ..json_access import are_parts
from ..media import content_parts
from ..openai.media import read_responses_medium, write_responses_medium
from ..openai.settings import one_call_at_a_time, remove_unsupported
from ..provider import MessageLayout, Provider
from ..token_endpoint import Counting, only_fields
from ..transports import openai_client
from .history import history
from .reply import CALL_ARGUMENTS, ORIGINALS, Reply
from .settings import PARAMS, PORTABLE, STRUCTURED_OUTPUT
from .stored_blocks import first_unsent_block

ENCRYPTED_REASONING = "reasoning.encrypted_content"
MODELS_WITHOUT_REASONING = re.compile(r"gpt-(3|4)|chatgpt|gpt-5[^/]*-chat")  # they refuse ENCRYPTED_REASONING
MEDIA_TYPES = frozenset({"input_file", "input_audio", "input_image"})
OUTPUT_PART_TYPES = frozenset({"input_text", "input_image", "input_file"})  # types of parts of an output
CLIENT_ITEM_TYPES = {  # items with which a client answers the model, except outputs of function calls
    *("computer_call_output", "local_shell_call_output", "shell_call_output", "apply_patch_call_output"),
    *("tool_search_output", "mcp_approval_response", "item_reference", "additional_tools"),
}
MAX_ID_LENGTH = 64
Item: TypeAlias = dict[str, Any]
BlockItem: TypeAlias = tuple[Block, Item]


# Encoding a Turn.


def request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """Return the body of `POST /responses`. Parameters without a rule here go out unchanged.

    `store=False` asks for encrypted reasoning, without which reasoning cannot be sent back. With
    `previous_response_id="resp_…"` only the blocks after that response are sent; with `"latest"`
    those after the last unedited response in this Turn, or all if there is none; with
    `conversation=…` those after its last reply. Raises EngineError for content that OpenAI does
    not accept.
    """
    own_params: dict[str, Any] = thaw(params)
    if "input" in own_params:
        raise EngineError("'input' is not a parameter; pass the conversation as a Turn", kind="bad_parameter")
    first_unsent, custom_call_ids = first_unsent_block(turn, own_params), _custom_call_ids(turn)
    body: dict[str, Any] = {"model": model}
    if len(turn) and _is_instructions(turn[0]):  # the server keeps the items of a response, not its instructions
        body["instructions"] = turn[0].text
        first_unsent = max(first_unsent, 1)
    is_stored = own_params.get("store") is not False
    body["input"] = _input_items(turn.blocks[first_unsent:], custom_call_ids, stored=is_stored)
    return body | own_params | _include(model, own_params) | _tools(scope, model, own_params)


COUNTED_FIELDS = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"}
    | {"previous_response_id", "conversation", "truncation", "personality"}
)


def count_request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """Return the body of `POST /responses/input_tokens`: the request without the parameters of the answer."""
    return only_fields(request(turn, scope, model, params), COUNTED_FIELDS)


def _is_instructions(block: Block) -> bool:
    """Tell whether a system block was read from `instructions`, which are not an item."""
    return block.kind == "system" and isinstance((block.metadata.get(ORIGINALS.item_key) or EMPTY_DICT).get("raw"), str)


def _include(model: str, own_params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `include` with encrypted reasoning where the model has it and the server stores nothing."""
    included_fields = own_params.get("include") or ()
    is_wanted = own_params.get("store") is False and own_params.get("include") != []
    if not is_wanted or ENCRYPTED_REASONING in included_fields or MODELS_WITHOUT_REASONING.search(model):
        return {}
    return {"include": [*included_fields, ENCRYPTED_REASONING]}


def _tools(scope: Scope, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools of the session and their choice, together with the provider's own in `params`.

    OpenAI's functions are strict by default; ours have optional arguments. A tool in `params`
    replaces the session's tool of the same name, to make it strict, custom, ….
    """
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    param_tools = list(params.get("tools") or ())
    param_tool_names = [tool.get("name") for tool in param_tools if isinstance(tool, Mapping)]
    session_tools = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": thaw(tool.parameters),
            "strict": False,
        }
        for tool in scope.tools
        if tool.name not in param_tool_names
    ]
    tool_choice = params.get("tool_choice") or scope.tool_config.tool_choice
    limits = one_call_at_a_time(scope, model, params)
    return {"tools": [*session_tools, *param_tools], "tool_choice": tool_choice, **limits}


# Encoding blocks as items.


def _input_items(blocks: Sequence[Block], custom_call_ids: set[str], *, stored: bool) -> list[Item] | str:
    """Return the items of these blocks; a single recorded text stays a string."""
    if len(blocks) == 1 and isinstance(raw_text := ORIGINALS.raw_item(blocks[0]), str):
        return raw_text
    block_items = [(block, item) for block in blocks if (item := _item(block, custom_call_ids)) is not None]
    return [
        _without_orphaned_id(previous_block, block, item)
        for previous_block, (block, item) in _with_sendable_reasoning(block_items, stored=stored)
    ]


def _custom_call_ids(turn: Turn) -> set[str]:
    """Return the ids of calls of custom tools; their outputs are items of another type than those of functions."""
    return {block.tool_call_id for block in turn if _raw_item(block).get("type") == "custom_tool_call"}


def _with_sendable_reasoning(block_items: list[BlockItem], *, stored: bool) -> Iterator[tuple[Block | None, BlockItem]]:
    """Yield each item with the block before it; drops reasoning that the server could not read, or without its successor."""
    sent_items: list[BlockItem] = []
    next_block: Block | None = None
    for block, item in reversed(block_items):
        if item.get("type") == "reasoning":
            if next_block is None or not _precedes(block, next_block):
                continue
            if not stored and not item.get("encrypted_content") and not item.get("content"):
                continue
        sent_items.append((block, item))
        next_block = block
    sent_items.reverse()
    yield from zip((None, *(block for block, _item in sent_items)), sent_items, strict=False)


def _precedes(reasoning_block: Block, next_block: Block) -> bool:
    """Tell whether a reasoning block led to the block after it: one of the model, of the same response."""
    reasoning_response, next_response = (
        ORIGINALS.reply_position(reasoning_block)[0],
        ORIGINALS.reply_position(next_block)[0],
    )
    is_from_model = next_block.kind in ("reasoning", "llm_text", "tool_call") or (
        next_block.kind == "other" and next_block.role != "user"
    )
    return is_from_model and reasoning_response in ("", next_response)


def _without_orphaned_id(previous_block: Block | None, block: Block, item: Item) -> Item:
    """Return the item; without its id where its predecessor is gone, because the server would miss that reasoning."""
    response_id, output_index = ORIGINALS.reply_position(block)
    is_orphaned = previous_block is None or ORIGINALS.reply_position(previous_block) != (
        response_id,
        (output_index or 0) - 1,
    )
    if response_id and output_index and is_orphaned and item.get("type") in ("message", *CALL_ARGUMENTS):
        item.pop("id", None)
    return item


def _raw_item(block: Block) -> Mapping[str, Any]:
    """Return the item that OpenAI wrote for this block, even if it was edited since."""
    raw_item = (block.metadata.get(ORIGINALS.item_key) or EMPTY_DICT).get("raw")
    return raw_item if isinstance(raw_item, Mapping) else EMPTY_DICT


def _item(block: Block, custom_call_ids: set[str]) -> Item | None:
    """Return the item of a block: verbatim where it is unedited, else made from its payload; None if OpenAI has no item for it."""
    raw_item = ORIGINALS.raw_item(block)
    if isinstance(raw_item, str):
        return {"role": block.role, "content": raw_item}
    return raw_item if isinstance(raw_item, dict) else _item_of_payload(block, custom_call_ids)


def _item_of_payload(block: Block, custom_call_ids: set[str]) -> Item | None:
    """Return the item of a block from its payload, with the other fields of its original."""
    match block.kind:
        case "system" | "user":
            return _message(block)
        case "llm_text":
            return _model_message(block)
        case "reasoning" if not _is_foreign(block):
            return _reasoning(block)
        case "tool_call" if block.tool_call_id in custom_call_ids:
            input_text = block.args.get("input", "")
            return _typed_item(block, "custom_tool_call", call_id=_id(block), name=block.name, input=input_text)
        case "tool_call":
            return _typed_item(block, "function_call", call_id=_id(block), name=block.name, arguments=_arguments(block))
        case "tool_use":
            item_type = "custom_tool_call_output" if block.tool_call_id in custom_call_ids else "function_call_output"
            return _typed_item(block, item_type, call_id=_id(block), output=_output(block))
        case "other" if ORIGINALS.item_key in block.metadata or block.payload.get("type") in CLIENT_ITEM_TYPES:
            item: Item = thaw(block.payload)
            return item
    return None


def _typed_item(block: Block, item_type: str, **fields: Any) -> Item:
    """Return an item with these fields and the others of its original; with its id, where it is OpenAI's."""
    raw_item = _raw_item(block)
    if raw_item and raw_item.get("type", "message") == item_type:
        return {**thaw(raw_item), **fields}
    item_id = block.payload.get("item_id") if not _is_foreign(block) else None
    return {"type": item_type, **({"id": item_id} if item_id else {}), **fields}


def _is_foreign(block: Block) -> bool:
    """Tell whether another provider made this block, so that its ids and signatures mean nothing to OpenAI."""
    if ORIGINALS.item_key in block.metadata:
        return False
    provider_name = block.inference.provider if block.inference else ""
    own_names = ("", "openai", "open_responses", "scripted")
    return provider_name not in own_names or any(key_name.endswith(".wire@v1") for key_name in block.metadata)


def _message(block: Block) -> Item | None:
    """Return the item of a user or system block."""
    content_parts: list[Item] = [{"type": "input_text", "text": block.text}] if block.text else []
    content_parts += map(_image, block.payload.get("images") or ())
    content_parts += map(_media, block.payload.get("media") or ())
    role = "user" if block.kind == "user" else block.role if block.role == "developer" else "system"
    return _typed_item(block, "message", role=role, content=content_parts) if content_parts else None


def _model_message(block: Block) -> Item | None:
    """Return the item of a model's text; a plain string without an id of OpenAI's, which a list of parts requires."""
    payload, text, refusal = block.payload, block.text, block.payload.get("refusal") or ""
    raw_item = _raw_item(block)
    if not raw_item and (_is_foreign(block) or not payload.get("item_id")):
        plain_text = text or refusal
        return {"type": "message", "role": "assistant", "content": plain_text} if plain_text else None
    content_parts = (
        [{"type": "output_text", "text": text, "annotations": thaw(payload.get("annotations") or [])}] if text else []
    )
    content_parts += [{"type": "refusal", "refusal": refusal}] if refusal else []
    content_parts += thaw(payload.get("media") or []) if raw_item else []
    message_item = _typed_item(block, "message", role="assistant", content=content_parts)
    return {"status": "completed", **message_item} if content_parts else None


def _reasoning(block: Block) -> Item | None:
    """Return the item of a reasoning block; OpenAI accepts an edited or imported one only with its encrypted content."""
    raw_item, payload = _raw_item(block), block.payload
    if raw_item.get("content"):  # a server that shows its reasoning and accepts it back
        return _typed_item(block, "reasoning", content=[{"type": "reasoning_text", "text": block.text}])
    if not payload.get("encrypted_content"):
        return None
    return _typed_item(
        block,
        "reasoning",
        summary=thaw(payload.get("summary") or []),
        encrypted_content=payload["encrypted_content"],
    )


def _image(image_value: Any) -> Item:
    """Return an image as a part. Raises EngineError for an invalid or incomplete one."""
    try:
        image = normal_image(image_value) if isinstance(image_value, Mapping) else EMPTY_DICT
    except ValueError as error:
        raise EngineError(str(error), kind="unsupported") from None
    if image.get("file_id"):
        source = {"file_id": image["file_id"]}
    elif image.get("url"):
        source = {"image_url": image["url"]}
    elif image.get("content"):
        source = {"image_url": f"data:{image['media_type']};base64,{image['content']}"}
    else:
        raise EngineError(
            f"expected an image with content, a URL or a file id of OpenAI's, got {image_value!r:.80}",
            kind="unsupported",
        )
    return {"type": "input_image", **source, "detail": image.get("detail") or "auto"}


def _media(media_value: Any) -> Item:
    """Return a medium as a part; one in OpenAI's own notation is unchanged."""
    if isinstance(media_value, Mapping) and media_value.get("type") in MEDIA_TYPES:
        media: Item = thaw(media_value)
        return media
    return write_responses_medium(media_value)


def _arguments(block: Block) -> str:
    """Return the arguments of a call as text; text that is not a JSON object is unchanged."""
    arguments_text = block.payload.get("args_raw", block.payload.get("args"))
    if isinstance(arguments_text, str) and not block.args:
        return arguments_text
    return json.dumps(thaw(block.args), ensure_ascii=False, default=repr)


def _output(block: Block) -> Any:
    """Return the output of a call: its error, text, parts of media, or JSON."""
    result = block.result
    if block.error:
        return block.error
    if isinstance(result, str) or are_parts(result, OUTPUT_PART_TYPES):
        return thaw(result)
    if (foreign_parts := content_parts(result, "input_text", write_responses_medium)) is not None:
        return foreign_parts
    return json.dumps(thaw(result), ensure_ascii=False, default=repr)


def _id(block: Block) -> str:
    """Return the id of a call, shortened where it is too long for OpenAI."""
    call_id = block.tool_call_id
    if len(call_id) <= MAX_ID_LENGTH:
        return call_id
    return f"{call_id[:40]}_{hashlib.sha256(call_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


PROVIDER = Provider(
    name="openai",
    request=request,
    reply=Reply,
    transport=openai_client.transport_by(openai_client.open_response, "/responses"),
    settings=openai_client.SETTINGS,
    history=history,
    counting=Counting(request=count_request, total="input_tokens", path="/responses/input_tokens"),
    params=PARAMS,
    portable=PORTABLE,
    remove_unsupported=remove_unsupported,
    structured_output=STRUCTURED_OUTPUT,
    messages=MessageLayout(messages="input", head="instructions", listed_roles=frozenset({"developer"})),
    read_medium=read_responses_medium,
    namespace=ORIGINALS.namespace,
    result_names=frozenset(),  # the name "openai" is also used by Chat Completions
    output_limits=("max_output_tokens",),
)
