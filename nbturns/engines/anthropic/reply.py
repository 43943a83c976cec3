"""Decode a reply of Claude from the events of its stream or from its body.

Facts: Anthropic's Messages reference and its streaming page. The stream and the body of one
reply give equal blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import EngineError
from ...runtime.toolbox import CUT
from ...values.blocks import make_block
from ...values.frozen_json import EMPTY_DICT, FrozenDict, FrozenList
from ...values.inference_results import UNKNOWN_COUNT, FinishClass, InferenceResult, Usage
from ...values.price_tables import SEARCH_FEES
from ...values.turns import Block, Kind
from ..json_access import count_of, detail_of, frozen_part, json_of, mapping_of, mappings_of, text_of, token_count_of
from ..provider import DeltaListener, delta, discard_event, without_secrets
from ..verbatim import OriginalItems

ORIGINALS = OriginalItems("claude")
SEARCH_FEE = 0.01  # USD for a web search, from Anthropic's page on pricing
TRUNCATED = frozenset({"max_tokens", "model_context_window_exceeded"})
TEXT_FIELDS = {"text": "text", "thinking": "thinking"}  # by the type of a content block
DECODED_FIELDS = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "usage"}
)  # all other fields go into `extra`


class Reply:
    """A reply of Claude under construction. Raises EngineError for an error event and for an early end."""

    complete: bool

    def __init__(self, on_delta: DeltaListener = discard_event, inference_id: str = "") -> None:
        self.complete = False
        self._on_delta = None if on_delta is discard_event else on_delta
        self._inference_id = inference_id
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._parts: list[_ContentBlock] = []
        self._open: dict[int, _ContentBlock] = {}

    def body(self, data: Any) -> None:
        """Take a whole reply. Raises EngineError for an error and for a value that is not a message."""
        if not isinstance(data, dict) or data.get("error") or not isinstance(data.get("content"), list):
            raise error_of(data)
        self._begin(data)
        self.complete = True

    def event(self, name: str, data: Any) -> None:
        """Take one event of the stream; unknown events are ignored."""
        if not isinstance(data, dict):
            return
        kind = data.get("type") or name
        if kind == "content_block_delta":
            self._add_delta(data.get("index"), data.get("delta"))
            return
        match kind:
            case "message_start":
                self._begin(mapping_of(data.get("message")))
            case "content_block_start":
                self._open[count_of(data.get("index"))] = self._part(data.get("content_block"))
            case "content_block_stop":
                if part := self._open.pop(count_of(data.get("index")), None):
                    part.closed = True
            case "message_delta":
                other_fields = {k: v for k, v in data.items() if k not in ("type", "delta", "usage")}
                self._update({**mapping_of(data.get("delta")), **other_fields, "usage": data.get("usage")})
            case "message_stop":
                self.complete = True
            case "error":
                raise error_of(data)
            case "" if data.get("error") or detail_of(data):  # some gateways send nothing but the error
                raise error_of(data)

    def end(self) -> None:
        """Finish at the end of the stream. Raises EngineError when the reply is not complete."""
        if self._message.get("stop_reason"):  # complete, even without the closing event
            self.complete = True
        if not self.complete:
            raise EngineError("the stream ended before message_stop", kind="stream_cut")

    def _begin(self, message: Mapping[str, Any]) -> None:
        self._update(message)
        contents = message.get("content")
        for content in contents if isinstance(contents, list) else ():
            self._part(content).closed = True

    def _update(self, fields: Mapping[str, Any]) -> None:
        """Take fields of the message; counts are cumulative, and an absent one keeps its value."""
        for name, value in fields.items():
            if name == "usage":
                self._usage |= {k: frozen_part(v) for k, v in mapping_of(value).items() if v is not None}
            elif value is not None and name != "content":
                self._message[name] = frozen_part(value)

    def _part(self, content: Any) -> _ContentBlock:
        part = _ContentBlock(len(self._parts), dict(mapping_of(frozen_part(content))))
        self._parts.append(part)
        if self._on_delta is not None and part.kind:
            call = part.kind == "tool_call"
            if (text := part.text) or call:
                name = text_of(part.raw.get("name")) if call else ""
                self._on_delta(delta(self._inference_id, part.index, part.kind, text, name))
        return part

    def _add_delta(self, index: Any, delta_data: Any) -> None:
        if type(index) is not int or type(delta_data) is not dict:
            return
        kind = delta_data.get("type")
        name = DELTA_FIELDS.get(kind) if type(kind) is str else None
        part = self._open.get(index)
        if part is None:  # its start was lost; the text is still text
            if name not in ("text", "thinking"):
                return
            part = self._open[index] = self._part({"type": name, name: ""})
        if name is None:
            part.add(delta_data)
            return
        text = delta_data.get(name)
        if type(text) is not str or not text:
            return
        (part.input if name == "partial_json" else part.texts).append(text)
        if self._on_delta is not None and part.kind:
            self._on_delta(delta(self._inference_id, part.index, part.kind, text))

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks so far. An incomplete one cannot be sent back, and is not a call."""
        response_id = text_of(self._message.get("id"))
        is_over = self.complete or bool(self._stop_reason)
        blocks: list[Block] = []
        for part in self._parts:
            raw = part.whole() if is_over or part.closed else None
            block = part.broken_off() if raw is None else part.block(raw, cut=self._is_cut(part))
            if block is not None:
                raw = None if "args_raw" in block.payload else raw
                blocks.append(ORIGINALS.attach(block, raw=raw, response_id=response_id, index=part.index))
        return tuple(blocks)

    def _is_cut(self, part: _ContentBlock) -> bool:
        """Tell whether the token limit may have cut this content block: only the last one may be cut."""
        return self._stop_reason in TRUNCATED and part is self._parts[-1]

    def result(self) -> InferenceResult:
        """Return model, stop reason and usage; the provider's own counts are in `extra["usage"]`."""
        stop = self._stop_reason
        is_over = self.complete or bool(stop)
        calls = (part for part in self._parts if part.kind == "tool_call" and (is_over or part.closed))
        has_pending_calls = any(not self._is_cut(part) for part in calls)
        extra = {k: v for k, v in self._message.items() if k not in DECODED_FIELDS}
        if self._usage:
            extra["usage"] = FrozenDict(self._usage)
        searches = count_of(mapping_of(self._usage.get("server_tool_use")).get("web_search_requests"))
        if searches:
            extra[SEARCH_FEES] = searches * SEARCH_FEE
        return InferenceResult(
            provider="anthropic",
            model=text_of(self._message.get("model")),
            stop_reason=stop,
            finish_class=FinishClass.of(stop, pending=has_pending_calls),
            truncated=stop in TRUNCATED,
            usage=usage(self._usage) if self._usage else None,
            response_id=text_of(self._message.get("id")),
            request_id=text_of(self._message.get("request_id")),
            extra=FrozenDict(extra),
        )

    @property
    def _stop_reason(self) -> str:
        return text_of(self._message.get("stop_reason"))


STREAMED_KINDS: dict[Any, str] = {"text": "llm_text", "thinking": "reasoning", "tool_use": "tool_call"}  # that stream
CONTENT_FIELDS = {
    "text": "text",
    "thinking": "thinking",
    "redacted_thinking": "data",
    "tool_use": "name",
}  # fields that must be strings
DELTA_FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class _ContentBlock:
    """A content block under construction: its start event and its deltas."""

    __slots__ = ("citations", "closed", "index", "input", "kind", "raw", "texts")

    def __init__(self, place: int, raw: dict[str, Any]) -> None:
        self.index = place
        self.raw = raw
        self.kind = STREAMED_KINDS.get(text_of(raw.get("type")), "")  # "" for one that does not stream
        self.closed = False
        self.texts: list[str] = []
        self.input: list[str] = []
        self.citations: list[Any] = []

    @property
    def text(self) -> str:
        """The text so far; for a call its arguments."""
        if self.kind == "tool_call":
            arguments = self.raw.get("input")
            return "".join(self.input) or (json.dumps(arguments, ensure_ascii=False) if arguments else "")
        first_text = text_of(self.raw.get(TEXT_FIELDS.get(text_of(self.raw.get("type")), "")))
        return first_text + "".join(self.texts)

    def add(self, delta_data: Mapping[str, Any]) -> None:
        """Take a delta other than text."""
        match delta_data.get("type"):
            case "signature_delta":
                self.raw["signature"] = frozen_part(delta_data.get("signature"))
            case "citations_delta":
                self.citations.append(frozen_part(delta_data.get("citation")))
            case "compaction_delta":
                self.raw |= {k: frozen_part(v) for k, v in delta_data.items() if k != "type"}

    def whole(self) -> FrozenDict:
        """Return the content block as in a body."""
        raw = self.raw
        if self.texts and (name := TEXT_FIELDS.get(text_of(raw.get("type")))):
            raw = {**raw, name: self.text}
        if self.citations:
            raw = {**raw, "citations": FrozenList([*mappings_of(raw.get("citations")), *self.citations])}
        if self.input and (arguments := json_of("".join(self.input))) is not None:
            raw = {**raw, "input": arguments}
        return FrozenDict(raw)

    def block(self, raw: FrozenDict, *, cut: bool) -> Block:
        """Return the block of a finished content block; `cut` marks one at the token limit."""
        block = decoded(raw)
        streamed_args = "".join(self.input)
        arguments = raw.get("input")
        if streamed_args.strip() and (
            arguments is self.raw.get("input") or not isinstance(arguments, dict)
        ):  # invalid JSON, or not an object
            invalid_args = (
                {"args": EMPTY_DICT, "args_raw": streamed_args}
                if block.kind == "tool_call"
                else {"partial_json": streamed_args}
            )
            block = block.replace(payload={**block.payload, **invalid_args})
        return block.with_metadata(CUT, True) if cut and block.kind == "tool_call" else block

    def broken_off(self) -> Block | None:
        """Return the block of an interrupted content block; half a call is data, not a call."""
        if self.kind in ("llm_text", "reasoning"):
            return Block(self.kind, {"text": self.text}, "assistant") if self.text else None
        return Block(Kind.OTHER, {**self.raw, "partial_json": "".join(self.input)}, "assistant")


def decoded(raw: FrozenDict) -> Block:
    """Return the block of one content block of the assistant; an unknown one becomes `other`."""
    kind = raw.get("type")
    value = raw.get(CONTENT_FIELDS.get(kind, "")) if isinstance(kind, str) else None
    if not isinstance(value, str):
        return make_block("other", raw, "assistant")
    if kind == "text":
        citations = {"citations": raw["citations"]} if raw.get("citations") else {}
        return make_block("llm_text", FrozenDict(text=value, **citations), "assistant")
    if kind == "thinking":
        signature = {"signature": raw["signature"]} if raw.get("signature") else {}
        return make_block("reasoning", FrozenDict(text=value, **signature), "assistant")
    if kind == "redacted_thinking":
        return make_block("reasoning", FrozenDict(text="", data=value), "assistant")
    return make_block(
        "tool_call", FrozenDict(id=text_of(raw.get("id")), name=value, args=raw.get("input") or EMPTY_DICT)
    )


def usage(raw: Mapping[str, Any]) -> Usage:
    """Return Anthropic's counts as Usage; its `input_tokens` exclude cache reads and writes.

    Its own counts leave out the iterations that compact the context, ask an adviser or fall back to another
    model; then those of all iterations are added up.
    """
    iterations = mappings_of(raw.get("iterations"))
    has_others = any(iteration.get("type") != "message" for iteration in iterations)
    rounds = iterations if has_others else [raw]

    def total(name: str) -> int:
        if not has_others:
            return token_count_of(raw.get(name))
        return sum((token_count_of(counts.get(name)) for counts in rounds), start=UNKNOWN_COUNT)

    cache_reads, cache_writes = total("cache_read_input_tokens"), total("cache_creation_input_tokens")
    return Usage(
        input_tokens=total("input_tokens") + cache_reads + cache_writes,
        output_tokens=total("output_tokens"),
        cached_tokens=cache_reads,
        cache_creation_input_tokens=cache_writes,
        reasoning_tokens=token_count_of(mapping_of(raw.get("output_tokens_details")).get("thinking_tokens")),
    )


def error_of(data: Any) -> EngineError:
    """Return the error of an error body or event; `kind` is Anthropic's type of it."""
    data = mapping_of(data)
    error_data = data.get("error") or detail_of(data)
    error = error_data if isinstance(error_data, dict) else {"message": error_data}
    kind = text_of(error.get("type")) or ("error" if error_data else "bad_response")
    description = f"expected a message of Claude's, got an object with {', '.join(map(str, data)) or 'no fields'}"
    engine_error = EngineError(
        text_of(error.get("message")) or (kind if error_data else description),
        kind=kind,
        request_id=text_of(data.get("request_id")),
    )
    engine_error.body = without_secrets(data)
    return engine_error
