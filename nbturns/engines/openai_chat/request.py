"""Chat Completions, OpenAI's and compatible ones: encode a Turn as a request, and decode a request.

A Turn is a flat list of blocks; messages group them: the thoughts, the text and the calls of one
reply make one assistant message, each result a tool message right after it. Unedited blocks
from a server or a recorded request go out verbatim (see `verbatim.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from ...errors import EngineError
from ...packages import is_installed
from ...runtime.engine_protocol import Scope
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze, thaw
from ...values.persistent_list import PersistentList
from ...values.provenance import MESSAGE
from ...values.turns import Block, Kind, Turn
from ..dialects import OPENAI, Dialect, dialect_of_settings, dialect_of_url
from ..openai.media import read_chat_medium
from ..openai.settings import one_call_at_a_time, remove_unsupported
from ..provider import MessageLayout, Provider, Transport
from ..transports import openai_client
from ..transports.plain_http import chat_transport, is_http
from .messages import write_messages
from .reply import ORIGINALS, Reply, error_of, message_pieces
from .settings import PARAMS, PORTABLE, structured_output

# Encoding a Turn.


def request(
    turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT, dialect: Dialect = OPENAI
) -> dict[str, Any]:
    """Return the body of `POST /chat/completions` in this dialect.

    `system_role="developer"` is the role of system blocks for models that know it. A stream
    includes its usage unless `stream_options` differs; None leaves the field out. Other
    parameters go out unchanged. Raises EngineError for content that chat servers do not accept.
    """
    own_params: dict[str, Any] = thaw(params)
    role = own_params.pop("system_role", "system")
    for name, server_name in dialect.renamed.items():
        if name in own_params:
            own_params.setdefault(server_name, own_params.pop(name))
    if own_params.get("stream") and dialect.stream_options:
        own_params.setdefault("stream_options", {"include_usage": True})
    if own_params.get("stream_options", EMPTY_DICT) is None:
        del own_params["stream_options"]
    messages = write_messages(turn, dialect, model, role if dialect.developer else "system")
    return {"model": model, "messages": messages} | own_params | _tools(scope, model, own_params, dialect)


def _tools(scope: Scope, model: str, params: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the tools of the session and their choice, together with the server's own in `params`."""
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    session_tools = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": thaw(tool.parameters)},
        }
        for tool in scope.tools
    ]
    tool_choice = scope.tool_config.tool_choice
    return {
        "tools": [*session_tools, *params.get("tools", ())],
        "tool_choice": params.get("tool_choice") or dialect.choices.get(tool_choice, tool_choice),
        **one_call_at_a_time(scope, model, params),
    }


# Decoding a request.


def history(request: Mapping[str, Any]) -> Turn:
    """Return the blocks of a recorded request to any server; encoding them gives the same request.

    Other parameters are not part of a Turn. Raises EngineError for a value that is not a request.
    """
    request = freeze(request)
    if not isinstance(request, Mapping) or not isinstance(request.get("messages"), list):
        raise EngineError("expected a chat completions request with a list of messages", kind="bad_request")
    blocks: list[Block] = []
    last_call = ""
    for message_index, message in enumerate(request["messages"]):
        if not isinstance(message, Mapping):
            raise EngineError(f"expected a message object, got {message!r:.60}", kind="bad_request")
        for block_index, (block, raw_piece) in enumerate(_message_blocks(message_index, freeze(message), last_call)):
            marked_block = ORIGINALS.attach(block, raw=raw_piece, index=block_index)
            blocks.append(marked_block._with(metadata=marked_block.metadata.with_raw(**{MESSAGE.name: message_index})))
            last_call = block.tool_call_id if block.kind == "tool_call" else last_call
    return Turn(PersistentList(blocks))


def _message_blocks(index: int, message: FrozenDict, last_call: str) -> list[tuple[Block, Mapping[str, Any]]]:
    """Return the blocks of a message, each with its piece of it; the first has all fields of no block."""
    content = message.get("content")
    match message.get("role"):
        case "system" | "developer" as role:
            return [(Block(Kind.SYSTEM, _user_payload(content), role), message)]
        case "user":
            return [(Block(Kind.USER, _user_payload(content), "user"), message)]
        case "tool" | "function":
            result_id = message.get("tool_call_id")
            call_id = result_id if isinstance(result_id, str) and result_id else last_call
            return [(Block(Kind.TOOL_USE, {"id": call_id, "result": content, "error": ""}), message)]
        case "assistant":
            block_pieces = message_pieces(message, f"message-{index}") or [
                (Block(Kind.LLM_TEXT, {"text": ""}, "assistant"), {})
            ]
            sent_names = {name for _, message_piece in block_pieces for name in message_piece}
            first_block, message_piece = block_pieces[0]
            other_fields = {name: value for name, value in message.items() if name not in sent_names}
            return [(first_block, {**other_fields, **message_piece}), *block_pieces[1:]]
    return [(Block(Kind.OTHER, {"message": message}, str(message.get("role") or "")), message)]


def _user_payload(content: Any) -> dict[str, Any]:
    """Return text, images and other media of a content, which is a string or a list of parts."""
    if not isinstance(content, list):
        return {"text": content if isinstance(content, str) else "" if content is None else json.dumps(content)}
    texts, images, media = list[str](), list[Any](), list[Any]()
    for content_part in content:
        match content_part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": Mapping() as image_url}:
                images.append(image_url)
            case _:
                media.append(content_part)
    media_payload = {name: values for name, values in (("images", images), ("media", media)) if values}
    return {"text": "\n".join(texts), **media_payload}


# The provider, and its variant for each server.


def transport(settings: Mapping[str, Any], dialect: Dialect = OPENAI) -> Transport:
    """Return the transport: OpenAI's client for OpenAI and for a client of the user's, else plain HTTP."""
    settings = {name: value for name, value in settings.items() if name != "dialect"}
    is_openai = "base_url" not in settings or dialect_of_url(str(settings["base_url"])) is OPENAI
    uses_sdk = dialect is OPENAI and is_openai and is_installed("openai")
    if uses_sdk or (settings.get("client") is not None and not is_http(settings["client"])):
        return openai_client.transport_by(openai_client.open_completion, "/chat/completions", error_of)(settings)
    return chat_transport(settings, dialect, error_of)


def _all_messages(turn: Turn) -> list[dict[str, Any]]:
    """Return the messages of a whole Turn in OpenAI's words; results that were imported stay where they are."""
    keep_order = all(MESSAGE in block.metadata or block.inference_id or block.kind != "tool_use" for block in turn)
    return write_messages(turn, OPENAI, "", keep_order=keep_order)


def provider_for(dialect: Dialect) -> Provider:
    """Return the provider for servers that speak this dialect."""
    return Provider(
        name="openai-chat",
        server=dialect.name,
        request=partial(request, dialect=dialect),
        reply=partial(Reply, server=dialect.name),
        transport=partial(transport, dialect=dialect),
        settings=openai_client.SETTINGS | {"dialect"},
        history=history,
        at=lambda params: provider_for(dialect_of_settings(params)),
        params=PARAMS,
        portable=PORTABLE,
        remove_unsupported=remove_unsupported,
        structured_output=structured_output(dialect),
        messages=MessageLayout(messages="messages", write=_all_messages),
        read_medium=read_chat_medium,
        namespace=ORIGINALS.namespace,
        result_names=frozenset(),  # its "openai" may be of Responses, too
        output_limits=("max_tokens", "max_completion_tokens"),
    )


PROVIDER = provider_for(OPENAI)
