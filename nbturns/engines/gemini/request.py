"""Gemini: encode a Turn as a request.

Facts: Google's generateContent reference (v1beta); Vertex accepts the same body. A Turn is a flat
list of blocks; contents group them: all parts of one reply make one content of the model, each
with its own signature, and the results of its calls one content of the user. Unedited blocks
from Gemini or a recorded request go out verbatim.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from ...errors import EngineError
from ...runtime.call_ids import PROVIDER_CALL_ID
from ...runtime.engine_protocol import Scope
from ...values import provenance
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.images import normal_image
from ...values.turns import Block, Turn
from ..media import content_parts
from ..provider import MessageLayout, Parameters, Provider, Transport
from ..token_endpoint import Counting, only_fields
from ..transports.account import AccountVariables
from ..transports.plain_http import PACKAGES, HttpServer, has_http_package, http_transport
from ..transports.sdk_client import require_package
from .history import history as history
from .media import read_medium, write_medium
from .model_rules import allows_media_type, remove_unsupported, takes_media_in_results
from .order import continuation, with_results_first
from .parts import ORIGINALS, SIGNATURE, camel_case, field_of
from .reply import Reply, error_of
from .settings import PARAMS, PORTABLE, STRUCTURED_OUTPUT
from .tools import tools_of

SKIP_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="  # base64 of skip_thought_signature_validator
BODY_FIELDS = frozenset(
    {"tools", "toolConfig", "safetySettings", "cachedContent", "labels", "generationConfig", "serviceTier", "store"}
)  # fields of the body itself; every other parameter belongs to generationConfig
PARAM_NAMES = {"max_tokens": "maxOutputTokens"}
VERTEX_COUNTS = frozenset({"contents", "systemInstruction", "tools", "generationConfig"})
SIGNING_MODELS = re.compile(r"gemini-([3-9]|\d\d)")  # these refuse a call without a signature
FILES_URL = "https://generativelanguage.googleapis.com/v1beta/"


class GeminiBody(dict[str, Any]):
    """A body with the parts of its URL: the model and the method."""

    def __init__(self, body: Mapping[str, Any], model: str, method: str) -> None:
        super().__init__(body)
        self.model = model
        self.method = method

    @property
    def path(self) -> str:
        """The end of the URL, after the version of the API."""
        return f"{quote(_path(self.model), safe='/@.')}:{self.method}"


def _path(model: str) -> str:
    return model if "/" in model else f"models/{model}"


# Encoding a Turn.


def request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """Return the body of `POST /v1beta/models/{model}:generateContent`; the model is in its `path`.

    All system blocks become `systemInstruction`; with `later_system="user"`, those after the
    head become user text. Parameters go to `generationConfig` in Google's spelling, except the
    fields of the body itself (tools, toolConfig, safetySettings, cachedContent, labels).
    Raises EngineError for content that Gemini does not accept.
    """
    own_params: dict[str, Any] = thaw(params)
    stream = bool(own_params.pop("stream", True))
    later_role = own_params.pop("later_system", "system")
    system_blocks, conversation = list[Block](), list[Block]()
    for block in turn:
        (
            system_blocks if block.kind == "system" and (later_role == "system" or not conversation) else conversation
        ).append(block)
    conversation, token = continuation(with_results_first(conversation))
    body: dict[str, Any] = {"continuationToken": token} if token else {}
    if instructions := [part for block in system_blocks for part in _original_parts(block) or _parts(block)]:
        body["systemInstruction"] = {"parts": instructions}
    body["contents"] = list(_contents(conversation, model))
    body_fields, config = _body_and_config(own_params)
    if config:
        body_fields["generationConfig"] = {**config, **(body_fields.get("generationConfig") or {})}
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return GeminiBody(body | body_fields | tools_of(scope, body_fields), model, method)


def count_request(turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT) -> dict[str, Any]:
    """Return the body of `POST /v1beta/models/{model}:countTokens`, which holds the whole request."""
    body = request(turn, scope, model, params)
    return GeminiBody({"generateContentRequest": {"model": _path(model), **body}}, model, "countTokens")


def vertex_count_request(
    turn: Turn, scope: Scope, model: str, params: Mapping[str, Any] = EMPTY_DICT
) -> dict[str, Any]:
    """Return the body of Vertex's `:countTokens`, which accepts fewer fields."""
    return GeminiBody(only_fields(request(turn, scope, model, params), VERTEX_COUNTS), model, "countTokens")


def _body_and_config(own_params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of the body itself, and those of its `generationConfig`."""
    body_fields, config = dict[str, Any](), dict[str, Any]()
    for param_name, value in own_params.items():
        name = PARAM_NAMES.get(param_name) or camel_case(param_name)
        (body_fields if name in BODY_FIELDS else config)[name] = value
    if "responseSchema" in config or "responseJsonSchema" in config:  # required with a schema
        config.setdefault("responseMimeType", "application/json")
    return body_fields, config


def _contents(blocks: Iterable[Block], model: str) -> Iterator[dict[str, Any]]:
    calls = _CallMatcher()
    for role, group in _content_groups(blocks):
        parts, late_parts = list[dict[str, Any]](), list[dict[str, Any]]()
        has_call = False
        for block in group:
            call = calls.match(block)
            original = _original_parts(block)
            if block.kind == "tool_use" and not original:
                response, media_parts = _result(block, call, model)
                block_parts, late_parts = [response], [*late_parts, *media_parts]
            else:
                block_parts = original or _parts(block)
            if block.kind == "tool_call":
                if not has_call and (
                    not original or _needs_signature(block, model)
                ):  # Gemini 3 requires a signature on the first call of a reply
                    block_parts[0] |= (
                        {} if field_of(block_parts[0], "thoughtSignature") else {"thoughtSignature": SKIP_SIGNATURE}
                    )
                has_call = True
            parts += block_parts
        if parts:
            yield {"role": role, "parts": parts}
        if late_parts:
            yield {"role": "user", "parts": late_parts}


def _needs_signature(call: Block, model: str) -> bool:
    """Tell whether a model that requires signatures continues from a call of one without them."""
    made_by = call.inference.model if call.inference else ""
    return bool(made_by and SIGNING_MODELS.search(model) and not SIGNING_MODELS.search(made_by))


@dataclass(slots=True)
class _CallMatcher:
    """Matches results to the calls they answer, in the order of the blocks.

    A result without an id answers the first call to which Gemini gave none.
    """

    by_id: dict[str, Block] = field(default_factory=dict)
    without_id: list[Block] = field(default_factory=list)

    def match(self, block: Block) -> Block | None:
        """Return the call that a result answers; remember `block` if it is a call."""
        call_id = block.tool_call_id
        if block.kind == "tool_use":
            call = self.by_id.get(call_id) if call_id or not self.without_id else self.without_id[0]
            self.without_id = [candidate for candidate in self.without_id if candidate is not call]
            return call
        if block.kind == "tool_call":
            if call_id:
                self.by_id[call_id] = block
            if not call_id or block.metadata.get(PROVIDER_CALL_ID) == "":
                self.without_id.append(block)
        return None


def _content_groups(blocks: Iterable[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Yield the role and the blocks of each content; another reply or content starts a new one."""
    role, group = "", list[Block]()
    for block in blocks:
        block_role = _role(block)
        if group and (block_role != role or _are_separate(group[-1], block)):
            yield role, group
            group = []
        role = block_role
        group.append(block)
    if group:
        yield role, group


def _role(block: Block) -> str:
    if block.kind in ("system", "user", "tool_use") or (block.kind == "other" and block.role == "user"):
        return "user"
    return "model"


def _are_separate(block: Block, next_block: Block) -> bool:
    (reply, place), (next_reply, next_place) = ORIGINALS.reply_position(block), ORIGINALS.reply_position(next_block)
    if reply and next_reply and reply != next_reply:
        return True
    if (
        place is None or next_place is None
    ):  # results have a content of their own, because Gemini counts them against the calls
        return (block.kind == "tool_use") != (next_block.kind == "tool_use")
    return next_place <= place


def _original_parts(block: Block) -> list[dict[str, Any]]:
    """Return the original part of an unedited block; an id that was assigned here is not an edit."""
    provider_id = block.metadata.get(PROVIDER_CALL_ID)
    raw = ORIGINALS.raw_item(block if provider_id is None else block.edit(id=provider_id))
    return [raw] if isinstance(raw, dict) else []


def _is_edited(block: Block) -> bool:
    """Tell whether the payload of a block that Gemini made has changed."""
    return ORIGINALS.item_key in block.metadata and not _original_parts(block)


def adapt(turn: Turn, scope: Scope, model: str, params: Parameters) -> tuple[Turn, list[str]]:
    """Return the Turn, and a sentence about the signatures of edited blocks, which `request` leaves out."""
    del scope, model, params
    count = sum(block.metadata.get(SIGNATURE) is not None and _is_edited(block) for block in turn)
    return turn, [f"{count} signature(s) are left out, because their blocks were edited"] if count else []


def _parts(block: Block) -> list[dict[str, Any]]:
    """Return the parts of a payload; none for content that only another provider can read."""
    payload = block.payload
    signature = "" if _is_edited(block) else block.metadata.get(SIGNATURE)
    signature_field = {"thoughtSignature": signature} if signature else {}
    match block.kind:
        case "system" | "user":
            text = [{"text": block.text}] if block.text else []
            return [*text, *map(_image, payload.get("images") or ()), *map(_media, payload.get("media") or ())]
        case "llm_text" if block.text or signature_field:
            return [{"text": block.text} | signature_field]
        case "reasoning" if signature_field or ORIGINALS.item_key in block.metadata:
            return [{"text": block.text} | ({"thought": True} if block.text else {}) | signature_field]
        case "tool_call":
            return [
                {"functionCall": {"name": block.name, "args": _args(block)} | _call_id_field(block)} | signature_field
            ]
        case "other" if ORIGINALS.item_key in block.metadata:
            return [thaw(payload)]
    return []


def _call_id_field(call: Block | None) -> dict[str, Any]:
    """Return the id of a call if Gemini gave it one; some of its servers do not know the field."""
    if call is None or ORIGINALS.item_key not in call.metadata:
        return {}
    provider_id = call.metadata.get(PROVIDER_CALL_ID)
    call_id = call.tool_call_id if provider_id is None else provider_id
    return {"id": call_id} if call_id else {}


def _args(block: Block) -> dict[str, Any]:
    """Return the arguments of a call; invalid JSON goes into an object, because Gemini accepts only objects."""
    raw_args = block.payload.get("args_raw", block.payload.get("args"))
    if isinstance(raw_args, str) and not block.args and raw_args.strip() not in ("", "{}"):
        return {"INVALID_JSON": raw_args}
    args: dict[str, Any] = thaw(block.args)
    return args


def _result(block: Block, call: Block | None, model: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the part with a result, and the media that its model does not take there."""
    result: Any = {"error": block.error} if block.error else thaw(block.result)
    media_parts: list[dict[str, Any]] = []
    foreign_parts = None if block.error else content_parts(block.result, "text", write_medium)
    if foreign_parts is not None:  # in the shape of another provider
        media_parts = [part for part in foreign_parts if "text" not in part]
        texts = [part["text"] for part in foreign_parts if "text" in part]
        result = texts[0] if len(texts) == 1 else texts
    response = result if isinstance(result, dict) else {"result": result}
    name = call.name if call else block.tool_call_id
    media_parts += map(_image, block.payload.get("images") or ())
    inner_parts = [
        part for part in media_parts if takes_media_in_results(model) and allows_media_type(_media_type(part))
    ]
    late_parts = [part for part in media_parts if part not in inner_parts]
    inner_parts += map(_media, block.payload.get("media") or ())
    if result == [] and media_parts:
        response = {"result": "the files follow"}
    parts_field = {"parts": inner_parts} if inner_parts else {}
    function_response = {"name": name or "tool", "response": response} | _call_id_field(call) | parts_field
    return {"functionResponse": function_response}, late_parts


def _media_type(part: Mapping[str, Any]) -> Any:
    blob = field_of(part, "inlineData") or field_of(part, "fileData")
    return field_of(blob, "mimeType") if isinstance(blob, Mapping) else None


def _image(raw_image: Any) -> dict[str, Any]:
    try:
        image = normal_image(raw_image) if isinstance(raw_image, Mapping) else EMPTY_DICT
    except ValueError as error:
        raise EngineError(str(error), kind="unsupported") from None
    if image.get("content") and image.get("media_type"):
        return {"inlineData": {"mimeType": image["media_type"], "data": image["content"]}}
    uri = image.get("file_uri") or image.get("url") or image.get("file_id")
    if not isinstance(uri, str):
        raise EngineError(
            f"Gemini accepts images as bytes, URLs or files of its own, not {raw_image!r:.80}", kind="unsupported"
        )
    uri = FILES_URL + uri if uri.startswith("files/") else uri
    media_type = image.get("media_type") or mimetypes.guess_type(urlsplit(uri).path)[0]
    return {"fileData": {"fileUri": uri} | ({"mimeType": media_type} if media_type else {})}


def _media(part: Any) -> dict[str, Any]:
    if isinstance(part, Mapping) and any(
        isinstance(field_of(part, name), Mapping) for name in ("inlineData", "fileData")
    ):
        own_part: dict[str, Any] = thaw(part)
        return own_part
    return write_medium(part)


# The provider.


SERVER = HttpServer(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com",
    version="v1beta",
    path="",
    account=AccountVariables(
        address=("GOOGLE_GEMINI_BASE_URL",),
        keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),  # in the order in which Google's own client looks
    ),
    key_header="x-goog-api-key",  # never in the URL, because URLs are logged
    read_error=error_of,
)


def transport(settings: Mapping[str, Any]) -> Transport:
    """Return the transport by plain HTTP. `base_url` may end in a version; `headers` are sent with every request."""
    if settings.get("client") is None and not has_http_package():
        require_package(PACKAGES[0], extra="gemini")
    return http_transport(settings, SERVER)


def _instruction(parts: list[Any], first: Block) -> dict[str, Any]:
    """Return `systemInstruction` with its parts replaced and its other fields kept."""
    fields = thaw(first.metadata.get(provenance.FIELDS) or EMPTY_DICT)
    return {**fields, "parts": parts[0] if "parts" in fields else parts}


def _variant_for(params: Mapping[str, Any]) -> Provider:
    """Return the provider for Google's API or for Vertex, which counts tokens differently."""
    url = params.get("base_url") or getattr(params.get("client"), "base_url", "")
    return VERTEX if VERTEX_URL.search(str(url)) else PROVIDER


VERTEX_URL = re.compile(r"aiplatform\.googleapis\.com|/publishers/")
PROVIDER = Provider(
    name="gemini",
    account=SERVER.account,
    hosts=("googleapis.com",),
    request=request,
    reply=Reply,
    transport=transport,
    settings=frozenset({"client", "headers", "api_key", "base_url", "default_headers", "default_query", "http_client"}),
    history=history,
    at=_variant_for,
    params=PARAMS,
    portable=PORTABLE,
    remove_unsupported=remove_unsupported,
    adapt=adapt,
    structured_output=STRUCTURED_OUTPUT,
    messages=MessageLayout(
        messages="contents", head="systemInstruction", parts="parts", model_role="model", head_value=_instruction
    ),
    read_medium=read_medium,
    namespace=ORIGINALS.namespace,
    output_limits=("generationConfig.maxOutputTokens",),
    counting=Counting(request=count_request, total="totalTokens", cached="cachedContentTokenCount"),
)
VERTEX = replace(
    PROVIDER,
    server="vertex",
    counting=Counting(request=vertex_count_request, total="totalTokens", cached="cachedContentTokenCount"),
)
