"""OpenAI Responses: a Turn as the request that says it, and back.

Facts: OpenAI's Responses reference. A request is a list of items, one for each block,
in order. What the model or a recorded request wrote goes out as it was, as long as
nobody edited it (see `wire`); what another provider wrote goes as plain messages and
calls, without ids.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ...errors import EngineError
from ...runtime.engine_protocol import Scope
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze, thaw
from ...values.images import normal_image
from ...values.inference_results import FinishClass
from ...values.persistent_list import PersistentList
from ...values.turns import Block, Kind, Turn
from ..json_access import are_parts
from ..media import content_parts
from ..openai.media import read_responses_medium, write_responses_medium
from ..openai.settings import remove_unsupported
from ..provider import MessageLayout, Provider
from ..token_endpoint import Counting, only_fields
from ..transports import openai_client
from .reply import CALLS, WIRE, Reply, decoded
from .settings import PARAMS, PORTABLE, STRUCTURED_OUTPUT

ENCRYPTED = "reasoning.encrypted_content"
UNREASONING = re.compile(r"gpt-(3|4)|chatgpt|gpt-5[^/]*-chat")  # these refuse to be asked for encrypted reasoning
MEDIA = frozenset({"input_file", "input_audio", "input_image"})
RESULTS = frozenset({"input_text", "input_image", "input_file"})  # an output is a list of these
GIVEN = {  # items that answer what the model asked of its client, beside function calls
    *("computer_call_output", "local_shell_call_output", "shell_call_output", "apply_patch_call_output"),
    *("tool_search_output", "mcp_approval_response", "item_reference", "additional_tools"),
}
LONGEST_ID = 64
LATEST = "latest"
Item: TypeAlias = dict[str, Any]
Said: TypeAlias = tuple[Block, Item]


# A Turn → a request.


def request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """The body of `POST /responses`. Parameters not named here go out as they are.

    `store=False` asks for encrypted reasoning, without which thoughts cannot be sent
    again. With `previous_response_id="resp_…"` only the blocks after that response are
    sent, with `"latest"` those after the last one that stands in this Turn as it came
    (everything, where there is none), with `conversation=…` those after its last answer.
    Raises EngineError for what OpenAI cannot take.
    """
    given: dict[str, Any] = thaw(params)
    if "input" in given:
        raise EngineError("input is no parameter of an engine: what is said is the Turn's", kind="bad_parameter")
    unsent, custom = _unsent(turn, given), _custom(turn)
    body: dict[str, Any] = {"model": model}
    if len(turn) and _is_instructions(turn[0]):  # the server forgets these, whatever else it holds
        body["instructions"] = turn[0].text
        unsent = max(unsent, 1)
    body["input"] = _input(turn.blocks[unsent:], custom, stored=given.get("store") is not False)
    return body | given | _include(model, given) | _tools(scope, given)


COUNTED = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"}
    | {"previous_response_id", "conversation", "truncation", "personality"}
)


def count_request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """The body of `POST /responses/input_tokens`: the request without what limits and steers the answer."""
    return only_fields(request(turn, scope, model, params), COUNTED)


def _is_instructions(block: Block) -> bool:
    """Whether a system block was read from `instructions`, which are no item."""
    return block.kind == "system" and isinstance((block.metadata.get(WIRE.kept) or EMPTY_DICT).get("raw"), str)


def _include(model: str, given: Mapping[str, Any]) -> dict[str, Any]:
    asked = given.get("include") or ()
    if given.get("store") is not False or ENCRYPTED in asked or given.get("include") == [] or UNREASONING.search(model):
        return {}
    return {"include": [*asked, ENCRYPTED]}


def _tools(scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
    """The tools of the session, and the choice among them, beside the provider's own in `params`.

    A function is strict unless it says it is not; ours have optional arguments. What
    `params` say of a tool of the session (strict, custom, …) is said instead of ours.
    """
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    theirs = list(params.get("tools") or ())
    named = [tool.get("name") for tool in theirs if isinstance(tool, Mapping)]
    ours = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": thaw(tool.parameters),
            "strict": False,
        }
        for tool in scope.tools
        if tool.name not in named
    ]
    return {"tools": [*ours, *theirs], "tool_choice": params.get("tool_choice") or scope.tool_config.tool_choice}


# What the server has already.


def _unsent(turn: Turn, given: dict[str, Any]) -> int:
    """Where the blocks begin that the server does not hold; "latest" becomes the id it stands for."""
    before = 0
    if conversation := given.get("conversation"):
        id = conversation.get("id") if isinstance(conversation, Mapping) else conversation
        before = max((at for at, block in enumerate(turn, 1) if _conversation(block) == id), default=0)
    elif given.get("previous_response_id") == LATEST:
        ends = _held(turn)
        if ends:
            given["previous_response_id"], before = ends.popitem()
        else:
            del given["previous_response_id"]
    elif id := given.get("previous_response_id"):
        before = max((at for at, block in enumerate(turn, 1) if WIRE.place(block)[0] == id), default=0)
    return before


def _conversation(block: Block) -> Any:
    held = block.inference.extra.get("conversation") if block.inference else None
    return held.get("id") if isinstance(held, Mapping) else None


def _held(turn: Turn) -> dict[str, int]:
    """The responses that stand in this Turn as they came, and where each ends; none after an edit."""
    ends: dict[str, int] = {}
    for at, block in enumerate(turn, 1):
        id, _ = WIRE.place(block)
        ended = block.inference.finish_class if block.inference else None
        edited = (id or WIRE.kept in block.metadata) and WIRE.raw(block) is None
        if edited or (id and ended in (FinishClass.ERROR, FinishClass.INTERRUPTED)):
            ends.pop(id, None)
            break
        if id:
            ends[id] = at
    return ends


# Blocks → items.


def _input(blocks: Sequence[Block], custom: set[str], *, stored: bool) -> list[Item] | str:
    if len(blocks) == 1 and isinstance(raw := WIRE.raw(blocks[0]), str):
        return raw
    said = [(block, item) for block in blocks if (item := _item(block, custom)) is not None]
    return [_placed(before, block, item) for before, (block, item) in _with_their_thoughts(said, stored=stored)]


def _custom(turn: Turn) -> set[str]:
    """The ids of the calls of custom tools: what answers these is another item than what answers a function."""
    return {block.tool_call_id for block in turn if _kept(block).get("type") == "custom_tool_call"}


def _with_their_thoughts(said: list[Said], *, stored: bool) -> Iterator[tuple[Block | None, Said]]:
    """Each item, and the block before it. A thought goes only before what it led to, and only if it can be read there."""
    going: list[Said] = []
    after: Block | None = None
    for block, item in reversed(said):
        if item.get("type") == "reasoning":
            if after is None or not _led_to(block, after):
                continue
            if not stored and not item.get("encrypted_content") and not item.get("content"):
                continue
        going.append((block, item))
        after = block
    going.reverse()
    yield from zip((None, *(block for block, _ in going)), going, strict=False)


def _led_to(thought: Block, after: Block) -> bool:
    ours, theirs = WIRE.place(thought)[0], WIRE.place(after)[0]
    by_model = after.kind in ("reasoning", "llm_text", "tool_call") or (after.kind == "other" and after.role != "user")
    return by_model and ours in ("", theirs)


def _placed(before: Block | None, block: Block, item: Item) -> Item:
    """The item; without its id where what stood before it is gone, a thought the server would miss."""
    id, place = WIRE.place(block)
    alone = before is None or WIRE.place(before) != (id, (place or 0) - 1)
    if id and place and alone and item.get("type") in ("message", *CALLS):
        item.pop("id", None)
    return item


def _kept(block: Block) -> Mapping[str, Any]:
    """What OpenAI wrote for this block, edited since or not."""
    raw = (block.metadata.get(WIRE.kept) or EMPTY_DICT).get("raw")
    return raw if isinstance(raw, Mapping) else EMPTY_DICT


def _item(block: Block, custom: set[str]) -> Item | None:
    """What a block says: verbatim where it may be, else from its payload; None for what cannot be said."""
    raw = WIRE.raw(block)
    if isinstance(raw, str):
        return {"role": block.role, "content": raw}
    return raw if isinstance(raw, dict) else _renewed(block, custom)


def _renewed(block: Block, custom: set[str]) -> Item | None:
    """The item of a block from its payload, over what was kept of it."""
    match block.kind:
        case "system" | "user":
            return _message(block)
        case "llm_text":
            return _answer(block)
        case "reasoning" if not _is_foreign(block):
            return _reasoning(block)
        case "tool_call" if block.tool_call_id in custom:
            said = block.args.get("input", "")
            return _over(block, "custom_tool_call", call_id=_id(block), name=block.name, input=said)
        case "tool_call":
            return _over(block, "function_call", call_id=_id(block), name=block.name, arguments=_arguments(block))
        case "tool_use":
            type = "custom_tool_call_output" if block.tool_call_id in custom else "function_call_output"
            return _over(block, type, call_id=_id(block), output=_output(block))
        case "other" if WIRE.kept in block.metadata or block.payload.get("type") in GIVEN:
            item: Item = thaw(block.payload)
            return item
    return None


def _over(block: Block, type: str, **fields: Any) -> Item:
    """An item of these fields, with what else was kept of it; with its id, where it is OpenAI's."""
    kept = _kept(block)
    if kept and kept.get("type", "message") == type:
        return {**thaw(kept), **fields}
    id = block.payload.get("item_id") if not _is_foreign(block) else None
    return {"type": type, **({"id": id} if id else {}), **fields}


def _is_foreign(block: Block) -> bool:
    """Whether another provider made this block: its ids and signatures mean nothing to OpenAI."""
    if WIRE.kept in block.metadata:
        return False
    made_by = block.inference.provider if block.inference else ""
    ours = ("", "openai", "open_responses", "scripted")
    return made_by not in ours or any(name.endswith(".wire@v1") for name in block.metadata)


def _message(block: Block) -> Item | None:
    """What the user or the system says."""
    parts: list[Item] = [{"type": "input_text", "text": block.text}] if block.text else []
    parts += map(_image, block.payload.get("images") or ())
    parts += map(_media, block.payload.get("media") or ())
    role = "user" if block.kind == "user" else block.role if block.role == "developer" else "system"
    return _over(block, "message", role=role, content=parts) if parts else None


def _answer(block: Block) -> Item | None:
    """What the model says; as a mere text where it has no id of OpenAI's, which a list of parts demands."""
    payload, text, refused = block.payload, block.text, block.payload.get("refusal") or ""
    known = _kept(block)
    if not known and (_is_foreign(block) or not payload.get("item_id")):
        said = text or refused
        return {"type": "message", "role": "assistant", "content": said} if said else None
    parts = (
        [{"type": "output_text", "text": text, "annotations": thaw(payload.get("annotations") or [])}] if text else []
    )
    parts += [{"type": "refusal", "refusal": refused}] if refused else []
    parts += thaw(payload.get("media") or []) if known else []
    said = _over(block, "message", role="assistant", content=parts)
    return {"status": "completed", **said} if parts else None


def _reasoning(block: Block) -> Item | None:
    """A thought that was edited, or read from another program's file; OpenAI takes none without what it encrypted."""
    kept, payload = _kept(block), block.payload
    if kept.get("content"):  # a server that shows its thoughts, and reads them
        return _over(block, "reasoning", content=[{"type": "reasoning_text", "text": block.text}])
    if not payload.get("encrypted_content"):
        return None
    return _over(
        block,
        "reasoning",
        summary=thaw(payload.get("summary") or []),
        encrypted_content=payload["encrypted_content"],
    )


def _image(given: Any) -> Item:
    try:
        image = normal_image(given) if isinstance(given, Mapping) else EMPTY_DICT
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
            f"OpenAI takes images as bytes, URLs or its own file ids, not {given!r:.80}", kind="unsupported"
        )
    return {"type": "input_image", **source, "detail": image.get("detail") or "auto"}


def _media(given: Any) -> Item:
    if isinstance(given, Mapping) and given.get("type") in MEDIA:
        media: Item = thaw(given)
        return media
    return write_responses_medium(given)


def _arguments(block: Block) -> str:
    """The arguments of a call as text; those that are no JSON object as they were written."""
    written = block.payload.get("args_raw", block.payload.get("args"))
    if isinstance(written, str) and not block.args:
        return written
    return json.dumps(thaw(block.args), ensure_ascii=False, default=repr)


def _output(block: Block) -> Any:
    result = block.result
    if block.error:
        return block.error
    if isinstance(result, str) or are_parts(result, RESULTS):
        return thaw(result)
    if (foreign := content_parts(result, "input_text", write_responses_medium)) is not None:
        return foreign
    return json.dumps(thaw(result), ensure_ascii=False, default=repr)


def _id(block: Block) -> str:
    """The id of a call; one that is too long for OpenAI is shortened."""
    id = block.tool_call_id
    if len(id) <= LONGEST_ID:
        return id
    return f"{id[:40]}_{hashlib.sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


# A request → the Turn it was made of.


def history(request: Mapping[str, Any]) -> Turn:
    """The blocks of a recorded request, `instructions` first; sent again they say the same.

    Its other parameters are not a Turn's. Raises EngineError where it is no request.
    """
    request = freeze(request)
    given = request.get("input") if isinstance(request, Mapping) else None
    if not isinstance(given, (str, list)):
        raise EngineError("a request of OpenAI's has an input, a text or a list of items", kind="bad_request")
    blocks: list[Block] = []
    if isinstance(instructions := request.get("instructions"), str):
        blocks.append(WIRE.marked(Block(Kind.SYSTEM, {"text": instructions}, "system"), raw=instructions))
    if isinstance(given, str):
        return Turn(PersistentList((*blocks, WIRE.marked(Block(Kind.USER, {"text": given}, "user"), raw=given))))
    for index, item in enumerate(given):
        if not isinstance(item, Mapping):
            raise EngineError(f"an item of the input is an object, not {item!r:.60}", kind="bad_request")
        blocks.append(WIRE.marked(decoded(FrozenDict(item)), raw=item, index=index))
    return Turn(PersistentList(blocks))


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
    namespace=WIRE.namespace,
    result_names=frozenset(),  # its "openai" may be of Chat Completions, too
    output_limits=("max_output_tokens",),
)
