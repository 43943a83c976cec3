"""Anthropic Messages: encode a Turn as a request, and decode a request.

Facts: Anthropic's Messages reference (version 2026-10-21). A Turn is a flat list of blocks;
messages group them: all blocks of one reply make one assistant message, the tool results and
the user's text after it one user message. Unedited blocks from Claude or a recorded request
go out verbatim (see `verbatim.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from ...errors import EngineError
from ...packages import is_installed
from ...runtime.engine_protocol import Scope
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.images import normal_image
from ...values.turns import Block, Turn
from ..json_access import are_parts
from ..media import content_parts
from ..provider import MessageLayout, Provider, Transport
from ..token_endpoint import Counting, only_fields
from ..transports.plain_http import PACKAGES, http_transport, is_http
from ..transports.sdk_client import OfficialClient, OfficialTransport
from .history import MEDIA_TYPES, RESULT_PARTS, text_part
from .history import history as history
from .media import read_medium, write_medium
from .reply import ORIGINALS, Reply, error_of
from .settings import PARAMS, PORTABLE, SAMPLING_PARAMS, STRUCTURED_OUTPUT, remove_unsupported

VERSION = "2026-10-21"  # of the API, for clients other than Anthropic's
OLD_VERSION = "2023-06-01"  # the last one in which any Claude accepts sampling parameters
VERSION_HEADER = {"anthropic-version": VERSION}
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
    later_role = own_params.pop("later_system", "system")
    head = next((index for index, block in enumerate(turn) if block.kind != "system"), len(turn))
    body: dict[str, Any] = {"model": model, "max_tokens": MAX_TOKENS}
    if system_content := [content for block in turn.blocks[:head] if (content := _block_content(block))]:
        body["system"] = _message_content(system_content)
    body["messages"] = list(_messages(turn.blocks[head:], later_role))
    return body | own_params | _tools(scope, own_params)


COUNTED_FIELDS = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"}
    | {"context_management", "mcp_servers", "compaction", "billing_policy", "user_profile_id", "workspace_id"}
)


def count_request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """Return the body of `POST /v1/messages/count_tokens`: the request without parameters of the answer."""
    return only_fields(request(turn, scope, model, params), COUNTED_FIELDS)


def _tools(scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools of the session and their choice, together with the provider's own in `params`."""
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    session_tools = [
        {"name": tool.name, "description": tool.description, "input_schema": thaw(tool.parameters)}
        for tool in scope.tools
    ]
    tool_choice = params.get("tool_choice") or {"type": TOOL_CHOICES[scope.tool_config.tool_choice]}
    if scope.tool_config.max_parallel_tools == 1 and tool_choice.get("type") != "none":
        tool_choice = {"disable_parallel_tool_use": True, **tool_choice}
    return {"tools": [*session_tools, *params.get("tools", ())], "tool_choice": tool_choice}


def _messages(blocks: Iterable[Block], later_role: str) -> Iterator[dict[str, Any]]:
    """Yield the messages of these blocks; later system blocks have the role `later_role`."""
    for role, group in _message_groups(blocks, later_role):
        content = _message_content(group)
        if role == "user" and isinstance(content, list):  # the API refuses results after other parts
            content.sort(key=lambda part: part.get("type") != "tool_result")
        yield {"role": role, "content": content}


def _message_groups(blocks: Iterable[Block], later_role: str) -> Iterator[tuple[str, list[Content]]]:
    """Yield the role and the contents of each message; another reply or message starts a new one."""
    role, group = "", list[Content]()
    previous_position: tuple[str, int | None] = ("", None)
    for block in blocks:
        if not (content := _block_content(block)):
            continue
        block_role, reply_position = _role(block, later_role), ORIGINALS.reply_position(block)
        if group and (block_role != role or _are_separate(previous_position, reply_position)):
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


def _role(block: Block, later_role: str) -> str:
    """Return the role of the message that a block belongs to."""
    if block.kind in ("user", "tool_use"):
        return "user"
    if block.kind == "system" or (block.kind == "other" and block.role == "system"):
        return later_role
    return "user" if block.kind == "other" and block.role == "user" else "assistant"


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
    if image.get("file_id"):
        source = {"type": "file", "file_id": image["file_id"]}
    elif image.get("url"):
        source = {"type": "url", "url": image["url"]}
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
    if are_parts(result, RESULT_PARTS):
        content: Any = thaw(result)
    elif (foreign_parts := content_parts(result, "text", write_medium)) is not None:
        content = foreign_parts
    elif block.error:
        content = block.error
    else:
        content = result if isinstance(result, str) else json.dumps(thaw(result), ensure_ascii=False, default=repr)
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


class _UnlistedName(str):
    """A model name that equals no other string, so that the client does not warn of deprecated models.

    With warnings as errors, that warning would end the call.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, value: object) -> bool:
        return self is value


def _open_stream(client: Any, body: Mapping[str, Any], headers: Mapping[str, str]) -> AbstractAsyncContextManager[Any]:
    """Open the raw streaming response; `extra_body` carries every field that the signature does not require."""
    signature_names = ("max_tokens", "messages", "stream")
    stream: AbstractAsyncContextManager[Any] = client.messages.with_streaming_response.create(
        model=_UnlistedName(body["model"]),
        **{name: body[name] for name in signature_names if name in body},
        extra_headers=_with_version(body, headers),
        extra_body={name: value for name, value in body.items() if name not in (*signature_names, "model")},
    )
    return stream


def _with_version(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers, with the older API version for sampling parameters, which the newer one refuses."""
    needs_old_version = (
        any(name in body for name in SAMPLING_PARAMS) and headers.get("anthropic-version", VERSION) == VERSION
    )
    return {**headers, **({"anthropic-version": OLD_VERSION} if needs_old_version else {})}


SDK = OfficialClient(
    package="anthropic",
    client_class="AsyncAnthropic",
    open_stream=_open_stream,
    read_error=error_of,
    key_hint="ANTHROPIC_API_KEY",
)
TRANSPORT_SETTINGS = frozenset({"client", "headers", "betas"})
CLIENT_SETTINGS = frozenset(
    {"api_key", "auth_token", "credentials", "config", "profile"}
    | {"base_url", "default_headers", "default_query", "http_client"}
)


def transport(settings: Mapping[str, Any]) -> Transport:
    """Return the transport of a client: Anthropic's SDK if it is installed, else plain HTTP.

    `betas` are names of the `anthropic-beta` header, `headers` are sent with every request.
    """
    headers = dict(settings.get("headers") or {})
    if settings.get("betas"):
        headers["anthropic-beta"] = ",".join(settings["betas"])
    client = settings.get("client")
    has_no_sdk = client is None and not is_installed("anthropic")
    if is_http(client) or (has_no_sdk and any(map(is_installed, PACKAGES))):
        return http_transport(
            settings,
            name="anthropic",
            base_url="https://api.anthropic.com",
            path="/v1/messages",
            key="ANTHROPIC_API_KEY",
            signed=lambda key: {
                "authorization" if settings.get("auth_token") else "x-api-key": _authorization(settings, key)
            },
            read_error=error_of,
            versioned=lambda body, request_headers: _with_version(
                body, {**VERSION_HEADER, **headers, **request_headers}
            ),
        )
    client_settings = {name: value for name, value in settings.items() if name not in TRANSPORT_SETTINGS}
    return OfficialTransport(SDK, client_settings, headers, client)


def _authorization(settings: Mapping[str, Any], key: str) -> str:
    return f"Bearer {key}" if settings.get("auth_token") else key


PROVIDER = Provider(
    name="anthropic",
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
)
