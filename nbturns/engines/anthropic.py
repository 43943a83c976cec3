"""Anthropic Messages: a Turn as the request that says it, and back.

Facts: Anthropic's Messages reference (version 2026-10-21). Blocks are flat and messages
group them: all blocks of one reply make one assistant message, the results and what the
user says after it one user message. What Claude or a recorded request wrote goes out as
it was, as long as nobody edited it (see `wire`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from ..chunks import Chunks
from ..contract import Scope
from ..errors import EngineError
from ..frozen import EMPTY, FrozenDict, freeze, thaw
from ..images import normal_image
from ..packages import installed
from ..turns import Block, Kind, Turn
from .anthropic_media import read_medium, write_medium
from .anthropic_reply import WIRE, Reply, decoded, refusal
from .anthropic_settings import PARAMS, PORTABLE, SAMPLING, STRUCTURED_OUTPUT, remove_unsupported
from .counting import Counting, only_fields
from .http_transport import PACKAGES, http_transport, is_http
from .lenient import are_parts
from .media import content_parts
from .provider import MessageLayout, Provider, Transport
from .transport import Official, OfficialTransport

VERSION = "2026-10-21"  # of the API, where no client of Anthropic's says it
OLD_VERSION = "2023-06-01"  # the last one in which any Claude accepts sampling parameters
PLAIN = {"anthropic-version": VERSION}
MAX_TOKENS = 4096  # Claude demands a limit; this one holds where none is given
CHOICES = {"auto": "auto", "required": "any", "none": "none"}
RESULTS = frozenset(
    {"text", "image", "document", "search_result", "tool_reference"}
)  # a tool_result is a list of these
MEDIA = frozenset({"document", "search_result", "container_upload"})
BAD_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")
Said: TypeAlias = list[dict[str, Any]] | str


# A Turn → a request.


def request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
    """The body of `POST /v1/messages`. `max_tokens` is 4096 unless given.

    System blocks at the head become `system`; later ones system messages, or with
    `later_system="user"`, for models and servers without these, user text. Parameters
    not named here go out as they are. Raises EngineError for what Claude cannot take.
    """
    given: dict[str, Any] = thaw(params)
    later = given.pop("later_system", "system")
    head = next((at for at, block in enumerate(turn) if block.kind != "system"), len(turn))
    body: dict[str, Any] = {"model": model, "max_tokens": MAX_TOKENS}
    if system := [said for block in turn.blocks[:head] if (said := _said(block))]:
        body["system"] = _content(system)
    body["messages"] = list(_messages(turn.blocks[head:], later))
    return body | given | _tools(scope, given)


COUNTED = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"}
    | {"context_management", "mcp_servers", "compaction", "billing_policy", "user_profile_id", "workspace_id"}
)


def count_request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
    """The body of `POST /v1/messages/count_tokens`: the request without what limits and steers the answer."""
    return only_fields(request(turn, scope, model, params), COUNTED)


def _tools(scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
    """The tools of the session, and the choice among them, beside the provider's own in `params`."""
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    ours = [
        {"name": tool.name, "description": tool.description, "input_schema": thaw(tool.parameters)}
        for tool in scope.tools
    ]
    choice = params.get("tool_choice") or {"type": CHOICES[scope.tool_config.tool_choice]}
    return {"tools": [*ours, *params.get("tools", ())], "tool_choice": choice}


def _messages(blocks: Iterable[Block], later: str) -> Iterator[dict[str, Any]]:
    for role, group in _grouped(blocks, later):
        content = _content(group)
        if role == "user" and isinstance(content, list):  # results come first, or the request is refused
            content.sort(key=lambda part: part.get("type") != "tool_result")
        yield {"role": role, "content": content}


def _grouped(blocks: Iterable[Block], later: str) -> Iterator[tuple[str, list[Said]]]:
    """Neighbours that make one message. One that began in another reply or message begins one here."""
    role, group = "", list[Said]()
    before: tuple[str, int | None] = ("", None)
    for block in blocks:
        if not (said := _said(block)):
            continue
        its, place = _role(block, later), WIRE.place(block)
        if group and (its != role or _apart(before, place)):
            yield role, group
            group = []
        role, before = its, place
        group.append(said)
    if group:
        yield role, group


def _apart(a: tuple[str, int | None], b: tuple[str, int | None]) -> bool:
    other_reply = bool(a[0] and b[0] and a[0] != b[0])
    return other_reply or (a[1] is not None and b[1] is not None and b[1] <= a[1])


def _role(block: Block, later: str) -> str:
    if block.kind in ("user", "tool_use"):
        return "user"
    if block.kind == "system" or (block.kind == "other" and block.role == "system"):
        return later
    return "user" if block.kind == "other" and block.role == "user" else "assistant"


def _said(block: Block) -> Said:
    """What a block says: verbatim where it may be, else from its payload; a blank text would be refused."""
    raw = WIRE.raw(block)
    if isinstance(raw, str):
        return raw.strip() and raw
    parts = [raw] if isinstance(raw, dict) else _parts(block)
    return [part for part in parts if part.get("type") != "text" or str(part.get("text") or "").strip()]


def _content(group: list[Said]) -> Said:
    """The content of one message; a text that was written as a string stays one where it is alone."""
    if len(group) == 1:
        return group[0]
    return [part for said in group for part in ([_as_part(said)] if isinstance(said, str) else said)]


def _as_part(raw: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "text", "text": raw} if isinstance(raw, str) else raw
    return part


def _parts(block: Block) -> list[dict[str, Any]]:
    """A block as content blocks, from its payload; none for what is another provider's own."""
    payload, foreign = block.payload, _is_foreign(block)
    match block.kind:
        case "system" | "user":
            beside = [*map(_image, payload.get("images") or ()), *map(_media, payload.get("media") or ())]
            return _marked([{"type": "text", "text": block.text}, *beside], payload)
        case "llm_text":
            sources = {"citations": thaw(payload["citations"])} if payload.get("citations") and not foreign else {}
            return _marked([{"type": "text", "text": block.text, **sources}], payload)
        case "reasoning" if payload.get("data") and not foreign:
            return [{"type": "redacted_thinking", "data": payload["data"]}]
        case "reasoning" if payload.get("signature") and not foreign:
            return [{"type": "thinking", "thinking": block.text, "signature": payload["signature"]}]
        case "tool_call":
            return _marked(
                [{"type": "tool_use", "id": _id(block), "name": block.name, "input": _input(block)}], payload
            )
        case "tool_use":
            return _marked([_tool_result(block)], payload)
        case "other" if WIRE.kept in block.metadata:
            return [thaw(payload)]
    return []


def _is_foreign(block: Block) -> bool:
    """Whether another provider made this block: its signatures mean nothing to Claude."""
    if WIRE.kept in block.metadata:
        return False
    made_by = block.inference.provider if block.inference else ""
    return made_by not in ("", "anthropic", "scripted") or any(name.endswith(".wire@v1") for name in block.metadata)


def _marked(parts: list[dict[str, Any]], payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`cache_control` in a payload marks the end of its block as the end of what is cached."""
    if payload.get("cache_control"):
        parts[-1]["cache_control"] = thaw(payload["cache_control"])
    return parts


def _image(given: Any) -> dict[str, Any]:
    try:
        image = normal_image(given) if isinstance(given, Mapping) else EMPTY
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
            f"Claude takes images as bytes, http URLs or its own file ids, not {given!r:.80}", kind="unsupported"
        )
    return {"type": "image", "source": source}


def _media(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping) and given.get("type") in MEDIA:
        media: dict[str, Any] = thaw(given)
        return media
    return write_medium(given)


def _input(block: Block) -> dict[str, Any]:
    """The arguments of a call; those that are no JSON object as Anthropic's page on fine-grained streaming advises."""
    written = block.payload.get("args_raw", block.payload.get("args"))
    if isinstance(written, str) and not block.args and written.strip() not in ("", "{}"):
        return {"INVALID_JSON": written}
    args: dict[str, Any] = thaw(block.args)
    return args


def _tool_result(block: Block) -> dict[str, Any]:
    result, failed = block.result, bool(block.error) or bool(block.payload.get("is_error"))
    if are_parts(result, RESULTS):
        content: Any = thaw(result)
    elif (foreign := content_parts(result, "text", write_medium)) is not None:
        content = foreign
    elif block.error:
        content = block.error
    else:
        content = result if isinstance(result, str) else json.dumps(thaw(result), ensure_ascii=False, default=repr)
    return {"type": "tool_result", "tool_use_id": _id(block), "content": content} | (
        {"is_error": True} if failed else {}
    )


def _id(block: Block) -> str:
    """The id of a call; one that another provider made is spelt so that Claude takes it."""
    id = block.tool_call_id
    if not BAD_IN_ID.search(id):
        return id
    return f"{BAD_IN_ID.sub('_', id)[:40]}_{hashlib.sha256(id.encode()).hexdigest()[:8]}"


# A request → the Turn it was made of.


def history(request: Mapping[str, Any]) -> Turn:
    """The blocks of a recorded request, `system` first; sent again they say the same.

    Its other parameters are not a Turn's. Raises EngineError where it is no request.
    """
    request = freeze(request)
    if not isinstance(request, Mapping) or not isinstance(request.get("messages"), list):
        raise EngineError("a request of Anthropic's has a list of messages", kind="bad_request")
    blocks = list(_message_blocks("system", request.get("system") or ()))
    for message in request["messages"]:
        if not isinstance(message, Mapping):
            raise EngineError(f"a message is an object, not {message!r:.60}", kind="bad_request")
        blocks += _message_blocks(str(message.get("role")), message.get("content") or ())
    return Turn(Chunks(blocks))


def _message_blocks(role: str, content: Any) -> Iterator[Block]:
    parts = (content,) if isinstance(content, str) else content
    for index, raw in enumerate(parts):
        part: FrozenDict = freeze(_as_part(raw))
        if not isinstance(part, Mapping):
            raise EngineError(f"a content block is an object, not {raw!r:.60}", kind="bad_request")
        yield WIRE.marked(decoded(part) if role == "assistant" else _given(role, part), raw=raw, index=index)


def _given(role: str, part: Any) -> Block:
    """The block of a content block that Claude was given, by a user or the system."""
    match part.get("type"), part:
        case "text", {"text": str(text)}:
            return Block(Kind.SYSTEM if role == "system" else Kind.USER, {"text": text}, role)
        case "image", {"source": Mapping() as source} if image := _seen(source):
            return Block(Kind.USER, {"text": "", "images": [image]}, role)
        case "tool_result", {"tool_use_id": str(id)}:
            content = part.get("content")
            failed = (_words(content) or "failed") if part.get("is_error") else ""
            result = content if not failed or are_parts(content, RESULTS) else None
            return Block(Kind.TOOL_USE, {"id": id, "result": result, "error": failed})
        case str(type), _ if type in MEDIA:
            return Block(Kind.USER, {"text": "", "media": [part]}, role)
    return Block(Kind.OTHER, part, role)


def _seen(source: Mapping[str, Any]) -> dict[str, Any] | None:
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            return {"media_type": media_type, "content": data}
        case {"type": "url", "url": str(url)}:
            return {"url": url}
        case {"type": "file", "file_id": str(id)}:
            return {"file_id": id}
    return None


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(
        str(part.get("text")) for part in parts if isinstance(part, Mapping) and part.get("type") == "text"
    )


# The provider.


class _Name(str):
    """A model's name that its client finds in no list: of some models it warns, and where warnings are errors the call would end."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _door(client: Any, body: Mapping[str, Any], headers: Mapping[str, str]) -> AbstractAsyncContextManager[Any]:
    """The documented raw door; all but what its signature demands goes by `extra_body`, which passes any field."""
    named = ("max_tokens", "messages", "stream")
    opened: AbstractAsyncContextManager[Any] = client.messages.with_streaming_response.create(
        model=_Name(body["model"]),
        **{name: body[name] for name in named if name in body},
        extra_headers=_versioned(body, headers),
        extra_body={name: value for name, value in body.items() if name not in (*named, "model")},
    )
    return opened


def _versioned(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """Sampling parameters are taken in an older version of the API alone, and by older models."""
    old = any(name in body for name in SAMPLING) and headers.get("anthropic-version", VERSION) == VERSION
    return {**headers, **({"anthropic-version": OLD_VERSION} if old else {})}


SDK = Official(package="anthropic", kind="AsyncAnthropic", door=_door, explain=refusal, key_hint="ANTHROPIC_API_KEY")
OWN = frozenset({"client", "headers", "betas"})
CLIENT = frozenset(
    {"api_key", "auth_token", "credentials", "config", "profile"}
    | {"base_url", "default_headers", "default_query", "http_client"}
)


def transport(settings: Mapping[str, Any]) -> Transport:
    """Anthropic's own client. `betas` are names of the `anthropic-beta` header, `headers` go with every request."""
    headers = dict(settings.get("headers") or {})
    if settings.get("betas"):
        headers["anthropic-beta"] = ",".join(settings["betas"])
    client = settings.get("client")
    absent = client is None and not installed("anthropic")
    if is_http(client) or (absent and any(map(installed, PACKAGES))):
        return http_transport(
            settings,
            name="anthropic",
            base_url="https://api.anthropic.com",
            path="/v1/messages",
            key="ANTHROPIC_API_KEY",
            signed=lambda key: {
                "authorization" if settings.get("auth_token") else "x-api-key": _signature(settings, key)
            },
            explain=refusal,
            versioned=lambda body, given: _versioned(body, {**PLAIN, **headers, **given}),
        )
    made = {name: value for name, value in settings.items() if name not in OWN}
    return OfficialTransport(SDK, made, headers, client)


def _signature(settings: Mapping[str, Any], key: str) -> str:
    return f"Bearer {key}" if settings.get("auth_token") else key


PROVIDER = Provider(
    name="anthropic",
    request=request,
    reply=Reply,
    transport=transport,
    settings=OWN | CLIENT,
    history=history,
    counting=Counting(request=count_request, total="input_tokens", path="/v1/messages/count_tokens"),
    params=PARAMS,
    portable=PORTABLE,
    remove_unsupported=remove_unsupported,
    structured_output=STRUCTURED_OUTPUT,
    messages=MessageLayout(messages="messages", head="system", parts="content"),
    read_medium=read_medium,
    namespace=WIRE.namespace,
    output_limits=("max_tokens",),
)
