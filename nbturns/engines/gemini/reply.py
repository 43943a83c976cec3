"""One reply of Gemini, built from the chunks of its stream or from its body.

Facts: Google's generateContent reference (v1beta) and its page on thought signatures. A chunk is
a whole response with the new parts only, so that a body and a stream of the same reply give equal
blocks. Google accepts camel and snake case, and so does this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import EngineError
from ...runtime.toolbox import CUT
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.inference_results import FinishClass, InferenceResult, Usage
from ...values.price_tables import SEARCH_FEES
from ...values.turns import Block
from ..json_access import count_of, detail_of, frozen_part, mapping_of, mappings_of, text_of
from ..provider import DeltaListener, delta, discard_event, without_secrets
from .parts import ORIGINALS, PLAIN, Part, camel_case, field_of

REPLY_FIELDS = frozenset({"candidates", "promptFeedback", "usageMetadata"})  # a reply has one of these
KNOWN_FIELDS = frozenset(
    {"candidates", "usageMetadata", "modelVersion", "responseId", "content", "finishReason", "index"}
)
QUERY_FEE, ANSWER_FEE = 0.014, 0.035  # USD, from Google's page on pricing
OLD_MODEL = re.compile(r"gemini-(?:[a-z]+-)*[12]\b")
LIST_FIELDS = frozenset({"logprobsResult", "citationMetadata"})  # lists that continue from chunk to chunk
FINISH_REASONS = ("", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")  # Vertex may write an enum's number
BLOCK_REASONS = ("", "SAFETY", "OTHER")
PROMPT_PREFIX = "PROMPT_"  # of reasons that blocked the prompt instead of the reply


class Reply:
    """A reply of Gemini under construction. Raises EngineError for an error in the stream and for an early end."""

    complete: bool

    def __init__(self, on_delta: DeltaListener = discard_event, inference_id: str = "") -> None:
        self.complete = False
        self._on_delta = None if on_delta is discard_event else on_delta
        self._inference_id = inference_id
        self._response_id: Any = ""
        self._model_name: Any = ""
        self._finish_reason = ""
        self._extra_fields: dict[str, Any] = {}
        self._usage_counts: Any = EMPTY_DICT
        self._other_candidates: dict[int, dict[str, Any]] = {}
        self._parts: list[Part] = []

    def body(self, data: Any) -> None:
        """Take a whole reply, or the list of chunks that a stream without `alt=sse` is.

        Raises EngineError when it is an error, not a reply, or an incomplete list.
        """
        is_chunk_list = isinstance(data, list)
        for chunk in data if is_chunk_list and data else (data,):
            if (
                not isinstance(chunk, dict)
                or chunk.get("error")
                or all(field_of(chunk, name) is None for name in REPLY_FIELDS)
            ):
                raise error_of(chunk)
            self._take_chunk(chunk, streamed=is_chunk_list)
        if is_chunk_list:
            self.end()
        self.complete = True

    def event(self, name: str, data: Any) -> None:  # noqa: ARG002 - Gemini's events have no names
        """Take one chunk of the stream; unknown events are ignored."""
        for chunk in data if isinstance(data, list) else (data,):
            if isinstance(chunk, dict):
                if chunk.get("error") or ("candidates" not in chunk and detail_of(chunk)):
                    raise error_of(chunk)
                self._take_chunk(chunk, streamed=True)

    def end(self) -> None:
        """Finish at the end of the stream. Raises EngineError when the reply is not complete.

        A finish reason does not end the stream: some models write one into every chunk.
        """
        if not self._stop_reason:
            raise EngineError("the stream ended before its finish reason", kind="stream_cut")
        self.complete = True

    def _take_chunk(self, chunk: Mapping[str, Any], *, streamed: bool) -> None:
        candidates = chunk.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict):
                self._take_candidate(candidate, streamed=streamed)
        if not chunk.keys() <= KNOWN_FIELDS:
            chunk = self._merge_fields(chunk)
        self._usage_counts = (
            chunk.get("usageMetadata") or self._usage_counts
        )  # the last counts include the earlier ones, and may lack a field
        self._model_name = chunk.get("modelVersion") or self._model_name
        self._response_id = chunk.get("responseId") or self._response_id

    def _take_candidate(self, candidate: Mapping[str, Any], *, streamed: bool) -> None:
        """Take the first candidate as the answer and keep the others in `extra`."""
        if candidate_index := count_of(candidate.get("index")):
            _append_chunk(self._other_candidates.setdefault(candidate_index, {}), frozen_part(candidate))
            return
        may_join = streamed  # only the first part of a chunk can continue the last part
        for raw_part in _raw_parts(candidate):
            if isinstance(raw_part, dict):
                self._take_part(raw_part, streamed=streamed, may_join=may_join)
            may_join = False
        if not candidate.keys() <= KNOWN_FIELDS:
            candidate = self._merge_fields(candidate)
        if finish_reason := candidate.get("finishReason"):
            self._finish_reason = _enum_name(finish_reason, FINISH_REASONS) or self._finish_reason

    def _merge_fields(self, new_fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep fields outside the parts, except empty ones. Return all fields in camel case."""
        new_fields = {camel_case(name): value for name, value in new_fields.items()}
        for name in new_fields.keys() - KNOWN_FIELDS:
            if new_fields[name] not in (None, {}, []):
                known_value, value = self._extra_fields.get(name), frozen_part(new_fields[name])
                self._extra_fields[name] = _join_lists(known_value, value, name) if name in LIST_FIELDS else value
        return new_fields

    def _take_part(self, raw_part: Mapping[str, Any], *, streamed: bool, may_join: bool) -> None:
        """Append a part, or its text or arguments to the last part."""
        text = raw_part.get("text")
        last_part = self._parts[-1] if self._parts else None
        can_grow = streamed and isinstance(text, str) and raw_part.keys() <= PLAIN
        if can_grow and not text:  # a carrier of the finish reason
            return
        if (
            can_grow
            and text
            and may_join
            and last_part is not None
            and last_part.can_grow
            and last_part.raw_part.get("thought") == raw_part.get("thought")
        ):
            last_part.later_texts.append(text)
            self._emit_delta(last_part, text)
            return
        function_call = field_of(raw_part, "functionCall")
        if (
            isinstance(function_call, dict)
            and last_part is not None
            and last_part.arguments is not None
            and last_part.arguments.will_continue
        ):
            self._emit_delta(last_part, last_part.take_arguments(frozen_part(raw_part)))
            return
        new_part = Part(len(self._parts), frozen_part(raw_part), can_grow)
        self._parts.append(new_part)
        self._emit_delta(new_part, new_part.text, new_part.tool_name)

    def _emit_delta(self, part: Part, text: str, tool_name: str = "") -> None:
        if self._on_delta is not None and (text or tool_name) and part.kind != "other":
            self._on_delta(delta(self._inference_id, part.part_index, part.kind, text, tool_name))

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks so far. An incomplete one cannot be sent back, and is not a call."""
        blocks: list[Block] = []
        is_over, response_id = self._is_over, text_of(self._response_id)
        for part in self._parts:
            raw_part = part.complete_part()
            block = part.block(raw_part, is_over=is_over)
            if self._is_truncated_call(part):
                block = block.with_metadata(CUT, True)
            is_sendable = not part.is_incomplete and (is_over or part is not self._parts[-1] or not part.can_grow)
            blocks.append(
                ORIGINALS.attach(
                    block, raw=raw_part if is_sendable else None, response_id=response_id, index=part.part_index
                )
            )
        return tuple(blocks)

    def _is_truncated_call(self, part: Part) -> bool:
        """Tell whether the token limit may have cut this call: only the last one may be cut."""
        return self._is_truncated and part.kind == "tool_call" and part is self._parts[-1]

    def result(self) -> InferenceResult:
        """Return model, stop reason and usage; the provider's own counts are in `extra["usage"]`."""
        is_over = self._is_over
        tool_calls = (part for part in self._parts if part.kind == "tool_call" and (is_over or not part.is_incomplete))
        has_pending_calls = not all(map(self._is_truncated_call, tool_calls))
        stop_reason = self._stop_reason
        usage_counts = _frozen_counts(mapping_of(self._usage_counts))
        return InferenceResult(
            provider="gemini",
            model=text_of(self._model_name),
            stop_reason=stop_reason,
            finish_class=_finish_class(stop_reason, pending=has_pending_calls),
            truncated=self._is_truncated,
            usage=usage_of_counts(usage_counts) if usage_counts else None,
            response_id=text_of(self._response_id),
            extra=freeze(
                self._extra_fields
                | self._search_fees()
                | ({"usage": usage_counts} if usage_counts else {})
                | ({"candidates": list(self._other_candidates.values())} if self._other_candidates else {})
            ),
        )

    def _search_fees(self) -> dict[str, float]:
        """Return the USD for searches: for each query since version 3, once for a grounded answer before."""
        grounding = mapping_of(self._extra_fields.get("groundingMetadata"))
        queries = grounding.get("webSearchQueries")
        unique_queries = {query for query in queries if text_of(query)} if isinstance(queries, list) else set()
        fees = QUERY_FEE * len(unique_queries)
        if OLD_MODEL.search(text_of(self._model_name)):
            fees = ANSWER_FEE if grounding.get("groundingChunks") else 0.0
        return {SEARCH_FEES: fees} if fees else {}

    @property
    def _stop_reason(self) -> str:
        if self._finish_reason:
            return self._finish_reason
        block_reason = field_of(mapping_of(self._extra_fields.get("promptFeedback")), "blockReason")
        return PROMPT_PREFIX + _enum_name(block_reason, BLOCK_REASONS) if block_reason else ""

    @property
    def _is_over(self) -> bool:
        return self.complete or bool(self._stop_reason)

    @property
    def _is_truncated(self) -> bool:
        return self._finish_reason == "MAX_TOKENS"


def usage_of_counts(usage_counts: Mapping[str, Any]) -> Usage:
    """Return Gemini's counts as Usage; the input of its tools is input, and thoughts are output."""
    reasoning_tokens = count_of(field_of(usage_counts, "thoughtsTokenCount"))
    return Usage(
        input_tokens=count_of(field_of(usage_counts, "promptTokenCount"))
        + count_of(field_of(usage_counts, "toolUsePromptTokenCount")),
        output_tokens=count_of(field_of(usage_counts, "candidatesTokenCount")) + reasoning_tokens,
        cached_tokens=count_of(field_of(usage_counts, "cachedContentTokenCount")),
        reasoning_tokens=reasoning_tokens,
    )


def error_of(data: Any) -> EngineError:
    """Return the error of an error body or event; `kind` is Google's status, like RESOURCE_EXHAUSTED."""
    data = mapping_of(data[0] if isinstance(data, list) and data else data)
    error_data = data.get("error") or detail_of(data)
    error_fields = error_data if isinstance(error_data, Mapping) else {"message": error_data}
    error_kind = text_of(error_fields.get("status")) or ("error" if error_data else "bad_response")
    description = f"expected a response of Gemini's, got an object with {', '.join(map(str, data)) or 'no fields'}"
    error_code, details = count_of(error_fields.get("code")), error_fields.get("details")
    retry_delays = [_seconds(field_of(detail, "retryDelay")) for detail in mappings_of(details)]
    engine_error = EngineError(
        text_of(error_fields.get("message")) or (error_kind if error_data else description),
        kind=error_kind,
        status=error_code if 400 <= error_code < 600 else None,
        retry_after=next((retry_delay for retry_delay in retry_delays if retry_delay is not None), None),
    )
    engine_error.body = without_secrets(data)
    return engine_error


def _frozen_counts(value: Mapping[str, Any]) -> FrozenDict:
    """Return counts, frozen; an empty object where they are nested too deeply."""
    try:
        frozen_counts: FrozenDict = freeze(value)
    except TypeError:
        return EMPTY_DICT
    return frozen_counts


def _raw_parts(candidate: Mapping[str, Any]) -> Iterable[Any]:
    content = candidate.get("content")
    raw_parts = content.get("parts") if isinstance(content, dict) else None
    return raw_parts if isinstance(raw_parts, list) else ()


def _append_chunk(candidate_data: dict[str, Any], candidate: Mapping[str, Any]) -> None:
    """Add one more chunk to a candidate, as Google wrote it."""
    all_parts = [*_raw_parts(candidate_data), *_raw_parts(candidate)]
    candidate_data |= candidate
    if all_parts:
        candidate_data["content"] = {**mapping_of(candidate.get("content")), "parts": all_parts}


def _join_lists(known_value: Any, more_values: Any, name: str) -> Any:
    """Join two chunks of the same lists; a chunk of citations may repeat the earlier ones, one of tokens does not."""
    if isinstance(known_value, Mapping) and isinstance(more_values, Mapping):
        joined_fields = {
            field: _join_lists(known_value.get(field), value, name) for field, value in more_values.items()
        }
        return freeze({**known_value, **joined_fields})
    if not isinstance(known_value, list) or not isinstance(more_values, list):
        return more_values
    is_repeated = name == "citationMetadata" and more_values[: len(known_value)] == known_value
    return more_values if is_repeated else freeze([*known_value, *more_values])


def _enum_name(value: Any, enum_names: tuple[str, ...]) -> str:
    """Return the name of an enum value, which Vertex may write as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return enum_names[value] if 0 <= value < len(enum_names) else str(value)
    return text_of(value)


def _finish_class(stop_reason: str, *, pending: bool) -> FinishClass:
    if pending:
        return FinishClass.of(stop_reason, pending=True)
    if stop_reason.startswith(PROMPT_PREFIX):
        return FinishClass.FILTERED
    return FinishClass.ERROR if stop_reason == "OTHER" else FinishClass.of(stop_reason)


def _seconds(delay: Any) -> float | None:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", delay) if isinstance(delay, str) else None
    return float(match[1]) if match else None
