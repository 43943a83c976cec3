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
from ...runtime.engine_protocol import Scope
from ...tools import Tool
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze, thaw
from ...values.persistent_list import PersistentList
from ...values.provenance import MESSAGE
from ...values.turns import Block, Kind, Turn
from ..dialects import DIALECTS, OPENAI, Dialect, dialect_of_settings
from ..openai.media import read_chat_medium
from ..openai.settings import one_call_at_a_time, remove_unsupported, tool_parameters, unstrict_tools
from ..provider import MessageLayout, Provider
from ..tool_options import FUNCTION_TYPES, merged_tools
from ..transports import openai_client
from ..transports.account import OPENAI_ACCOUNT
from .messages import write_messages
from .reply import ORIGINALS, Reply, message_pieces
from .server_rules import cache_marks
from .servers import chat_transport
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
    session_tools = [_tool(tool, dialect) for tool in scope.tools]
    tool_choice = scope.tool_config.tool_choice
    return {
        "tools": merged_tools(session_tools, params.get("tools", ()), _tool_name, _merged_tool),
        "tool_choice": params.get("tool_choice") or dialect.choices.get(tool_choice, tool_choice),
        **one_call_at_a_time(scope, model, params),
    }


def _tool(tool: Tool, dialect: Dialect) -> dict[str, Any]:
    """Return the JSON of a tool, with its options for Chat Completions; the cache mark is not the function's."""
    options: dict[str, Any] = thaw(tool.options.get("openai-chat", EMPTY_DICT))
    if options.get("type") not in FUNCTION_TYPES:  # a tool whose argument is a text
        tool_type = options.pop("type")
        return {"type": tool_type, tool_type: {"name": tool.name, "description": tool.description, **options}}
    options.pop("type", None)
    parameters = tool_parameters(thaw(tool.parameters), options)
    cache_mark = {"cache_control": options.pop("cache_control")} if "cache_control" in options else {}
    function = {"name": tool.name, "description": tool.description, "parameters": parameters, **options}
    return {"type": "function", "function": function, **(cache_mark if dialect.cache_control else {})}


def _tool_name(tool: Any) -> str:
    """Return the name of a tool in the notation of Chat Completions; "" for one without."""
    inner = tool.get(tool.get("type") or "function") if isinstance(tool, Mapping) else None
    return str(inner.get("name") or "") if isinstance(inner, Mapping) else ""


def _merged_tool(session_tool: dict[str, Any], tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool of the session with what the provider's notation says of it."""
    if tool.get("type", "function") != "function":
        return tool
    return {**session_tool, **tool, "function": {**session_tool["function"], **tool["function"]}}


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


def _all_messages(turn: Turn) -> list[dict[str, Any]]:
    """Return the messages of a whole Turn in OpenAI's words; results that were imported stay where they are."""
    keep_order = all(MESSAGE in block.metadata or block.inference_id or block.kind != "tool_use" for block in turn)
    return write_messages(turn, OPENAI, "", keep_order=keep_order)


def adapt(
    turn: Turn, scope: Scope, model: str, params: Mapping[str, Any], *, dialect: Dialect
) -> tuple[Turn, list[str]]:
    """Return the Turn, and a sentence about what the server does not take of tools and marks."""
    del params
    marked = sum(
        bool(block.payload.get("cache_control") or block.payload.get("prompt_cache_breakpoint"))
        and not cache_marks(block, dialect, model)
        for block in turn
    )
    unmarked = (
        [f"not sent: marks of what to cache of {marked} block(s), which {dialect.name} does not take"] if marked else []
    )
    return turn, [*unstrict_tools(scope, "openai-chat"), *unmarked]


def provider_for(dialect: Dialect, prefix: str = "") -> Provider:
    """Return the provider for servers that speak this dialect; with a `prefix`, at any address."""
    dialect_fields = {"dialect": prefix} if prefix else {}
    return Provider(
        name="openai-chat",
        server=dialect.name,
        account=OPENAI_ACCOUNT,
        hosts=dialect.hosts,
        request=partial(request, dialect=dialect),
        reply=partial(Reply, server=dialect.name),
        transport=partial(chat_transport, dialect=dialect),
        settings=openai_client.SETTINGS | {"dialect"},
        history=history,
        at=lambda params: provider_for(dialect_of_settings({**dialect_fields, **params}), prefix),
        params=PARAMS,
        portable=PORTABLE,
        remove_unsupported=partial(remove_unsupported, highest="xhigh" if dialect is OPENAI else "max"),
        adapt=partial(adapt, dialect=dialect),
        structured_output=structured_output(dialect),
        messages=MessageLayout(messages="messages", write=_all_messages),
        read_medium=read_chat_medium,
        namespace=ORIGINALS.namespace,
        result_names=frozenset(),  # its "openai" may be of Responses, too
        output_limits=("max_tokens", "max_completion_tokens"),
    )


PROVIDER = provider_for(OPENAI)
# The engine prefixes of servers.
OLLAMA, OPENROUTER, GROQ, MISTRAL, DEEPSEEK, XAI, TOGETHER, FIREWORKS, LMSTUDIO, VLLM, AZURE = (
    provider_for(DIALECTS[prefix], prefix)
    for prefix in [
        "ollama",
        "openrouter",
        "groq",
        "mistral",
        "deepseek",
        "xai",
        "together",
        "fireworks",
        "lmstudio",
        "vllm",
        "azure",
    ]
)
