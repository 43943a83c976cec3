"""OpenAI Responses: encode a Turn as a request.

Facts: OpenAI's Responses reference. A request is a list of items, one for each block, in
order. Unedited blocks from the model or from a recorded request go out verbatim (see
`verbatim.py`); blocks from another provider go as plain messages and calls, without ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...errors import EngineError
from ...runtime.engine_protocol import Scope
from ...tools import Tool
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.persistent_list import PersistentList
from ...values.turns import Block, Turn
from ..openai.media import read_responses_medium
from ..openai.models import takes_cache_breakpoints
from ..openai.settings import one_call_at_a_time, remove_unsupported, tool_parameters, unstrict_tools
from ..provider import MessageLayout, Parameters, Provider
from ..token_endpoint import Counting, only_fields
from ..tool_options import merged_tools
from ..transports import openai_client
from ..transports.account import OPENAI_ACCOUNT
from .client_calls import CLIENT_TOOL_NAMES
from .history import history
from .input_items import CACHE_MARK, input_items, is_foreign, own_calls_of, unfollowed_thoughts
from .reply import ORIGINALS, Reply
from .settings import PARAMS, PORTABLE, STRUCTURED_OUTPUT
from .stored_blocks import first_unsent_block

ENCRYPTED_REASONING = "reasoning.encrypted_content"
MODELS_WITHOUT_REASONING = re.compile(r"gpt-(3|4)|chatgpt|gpt-5[^/]*-chat")  # they refuse ENCRYPTED_REASONING


# Encoding a Turn.


def request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """Return the body of `POST /responses`. Parameters without a rule here go out unchanged.

    `store=False` asks for encrypted reasoning, without which reasoning cannot be sent back. With
    `previous_response_id="resp_…"` only the blocks after that response are sent; with `"latest"`
    those after the last unedited response in this Turn, or all blocks without such a response; with
    `conversation=…` those after its last reply. Raises EngineError for content that OpenAI does
    not accept.
    """
    own_params: dict[str, Any] = thaw(params)
    if "input" in own_params:
        raise EngineError("'input' is not a parameter; pass the conversation as a Turn", kind="bad_parameter")
    first_unsent, own_calls = first_unsent_block(turn, own_params), own_calls_of(turn)
    body: dict[str, Any] = {"model": model}
    if len(turn) and _is_instructions(turn[0]):  # the server keeps the items of a response, not its instructions
        body["instructions"] = turn[0].text
        first_unsent = max(first_unsent, 1)
    is_stored = own_params.get("store") is not False
    body["input"] = input_items(turn.blocks[first_unsent:], own_calls, stored=is_stored)
    return body | own_params | _include(model, own_params) | _tools(scope, model, own_params)


def adapt(turn: Turn, scope: Scope, model: str, params: Parameters) -> tuple[Turn, list[str]]:
    """Fit a Turn to the model: without thoughts and cache marks where it takes none; return a sentence for each change."""
    del params
    changes = unstrict_tools(scope, "openai")
    if MODELS_WITHOUT_REASONING.search(model) and (thoughts := len(turn.of_kind("reasoning"))):
        sendable_blocks = [block for block in turn if block.kind != "reasoning" or is_foreign(block)]
        if removed := len(turn) - len(sendable_blocks):
            turn = turn._with(blocks=PersistentList(sendable_blocks))
            changes.append(f"{removed} of {thoughts} thought(s) are left out, because {model} does not reason")
    if len(turn.of_kind("reasoning")) and (count := unfollowed_thoughts(turn)):
        changes.append(f"{count} thought(s) are left out, because the block that each led to does not follow any more")
    if not takes_cache_breakpoints(model) and any(block.payload.get(CACHE_MARK) for block in turn):
        marked = sum(bool(block.payload.get(CACHE_MARK)) for block in turn)
        turn = turn._with(blocks=PersistentList([without_mark(block) for block in turn]))
        changes.append(f"not sent: {CACHE_MARK} of {marked} block(s), which {model} does not take")
    return turn, changes


def without_mark(block: Block) -> Block:
    """Return the block without its mark of what to cache."""
    if not block.payload.get(CACHE_MARK):
        return block
    return block.replace(payload={name: value for name, value in block.payload.items() if name != CACHE_MARK})


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
    session_tools = [_tool(tool) for tool in scope.tools]
    tools = merged_tools(session_tools, params.get("tools") or (), tool_name, _replaced)
    tool_choice = params.get("tool_choice") or scope.tool_config.tool_choice
    limits = one_call_at_a_time(scope, model, params)
    return {"tools": tools, "tool_choice": tool_choice, **limits}


def _tool(tool: Tool) -> dict[str, Any]:
    """Return the JSON of a tool of the session, with its options for OpenAI."""
    options: dict[str, Any] = thaw(tool.options.get("openai", EMPTY_DICT))
    if options.get("type", "function") != "function":
        is_custom = options["type"] == "custom"  # its argument is a text; OpenAI's own tools have no name
        return {**({"name": tool.name, "description": tool.description} if is_custom else {}), **options}
    parameters = tool_parameters(thaw(tool.parameters), options)
    function = {"type": "function", "name": tool.name, "description": tool.description, "parameters": parameters}
    return {**function, "strict": False, **options}


def tool_name(tool: Mapping[str, Any]) -> str:
    """Return the name by which the model calls a tool, which OpenAI's own tools have by their type."""
    return str(tool.get("name") or "") or CLIENT_TOOL_NAMES.get(str(tool.get("type") or ""), "")


def _replaced(session_tool: dict[str, Any], tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool of the session with what OpenAI's notation says of it; another kind of tool replaces it."""
    return {**session_tool, **tool} if tool.get("type", "function") == "function" else tool


PROVIDER = Provider(
    name="openai",
    account=OPENAI_ACCOUNT,
    hosts=("api.openai.com",),
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
    adapt=adapt,
)
