"""One answer of Gemini, put together from the chunks of its stream or from its body.

Facts: Google's generateContent reference (v1beta) and its page on thought signatures.
A chunk is a whole response that holds the new parts only, so one answer written in
both ways gives equal blocks. Google reads both spellings of a name, and so do we.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import EngineError
from ...runtime.toolbox import CUT
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.inference_results import FinishClass, InferenceResult, Usage
from ...values.turns import Block
from ..json_access import count_of, frozen_part, mapping_of, mappings_of, text_of
from ..provider import DeltaListener, delta, discard_event
from .parts import ORIGINALS, PLAIN, Part, camel, field_of

ANSWER = frozenset({"candidates", "promptFeedback", "usageMetadata"})  # one of these makes it an answer
USUAL = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "content", "finishReason", "index"})
JOINED = frozenset({"logprobsResult", "citationMetadata"})  # lists that go on from chunk to chunk
NUMBERED = ("", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")  # Vertex may write an enum's number
BLOCKED = ("", "SAFETY", "OTHER")
PROMPT = "PROMPT_"  # what blocked the prompt and not the answer is told apart by this


class Reply:
    """A reply of Gemini under construction. Raises EngineError for an error in the stream and for an early end."""

    def __init__(self, on_delta: DeltaListener = discard_event, inference_id: str = "") -> None:
        self.complete = False
        self._on_delta = None if on_delta is discard_event else on_delta
        self._inference_id = inference_id
        self._id: Any = ""
        self._model: Any = ""
        self._reason = ""
        self._known: dict[str, Any] = {}
        self._usage: Any = EMPTY_DICT
        self._others: dict[int, dict[str, Any]] = {}
        self._parts: list[Part] = []

    def body(self, data: Any) -> None:
        """Take a whole answer, or the list of chunks a stream without `alt=sse` is.

        Raises EngineError when it is an error, no answer, or a list that broke off.
        """
        candidates = isinstance(data, list)
        for chunk in data if candidates and data else (data,):
            if (
                not isinstance(chunk, dict)
                or chunk.get("error")
                or all(field_of(chunk, name) is None for name in ANSWER)
            ):
                raise error_of(chunk)
            self._take(chunk, streamed=candidates)
        if candidates:
            self.end()
        self.complete = True

    def event(self, name: str, data: Any) -> None:  # noqa: ARG002 - Gemini's events have no names
        """Take one chunk of the stream; what is not known is let pass."""
        for chunk in data if isinstance(data, list) else (data,):
            if isinstance(chunk, dict):
                if chunk.get("error"):
                    raise error_of(chunk)
                self._take(chunk, streamed=True)

    def end(self) -> None:
        """Finish at the end of the stream. Raises EngineError when the reply is not complete.

        A finish reason alone is no end: some models write one into every chunk.
        """
        if not self._stop_reason:
            raise EngineError("the stream ended before its finish reason", kind="stream_cut")
        self.complete = True

    def _take(self, chunk: Mapping[str, Any], *, streamed: bool) -> None:
        candidates = chunk.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict):
                self._choose(candidate, streamed=streamed)
        if not chunk.keys() <= USUAL:
            chunk = self._learn(chunk)
        self._usage = chunk.get("usageMetadata") or self._usage  # the last counts them all, and may leave a name out
        self._model = chunk.get("modelVersion") or self._model
        self._id = chunk.get("responseId") or self._id

    def _choose(self, candidate: Mapping[str, Any], *, streamed: bool) -> None:
        """Take the first candidate as the answer and keep the others in `extra`."""
        if place := count_of(candidate.get("index")):
            _add(self._others.setdefault(place, {}), frozen_part(candidate))
            return
        joins = streamed  # only the first part of a chunk can go on with what the one before had begun
        for raw in _parts(candidate):
            if isinstance(raw, dict):
                self._part(raw, streamed=streamed, joins=joins)
            joins = False
        if not candidate.keys() <= USUAL:
            candidate = self._learn(candidate)
        if reason := candidate.get("finishReason"):
            self._reason = _enum_name(reason, NUMBERED) or self._reason

    def _learn(self, news: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep what stands beside the parts; an empty value does not undo a full one. Return it in Google's spelling."""
        news = {camel(name): value for name, value in news.items()}
        for name in news.keys() - USUAL:
            if news[name] not in (None, {}, []):
                known_value, value = self._known.get(name), frozen_part(news[name])
                self._known[name] = _longer(known_value, value, name) if name in JOINED else value
        return news

    def _part(self, raw: Mapping[str, Any], *, streamed: bool, joins: bool) -> None:
        text = raw.get("text")
        last = self._parts[-1] if self._parts else None
        grows = streamed and isinstance(text, str) and raw.keys() <= PLAIN
        if grows and not text:  # it only carries the finish reason
            return
        if (
            grows
            and text
            and joins
            and last is not None
            and last.grows
            and last.raw.get("thought") == raw.get("thought")
        ):
            last.more.append(text)
            self._tell(last, text)
            return
        call = field_of(raw, "functionCall")
        if isinstance(call, dict) and last is not None and last.arguments is not None and last.arguments.open:
            self._tell(last, last.go_on(frozen_part(raw)))
            return
        part = Part(len(self._parts), frozen_part(raw), grows)
        self._parts.append(part)
        self._tell(part, part.text, part.name)

    def _tell(self, part: Part, text: str, name: str = "") -> None:
        if self._on_delta is not None and (text or name) and part.kind != "other":
            self._on_delta(delta(self._inference_id, part.place, part.kind, text, name))

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks so far. An incomplete one cannot be sent back, and is not a call."""
        blocks: list[Block] = []
        is_over, response_id = self._is_over, text_of(self._id)
        for part in self._parts:
            raw = part.whole()
            block = part.block(raw, over=is_over)
            if self._is_cut(part):
                block = block.with_metadata(CUT, True)
            whole = not part.broken and (is_over or part is not self._parts[-1] or not part.grows)
            blocks.append(
                ORIGINALS.attach(block, raw=raw if whole else None, response_id=response_id, index=part.place)
            )
        return tuple(blocks)

    def _is_cut(self, part: Part) -> bool:
        """Tell whether the token limit may have cut this call: only the last one may be cut."""
        return self._truncated and part.kind == "tool_call" and part is self._parts[-1]

    def result(self) -> InferenceResult:
        """Return model, stop reason and usage; the provider's own counts are in `extra["usage"]`."""
        over = self._is_over
        calls = (part for part in self._parts if part.kind == "tool_call" and (over or not part.broken))
        pending = not all(map(self._is_cut, calls))
        reason = self._stop_reason
        counts = _harmless(mapping_of(self._usage))
        return InferenceResult(
            provider="gemini",
            model=text_of(self._model),
            stop_reason=reason,
            finish_class=_finish_class(reason, pending=pending),
            truncated=self._truncated,
            usage=usage(counts) if counts else None,
            response_id=text_of(self._id),
            extra=freeze(
                self._known
                | ({"usage": counts} if counts else {})
                | ({"candidates": list(self._others.values())} if self._others else {})
            ),
        )

    @property
    def _stop_reason(self) -> str:
        if self._reason:
            return self._reason
        blocked = field_of(mapping_of(self._known.get("promptFeedback")), "blockReason")
        return PROMPT + _enum_name(blocked, BLOCKED) if blocked else ""

    @property
    def _is_over(self) -> bool:
        return self.complete or bool(self._stop_reason)

    @property
    def _truncated(self) -> bool:
        return self._reason == "MAX_TOKENS"


def usage(raw: Mapping[str, Any]) -> Usage:
    """Return Gemini's counts as Usage; the input of its tools is input, and thoughts are output."""
    thoughts = count_of(field_of(raw, "thoughtsTokenCount"))
    return Usage(
        input_tokens=count_of(field_of(raw, "promptTokenCount")) + count_of(field_of(raw, "toolUsePromptTokenCount")),
        output_tokens=count_of(field_of(raw, "candidatesTokenCount")) + thoughts,
        cached_tokens=count_of(field_of(raw, "cachedContentTokenCount")),
        reasoning_tokens=thoughts,
    )


def error_of(data: Any) -> EngineError:
    """Return the error of an error body or event; `kind` is Google's status, like RESOURCE_EXHAUSTED."""
    data = mapping_of(data[0] if isinstance(data, list) and data else data)
    error_data = data.get("error")
    error = error_data if isinstance(error_data, Mapping) else {"message": error_data}
    kind = text_of(error.get("status")) or ("error" if error_data else "bad_response")
    description = f"expected a response of Gemini's, got an object with {', '.join(map(str, data)) or 'no fields'}"
    code, details = count_of(error.get("code")), error.get("details")
    waits = [_seconds(field_of(detail, "retryDelay")) for detail in mappings_of(details)]
    return EngineError(
        text_of(error.get("message")) or (kind if error_data else description),
        kind=kind,
        status=code if 400 <= code < 600 else None,
        retry_after=next((wait for wait in waits if wait is not None), None),
    )


def _harmless(value: Mapping[str, Any]) -> FrozenDict:
    """Return counts, frozen; an empty object where they are nested too deeply."""
    try:
        frozen: FrozenDict = freeze(value)
    except TypeError:
        return EMPTY_DICT
    return frozen


def _parts(candidate: Mapping[str, Any]) -> Iterable[Any]:
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    return parts if isinstance(parts, list) else ()


def _add(candidate_data: dict[str, Any], candidate: Mapping[str, Any]) -> None:
    """Add one more chunk to a candidate, as Google wrote it."""
    parts = [*_parts(candidate_data), *_parts(candidate)]
    candidate_data |= candidate
    if parts:
        candidate_data["content"] = {**mapping_of(candidate.get("content")), "parts": parts}


def _longer(known_value: Any, more_values: Any, name: str) -> Any:
    """Join two chunks of the same lists; a chunk of citations may repeat the earlier ones, one of tokens does not."""
    if isinstance(known_value, Mapping) and isinstance(more_values, Mapping):
        joined = {field: _longer(known_value.get(field), value, name) for field, value in more_values.items()}
        return freeze({**known_value, **joined})
    if not isinstance(known_value, list) or not isinstance(more_values, list):
        return more_values
    is_repeated = name == "citationMetadata" and more_values[: len(known_value)] == known_value
    return more_values if is_repeated else freeze([*known_value, *more_values])


def _enum_name(value: Any, names: tuple[str, ...]) -> str:
    """Return the name of an enum value, which Vertex may write as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else str(value)
    return text_of(value)


def _finish_class(reason: str, *, pending: bool) -> FinishClass:
    if pending:
        return FinishClass.TOOL_CALLS_PENDING
    if reason.startswith(PROMPT):
        return FinishClass.FILTERED
    return FinishClass.ERROR if reason == "OTHER" else FinishClass.of(reason)


def _seconds(delay: Any) -> float | None:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", delay) if isinstance(delay, str) else None
    return float(match[1]) if match else None
