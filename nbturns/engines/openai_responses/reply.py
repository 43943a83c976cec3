"""One reply of OpenAI's Responses API, built from the events of its stream or from its body.

Facts: OpenAI's Responses reference and its streaming page. Plain dicts in, one Block for each
output item; a body and a stream of the same reply give equal blocks.
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
from ..provider import DeltaListener, delta, discard_event
from ..transports.openai_client import error_of
from ..verbatim import OriginalItems

ORIGINALS = OriginalItems("openai_responses")
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
CALL_ARGUMENTS = {
    "function_call": "arguments",
    "custom_tool_call": "input",
}  # types of calls that the client runs → the field with their arguments
BLOCK_KINDS = {"message": "llm_text", "reasoning": "reasoning", **dict.fromkeys(CALL_ARGUMENTS, "tool_call")}
TEXT_TYPES = frozenset({"output_text", "input_text", "text"})
PART_LISTS = {"output_text": "content", "refusal": "content", "reasoning_text": "content", "summary_text": "summary"}
LAST_EVENTS = frozenset({"response.completed", "response.incomplete", "response.cancelled", "response.failed"})
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

    def __init__(self, on_delta: DeltaListener = discard_event, inference_id: str = "") -> None:
        self.complete = False
        self._on_delta = None if on_delta is discard_event else on_delta
        self._inference_id = inference_id
        self._response_fields: dict[str, Any] = {}
        self._items: dict[int, _PartialItem] = {}

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
            case "response.output_item.added" | "response.output_item.done" if isinstance(data.get("item"), dict):
                self._take_item(count_of(data.get("output_index")), data["item"], is_done=event_type.endswith("done"))
            case "response.output_text.annotation.added":
                if partial_item := self._items.get(count_of(data.get("output_index"))):
                    partial_item.annotations.append(
                        (count_of(data.get("content_index")), frozen_part(data.get("annotation")))
                    )
            case "error":
                raise error_of(data)
            case "" if data.get("error"):  # some servers send nothing but the error
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

    def _take_item(self, output_index: int, item: Mapping[str, Any], *, is_done: bool) -> None:
        """Take an output item at its beginning or, if `is_done`, at its end."""
        partial_item = self._items.get(output_index)
        if partial_item is None:
            partial_item = self._items[output_index] = _PartialItem(output_index)
        elif partial_item.closed and (not is_done or partial_item.raw_item == item):
            return
        partial_item.take(frozen_part(item))
        partial_item.closed = is_done
        self._emit_delta(partial_item, partial_item.text if is_done and not partial_item.has_emitted_text else "")

    def _take_delta(self, delta_target: tuple[str, str], data: Mapping[str, Any]) -> None:
        """Append a piece of text to the item at its index."""
        output_index, text = data.get("output_index"), data.get("delta")
        output_index = output_index if type(output_index) is int else 0
        partial_item = self._items.get(output_index)
        if partial_item is None:  # its first event was lost; its text still counts
            partial_item = self._items[output_index] = _PartialItem(output_index)
            partial_item.take(freeze({"type": delta_target[0], "id": text_of(data.get("item_id"))}))
        if partial_item.closed or not isinstance(text, str):
            return
        target_name = delta_target[1]
        part_index = count_of(data.get("content_index") or data.get("summary_index"))
        if (target_name, part_index) != partial_item.last_target:
            partial_item.last_target = target_name, part_index
            partial_item.last_texts = partial_item.texts.setdefault(partial_item.last_target, [])
        partial_item.last_texts.append(text)
        if text and target_name != "refusal" and self._on_delta is not None and partial_item.kind:
            if partial_item.has_emitted_text:
                self._on_delta(delta(self._inference_id, output_index, partial_item.kind, text))
            else:
                self._emit_delta(partial_item, text)

    def _emit_delta(self, partial_item: _PartialItem, text: str) -> None:
        """Emit the first delta of an item; the first of a call carries its name."""
        is_new_call = partial_item.kind == "tool_call" and not partial_item.has_emitted_name
        if self._on_delta is not None and partial_item.kind and (text or is_new_call):
            tool_name = text_of(partial_item.raw_item.get("name")) if is_new_call else ""
            partial_item.has_emitted_name, partial_item.has_emitted_text = True, bool(text)
            self._on_delta(delta(self._inference_id, partial_item.output_index, partial_item.kind, text, tool_name))

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks so far. An incomplete one cannot be sent back, and an incomplete call is not a call."""
        response_id = text_of(self._response_fields.get("id"))
        blocks: list[Block] = []
        for partial_item in self._ordered_items():
            if self._is_complete(partial_item):
                raw_item = partial_item.complete_item()
                block = block_of_item(raw_item)
                if block.kind == "tool_call" and self._is_truncated(partial_item):
                    block = block.with_metadata(CUT, True)
                blocks.append(
                    ORIGINALS.attach(block, raw=raw_item, response_id=response_id, index=partial_item.output_index)
                )
            elif (incomplete_block := partial_item.incomplete_block()) is not None:
                blocks.append(
                    ORIGINALS.attach(incomplete_block, response_id=response_id, index=partial_item.output_index)
                )
        return tuple(blocks)

    def _ordered_items(self) -> Iterator[_PartialItem]:
        return (self._items[output_index] for output_index in sorted(self._items))

    def _is_complete(self, partial_item: _PartialItem) -> bool:
        """Tell whether an item has ended; a call without any arguments has not, even in a complete reply."""
        reply_ended = self.complete and self._response_fields.get("status") not in RUNNING_STATUSES
        return partial_item.closed or (
            reply_ended and (partial_item.raw_item.get("type") not in CALL_ARGUMENTS or bool(partial_item.texts))
        )

    def _is_truncated(self, partial_item: _PartialItem) -> bool:
        """Tell whether the token limit was reached inside this call; only the last item may lack the status that says so."""
        status = partial_item.raw_item.get("status")
        lacks_status = status != "completed" and partial_item.output_index == max(self._items)
        return status == "incomplete" or (lacks_status and self._stop_reason in TRUNCATED)

    def result(self) -> InferenceResult:
        """Return the record of this call; the provider's own token counts are in `extra["usage"]`."""
        usage_counts = mapping_of(self._response_fields.get("usage"))
        extra_fields = {k: v for k, v in self._response_fields.items() if k not in RESULT_FIELDS}
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
        if any(
            partial_item.raw_item.get("type") in CALL_ARGUMENTS and not self._is_truncated(partial_item)
            for partial_item in complete_items
        ):
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


@dataclass(slots=True)
class _PartialItem:
    """An output item under construction: its first state, and the texts of its deltas."""

    output_index: int
    raw_item: FrozenDict = EMPTY_DICT
    closed: bool = False
    has_emitted_name: bool = False
    has_emitted_text: bool = False
    kind: str = ""  # of its block; "" for an item without deltas
    texts: dict[tuple[str, int], list[str]] = field(default_factory=dict)  # by (name, index) of their part
    last_target: tuple[str, int] | None = None  # key of the text that grew last
    last_texts: list[str] = field(default_factory=list)
    annotations: list[tuple[int, Any]] = field(default_factory=list)

    def take(self, raw_item: FrozenDict) -> None:
        """Take the item as it is now."""
        self.raw_item = raw_item
        self.kind = BLOCK_KINDS.get(text_of(raw_item.get("type")), "")

    @property
    def text(self) -> str:
        """Return the text to emit for an item that arrived complete."""
        if field_name := CALL_ARGUMENTS.get(text_of(self.raw_item.get("type"))):
            return text_of(self.raw_item.get(field_name))
        return block_of_item(self.raw_item).text

    def complete_item(self) -> FrozenDict:
        """Return the item as a body would have it."""
        if self.closed:
            return self.raw_item
        whole_item, part_lists = dict(self.raw_item), dict[str, list[Any]]()
        for (target_name, part_index), texts in sorted(self.texts.items(), key=lambda entry: entry[0][1]):
            if list_name := PART_LISTS.get(target_name):
                part_lists.setdefault(list_name, []).append(self._content(target_name, part_index, "".join(texts)))
            else:
                whole_item[target_name] = "".join(texts)
        frozen_item: FrozenDict = freeze(whole_item | part_lists)
        return frozen_item

    def _content(self, part_type: str, part_index: int, text: str) -> dict[str, Any]:
        """Return one part of a message or of a reasoning item."""
        annotations = [annotation for index, annotation in self.annotations if index == part_index]
        return {
            "type": part_type,
            "refusal" if part_type == "refusal" else "text": text,
            **({"annotations": annotations} if part_type == "output_text" else {}),
        }

    def incomplete_block(self) -> Block | None:
        """Return the block of an item that the stream broke off; part of a call is data, not a call."""
        whole_item = self.complete_item()
        match whole_item.get("type"):
            case "message" | "reasoning" as item_type:
                text, refusal = (block := block_of_item(whole_item)).text, block.payload.get("refusal")
                text_payload = {"text": text, **({"refusal": refusal} if refusal else {})}
                return Block(BLOCK_KINDS[item_type], text_payload, "assistant") if text or refusal else None
            case _:
                partial_text = "".join(piece for texts in self.texts.values() for piece in texts)
                return Block(Kind.OTHER, {**self.raw_item, "partial_json": partial_text}, "assistant")


def block_of_item(item: FrozenDict) -> Block:
    """Return the block of one item of a reply or a request; an item of an unknown type is kept whole in `other`."""
    id_field = {"item_id": item["id"]} if text_of(item.get("id")) else {}
    match item.get("type") or ("message" if "role" in item else ""), item:
        case "message", _:
            return _message(item, id_field)
        case "reasoning", _:
            reasoning_parts = (*mappings_of(item.get("summary")), *mappings_of(item.get("content")))
            reasoning_fields = {name: item[name] for name in ("summary", "encrypted_content") if item.get(name)}
            reasoning_text = "".join(text_of(part.get("text")) for part in reasoning_parts)
            return Block(Kind.REASONING, {"text": reasoning_text, **reasoning_fields, **id_field}, "assistant")
        case "function_call", {"name": str(name)}:
            args_payload = call_arguments(text_of(item.get("arguments")))
            return Block(Kind.TOOL_CALL, {"id": text_of(item.get("call_id")), "name": name, **args_payload, **id_field})
        case "custom_tool_call", {"name": str(name)}:
            args_payload = {"args": {"input": text_of(item.get("input"))}}
            return Block(Kind.TOOL_CALL, {"id": text_of(item.get("call_id")), "name": name, **args_payload, **id_field})
        case "function_call_output" | "custom_tool_call_output", {"call_id": str(call_id)}:
            return Block(Kind.TOOL_USE, {"id": call_id, "result": item.get("output"), "error": ""})
        case str(item_type), _ if item_type.endswith(("_output", "_response")):
            return Block(Kind.OTHER, item, "user")
    return Block(Kind.OTHER, item, "assistant")


def _message(item: FrozenDict, id_field: Mapping[str, Any]) -> Block:
    """Return the block of a message of any role: its text, with its media, annotations and refusal."""
    role, content = text_of(item.get("role")), item.get("content")
    content_parts = [FrozenDict(type="text", text=content)] if isinstance(content, str) else mappings_of(content)
    part_payload: dict[str, list[Any]] = {"annotations": [], "refusal": [], "images": [], "media": []}
    for content_part in content_parts:
        part_type = content_part.get("type")
        part_payload["annotations"] += mappings_of(content_part.get("annotations"))
        if part_type == "refusal":
            part_payload["refusal"].append(text_of(content_part.get("refusal")))
        elif part_type == "input_image" and (image := _read_image(content_part)):
            part_payload["images"].append(image)
        elif part_type not in TEXT_TYPES:
            part_payload["media"].append(content_part)
    text = "".join(
        text_of(content_part.get("text")) for content_part in content_parts if content_part.get("type") in TEXT_TYPES
    )
    payload = {"text": text} | {name: values for name, values in part_payload.items() if values}
    if part_payload["refusal"]:
        payload["refusal"] = "".join(part_payload["refusal"])
    if role in ("system", "developer"):
        return Block(Kind.SYSTEM, payload, role)
    if role == "user":
        return Block(Kind.USER, payload, "user")
    return Block(Kind.LLM_TEXT, {**payload, **id_field}, "assistant")


def _read_image(image_part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the image of an `input_image` part; None for an invalid one."""
    image_fields = {
        "url": image_part.get("image_url"),
        "file_id": image_part.get("file_id"),
        "detail": image_part.get("detail"),
    }
    try:
        return normal_image({name: value for name, value in image_fields.items() if isinstance(value, str)})
    except ValueError:
        return None


def call_arguments(arguments_text: str) -> dict[str, Any]:
    """Return the payload of a call's arguments; text that is not a JSON object is kept in `args_raw`."""
    args = json_of(arguments_text) if arguments_text.strip() else EMPTY_DICT
    return {"args": args} if isinstance(args, dict) else {"args": EMPTY_DICT, "args_raw": arguments_text}


def usage_of_counts(usage_counts: Mapping[str, Any]) -> Usage:
    """Return the usage of a response. OpenAI counts as nbturns does: input includes the cache, output the reasoning."""
    input_details = mapping_of(usage_counts.get("input_tokens_details"))
    output_details = mapping_of(usage_counts.get("output_tokens_details"))
    return Usage(
        input_tokens=count_of(usage_counts.get("input_tokens")),
        output_tokens=count_of(usage_counts.get("output_tokens")),
        cached_tokens=count_of(input_details.get("cached_tokens")),
        cache_creation_input_tokens=count_of(input_details.get("cache_write_tokens")),
        reasoning_tokens=count_of(output_details.get("reasoning_tokens")),
    )
