"""Chat Completions, OpenAI's and everybody's: a Turn as the request that says it, and back.

Blocks are flat and messages group them: what one reply thought, said and called is one
assistant message, each result a tool message right after it. What a server or a recorded
request wrote goes out as it was, as long as nobody edited it (see `wire`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..chunks import Chunks
from ..contract import Scope
from ..errors import EngineError
from ..frozen import EMPTY, FrozenDict, freeze, thaw
from ..packages import installed
from ..provenance import MESSAGE
from ..turns import Block, Kind, Turn
from . import openai_client
from .dialects import OPENAI, Dialect, dialect_of_settings, dialect_of_url
from .http_transport import chat_transport, is_http
from .openai_chat_messages import written
from .openai_chat_reply import WIRE, Reply, decoded, refusal
from .openai_chat_settings import PARAMS, PORTABLE, structured_output
from .openai_media import read_chat_medium
from .openai_settings import remove_unsupported
from .provider import MessageLayout, Provider, Transport

# A Turn → a request.


def request(
    turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY, dialect: Dialect = OPENAI
) -> dict[str, Any]:
    """The body of `POST /chat/completions`, as this dialect has it.

    `system_role="developer"` says how system blocks go out to models that know that
    role. A stream is asked for its usage unless `stream_options` says otherwise; None
    leaves it out. Parameters not named here go out as they are. Raises EngineError for
    what these servers cannot take.
    """
    given: dict[str, Any] = thaw(params)
    role = given.pop("system_role", "system")
    for name, theirs in dialect.renamed.items():
        if name in given:
            given.setdefault(theirs, given.pop(name))
    if given.get("stream") and dialect.stream_options:
        given.setdefault("stream_options", {"include_usage": True})
    if given.get("stream_options", EMPTY) is None:
        del given["stream_options"]
    messages = written(turn, dialect, model, role if dialect.developer else "system")
    return {"model": model, "messages": messages} | given | _tools(scope, given, dialect)


def _tools(scope: Scope, params: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """The tools of the session, and the choice among them, beside the server's own in `params`."""
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    ours = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": thaw(tool.parameters)},
        }
        for tool in scope.tools
    ]
    choice = scope.tool_config.tool_choice
    return {
        "tools": [*ours, *params.get("tools", ())],
        "tool_choice": params.get("tool_choice") or dialect.choices.get(choice, choice),
    }


# A request → the Turn it was made of.


def history(request: Mapping[str, Any]) -> Turn:
    """The blocks of a recorded request; sent again they say the same, whichever server it was for.

    Its other parameters are not a Turn's. Raises EngineError where it is no request.
    """
    request = freeze(request)
    if not isinstance(request, Mapping) or not isinstance(request.get("messages"), list):
        raise EngineError("a request for chat completions has a list of messages", kind="bad_request")
    blocks: list[Block] = []
    last_call = ""
    for index, message in enumerate(request["messages"]):
        if not isinstance(message, Mapping):
            raise EngineError(f"a message is an object, not {message!r:.60}", kind="bad_request")
        for place, (block, raw) in enumerate(_message_blocks(index, freeze(message), last_call)):
            marked = WIRE.marked(block, raw=raw, index=place)
            blocks.append(marked._with(metadata=marked.metadata.with_raw(**{MESSAGE.name: index})))
            last_call = block.tool_call_id if block.kind == "tool_call" else last_call
    return Turn(Chunks(blocks))


def _message_blocks(index: int, message: FrozenDict, last_call: str) -> list[tuple[Block, Mapping[str, Any]]]:
    """The blocks of a message, each with what is to be sent for it: of the first, all that is no block's."""
    content = message.get("content")
    match message.get("role"):
        case "system" | "developer" as role:
            return [(Block(Kind.SYSTEM, _said(content), role), message)]
        case "user":
            return [(Block(Kind.USER, _said(content), "user"), message)]
        case "tool" | "function":
            id = message.get("tool_call_id")
            answers = id if isinstance(id, str) and id else last_call
            return [(Block(Kind.TOOL_USE, {"id": answers, "result": content, "error": ""}), message)]
        case "assistant":
            pieces = decoded(message, f"message-{index}") or [(Block(Kind.LLM_TEXT, {"text": ""}, "assistant"), {})]
            sent = {name for _, piece in pieces for name in piece}
            first, piece = pieces[0]
            rest = {name: value for name, value in message.items() if name not in sent}
            return [(first, {**rest, **piece}), *pieces[1:]]
    return [(Block(Kind.OTHER, {"message": message}, str(message.get("role") or "")), message)]


def _said(content: Any) -> dict[str, Any]:
    """Text, images and other media of a content, which is a string or a list of parts."""
    if not isinstance(content, list):
        return {"text": content if isinstance(content, str) else "" if content is None else json.dumps(content)}
    texts, images, media = list[str](), list[Any](), list[Any]()
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": Mapping() as image}:
                images.append(image)
            case _:
                media.append(part)
    beside = {name: found for name, found in (("images", images), ("media", media)) if found}
    return {"text": "\n".join(texts), **beside}


# The provider, and what it is behind another server.


def transport(settings: Mapping[str, Any], dialect: Dialect = OPENAI) -> Transport:
    """OpenAI's own client for OpenAI and for a client of the user's; for other servers plain HTTP."""
    settings = {name: value for name, value in settings.items() if name != "dialect"}
    theirs = "base_url" not in settings or dialect_of_url(str(settings["base_url"])) is OPENAI
    official = dialect is OPENAI and theirs and installed("openai")
    if official or (settings.get("client") is not None and not is_http(settings["client"])):
        return openai_client.by(openai_client.completions, "/chat/completions", refusal)(settings)
    return chat_transport(settings, dialect, refusal)


def _all_messages(turn: Turn) -> list[dict[str, Any]]:
    """Return the messages of a whole Turn in OpenAI's words; results that were imported stay where they are."""
    in_order = all(MESSAGE in block.metadata or block.inference_id or block.kind != "tool_use" for block in turn)
    return written(turn, OPENAI, "", as_it_stands=in_order)


def speaking(dialect: Dialect) -> Provider:
    """The provider as it is behind a server that speaks this dialect."""
    return Provider(
        name="openai-chat",
        server=dialect.name,
        request=partial(request, dialect=dialect),
        reply=partial(Reply, server=dialect.name),
        transport=partial(transport, dialect=dialect),
        settings=openai_client.SETTINGS | {"dialect"},
        history=history,
        at=lambda params: speaking(dialect_of_settings(params)),
        params=PARAMS,
        portable=PORTABLE,
        remove_unsupported=remove_unsupported,
        structured_output=structured_output(dialect),
        messages=MessageLayout(messages="messages", write=_all_messages),
        read_medium=read_chat_medium,
        namespace=WIRE.namespace,
        result_names=frozenset(),  # its "openai" may be of Responses, too
        output_limits=("max_tokens", "max_completion_tokens"),
    )


PROVIDER = speaking(OPENAI)
