"""Anthropic Messages: encode a Turn as a request, and decode a request.

Facts: Anthropic's Messages reference (version 2026-10-21). A Turn is a flat list of blocks;
messages group them: all blocks of one reply make one assistant message, the tool results and
the user's text after it one user message. Unedited blocks from Claude or a recorded request
go out verbatim (see `verbatim.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from ...errors import EngineError
from ...runtime.engine_protocol import Scope
from ...tools import Tool
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.images import normal_image
from ...values.inference_results import FinishClass
from ...values.turns import Block, Turn
from ..json_access import are_parts, mapping_of, result_json, text_of
from ..media import content_parts
from ..parameters.json_schema import can_be_strict, closed
from ..provider import MessageLayout, Parameters, Provider
from ..token_endpoint import Counting, only_fields
from ..tool_options import merged_tools, with_options
from .history import MEDIA_TYPES, RESULT_PARTS, is_complete_part, text_part
from .history import history as history
from .later_system import placed_system_blocks
from .media import read_medium, write_medium
from .model_rules import fit_tool_choice, remove_unsupported
from .models import claude_model
from .reply import ORIGINALS, Reply
from .settings import PARAMS, PORTABLE, STRICT, STRUCTURED_OUTPUT
from .thought_binding import DROP, signed, unbound_thoughts, without_thoughts
from .transport import ACCOUNT, CLIENT_SETTINGS, TRANSPORT_SETTINGS, transport

MAX_TOKENS = 4096  # the API requires a limit; this is the default
TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
INVALID_ID_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")
Content: TypeAlias = list[dict[str, Any]] | str


# Encoding a Turn.


def request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """Return the body of `POST /v1/messages`. `max_tokens` is 4096 unless given.

    System blocks at the head become `system`; later ones system messages, or user text with
    `later_system="user"` for models and servers without system messages. Other parameters go
    out unchanged. Raises EngineError for content that Claude does not accept.
    """
    own_params: dict[str, Any] = thaw(params)
    later_role = own_params.pop("later_system", None) or "system"
    head = next((index for index, block in enumerate(turn) if block.kind != "system"), len(turn))
    body: dict[str, Any] = {"model": model, "max_tokens": MAX_TOKENS}
    if system_content := [content for block in turn.blocks[:head] if (content := _block_content(block))]:
        body["system"] = _message_content(system_content)
    body["messages"] = list(_messages(placed_system_blocks(turn.blocks[head:], later_role)))
    if (container := _last_container(turn)) and "container" not in own_params:
        body["container"] = container
    return body | own_params | _tools(scope, own_params)


def _unstrict_tools(scope: Scope) -> list[str]:
    """Return a sentence about the tools that are sent without the strictness they ask for."""
    strict_tools = [tool for tool in scope.tools if tool.options.get("anthropic", EMPTY_DICT).get("strict")]
    names = [tool.name for tool in strict_tools if not can_be_strict(thaw(tool.parameters), STRICT)]
    return [f"not strict: {', '.join(names)}, whose arguments Claude does not take as strict"] if names else []


def _last_container(turn: Turn) -> str:
    """Return the id of the container in which the last reply runs code: one that called our tools, or that goes on."""
    last_block = next((block for block in reversed(turn.blocks) if block.inference is not None), None)
    result = last_block.inference if last_block is not None else None
    if result is None or result.provider != "anthropic":
        return ""
    callers = (
        mapping_of(mapping_of((block.metadata.get(ORIGINALS.item_key) or EMPTY_DICT).get("raw")).get("caller"))
        for block in turn
        if block.inference == result and block.kind == "tool_call"
    )
    is_needed = any(text_of(caller.get("type")).startswith("code_execution") for caller in callers)
    container = result.extra.get("container")
    is_needed = is_needed or result.finish_class is FinishClass.CONTINUE
    return text_of(container.get("id")) if is_needed and isinstance(container, Mapping) else ""


def adapt(turn: Turn, scope: Scope, model: str, params: Parameters) -> tuple[Turn, list[str]]:
    """Fit a Turn and its parameters to the model; return the Turn, and a sentence for each change.

    Later system blocks become user text for models that hear none, a forced tool is free where the model
    refuses one, and thoughts that a change before them made invalid are dropped by Claude's own switch.
    """
    model_rules, changes = claude_model(model), _unstrict_tools(scope)
    head = next((index for index, block in enumerate(turn) if block.kind != "system"), len(turn))
    later_count = sum(block.kind == "system" for block in turn.blocks[head:])
    if (
        later_count
        and params.get("later_system") is None
        and model_rules.is_known
        and not model_rules.hears_later_system
    ):
        params["later_system"] = "user"
        changes.append(f"{later_count} later system block(s) go as user text, because {model} takes none")
    if len(scope.tools) and scope.tool_config.enabled and not params.get("tool_choice"):
        choice = {
            "tool_choice": {"type": TOOL_CHOICES[scope.tool_config.tool_choice]},
            "thinking": params.get("thinking"),
        }
        if choice_changes := fit_tool_choice(model, choice):
            params["tool_choice"] = choice["tool_choice"]
            changes += choice_changes
    if not model_rules.binds_thoughts or not (count := unbound_thoughts(turn, request(turn, scope, model, params))):
        return turn, changes
    thinking = params.get("thinking") or {"type": "adaptive"}
    if thinking.get("type") not in ("adaptive", "enabled"):
        turn = without_thoughts(turn)
    elif "block_binding" not in thinking:
        params["thinking"] = {**thinking, "block_binding": DROP}
    return turn, [
        *changes,
        f"{count} thought(s) are left out where something before them has changed, as {model} demands",
    ]


COUNTED_FIELDS = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"}
    | {"context_management", "mcp_servers", "compaction", "billing_policy"}
)


def count_request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """Return the body of `POST /v1/messages/count_tokens`: the request without parameters of the answer."""
    return only_fields(request(turn, scope, model, params), COUNTED_FIELDS)


def _tools(scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools of the session and their choice, together with the provider's own in `params`."""
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    session_tools = [_tool(tool) for tool in scope.tools]
    tools = merged_tools(session_tools, params.get("tools", ()), lambda tool: str(tool.get("name") or ""), with_options)
    tool_choice = params.get("tool_choice") or {"type": TOOL_CHOICES[scope.tool_config.tool_choice]}
    if scope.tool_config.max_parallel_tools == 1 and tool_choice.get("type") != "none":
        tool_choice = {"disable_parallel_tool_use": True, **tool_choice}
    return {"tools": tools, "tool_choice": tool_choice}


def _tool(tool: Tool) -> dict[str, Any]:
    """Return the JSON of a tool, with its options for Claude; `strict` only where its arguments may be strict."""
    options: dict[str, Any] = thaw(tool.options.get("anthropic", EMPTY_DICT))
    parameters: dict[str, Any] = thaw(tool.parameters)
    if options.get("strict") and can_be_strict(parameters, STRICT):
        parameters = closed(parameters, STRICT)
    elif options.get("strict"):
        options["strict"] = False
    return with_options({"name": tool.name, "description": tool.description, "input_schema": parameters}, options)


def _messages(placed_blocks: Iterable[tuple[Block, str]]) -> Iterator[dict[str, Any]]:
    """Yield the messages of these blocks, each given with its role."""
    for role, group in _message_groups(placed_blocks):
        content = _message_content(group)
        if role == "user" and isinstance(content, list):  # the API refuses results after other parts
            content.sort(key=lambda part: part.get("type") != "tool_result")
        yield {"role": role, "content": content}


def _message_groups(placed_blocks: Iterable[tuple[Block, str]]) -> Iterator[tuple[str, list[Content]]]:
    """Yield the role and the contents of each message; another reply or message starts a new one."""
    role, group = "", list[Content]()
    previous_position: tuple[str, int | None] = ("", None)
    for block, block_role in placed_blocks:
        if not (content := _block_content(block)):
            continue
        reply_position = ORIGINALS.reply_position(block)
        is_separate = block_role != "system" and _are_separate(previous_position, reply_position)
        if group and (block_role != role or is_separate):
            yield role, group
            group = []
        role, previous_position = block_role, reply_position
        group.append(content)
    if group:
        yield role, group


def _are_separate(previous_position: tuple[str, int | None], position: tuple[str, int | None]) -> bool:
    """Return True when two blocks are of different messages, by the reply and the index in it that they came from."""
    (previous_reply, previous_index), (reply, index) = previous_position, position
    if previous_reply and reply and previous_reply != reply:
        return True
    return previous_index is not None and index is not None and index <= previous_index


def _block_content(block: Block) -> Content:
    """Return the content of a block, verbatim if unedited, else from its payload; blank texts are left out, because the API refuses them."""
    raw = ORIGINALS.raw_item(block)
    if isinstance(raw, str):
        return raw.strip() and raw
    parts = [raw] if isinstance(raw, dict) else _parts(block)
    return [part for part in parts if part.get("type") != "text" or str(part.get("text") or "").strip()]


def _message_content(group: list[Content]) -> Content:
    """Return the content of one message; a single string stays a string."""
    if len(group) == 1:
        return group[0]
    return [part for content in group for part in ([text_part(content)] if isinstance(content, str) else content)]


def _parts(block: Block) -> list[dict[str, Any]]:
    """Return the content blocks of a payload; none for content that only another provider can read."""
    payload, is_foreign = block.payload, _is_foreign(block)
    match block.kind:
        case "system" | "user":
            media_parts = [*map(_image, payload.get("images") or ()), *map(_media, payload.get("media") or ())]
            return _with_cache_control([{"type": "text", "text": block.text}, *media_parts], payload)
        case "llm_text":
            citations = {"citations": thaw(payload["citations"])} if payload.get("citations") and not is_foreign else {}
            return _with_cache_control([{"type": "text", "text": block.text, **citations}], payload)
        case "reasoning" if payload.get("data") and not is_foreign:
            return [{"type": "redacted_thinking", "data": payload["data"]}]
        case "reasoning" if payload.get("signature") and not is_foreign:
            return [{"type": "thinking", "thinking": block.text, "signature": payload["signature"]}]
        case "tool_call":
            return _with_cache_control(
                [
                    {
                        "type": "tool_use",
                        "id": _valid_call_id(block),
                        "name": block.name,
                        "input": _call_arguments(block),
                    }
                ],
                payload,
            )
        case "tool_use":
            return _with_cache_control([_tool_result(block)], payload)
        case "other" if ORIGINALS.item_key in block.metadata:
            return [thaw(payload)]
    return []


def _is_foreign(block: Block) -> bool:
    """Tell whether another provider made this block, so that Claude cannot read its signatures."""
    if ORIGINALS.item_key in block.metadata:
        return False
    provider_name = block.inference.provider if block.inference else ""
    return provider_name not in ("", "anthropic", "scripted") or any(
        name.endswith(".wire@v1") for name in block.metadata
    )


def _with_cache_control(parts: list[dict[str, Any]], payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Add the `cache_control` of a payload to the last of its parts."""
    if payload.get("cache_control"):
        parts[-1]["cache_control"] = thaw(payload["cache_control"])
    return parts


def _image(raw_image: Any) -> dict[str, Any]:
    """Return an image as a part. Raises EngineError for an invalid or incomplete one."""
    try:
        image = normal_image(raw_image) if isinstance(raw_image, Mapping) else EMPTY_DICT
    except ValueError as error:
        raise EngineError(str(error), kind="unsupported") from None
    if image.get("url"):
        source = {"type": "url", "url": image["url"]}
    elif image.get("file_id"):
        source = {"type": "file", "file_id": image["file_id"]}
    elif image.get("content"):
        source = {"type": "base64", "media_type": image["media_type"], "data": image["content"]}
    else:
        raise EngineError(
            f"Claude accepts images as bytes, http URLs or its own file ids, not {raw_image!r:.80}", kind="unsupported"
        )
    return {"type": "image", "source": source}


def _media(part: Any) -> dict[str, Any]:
    """Return a medium as a part; one in Anthropic's own notation is unchanged."""
    if isinstance(part, Mapping) and part.get("type") in MEDIA_TYPES:
        own_part: dict[str, Any] = thaw(part)
        return own_part
    return write_medium(part)


def _call_arguments(block: Block) -> dict[str, Any]:
    """Return the arguments of a call; invalid JSON as {"INVALID_JSON": text}, which Anthropic's page on fine-grained streaming recommends."""
    raw_args = block.payload.get("args_raw", block.payload.get("args"))
    if isinstance(raw_args, str) and not block.args and raw_args.strip() not in ("", "{}"):
        return {"INVALID_JSON": raw_args}
    args: dict[str, Any] = thaw(block.args)
    return args


def _tool_result(block: Block) -> dict[str, Any]:
    """Return the part with the result of a tool: its error, text, parts of media, or JSON."""
    result, is_error = block.result, bool(block.error) or bool(block.payload.get("is_error"))
    if are_parts(result, RESULT_PARTS) and all(map(is_complete_part, result)):
        content: Any = thaw(result)
    elif (foreign_parts := content_parts(result, "text", write_medium)) is not None:
        content = foreign_parts
    elif block.error:
        content = block.error
    else:
        content = result if isinstance(result, str) else result_json(result)
    return {"type": "tool_result", "tool_use_id": _valid_call_id(block), "content": content} | (
        {"is_error": True} if is_error else {}
    )


def _valid_call_id(block: Block) -> str:
    """Return the id of a call; one with characters that the API refuses is replaced by a valid one."""
    id = block.tool_call_id
    if not INVALID_ID_CHARACTERS.search(id):
        return id
    return f"{INVALID_ID_CHARACTERS.sub('_', id)[:40]}_{hashlib.sha256(id.encode()).hexdigest()[:8]}"


# The provider.


PROVIDER = Provider(
    name="anthropic",
    account=ACCOUNT,
    hosts=("api.anthropic.com",),
    request=request,
    reply=Reply,
    transport=transport,
    settings=TRANSPORT_SETTINGS | CLIENT_SETTINGS,
    history=history,
    counting=Counting(request=count_request, total="input_tokens", path="/v1/messages/count_tokens"),
    params=PARAMS,
    portable=PORTABLE,
    remove_unsupported=remove_unsupported,
    structured_output=STRUCTURED_OUTPUT,
    messages=MessageLayout(messages="messages", head="system", parts="content"),
    read_medium=read_medium,
    namespace=ORIGINALS.namespace,
    output_limits=("max_tokens",),
    adapt=adapt,
    sign_blocks=signed,
)
