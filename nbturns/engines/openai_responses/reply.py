"""One reply of OpenAI's Responses API, built from the events of its stream or from its body.

Facts: OpenAI's Responses reference and its streaming page. Plain dicts in, one Block for each
output item; a body and a stream of the same reply give equal blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import EngineError
from ...runtime.toolbox import CUT
from ...values.frozen_json import freeze
from ...values.inference_results import FinishClass, InferenceResult, Usage
from ...values.metadata import Key
from ...values.price_tables import SEARCH_FEES
from ...values.turns import Block
from ..json_access import cost_of, count_of, detail_of, frozen_part, mapping_of, mappings_of, text_of, token_count_of
from ..provider import DeltaListener, delta, discard_event
from ..transports.openai_client import error_of
from ..verbatim import OriginalItems
from .client_calls import client_call_of
from .items import CALL_ARGUMENTS, PART_BREAK, block_of_item
from .partial_item import PartialItem

ORIGINALS = OriginalItems("openai_responses")
ITEM_TYPE: Key[str] = Key("openai_responses.item_type@v1", str)
STATUS: Key[str] = Key("openai_responses.status@v1", str)
ITEM_OF_DELTA = {  # type of event → (type of its item, type of part or name of field)
    "response.output_text.delta": ("message", "output_text"),
    "response.refusal.delta": ("message", "refusal"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary_text"),
    "response.reasoning_text.delta": ("reasoning", "reasoning_text"),
    "response.function_call_arguments.delta": ("function_call", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "input"),
    "response.mcp_call_arguments.delta": ("mcp_call", "arguments"),
    "response.code_interpreter_call_code.delta": ("code_interpreter_call", "code"),
}
LAST_EVENTS = frozenset({"response.completed", "response.incomplete", "response.cancelled", "response.failed"})
SEARCH_FEE = 0.01  # USD for a web search, from OpenAI's page on pricing
TRUNCATED = frozenset({"incomplete:max_output_tokens", "incomplete:max_tokens"})
FINAL_STATUSES = (None, "completed", "incomplete", "failed")  # of an item; without a status it arrived complete
RUNNING_STATUSES = frozenset({"queued", "in_progress"})  # of a background response, which is polled
RESULT_FIELDS = frozenset({"id", "object", "model", "status", "usage", "error"})
REQUEST_FIELDS = {  # the items, and the parameters of the request that every response repeats
    *("output", "background", "frequency_penalty", "instructions", "max_output_tokens", "max_tool_calls"),
    *("metadata", "parallel_tool_calls", "presence_penalty", "prompt", "prompt_cache_key", "prompt_cache_retention"),
    *("safety_identifier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p"),
    *("truncation", "user"),
}


class Reply:
    """A reply under construction. Raises EngineError for an error, a failed response and an early end."""

    complete: bool

    def __init__(self, on_delta: DeltaListener = discard_event, inference_id: str = "") -> None:
        self.complete = False
        self._on_delta = None if on_delta is discard_event else on_delta
        self._inference_id = inference_id
        self._response_fields: dict[str, Any] = {}
        self._items: dict[int, PartialItem] = {}

    def body(self, data: Any) -> None:
        """Take a whole response. Raises EngineError when it is an error or not a response."""
        if not isinstance(data, Mapping) or not isinstance(data.get("output"), list):
            raise error_of(data)
        self._take_last_response(data)

    def event(self, name: str, data: Any) -> None:
        """Take one event of the stream; unknown events are ignored."""
        if not isinstance(data, dict):
            return
        event_type = text_of(data.get("type")) or name
        if (delta_target := ITEM_OF_DELTA.get(event_type)) is not None:
            self._take_delta(delta_target, data)
            return
        match event_type:
            case "response.output_item.added" | "response.output_item.done" if isinstance(
                item := data.get("item"), dict
            ):
                output_index = self._output_index(data, item.get("id") or item.get("call_id"))
                self._take_item(output_index, item, is_done=event_type.endswith("done"))
            case "response.output_text.annotation.added":
                if partial_item := self._items.get(self._output_index(data, data.get("item_id"))):
                    partial_item.annotations.append(
                        (count_of(data.get("content_index")), frozen_part(data.get("annotation")))
                    )
            case "error":
                raise error_of(data)
            case "" if data.get("error") or detail_of(data):  # some servers send nothing but the error
                raise error_of(data)
            case _ if isinstance(data.get("response"), dict):
                if event_type in LAST_EVENTS:
                    self._take_last_response(data["response"])
                elif not self._response_fields:  # later ones repeat it, with a new status at most
                    self._merge_response(data["response"])

    def end(self) -> None:
        """Finish at the end of the stream. Raises EngineError, because the last event completes a reply."""
        raise EngineError("the stream ended before response.completed", kind="stream_cut")

    def _take_last_response(self, response: Mapping[str, Any]) -> None:
        """Take the final response; its items replace those of the stream, where it has any."""
        self._merge_response(response)
        final_items = mappings_of(response.get("output"))
        if len(final_items) >= sum(partial_item.closed for partial_item in self._items.values()):
            self._items = {
                output_index: partial_item
                for output_index, partial_item in self._items.items()
                if output_index < len(final_items) or not final_items
            }
            is_running = self._response_fields.get("status") in RUNNING_STATUSES
            for output_index, item in enumerate(final_items):
                self._take_item(output_index, item, is_done=not is_running or item.get("status") in FINAL_STATUSES)
        if response.get("error") or response.get("status") == "failed":
            raise error_of({"error": response.get("error") or {"message": "the response failed", "code": "failed"}})
        self.complete = True

    def _merge_response(self, response: Mapping[str, Any]) -> None:
        """Keep the fields of a response that are neither empty nor a copy of the request."""
        new_fields = {
            k: v for k, v in response.items() if k not in REQUEST_FIELDS and v is not None and v not in ("", [], {})
        }
        self._response_fields |= frozen_part(new_fields)

    def _output_index(self, data: Mapping[str, Any], item_id: Any) -> int:
        """Return the index of an event's item; where a server leaves it out, items are told apart by their ids."""
        output_index = data.get("output_index")
        if type(output_index) is int:
            return output_index
        if not isinstance(item_id, str) or not item_id:
            return max(self._items, default=0)
        for known_index, partial_item in self._items.items():
            if item_id in (partial_item.raw_item.get("id"), partial_item.raw_item.get("call_id")):
                return known_index
        return max(self._items, default=-1) + 1

    def _take_item(self, output_index: int, item: Mapping[str, Any], *, is_done: bool) -> None:
        """Take an output item at its beginning or, if `is_done`, at its end."""
        partial_item = self._items.get(output_index)
        if partial_item is None:
            partial_item = self._items[output_index] = PartialItem(output_index)
        elif partial_item.closed and (not is_done or partial_item.raw_item == item):
            return
        if is_done:
            partial_item.finish(frozen_part(item))
        else:
            partial_item.take(frozen_part(item))
        self._emit_delta(partial_item, partial_item.text if is_done and not partial_item.has_emitted_text else "")

    def _take_delta(self, delta_target: tuple[str, str], data: Mapping[str, Any]) -> None:
        """Append a piece of text to the item at its index."""
        output_index, text = data.get("output_index"), data.get("delta")
        if type(output_index) is not int:
            output_index = self._output_index(data, data.get("item_id"))
        partial_item = self._items.get(output_index)
        if partial_item is None:  # its first event was lost; its text still counts
            partial_item = self._items[output_index] = PartialItem(output_index)
            partial_item.take(freeze({"type": delta_target[0], "id": text_of(data.get("item_id"))}))
        if partial_item.closed or not isinstance(text, str):
            return
        target_name = delta_target[1]
        part_index = count_of(data.get("content_index") or data.get("summary_index"))
        if (target_name, part_index) != partial_item.last_target:
            if partial_item.has_emitted_text and partial_item.kind == "reasoning":
                self._emit_delta(partial_item, PART_BREAK)
            partial_item.last_target = target_name, part_index
            partial_item.last_texts = partial_item.texts.setdefault(partial_item.last_target, [])
        partial_item.last_texts.append(text)
        if text and target_name != "refusal" and self._on_delta is not None and partial_item.kind:
            if partial_item.has_emitted_text:
                self._on_delta(delta(self._inference_id, output_index, partial_item.kind, text))
            else:
                self._emit_delta(partial_item, text)

    def _emit_delta(self, partial_item: PartialItem, text: str) -> None:
        """Emit the first delta of an item; the first of a call carries its name."""
        is_new_call = partial_item.kind == "tool_call" and not partial_item.has_emitted_name
        if self._on_delta is not None and partial_item.kind and (text or is_new_call):
            tool_name = text_of(partial_item.raw_item.get("name")) if is_new_call else ""
            partial_item.has_emitted_name, partial_item.has_emitted_text = True, bool(text)
            self._on_delta(delta(self._inference_id, partial_item.output_index, partial_item.kind, text, tool_name))

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks so far. An incomplete one cannot be sent back, and an incomplete call is not a call."""
        response_id, answered_ids = text_of(self._response_fields.get("id")), self._answered_ids()
        blocks: list[Block] = []
        for partial_item in self._ordered_items():
            if self._is_complete(partial_item):
                raw_item = partial_item.complete_item()
                block = block_of_item(raw_item, is_run_by_client=_call_id(raw_item) not in answered_ids)
                if block.kind == "tool_call" and self._is_truncated(partial_item):
                    block = block.with_metadata(CUT, True)
                block = ORIGINALS.attach(block, raw=raw_item, response_id=response_id, index=partial_item.output_index)
                blocks.append(_with_item_keys(block, raw_item))
            elif (incomplete_block := partial_item.incomplete_block()) is not None:
                blocks.append(
                    ORIGINALS.attach(incomplete_block, response_id=response_id, index=partial_item.output_index)
                )
        return tuple(blocks)

    def _answered_ids(self) -> set[str]:
        """Return the ids of calls whose outputs are in the reply: the server has run them."""
        items = [partial_item.raw_item for partial_item in self._items.values()]
        return {_call_id(item) for item in items if text_of(item.get("type")).endswith(("_output", "_response"))}

    def _is_pending_call(self, partial_item: PartialItem, answered_ids: set[str]) -> bool:
        """Tell whether the client must run this item."""
        raw_item = partial_item.raw_item
        is_call = raw_item.get("type") in CALL_ARGUMENTS or client_call_of(raw_item) is not None
        return is_call and _call_id(raw_item) not in answered_ids and not self._is_truncated(partial_item)

    def _ordered_items(self) -> Iterator[PartialItem]:
        return (self._items[output_index] for output_index in sorted(self._items))

    def _is_complete(self, partial_item: PartialItem) -> bool:
        """Tell whether an item has ended; a call without any arguments has not, even in a complete reply."""
        reply_ended = self.complete and self._response_fields.get("status") not in RUNNING_STATUSES
        return partial_item.closed or (
            reply_ended and (partial_item.raw_item.get("type") not in CALL_ARGUMENTS or bool(partial_item.texts))
        )

    def _is_truncated(self, partial_item: PartialItem) -> bool:
        """Tell whether the token limit was reached inside this call; only the last item may lack the status that says so."""
        status = partial_item.raw_item.get("status")
        lacks_status = status != "completed" and partial_item.output_index == max(self._items)
        return status == "incomplete" or (lacks_status and self._stop_reason in TRUNCATED)

    def result(self) -> InferenceResult:
        """Return the record of this call; the provider's own token counts are in `extra["usage"]`."""
        usage_counts = mapping_of(self._response_fields.get("usage"))
        extra_fields = {k: v for k, v in self._response_fields.items() if k not in RESULT_FIELDS}
        billed = mapping_of(mapping_of(extra_fields.get("tool_usage")).get("web_search")).get("num_requests")
        searches = sum(map(_is_search, self._items.values())) if billed is None else count_of(billed)
        if searches:
            extra_fields[SEARCH_FEES] = searches * SEARCH_FEE
        return InferenceResult(
            provider="openai",
            model=text_of(self._response_fields.get("model")),
            stop_reason=self._stop_reason,
            finish_class=self._finish_class(),
            truncated=self._stop_reason in TRUNCATED,
            usage=usage_of_counts(usage_counts) if usage_counts else None,
            cost=cost_of(usage_counts),
            response_id=text_of(self._response_fields.get("id")),
            extra=freeze(extra_fields | ({"usage": usage_counts} if usage_counts else {})),
        )

    def _finish_class(self) -> FinishClass:
        complete_items = [partial_item for partial_item in self._ordered_items() if self._is_complete(partial_item)]
        answered_ids = self._answered_ids()
        if any(self._is_pending_call(partial_item, answered_ids) for partial_item in complete_items):
            finish_class = FinishClass.of(self._stop_reason, pending=True)
            is_running = finish_class is FinishClass.CONTINUE  # a background response; its complete calls can run
            return FinishClass.TOOL_CALLS_PENDING if is_running else finish_class
        if any(
            content_part.get("type") == "refusal"
            for partial_item in complete_items
            for content_part in mappings_of(partial_item.complete_item().get("content"))
        ):
            return FinishClass.REFUSED
        if self.complete and not self._stop_reason:
            return FinishClass.COMPLETED
        return FinishClass.of(self._stop_reason)

    @property
    def _stop_reason(self) -> str:
        """Return the status and why it is incomplete: "completed", "incomplete:max_output_tokens"."""
        reason = text_of(mapping_of(self._response_fields.get("incomplete_details")).get("reason"))
        return ":".join(filter(None, (text_of(self._response_fields.get("status")), reason)))


def usage_of_counts(usage_counts: Mapping[str, Any]) -> Usage:
    """Return the usage of a response. OpenAI counts as nbturns does: input includes the cache, output the reasoning."""
    input_details = mapping_of(usage_counts.get("input_tokens_details"))
    output_details = mapping_of(usage_counts.get("output_tokens_details"))
    return Usage(
        input_tokens=token_count_of(usage_counts.get("input_tokens")),
        output_tokens=token_count_of(usage_counts.get("output_tokens")),
        cached_tokens=token_count_of(input_details.get("cached_tokens")),
        cache_creation_input_tokens=token_count_of(input_details.get("cache_write_tokens")),
        reasoning_tokens=token_count_of(output_details.get("reasoning_tokens")),
    )


def _is_search(partial_item: PartialItem) -> bool:
    """Tell whether an item is a web search that is paid for; opening a page and finding a text in it are not."""
    item = partial_item.raw_item
    action = text_of(mapping_of(item.get("action")).get("type")) or "search"
    return item.get("type") == "web_search_call" and action == "search"


def _call_id(item: Mapping[str, Any]) -> str:
    """Return the id by which a call and its output name each other; "" for an item without one."""
    return text_of(item.get("call_id")) or text_of(item.get("approval_request_id")) or text_of(item.get("id"))


def _with_item_keys(block: Block, raw_item: Mapping[str, Any]) -> Block:
    """Return the block with the type and the status of its item, under geppetto's names."""
    values = {ITEM_TYPE.name: raw_item.get("type"), STATUS.name: raw_item.get("status")}
    texts = {name: value for name, value in values.items() if isinstance(value, str) and value}
    return block._with(metadata=block.metadata.with_raw(**texts)) if texts else block
