"""Gemini: a Turn as the request that says it.

Facts: Google's generateContent reference (v1beta); Vertex takes the same body. Blocks
are flat and contents group them: all parts of one reply make one content of the model,
each with its own signature, and the results of its calls one content of the user. What
Gemini or a recorded request wrote goes out as it was, as long as nobody edited it.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from .. import provenance
from ..contract import Scope
from ..distinct_calls import PROVIDER_CALL_ID
from ..errors import EngineError
from ..frozen import EMPTY, thaw
from ..images import normal_image
from ..turns import Block, Turn
from .counting import Counting, only_fields
from .gemini_history import history as history
from .gemini_media import read_medium, write_medium
from .gemini_parts import SIGNATURE, WIRE, camel, said
from .gemini_reply import Reply
from .gemini_settings import PARAMS, PORTABLE, STRUCTURED_OUTPUT
from .gemini_transport import GeminiTransport
from .media import content_parts
from .provider import MessageLayout, Provider, Transport

UNSIGNED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="  # base64 of skip_thought_signature_validator
CHOICES = {"required": "ANY", "none": "NONE"}  # "auto" is what holds where nothing is said
BESIDE = frozenset(
    {"tools", "toolConfig", "safetySettings", "cachedContent", "labels", "generationConfig", "serviceTier", "store"}
)  # these stand in the body itself; every other parameter is one of generationConfig
OTHER_NAMES = {"max_tokens": "maxOutputTokens"}
VERTEX_COUNTS = frozenset({"contents", "systemInstruction", "tools", "generationConfig"})
SIGNS = re.compile(r"gemini-([3-9]|\d\d)")  # models that refuse a call without a signature
FILES = "https://generativelanguage.googleapis.com/v1beta/"


class Asked(dict[str, Any]):
    """A body, and beside it what stands in the URL: the model, and what it is to do."""

    def __init__(self, body: Mapping[str, Any], model: str, method: str) -> None:
        super().__init__(body)
        self.model = model
        self.method = method

    @property
    def path(self) -> str:
        """The end of the URL, behind the version of the API."""
        return f"{quote(_path(self.model), safe='/@.')}:{self.method}"


def _path(model: str) -> str:
    return model if "/" in model else f"models/{model}"


# A Turn → a request.


def request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
    """The body of `POST /v1beta/models/{model}:generateContent`; the model is in its `path`.

    System blocks, wherever they stand, become `systemInstruction`, or with
    `later_system="user"` those behind the head user text. Parameters go to
    `generationConfig` in Google's spelling, but those of the body itself (tools,
    toolConfig, safetySettings, cachedContent, labels). Raises EngineError for what
    Gemini cannot take.
    """
    given: dict[str, Any] = thaw(params)
    stream = bool(given.pop("stream", True))
    later = given.pop("later_system", "system")
    systems, rest = list[Block](), list[Block]()
    for block in turn:
        (systems if block.kind == "system" and (later == "system" or not rest) else rest).append(block)
    body: dict[str, Any] = {}
    if instructions := [part for block in systems for part in _own(block) or _parts(block)]:
        body["systemInstruction"] = {"parts": instructions}
    body["contents"] = list(_contents(rest, model))
    beside, config = _divided(given)
    if config:
        beside["generationConfig"] = {**config, **(beside.get("generationConfig") or {})}
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return Asked(body | beside | _tools(scope, beside), model, method)


def count_request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
    """The body of `POST /v1beta/models/{model}:countTokens`, which holds the whole request."""
    whole = request(turn, scope, model, params)
    return Asked({"generateContentRequest": {"model": _path(model), **whole}}, model, "countTokens")


def vertex_count_request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
    """The body of Vertex's `:countTokens`, which takes the parts of a request that count."""
    return Asked(only_fields(request(turn, scope, model, params), VERTEX_COUNTS), model, "countTokens")


def _divided(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands in the body itself, and what in its `generationConfig`."""
    beside, config = dict[str, Any](), dict[str, Any]()
    for asked, value in given.items():
        name = OTHER_NAMES.get(asked) or camel(asked)
        (beside if name in BESIDE else config)[name] = value
    if "responseSchema" in config or "responseJsonSchema" in config:  # refused without
        config.setdefault("responseMimeType", "application/json")
    return beside, config


def _tools(scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
    """The tools of the session, and the choice among them, beside Google's own in `params`."""
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    ours = [
        {"name": tool.name, "description": tool.description, "parametersJsonSchema": thaw(tool.parameters)}
        for tool in scope.tools
    ]
    theirs = params.get("tools") or []
    body: dict[str, Any] = {
        "tools": [{"functionDeclarations": ours}, *([theirs] if isinstance(theirs, dict) else theirs)]
    }
    mode = CHOICES.get(scope.tool_config.tool_choice)
    chosen = params.get("toolConfig") or {}
    if mode and not said(chosen, "functionCallingConfig"):
        body["toolConfig"] = {**chosen, "functionCallingConfig": {"mode": mode}}
    return body


def _contents(blocks: Iterable[Block], model: str) -> Iterator[dict[str, Any]]:
    calls = _Calls()
    for role, group in _grouped(blocks):
        parts: list[dict[str, Any]] = []
        called = False
        for block in group:
            call = calls.after(block)
            raw = _own(block)
            made = raw or ([_result(block, call)] if block.kind == "tool_use" else _parts(block))
            if block.kind == "tool_call":
                if not called and (not raw or _unsigned(block, model)):  # Gemini 3 wants the first of a reply signed
                    made[0] |= {} if said(made[0], "thoughtSignature") else {"thoughtSignature": UNSIGNED}
                called = True
            parts += made
        if parts:
            yield {"role": role, "parts": parts}


def _unsigned(call: Block, model: str) -> bool:
    """Whether a model that wants signatures is asked to go on from a call of one that gave none."""
    made_by = call.inference.model if call.inference else ""
    return bool(made_by and SIGNS.search(model) and not SIGNS.search(made_by))


@dataclass(slots=True)
class _Calls:
    """Finds the call that a result answers, as both go by.

    A result without an id answers the first of the calls to which Gemini gave none.
    """

    named: dict[str, Block] = field(default_factory=dict)
    nameless: list[Block] = field(default_factory=list)

    def after(self, block: Block) -> Block | None:
        """The call that `block` answers; a call is noted."""
        id = block.tool_call_id
        if block.kind == "tool_use":
            call = self.named.get(id) if id or not self.nameless else self.nameless[0]
            self.nameless = [one for one in self.nameless if one is not call]
            return call
        if block.kind == "tool_call":
            if id:
                self.named[id] = block
            if not id or block.metadata.get(PROVIDER_CALL_ID) == "":
                self.nameless.append(block)
        return None


def _grouped(blocks: Iterable[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Neighbours that make one content. One that began in another reply or content begins one here."""
    role, group = "", list[Block]()
    for block in blocks:
        its = _role(block)
        if group and (its != role or _apart(group[-1], block)):
            yield role, group
            group = []
        role = its
        group.append(block)
    if group:
        yield role, group


def _role(block: Block) -> str:
    if block.kind in ("system", "user", "tool_use") or (block.kind == "other" and block.role == "user"):
        return "user"
    return "model"


def _apart(one: Block, next: Block) -> bool:
    (reply, place), (its_reply, its_place) = WIRE.place(one), WIRE.place(next)
    if reply and its_reply and reply != its_reply:
        return True
    if place is None or its_place is None:  # results stand alone, as Gemini counts them against the calls
        return (one.kind == "tool_use") != (next.kind == "tool_use")
    return its_place <= place


def _own(block: Block) -> list[dict[str, Any]]:
    """What Gemini, or a recorded request, said in this block, if nobody edited it. An id it was given here is no edit."""
    given = block.metadata.get(PROVIDER_CALL_ID)
    raw = WIRE.raw(block if given is None else block.edit(id=given))
    return [raw] if isinstance(raw, dict) else []


def _parts(block: Block) -> list[dict[str, Any]]:
    """A block as parts, from its payload; none for what is another provider's own."""
    payload = block.payload
    signature = block.metadata.get(SIGNATURE)
    signed = {"thoughtSignature": signature} if signature else {}
    match block.kind:
        case "system" | "user":
            text = [{"text": block.text}] if block.text else []
            return [*text, *map(_image, payload.get("images") or ()), *map(_media, payload.get("media") or ())]
        case "llm_text" if block.text or signed:
            return [{"text": block.text} | signed]
        case "reasoning" if signed or WIRE.kept in block.metadata:
            return [{"text": block.text} | ({"thought": True} if block.text else {}) | signed]
        case "tool_call":
            return [{"functionCall": {"name": block.name, "args": _args(block)} | _id(block)} | signed]
        case "other" if WIRE.kept in block.metadata:
            return [thaw(payload)]
    return []


def _id(call: Block | None) -> dict[str, Any]:
    """The id of a call, where Gemini gave it one: some of its servers know none."""
    if call is None or WIRE.kept not in call.metadata:
        return {}
    given = call.metadata.get(PROVIDER_CALL_ID)
    id = call.tool_call_id if given is None else given
    return {"id": id} if id else {}


def _args(block: Block) -> dict[str, Any]:
    """The arguments of a call; those that are no JSON object as text, since Gemini takes objects only."""
    written = block.payload.get("args_raw", block.payload.get("args"))
    if isinstance(written, str) and not block.args and written.strip() not in ("", "{}"):
        return {"INVALID_JSON": written}
    args: dict[str, Any] = thaw(block.args)
    return args


def _result(block: Block, call: Block | None) -> dict[str, Any]:
    result: Any = {"error": block.error} if block.error else thaw(block.result)
    seen: list[dict[str, Any]] = []
    if (foreign := content_parts(result, "text", write_medium)) is not None:  # as another provider's tools answer
        seen = [part for part in foreign if "text" not in part]
        texts = [part["text"] for part in foreign if "text" in part]
        result = texts[0] if len(texts) == 1 else texts
    response = result if isinstance(result, dict) else {"result": result}
    name = call.name if call else block.tool_call_id
    seen += map(_media, block.payload.get("media") or ())
    beside = {"parts": seen} if seen else {}
    return {"functionResponse": {"name": name or "tool", "response": response} | _id(call) | beside}


def _image(given: Any) -> dict[str, Any]:
    try:
        image = normal_image(given) if isinstance(given, Mapping) else EMPTY
    except ValueError as error:
        raise EngineError(str(error), kind="unsupported") from None
    if image.get("content") and image.get("media_type"):
        return {"inlineData": {"mimeType": image["media_type"], "data": image["content"]}}
    uri = image.get("file_uri") or image.get("url") or image.get("file_id")
    if not isinstance(uri, str):
        raise EngineError(
            f"Gemini takes images as bytes, URLs or files of its own, not {given!r:.80}", kind="unsupported"
        )
    uri = FILES + uri if uri.startswith("files/") else uri
    kind = image.get("media_type") or mimetypes.guess_type(urlsplit(uri).path)[0]
    return {"fileData": {"fileUri": uri} | ({"mimeType": kind} if kind else {})}


def _media(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping) and any(
        isinstance(said(given, name), Mapping) for name in ("inlineData", "fileData")
    ):
        media: dict[str, Any] = thaw(given)
        return media
    return write_medium(given)


# The provider.


def transport(settings: Mapping[str, Any]) -> Transport:
    """An httpx client. `base_url` may end in a version, as Vertex's do; `headers` go with every request."""
    return GeminiTransport(settings)


def _instruction(parts: list[Any], first: Block) -> dict[str, Any]:
    """Return `systemInstruction` with the fields it had besides its parts."""
    fields = thaw(first.metadata.get(provenance.FIELDS) or EMPTY)
    return {**fields, "parts": parts[0] if "parts" in fields else parts}


def _at(params: Mapping[str, Any]) -> Provider:
    """Vertex differs in its address, and in how it counts."""
    url = params.get("base_url") or getattr(params.get("client"), "base_url", "")
    return VERTEX if VERTEX_URL.search(str(url)) else PROVIDER


VERTEX_URL = re.compile(r"aiplatform\.googleapis\.com|/publishers/")
PROVIDER = Provider(
    name="gemini",
    request=request,
    reply=Reply,
    transport=transport,
    settings=frozenset({"client", "headers", "api_key", "base_url"}),
    history=history,
    at=_at,
    params=PARAMS,
    portable=PORTABLE,
    structured_output=STRUCTURED_OUTPUT,
    messages=MessageLayout(
        messages="contents", head="systemInstruction", parts="parts", model_role="model", head_value=_instruction
    ),
    read_medium=read_medium,
    namespace=WIRE.namespace,
    output_limits=("generationConfig.maxOutputTokens",),
    counting=Counting(request=count_request, total="totalTokens", cached="cachedContentTokenCount"),
)
VERTEX = replace(
    PROVIDER,
    server="vertex",
    counting=Counting(request=vertex_count_request, total="totalTokens", cached="cachedContentTokenCount"),
)
