"""The blocks of a Turn as input items of OpenAI's Responses: verbatim where they are its own and unedited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ...errors import EngineError
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.images import normal_image
from ...values.turns import Block, Turn
from ..json_access import are_parts, result_json
from ..media import content_parts, is_text_part, result_medium
from ..openai.media import write_responses_medium
from .client_calls import CLIENT_CALLS, output_item
from .items import CALL_ARGUMENTS
from .reply import ORIGINALS

MEDIA_TYPES = frozenset({"input_file", "input_audio", "input_image"})
OUTPUT_PART_TYPES = frozenset({"input_text", "input_image", "input_file"})  # types of parts of an output
OWN_ITEM_TYPES = frozenset(  # of items that a block of the user's own may hold as they are
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "item_reference"}
    | {"tool_search_call", "tool_search_output", "additional_tools", "configuration_update", "compaction"}
    | {"compaction_trigger", "program", "program_output", "mcp_list_tools", "mcp_call", "mcp_approval_request"}
    | {"mcp_approval_response", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output"}
    | {"apply_patch_call", "apply_patch_call_output", "computer_call", "computer_call_output", "function_call"}
    | {"function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning", "message"}
)
OWN_CALL_TYPES = frozenset({"custom_tool_call", *CLIENT_CALLS})
MAX_ID_LENGTH = 64
CACHE_MARK = "prompt_cache_breakpoint"
Item: TypeAlias = dict[str, Any]
BlockItem: TypeAlias = tuple[Block, Item]
OwnCalls: TypeAlias = dict[str, Mapping[str, Any]]


def input_items(blocks: Sequence[Block], own_calls: OwnCalls, *, stored: bool) -> list[Item] | str:
    """Return the items of these blocks; a single recorded text stays a string."""
    if len(blocks) == 1 and isinstance(raw_text := ORIGINALS.raw_item(blocks[0]), str):
        return raw_text
    block_items = [(block, item) for block in blocks if (item := _item(block, own_calls)) is not None]
    return [
        _without_orphaned_id(previous_block, block, item)
        for previous_block, (block, item) in _with_sendable_reasoning(block_items, stored=stored)
    ]


def unfollowed_thoughts(turn: Turn) -> int:
    """Return the number of thoughts that are not sent, because the block that each led to does not follow."""
    items = [(block, item) for block in turn if (item := _item(block, {})) is not None]
    sent_items = [item for _, (_, item) in _with_sendable_reasoning(items, stored=True)]
    return len(items) - len(sent_items)


def own_calls_of(turn: Turn) -> OwnCalls:
    """Return the originals of calls other than those of functions, by id; their outputs are items of other types."""
    originals = ((block.tool_call_id, _raw_item(block)) for block in turn if block.kind == "tool_call")
    return {call_id: item for call_id, item in originals if item.get("type") in OWN_CALL_TYPES}


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


def _item(block: Block, own_calls: OwnCalls) -> Item | None:
    """Return the item of a block: verbatim where it is unedited, else made from its payload; None if OpenAI has no item for it."""
    raw_item = ORIGINALS.raw_item(block)
    if isinstance(raw_item, str):
        return {"role": block.role, "content": raw_item}
    return raw_item if isinstance(raw_item, dict) else _item_of_payload(block, own_calls)


def _item_of_payload(block: Block, own_calls: OwnCalls) -> Item | None:
    """Return the item of a block from its payload, with the other fields of its original."""
    match block.kind:
        case "system" | "user":
            return _message(block)
        case "llm_text":
            return _model_message(block)
        case "reasoning" if not is_foreign(block):
            return _reasoning(block)
        case "tool_call" if (raw_call := _raw_item(block)).get("type") in CLIENT_CALLS:
            return {**thaw(raw_call), **CLIENT_CALLS[raw_call["type"]].fields(block.args)}
        case "tool_call" if block.tool_call_id in own_calls:
            input_text = block.args.get("input", "")
            return _typed_item(block, "custom_tool_call", call_id=_id(block), name=block.name, input=input_text)
        case "tool_call":
            return _typed_item(block, "function_call", call_id=_id(block), name=block.name, arguments=_arguments(block))
        case "tool_use":
            raw_call = own_calls.get(block.tool_call_id, EMPTY_DICT)
            if raw_call.get("type") in CLIENT_CALLS:
                return output_item(block, raw_call)
            item_type = "custom_tool_call_output" if raw_call else "function_call_output"
            return _typed_item(block, item_type, call_id=_id(block), output=_output(block))
        case "other" if ORIGINALS.item_key in block.metadata:
            original: Item = thaw(block.payload)
            return original
        case "other" if _is_own_item(block):
            item: Item = thaw(block.payload)
            return item
    return None


def _is_own_item(block: Block) -> bool:
    """Tell whether a block of the user's own holds an item of OpenAI's, and not a part of one that broke off."""
    is_whole = "partial_json" not in block.payload
    return is_whole and not is_foreign(block) and block.payload.get("type") in OWN_ITEM_TYPES


def _typed_item(block: Block, item_type: str, **fields: Any) -> Item:
    """Return an item with these fields and the others of its original; with its id, where it is OpenAI's."""
    raw_item = _raw_item(block)
    if raw_item and raw_item.get("type", "message") == item_type:
        return {**thaw(raw_item), **fields}
    item_id = block.payload.get("item_id") if not is_foreign(block) else None
    return {"type": item_type, **({"id": item_id} if item_id else {}), **fields}


def is_foreign(block: Block) -> bool:
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
    if content_parts and block.payload.get(CACHE_MARK):
        content_parts[-1][CACHE_MARK] = thaw(block.payload[CACHE_MARK])
    role = "user" if block.kind == "user" else block.role if block.role == "developer" else "system"
    return _typed_item(block, "message", role=role, content=content_parts) if content_parts else None


def _model_message(block: Block) -> Item | None:
    """Return the item of a model's text; a plain string without an id of OpenAI's, which a list of parts requires."""
    payload, text, refusal = block.payload, block.text, block.payload.get("refusal") or ""
    raw_item = _raw_item(block)
    if not raw_item and (is_foreign(block) or not payload.get("item_id")):
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
    if image.get("url"):
        source = {"image_url": image["url"]}
    elif image.get("file_id"):
        source = {"file_id": image["file_id"]}
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
    return result_json(block.args)


def _output(block: Block) -> Any:
    """Return the output of a call, with the block's mark of what to cache."""
    output = _plain_output(block)
    if mark := block.payload.get(CACHE_MARK):
        parts: list[Item] = [{"type": "input_text", "text": output}] if isinstance(output, str) else output
        return [*parts[:-1], {**parts[-1], CACHE_MARK: thaw(mark)}]
    return output


def _plain_output(block: Block) -> Any:
    """Return the output of a call: its error, text, parts of media, or JSON."""
    result = block.result
    if block.error:
        return block.error
    if isinstance(result, str) or (are_parts(result, OUTPUT_PART_TYPES) and all(map(_is_complete_part, result))):
        return thaw(result)
    if (foreign_parts := content_parts(result, "input_text", write_responses_medium)) is not None:
        return foreign_parts
    return result_json(result)


def _is_complete_part(part: Mapping[str, Any]) -> bool:
    """Return True when a part of an output has the fields that its type requires; a row of data may lack them."""
    return is_text_part(part) if part["type"] == "input_text" else result_medium(part) is not None


def _id(block: Block) -> str:
    """Return the id of a call, shortened where it is too long for OpenAI."""
    call_id = block.tool_call_id
    if len(call_id) <= MAX_ID_LENGTH:
        return call_id
    return f"{call_id[:40]}_{hashlib.sha256(call_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
