"""One answer of OpenAI's Responses API, put together from the events of its stream or from its body.

Facts: OpenAI's Responses reference and its streaming page. Plain dicts in, one Block for
each output item; an answer written in both ways gives equal blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import EngineError
from ...runtime.toolbox import CUT
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.images import normal_image
from ...values.inference_results import FinishClass, InferenceResult, Usage
from ...values.turns import Block, Kind
from ..json_access import cost_of, count_of, frozen_part, json_of, mapping_of, mappings_of, text_of
from ..provider import Hear, delta, discard_event
from ..transports.openai_client import error_of
from ..verbatim import Wire

WIRE = Wire("openai_responses")
DELTAS = {  # event → type of its item, and what the text is there
    "response.output_text.delta": ("message", "output_text"),
    "response.refusal.delta": ("message", "refusal"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary_text"),
    "response.reasoning_text.delta": ("reasoning", "reasoning_text"),
    "response.function_call_arguments.delta": ("function_call", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "input"),
    "response.mcp_call_arguments.delta": ("mcp_call", "arguments"),
    "response.code_interpreter_call_code.delta": ("code_interpreter_call", "code"),
}
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}  # what is asked of us, and where it says how
KINDS = {"message": "llm_text", "reasoning": "reasoning", **dict.fromkeys(CALLS, "tool_call")}
TEXTS = frozenset({"output_text", "input_text", "text"})
LISTS = {"output_text": "content", "refusal": "content", "reasoning_text": "content", "summary_text": "summary"}
ENDS = frozenset({"response.completed", "response.incomplete", "response.cancelled", "response.failed"})
TRUNCATED = frozenset({"incomplete:max_output_tokens", "incomplete:max_tokens"})
ENDED = (None, "completed", "incomplete", "failed")  # of an item; one without a status came at once
AT_WORK = frozenset({"queued", "in_progress"})  # of a response in the background, which is asked for again
OURS = frozenset({"id", "object", "model", "status", "usage", "error"})
UNKEPT = {  # the items, and what an answer only says again of its request; a block need not carry its tools
    *("output", "background", "frequency_penalty", "instructions", "max_output_tokens", "max_tool_calls"),
    *("metadata", "parallel_tool_calls", "presence_penalty", "prompt", "prompt_cache_key", "prompt_cache_retention"),
    *("safety_identifier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p"),
    *("truncation", "user"),
}


class Reply:
    """What the model has said so far. Raises EngineError for an error, a failed response, an early end."""

    def __init__(self, hear: Hear = discard_event, inference_id: str = "") -> None:
        self.complete = False
        self._hear = None if hear is discard_event else hear
        self._inference_id = inference_id
        self._response: dict[str, Any] = {}
        self._parts: dict[int, _Part] = {}

    def body(self, data: Any) -> None:
        """Take a whole answer. Raises EngineError when it is an error, or no response."""
        if not isinstance(data, Mapping) or not isinstance(data.get("output"), list):
            raise error_of(data)
        self._end_with(data)

    def event(self, name: str, data: Any) -> None:
        """Take one event of the stream; what is not known is let pass."""
        if not isinstance(data, dict):
            return
        kind = text_of(data.get("type")) or name
        if (known := DELTAS.get(kind)) is not None:
            self._more(known, data)
            return
        match kind:
            case "response.output_item.added" | "response.output_item.done" if isinstance(data.get("item"), dict):
                self._item(count_of(data.get("output_index")), data["item"], done=kind.endswith("done"))
            case "response.output_text.annotation.added":
                if part := self._parts.get(count_of(data.get("output_index"))):
                    part.annotations.append((count_of(data.get("content_index")), frozen_part(data.get("annotation"))))
            case "error":
                raise error_of(data)
            case "" if data.get("error"):  # some servers say no more than that
                raise error_of(data)
            case _ if isinstance(data.get("response"), dict):
                if kind in ENDS:
                    self._end_with(data["response"])
                elif not self._response:  # those before the end say all of it again, for a new status at most
                    self._learn(data["response"])

    def end(self) -> None:
        """Finish at the end of the stream. Raises EngineError, because the last event completes a reply."""
        raise EngineError("the stream ended before response.completed", kind="stream_cut")

    def _end_with(self, response: Mapping[str, Any]) -> None:
        """Take the whole response; its items are the last word, where it has them."""
        self._learn(response)
        items = response.get("output")
        items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        if len(items) >= sum(part.closed for part in self._parts.values()):
            self._parts = {place: part for place, part in self._parts.items() if place < len(items) or not items}
            at_work = self._response.get("status") in AT_WORK
            for place, item in enumerate(items):
                self._item(place, item, done=not at_work or item.get("status") in ENDED)
        if response.get("error") or response.get("status") == "failed":
            raise error_of({"error": response.get("error") or {"message": "the response failed", "code": "failed"}})
        self.complete = True

    def _learn(self, response: Mapping[str, Any]) -> None:
        news = {k: v for k, v in response.items() if k not in UNKEPT and v is not None and v not in ("", [], {})}
        self._response |= frozen_part(news)

    def _item(self, place: int, item: Mapping[str, Any], *, done: bool) -> None:
        part = self._parts.get(place)
        if part is None:
            part = self._parts[place] = _Part(place)
        elif part.closed and (not done or part.raw == item):
            return
        part.take(frozen_part(item))
        part.closed = done
        self._tell(part, part.text if done and not part.heard else "")

    def _more(self, known: tuple[str, str], data: Mapping[str, Any]) -> None:
        place, text = data.get("output_index"), data.get("delta")
        place = place if type(place) is int else 0
        part = self._parts.get(place)
        if part is None:  # its beginning was lost; text is text all the same
            part = self._parts[place] = _Part(place)
            part.take(freeze({"type": known[0], "id": text_of(data.get("item_id"))}))
        if part.closed or not isinstance(text, str):
            return
        what = known[1]
        at = count_of(data.get("content_index") or data.get("summary_index"))
        if (what, at) != part.last:
            part.last = what, at
            part.pieces = part.said.setdefault(part.last, [])
        part.pieces.append(text)
        if text and what != "refusal" and self._hear is not None and part.kind:
            if part.heard:
                self._hear(delta(self._inference_id, place, part.kind, text))
            else:
                self._tell(part, text)

    def _tell(self, part: _Part, text: str) -> None:
        """Let the listener hear the first of an item; of a call, its name with it."""
        call = part.kind == "tool_call" and not part.named
        if self._hear is not None and part.kind and (text or call):
            name = text_of(part.raw.get("name")) if call else ""
            part.named, part.heard = True, bool(text)
            self._hear(delta(self._inference_id, part.place, part.kind, text, name))

    def blocks(self) -> tuple[Block, ...]:
        """The blocks as far as they came. One that broke off cannot be sent back, and is no call."""
        id = text_of(self._response.get("id"))
        made: list[Block] = []
        for part in self._in_order():
            if self._is_whole(part):
                raw = part.whole()
                block = decoded(raw)
                if block.kind == "tool_call" and self._is_cut(part):
                    block = block.with_metadata(CUT, True)
                made.append(WIRE.marked(block, raw=raw, response_id=id, index=part.place))
            elif (half := part.broken_off()) is not None:
                made.append(WIRE.marked(half, response_id=id, index=part.place))
        return tuple(made)

    def _in_order(self) -> Iterator[_Part]:
        return (self._parts[place] for place in sorted(self._parts))

    def _is_whole(self, part: _Part) -> bool:
        """Whether its last word has come; a call of which nothing came is none, even in an answer that did end."""
        over = self.complete and self._response.get("status") not in AT_WORK
        return part.closed or (over and (part.raw.get("type") not in CALLS or bool(part.said)))

    def _is_cut(self, part: _Part) -> bool:
        """Whether the token limit was reached inside this call; only the last may leave it unsaid."""
        status = part.raw.get("status")
        unsaid = status != "completed" and part.place == max(self._parts)
        return status == "incomplete" or (unsaid and self._stop_reason in TRUNCATED)

    def result(self) -> InferenceResult:
        """Who answered, why it ended, what it took; the provider's own numbers in `extra["usage"]`."""
        counts = mapping_of(self._response.get("usage"))
        beside = {k: v for k, v in self._response.items() if k not in OURS}
        return InferenceResult(
            provider="openai",
            model=text_of(self._response.get("model")),
            stop_reason=self._stop_reason,
            finish_class=self._finish_class(),
            truncated=self._stop_reason in TRUNCATED,
            usage=usage(counts) if counts else None,
            cost=cost_of(counts),
            response_id=text_of(self._response.get("id")),
            extra=freeze(beside | ({"usage": counts} if counts else {})),
        )

    def _finish_class(self) -> FinishClass:
        whole = [part for part in self._in_order() if self._is_whole(part)]
        if any(part.raw.get("type") in CALLS and not self._is_cut(part) for part in whole):
            return FinishClass.TOOL_CALLS_PENDING
        if any(one.get("type") == "refusal" for part in whole for one in mappings_of(part.whole().get("content"))):
            return FinishClass.REFUSED
        if self.complete and not self._stop_reason:
            return FinishClass.COMPLETED
        return FinishClass.of(self._stop_reason)

    @property
    def _stop_reason(self) -> str:
        """Its status, and what made it incomplete: "completed", "incomplete:max_output_tokens"."""
        reason = text_of(mapping_of(self._response.get("incomplete_details")).get("reason"))
        return ":".join(filter(None, (text_of(self._response.get("status")), reason)))


@dataclass(slots=True)
class _Part:
    """One output item on its way: how it began, and what came after."""

    place: int
    raw: FrozenDict = EMPTY_DICT
    closed: bool = False
    named: bool = False
    heard: bool = False
    kind: str = ""  # of its block, for one that is heard as it comes
    said: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    last: tuple[str, int] | None = None  # which of `said` grew last
    pieces: list[str] = field(default_factory=list)
    annotations: list[tuple[int, Any]] = field(default_factory=list)

    def take(self, raw: FrozenDict) -> None:
        """Take the item as it is now."""
        self.raw = raw
        self.kind = KINDS.get(text_of(raw.get("type")), "")

    @property
    def text(self) -> str:
        """What is to be heard of an item that came whole."""
        if name := CALLS.get(text_of(self.raw.get("type"))):
            return text_of(self.raw.get(name))
        return decoded(self.raw).text

    def whole(self) -> FrozenDict:
        """The item as a body would have it."""
        if self.closed:
            return self.raw
        raw, lists = dict(self.raw), dict[str, list[Any]]()
        for (what, at), pieces in sorted(self.said.items(), key=lambda one: one[0][1]):
            if name := LISTS.get(what):
                lists.setdefault(name, []).append(self._content(what, at, "".join(pieces)))
            else:
                raw[what] = "".join(pieces)
        whole: FrozenDict = freeze(raw | lists)
        return whole

    def _content(self, what: str, at: int, text: str) -> dict[str, Any]:
        """One part of a message or a thought."""
        sources = {"annotations": [one for place, one in self.annotations if place == at]}
        return {
            "type": what,
            "refusal" if what == "refusal" else "text": text,
            **(sources if what == "output_text" else {}),
        }

    def broken_off(self) -> Block | None:
        """What was there of an item when the stream broke; half a call is data, not a call."""
        whole = self.whole()
        match whole.get("type"):
            case "message" | "reasoning" as type:
                text, refused = (block := decoded(whole)).text, block.payload.get("refusal")
                said = {"text": text, **({"refusal": refused} if refused else {})}
                return Block(KINDS[type], said, "assistant") if text or refused else None
            case _:
                partial = "".join(piece for pieces in self.said.values() for piece in pieces)
                return Block(Kind.OTHER, {**self.raw, "partial_json": partial}, "assistant")


def decoded(item: FrozenDict) -> Block:
    """The block of one item, of an answer or of a request; one we do not know is kept whole in `other`."""
    named = {"item_id": item["id"]} if text_of(item.get("id")) else {}
    match item.get("type") or ("message" if "role" in item else ""), item:
        case "message", _:
            return _message(item, named)
        case "reasoning", _:
            parts = (*mappings_of(item.get("summary")), *mappings_of(item.get("content")))
            own = {name: item[name] for name in ("summary", "encrypted_content") if item.get(name)}
            return Block(
                Kind.REASONING, {"text": "".join(text_of(p.get("text")) for p in parts), **own, **named}, "assistant"
            )
        case "function_call", {"name": str(name)}:
            said = arguments(text_of(item.get("arguments")))
            return Block(Kind.TOOL_CALL, {"id": text_of(item.get("call_id")), "name": name, **said, **named})
        case "custom_tool_call", {"name": str(name)}:
            said = {"args": {"input": text_of(item.get("input"))}}
            return Block(Kind.TOOL_CALL, {"id": text_of(item.get("call_id")), "name": name, **said, **named})
        case "function_call_output" | "custom_tool_call_output", {"call_id": str(id)}:
            return Block(Kind.TOOL_USE, {"id": id, "result": item.get("output"), "error": ""})
        case str(type), _ if type.endswith(("_output", "_response")):
            return Block(Kind.OTHER, item, "user")
    return Block(Kind.OTHER, item, "assistant")


def _message(item: FrozenDict, named: Mapping[str, Any]) -> Block:
    """A message of any role: its text, and beside it what else it consists of."""
    role, content = text_of(item.get("role")), item.get("content")
    parts = [FrozenDict(type="text", text=content)] if isinstance(content, str) else mappings_of(content)
    beside: dict[str, list[Any]] = {"annotations": [], "refusal": [], "images": [], "media": []}
    for part in parts:
        type = part.get("type")
        beside["annotations"] += mappings_of(part.get("annotations"))
        if type == "refusal":
            beside["refusal"].append(text_of(part.get("refusal")))
        elif type == "input_image" and (image := _seen(part)):
            beside["images"].append(image)
        elif type not in TEXTS:
            beside["media"].append(part)
    text = "".join(text_of(part.get("text")) for part in parts if part.get("type") in TEXTS)
    said = {"text": text} | {name: those for name, those in beside.items() if those}
    if beside["refusal"]:
        said["refusal"] = "".join(beside["refusal"])
    if role in ("system", "developer"):
        return Block(Kind.SYSTEM, said, role)
    return Block(Kind.USER, said, "user") if role == "user" else Block(Kind.LLM_TEXT, {**said, **named}, "assistant")


def _seen(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    given = {"url": part.get("image_url"), "file_id": part.get("file_id"), "detail": part.get("detail")}
    try:
        return normal_image({name: value for name, value in given.items() if isinstance(value, str)})
    except ValueError:
        return None


def arguments(written: str) -> dict[str, Any]:
    """The arguments of a call; those that are no JSON object stay as they were written."""
    args = json_of(written) if written.strip() else EMPTY_DICT
    return {"args": args} if isinstance(args, dict) else {"args": EMPTY_DICT, "args_raw": written}


def usage(raw: Mapping[str, Any]) -> Usage:
    """OpenAI's counts are ours: its input includes the cache, its output the reasoning."""
    read, wrote = mapping_of(raw.get("input_tokens_details")), mapping_of(raw.get("output_tokens_details"))
    return Usage(
        input_tokens=count_of(raw.get("input_tokens")),
        output_tokens=count_of(raw.get("output_tokens")),
        cached_tokens=count_of(read.get("cached_tokens")),
        cache_creation_input_tokens=count_of(read.get("cache_write_tokens")),
        reasoning_tokens=count_of(wrote.get("reasoning_tokens")),
    )
