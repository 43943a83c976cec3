"""One answer of Claude, put together from the events of its stream or from its body.

Facts: Anthropic's Messages reference and its streaming page. Plain dicts in, Blocks out;
one answer written in both ways gives equal blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..blocks import block
from ..errors import EngineError
from ..frozen import EMPTY, FrozenDict, FrozenList
from ..results import FinishClass, InferenceResult, Usage
from ..toolbox import CUT
from ..turns import Block, Kind
from .lenient import count_of, frozen_part, json_of, mapping_of, mappings_of, text_of
from .provider import Hear, delta, unheard
from .wire import Wire

WIRE = Wire("claude")
TRUNCATED = frozenset({"max_tokens", "model_context_window_exceeded"})
TEXT_OF = {"text": "text", "thinking": "thinking"}  # type of a content block → the field that streams
OURS = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "usage"}
)  # the rest of a message is kept as it is


class Reply:
    """What Claude has said so far. Raises EngineError for an error event, and for an early end."""

    def __init__(self, hear: Hear = unheard, inference_id: str = "") -> None:
        self.complete = False
        self._hear = None if hear is unheard else hear
        self._inference_id = inference_id
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._parts: list[_Part] = []
        self._open: dict[int, _Part] = {}

    def body(self, data: Any) -> None:
        """Take a whole answer. Raises EngineError when it is an error, or no message."""
        if not isinstance(data, dict) or data.get("error") or not isinstance(data.get("content"), list):
            raise refusal(data)
        self._begin(data)
        self.complete = True

    def event(self, name: str, data: Any) -> None:
        """Take one event of the stream; what is not known is let pass."""
        if not isinstance(data, dict):
            return
        kind = data.get("type") or name
        if kind == "content_block_delta":
            self._more(data.get("index"), data.get("delta"))
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
                beside = {k: v for k, v in data.items() if k not in ("type", "delta", "usage")}
                self._learn({**mapping_of(data.get("delta")), **beside, "usage": data.get("usage")})
            case "message_stop":
                self.complete = True
            case "error":
                raise refusal(data)

    def end(self) -> None:
        """The stream is over, cleanly. Raises EngineError where Claude had not finished."""
        if self._message.get("stop_reason"):  # its last word, even without the closing event
            self.complete = True
        if not self.complete:
            raise EngineError("the stream ended before message_stop", kind="stream_cut")

    def _begin(self, message: Mapping[str, Any]) -> None:
        self._learn(message)
        contents = message.get("content")
        for content in contents if isinstance(contents, list) else ():
            self._part(content).closed = True

    def _learn(self, news: Mapping[str, Any]) -> None:
        """Counts are cumulative and may come in part: what is not said again still holds."""
        for name, value in news.items():
            if name == "usage":
                self._usage |= {k: frozen_part(v) for k, v in mapping_of(value).items() if v is not None}
            elif value is not None and name != "content":
                self._message[name] = frozen_part(value)

    def _part(self, content: Any) -> _Part:
        part = _Part(len(self._parts), dict(mapping_of(frozen_part(content))))
        self._parts.append(part)
        if self._hear is not None and part.kind:
            call = part.kind == "tool_call"
            if (text := part.text) or call:
                name = text_of(part.raw.get("name")) if call else ""
                self._hear(delta(self._inference_id, part.place, part.kind, text, name))
        return part

    def _more(self, index: Any, news: Any) -> None:
        if type(index) is not int or type(news) is not dict:
            return
        kind = news.get("type")
        name = STREAMED.get(kind) if type(kind) is str else None
        part = self._open.get(index)
        if part is None:  # its start was lost; text is text all the same
            if name not in ("text", "thinking"):
                return
            part = self._open[index] = self._part({"type": name, name: ""})
        if name is None:
            part.add(news)
            return
        text = news.get(name)
        if type(text) is not str or not text:
            return
        (part.input if name == "partial_json" else part.said).append(text)
        if self._hear is not None and part.kind:
            self._hear(delta(self._inference_id, part.place, part.kind, text))

    def blocks(self) -> tuple[Block, ...]:
        """The blocks as far as they came. One that broke off cannot be sent back, and is no call."""
        id = text_of(self._message.get("id"))
        over = self.complete or bool(self._stop_reason)
        made: list[Block] = []
        for part in self._parts:
            raw = part.whole() if over or part.closed else None
            block = part.broken_off() if raw is None else part.block(raw, cut=self._is_cut(part))
            if block is not None:
                raw = None if "args_raw" in block.payload else raw
                made.append(WIRE.marked(block, raw=raw, response_id=id, index=part.place))
        return tuple(made)

    def _is_cut(self, part: _Part) -> bool:
        """Whether the token limit may have been reached inside this one: only the last tells nothing of its end."""
        return self._stop_reason in TRUNCATED and part is self._parts[-1]

    def result(self) -> InferenceResult:
        """Who answered, why it ended, what it took; the provider's own numbers in `extra["usage"]`."""
        stop = self._stop_reason
        over = self.complete or bool(stop)
        calls = (part for part in self._parts if part.kind == "tool_call" and (over or part.closed))
        pending = any(not self._is_cut(part) for part in calls)
        beside = {k: v for k, v in self._message.items() if k not in OURS}
        if self._usage:
            beside["usage"] = FrozenDict(self._usage)
        return InferenceResult(
            provider="anthropic",
            model=text_of(self._message.get("model")),
            stop_reason=stop,
            finish_class=FinishClass.of(stop, pending=pending),
            truncated=stop in TRUNCATED,
            usage=usage(self._usage) if self._usage else None,
            response_id=text_of(self._message.get("id")),
            request_id=text_of(self._message.get("request_id")),
            extra=FrozenDict(beside),
        )

    @property
    def _stop_reason(self) -> str:
        return text_of(self._message.get("stop_reason"))


KINDS: dict[Any, str] = {"text": "llm_text", "thinking": "reasoning", "tool_use": "tool_call"}  # heard as they come
CONTENT = {"text": "text", "thinking": "thinking", "redacted_thinking": "data", "tool_use": "name"}  # must be a string
STREAMED = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class _Part:
    """One content block on its way: how it began, and what came after."""

    __slots__ = ("citations", "closed", "input", "kind", "place", "raw", "said")

    def __init__(self, place: int, raw: dict[str, Any]) -> None:
        self.place = place
        self.raw = raw
        self.kind = KINDS.get(text_of(raw.get("type")), "")  # "" for one that is not heard as it comes
        self.closed = False
        self.said: list[str] = []
        self.input: list[str] = []
        self.citations: list[Any] = []

    @property
    def text(self) -> str:
        """The text so far; of a call, its arguments if they came at once."""
        if self.kind == "tool_call":
            given = self.raw.get("input")
            return "".join(self.input) or (json.dumps(given, ensure_ascii=False) if given else "")
        begun = text_of(self.raw.get(TEXT_OF.get(text_of(self.raw.get("type")), "")))
        return begun + "".join(self.said)

    def add(self, news: Mapping[str, Any]) -> None:
        """Take a delta that is no text."""
        match news.get("type"):
            case "signature_delta":
                self.raw["signature"] = frozen_part(news.get("signature"))
            case "citations_delta":
                self.citations.append(frozen_part(news.get("citation")))
            case "compaction_delta":
                self.raw |= {k: frozen_part(v) for k, v in news.items() if k != "type"}

    def whole(self) -> FrozenDict:
        """The content block as a body would have it."""
        raw = self.raw
        if self.said and (name := TEXT_OF.get(text_of(raw.get("type")))):
            raw = {**raw, name: self.text}
        if self.citations:
            raw = {**raw, "citations": FrozenList([*mappings_of(raw.get("citations")), *self.citations])}
        if self.input and (given := json_of("".join(self.input))) is not None:
            raw = {**raw, "input": given}
        return FrozenDict(raw)

    def block(self, raw: FrozenDict, *, cut: bool) -> Block:
        """The block of a content block that came to its end; `cut`: at the token limit."""
        block = decoded(raw)
        written = "".join(self.input)
        given = raw.get("input")
        if written.strip() and (given is self.raw.get("input") or not isinstance(given, dict)):  # no JSON, or no object
            beside = {"args": EMPTY, "args_raw": written} if block.kind == "tool_call" else {"partial_json": written}
            block = block.replace(payload={**block.payload, **beside})
        return block.with_metadata(CUT, True) if cut and block.kind == "tool_call" else block

    def broken_off(self) -> Block | None:
        """What was there of a content block when the stream broke; half a call is data, not a call."""
        if self.kind in ("llm_text", "reasoning"):
            return Block(self.kind, {"text": self.text}, "assistant") if self.text else None
        return Block(Kind.OTHER, {**self.raw, "partial_json": "".join(self.input)}, "assistant")


def decoded(raw: FrozenDict) -> Block:
    """The block of one content block of the assistant; one we do not know is kept whole in `other`."""
    kind = raw.get("type")
    said = raw.get(CONTENT.get(kind, "")) if isinstance(kind, str) else None
    if not isinstance(said, str):
        return block("other", raw, "assistant")
    if kind == "text":
        sources = {"citations": raw["citations"]} if raw.get("citations") else {}
        return block("llm_text", FrozenDict(text=said, **sources), "assistant")
    if kind == "thinking":
        signature = {"signature": raw["signature"]} if raw.get("signature") else {}
        return block("reasoning", FrozenDict(text=said, **signature), "assistant")
    if kind == "redacted_thinking":
        return block("reasoning", FrozenDict(text="", data=said), "assistant")
    return block("tool_call", FrozenDict(id=text_of(raw.get("id")), name=said, args=raw.get("input") or EMPTY))


def usage(raw: Mapping[str, Any]) -> Usage:
    """Anthropic's counts in ours: its `input_tokens` leaves out what was read from and written to the cache."""
    read, written = count_of(raw.get("cache_read_input_tokens")), count_of(raw.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=count_of(raw.get("input_tokens")) + read + written,
        output_tokens=count_of(raw.get("output_tokens")),
        cached_tokens=read,
        cache_creation_input_tokens=written,
        reasoning_tokens=count_of(mapping_of(raw.get("output_tokens_details")).get("thinking_tokens")),
    )


def refusal(data: Any) -> EngineError:
    """The error that Anthropic's error body or event describes; `kind` is its own word."""
    data = mapping_of(data)
    said = data.get("error")
    error = said if isinstance(said, dict) else {"message": said}
    kind = text_of(error.get("type")) or ("error" if said else "bad_response")
    other = f"this is no message of Claude's, but an object of {', '.join(map(str, data)) or 'nothing'}"
    return EngineError(
        text_of(error.get("message")) or (kind if said else other),
        kind=kind,
        request_id=text_of(data.get("request_id")),
    )
