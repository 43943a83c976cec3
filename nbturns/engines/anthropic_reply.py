"""One answer of Claude, put together from the events of its stream or from its body.

Facts: Anthropic's Messages reference and its streaming page. Plain dicts in, Blocks out;
one answer written in both ways gives equal blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import EngineError
from ..events import Delta
from ..frozen import EMPTY, FrozenDict, freeze
from ..results import FinishClass, InferenceResult, Usage
from ..toolbox import CUT
from ..turns import Block, Kind
from .provider import Hear, unheard
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
        self._hear = hear
        self._inference_id = inference_id
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._parts: list[_Part] = []
        self._open: dict[int, _Part] = {}

    def body(self, data: Any) -> None:
        """Take a whole answer. Raises EngineError when it is an error, or no message."""
        if not isinstance(data, Mapping) or data.get("error") or not isinstance(data.get("content"), list):
            raise refusal(data)
        self._begin(data)
        self.complete = True

    def event(self, name: str, data: Any) -> None:
        """Take one event of the stream; what is not known is let pass."""
        if not isinstance(data, Mapping):
            return
        match data.get("type") or name:
            case "content_block_delta":
                self._more(_count(data.get("index")), _mapping(data.get("delta")))
            case "message_start":
                self._begin(_mapping(data.get("message")))
            case "content_block_start":
                self._open[_count(data.get("index"))] = self._part(data.get("content_block"))
            case "content_block_stop":
                if part := self._open.pop(_count(data.get("index")), None):
                    part.closed = True
            case "message_delta":
                beside = {k: v for k, v in data.items() if k not in ("type", "delta", "usage")}
                self._learn({**_mapping(data.get("delta")), **beside, "usage": data.get("usage")})
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
        news = kept({k: v for k, v in news.items() if k != "content"})
        self._usage |= {k: v for k, v in _mapping(news.get("usage")).items() if v is not None}
        self._message |= {k: v for k, v in news.items() if v is not None and k != "usage"}

    def _part(self, content: Any) -> _Part:
        part = _Part(len(self._parts), dict(_mapping(kept(content))))
        self._parts.append(part)
        self._tell(part, part.text)
        return part

    def _more(self, index: int, delta: Mapping[str, Any]) -> None:
        part = self._open.get(index)
        if part is None:  # its start was lost; text is text all the same
            kind = str(delta.get("type")).removesuffix("_delta")
            if kind not in TEXT_OF:
                return
            part = self._open[index] = self._part({"type": kind, TEXT_OF[kind]: ""})
        self._tell(part, part.add(delta))

    def _tell(self, part: _Part, text: str) -> None:
        """Let the listener hear `text`; of a call, its name with the first."""
        kind = KINDS.get(part.raw.get("type"))
        first = kind is Kind.TOOL_CALL and not part.told
        if kind and (text or first):
            part.told = True
            self._hear(
                Delta(self._inference_id, part.place, str(kind), text, _text(part.raw.get("name")) if first else "")
            )

    def blocks(self) -> tuple[Block, ...]:
        """The blocks as far as they came. One that broke off cannot be sent back, and is no call."""
        id = _text(self._message.get("id"))
        made: list[Block] = []
        for part in self._parts:
            raw = part.whole() if self._is_whole(part) else None
            block = part.broken_off() if raw is None else part.block(raw, cut=self._is_cut(part))
            if block is not None:
                raw = None if "args_raw" in block.payload else raw
                made.append(WIRE.marked(block, raw=raw, response_id=id, index=part.place))
        return tuple(made)

    def _is_whole(self, part: _Part) -> bool:
        return part.closed or self.complete or bool(self._stop_reason)

    def _is_cut(self, part: _Part) -> bool:
        """Whether the token limit may have been reached inside this one: only the last tells nothing of its end."""
        return self._stop_reason in TRUNCATED and part is self._parts[-1]

    def result(self) -> InferenceResult:
        """Who answered, why it ended, what it took; the provider's own numbers in `extra["usage"]`."""
        pending = any(
            part.raw.get("type") == "tool_use" and self._is_whole(part) and not self._is_cut(part)
            for part in self._parts
        )
        beside = {k: v for k, v in self._message.items() if k not in OURS}
        return InferenceResult(
            provider="anthropic",
            model=_text(self._message.get("model")),
            stop_reason=self._stop_reason,
            finish_class=FinishClass.of(self._stop_reason, pending=pending),
            truncated=self._stop_reason in TRUNCATED,
            usage=usage(self._usage) if self._usage else None,
            response_id=_text(self._message.get("id")),
            request_id=_text(self._message.get("request_id")),
            extra=freeze(beside | ({"usage": self._usage} if self._usage else {})),
        )

    @property
    def _stop_reason(self) -> str:
        return _text(self._message.get("stop_reason"))


KINDS: dict[Any, Kind] = {
    "text": Kind.LLM_TEXT,
    "thinking": Kind.REASONING,
    "tool_use": Kind.TOOL_CALL,
}  # these are heard as they come


@dataclass(slots=True)
class _Part:
    """One content block on its way: how it began, and what came after."""

    place: int
    raw: dict[str, Any]
    closed: bool = False
    told: bool = False
    said: list[str] = field(default_factory=list)
    input: list[str] = field(default_factory=list)
    citations: list[Any] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text so far; of a call, its arguments if they came at once."""
        if self.raw.get("type") == "tool_use":
            return "".join(self.input) or (
                json.dumps(self.raw["input"], ensure_ascii=False) if self.raw.get("input") else ""
            )
        return _text(self.raw.get(TEXT_OF.get(self.raw.get("type") or "", ""))) + "".join(self.said)

    def add(self, delta: Mapping[str, Any]) -> str:
        """Take one delta; return the text in it, if it has some."""
        match delta.get("type"):
            case "text_delta" | "thinking_delta" as kind:
                self.said.append(text := _text(delta.get(TEXT_OF[kind.removesuffix("_delta")])))
                return text
            case "input_json_delta":
                self.input.append(text := _text(delta.get("partial_json")))
                return text
            case "signature_delta":
                self.raw["signature"] = kept(delta.get("signature"))
            case "citations_delta":
                self.citations.append(kept(delta.get("citation")))
            case "compaction_delta":
                self.raw |= {k: kept(v) for k, v in delta.items() if k != "type"}
        return ""

    def whole(self) -> FrozenDict:
        """The content block as a body would have it."""
        raw = dict(self.raw)
        if self.said and (name := TEXT_OF.get(raw.get("type") or "")):
            raw[name] = self.text
        if self.citations:
            raw["citations"] = [*(raw.get("citations") or ()), *self.citations]
        if (given := _parsed("".join(self.input))) is not None:
            raw["input"] = given
        whole: FrozenDict = freeze(raw)
        return whole

    def block(self, raw: FrozenDict, *, cut: bool) -> Block:
        """The block of a content block that came to its end; `cut`: at the token limit."""
        block = decoded(raw)
        written = "".join(self.input)
        if written.strip() and not isinstance(_parsed(written), dict):
            beside = {"args": EMPTY, "args_raw": written} if block.kind == "tool_call" else {"partial_json": written}
            block = block.edit(**beside)
        return block.with_metadata(CUT, True) if cut and block.kind == "tool_call" else block

    def broken_off(self) -> Block | None:
        """What was there of a content block when the stream broke; half a call is data, not a call."""
        match self.raw.get("type"):
            case "text":
                return Block(Kind.LLM_TEXT, {"text": self.text}, "assistant") if self.text else None
            case "thinking":
                return Block(Kind.REASONING, {"text": self.text}, "assistant") if self.text else None
            case _:
                return Block(Kind.OTHER, {**self.raw, "partial_json": "".join(self.input)}, "assistant")


def decoded(raw: FrozenDict) -> Block:
    """The block of one content block of the assistant; one we do not know is kept whole in `other`."""
    match raw.get("type"), raw:
        case "text", {"text": str(text)}:
            sources = {"citations": raw["citations"]} if raw.get("citations") else {}
            return Block(Kind.LLM_TEXT, {"text": text, **sources}, "assistant")
        case "thinking", {"thinking": str(text)}:
            signature = {"signature": raw["signature"]} if raw.get("signature") else {}
            return Block(Kind.REASONING, {"text": text, **signature}, "assistant")
        case "redacted_thinking", {"data": str(data)}:
            return Block(Kind.REASONING, {"text": "", "data": data}, "assistant")
        case "tool_use", {"name": str(name)}:
            return Block(Kind.TOOL_CALL, {"id": _text(raw.get("id")), "name": name, "args": raw.get("input") or EMPTY})
    return Block(Kind.OTHER, raw, "assistant")


def usage(raw: Mapping[str, Any]) -> Usage:
    """Anthropic's counts in ours: its `input_tokens` leaves out what was read from and written to the cache."""
    read, written = _count(raw.get("cache_read_input_tokens")), _count(raw.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=_count(raw.get("input_tokens")) + read + written,
        output_tokens=_count(raw.get("output_tokens")),
        cached_tokens=read,
        cache_creation_input_tokens=written,
        reasoning_tokens=_count(_mapping(raw.get("output_tokens_details")).get("thinking_tokens")),
    )


def refusal(data: Any) -> EngineError:
    """The error that Anthropic's error body or event describes; `kind` is its own word."""
    data = _mapping(data)
    said = data.get("error")
    error = said if isinstance(said, Mapping) else {"message": said}
    kind = _text(error.get("type")) or ("error" if said else "bad_response")
    other = f"this is no message of Claude's, but an object of {', '.join(map(str, data)) or 'nothing'}"
    return EngineError(
        _text(error.get("message")) or (kind if said else other), kind=kind, request_id=_text(data.get("request_id"))
    )


def kept(value: Any) -> Any:
    """A part of an answer, frozen. Raises EngineError for one nobody could keep, nested without end."""
    try:
        return freeze(value)
    except TypeError as error:
        raise EngineError(str(error), kind="bad_response") from None


def _parsed(text: str) -> Any:
    """The arguments as written; None when there are none, or they are no JSON."""
    try:
        return freeze(json.loads(text, parse_constant=_no_json))
    except (ValueError, RecursionError, TypeError):
        return None


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else EMPTY


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
