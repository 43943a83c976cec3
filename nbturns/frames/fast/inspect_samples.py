"""A sample of an Inspect log, straight into the lists of a batch of blocks.

It knows the plain messages, which nearly all are; any other message goes through its Blocks.
Its result is that of `importers.inspect_messages` and the traversal of the Run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...importers import Notes
from ...importers.inspect_events import SampleEvents, call_outcome, find_last_reply
from ...importers.inspect_log import EVALUATION_FIELDS, LARGE_FIELDS, evaluation_of, final_messages, run_id
from ...importers.inspect_messages import Attachments, extra_message_fields, message_to_blocks, split_model
from ...importers.kit.transcript import PROMPT_KINDS, other_block
from ...values.turns import Block
from ..block_frame import tool_name
from ..copies import record_id
from ..sources import SourceFile
from ..traversal import text_of
from . import block_batch
from .block_batch import BlockBatch, CallSummary, NotPlainError, plain_json, require_levels

# Fields of a part of a message, or of a call, that would replace the values of the frame.
IN_PART = frozenset({"id", "name", "error", "images"})
IN_CALL = frozenset({"name", "args", "args_raw", "error", "images"})
CALL = frozenset({"id", "function", "arguments", "type"})
REPLY_NUMBERS = frozenset({block_batch.REPLY, block_batch.CALL, block_batch.REASONING})
KINDS = {"text": "llm_text", "reasoning": "reasoning"}
NO_CALLS = SampleEvents(())


def add_sample(
    batch: BlockBatch, sample: Any, log: Any, notes: Notes, file: SourceFile, unique_id: Callable[[str], str]
) -> bool:
    """Add all blocks of a sample; False for a value that is not one, and the batch is to be shortened again.

    Raises any exception for a sample of another shape, which the importer is to report.
    """
    if type(sample) is not dict:
        return False
    about = evaluation_of(log)
    model = str(about.get("model") or "")
    outputs = _ModelOutputs(sample.get("events"), sample.get("output"), model)
    sample_key = run_id(sample, about, notes)
    attachment_texts = sample.get("attachments")
    attachments = Attachments(attachment_texts, notes) if attachment_texts else None
    messages = final_messages(sample)
    _require_plain_fields(sample, about, messages)
    reader = _SampleReader(batch, str(file.path), outputs, notes, sample_key)
    reader.add(messages, attachments)
    batch.set_run_id(reader.run, unique_id(file.distinct_id(sample_key)))
    return True


def _require_plain_fields(sample: dict[str, Any], evaluation: Mapping[str, Any], messages: list[Any]) -> None:
    """Raise an exception for fields of a sample that the importer refuses although no block has them."""
    require_levels([value for name, value in sample.items() if name not in LARGE_FIELDS])
    require_levels([evaluation.get(name) for name in EVALUATION_FIELDS])
    events_data = sample.get("events_data")
    earlier_messages = events_data.get("messages") if type(events_data) is dict else None
    for message in (*messages, *earlier_messages) if type(earlier_messages) is list else messages:
        if type(message) is dict and type(message.get("id", "")) is not str:
            raise NotPlainError


class _ModelOutputs:
    """The outputs of a sample's model calls by the ids of their messages."""

    def __init__(self, events: Any, output: Any, model: str) -> None:
        self.model = model
        self.final_output = output if isinstance(output, Mapping) else None
        self.outputs: dict[str, tuple[Mapping[str, Any], str]] = {}  # with the model of the event
        spans: dict[str, tuple[Any, Any]] = {}  # type and parent of a span
        for event in events if isinstance(events, Iterable) and not isinstance(events, (str, Mapping)) else ():
            if type(event) is dict and event.get("event") == "span_begin" and type(event.get("id")) is str:
                spans[event["id"]] = event.get("type"), event.get("parent_id")
            if type(event) is not dict or event.get("event") != "model":
                continue
            output = event.get("output")
            if type(output) is not dict:
                continue
            output_and_model = output, str(event.get("model") or "")
            if type(choices := output.get("choices") or []) is not list:
                raise NotPlainError
            for choice in choices:
                message = choice.get("message") if type(choice) is dict else None
                if type(message) is dict:
                    if type(message_id := message.get("id")) is not str:  # found by what it says
                        raise NotPlainError
                    self.outputs[message_id] = output_and_model
        if any(span_type == "agent" and _is_in_tool(parent, spans) for span_type, parent in spans.values()):
            raise NotPlainError  # a subagent has a Run of its own

    def summary(self, message: Mapping[str, Any], *, is_last: bool) -> CallSummary:
        """Return the summary of the model call that produced `message`."""
        output, model = self.outputs.get(str(message.get("id")), (None, ""))
        if output is None and is_last:
            output, model = self.final_output, self.model
        if output is None:
            provider, model_name, stop_reason, finish = *split_model(message, self.model), "", "unknown"
        else:
            provider, model_name, stop_reason, finish = call_outcome(output, model)
        return "anthropic" if provider == "claude" else provider, model_name, stop_reason, str(finish)


def _is_in_tool(span_id: Any, spans: Mapping[str, tuple[Any, Any]]) -> bool:
    """Return True for a span that is the span of a tool call, or in one."""
    for _ in range(len(spans)):
        if type(span_id) is not str or span_id not in spans:
            return False
        span_type, span_id = spans[span_id]
        if span_type == "tool":
            return True
    return False


class _SampleReader:
    def __init__(self, batch: BlockBatch, path: str, outputs: _ModelOutputs, notes: Notes, sample_key: str) -> None:
        self.batch = batch
        self.run = batch.begin_run("", path)
        self.outputs = outputs
        self.notes = notes
        self.call_id_prefix = f"{sample_key}/"
        self.calls: dict[str, int] = {}  # numbers of model calls, by id
        self.tool_names: dict[str, str] = {}  # by tool call id
        self.turn_index = 0
        self.block_index = 0
        self.has_reply = False  # in the current Turn
        batch.begin_turn(self.run, "", 0, 0)

    def add(self, messages: list[Any], attachments: Attachments | None) -> None:
        last_reply_index = find_last_reply(messages)
        for number, message in enumerate(messages):
            if type(message) is not dict:
                self._add_blocks([other_block(message)], None, None)
                continue
            if attachments is not None:
                message = attachments.resolve(message, f"messages[{number}]")
            extra_fields = extra_message_fields(message)
            extra = plain_json(extra_fields) if extra_fields else None
            first_row = len(self.batch)
            call: int | None = None
            is_added = False
            match message.get("role"):
                case "assistant":
                    call = self._call_number(message, number, is_last=number == last_reply_index)
                    is_added = self._add_reply(message, call, extra)
                case "tool":
                    is_added = self._add_result(message, extra)
                case "user" | "system" as role:
                    is_added = self._add_text(role, message, extra)
            if not is_added:
                self._add_blocks(message_to_blocks(message, f"messages[{number}]", NO_CALLS, self.notes), call, extra)
            is_reply = self.batch.kind_roles[first_row] in REPLY_NUMBERS
            if message_id := record_id(extra_fields, "llm_text" if is_reply else ""):
                self.batch.record_ids[first_row] = message_id

    def _call_number(self, message: dict[str, Any], number: int, *, is_last: bool) -> int:
        call_id = f"{self.call_id_prefix}{message.get('id') or f'messages[{number}]'}"
        call = self.calls.get(call_id)
        if call is None:
            summary = self.outputs.summary(message, is_last=is_last)
            call = self.calls[call_id] = self.batch.add_call(call_id, self.batch.summary_number(summary))
        return call

    def _next_index(self, kind: str) -> int:
        """Return the index of the next block in its Turn; a prompt after a reply begins a Turn."""
        if kind == "user" and self.has_reply:
            self.turn_index += 1
            self.batch.begin_turn(self.run, "", self.turn_index, self.block_index)
            self.has_reply = False
        if kind not in PROMPT_KINDS:
            self.has_reply = True
        self.block_index += 1
        return self.block_index - 1

    def _add(self, kind: str, role: str | None, text: str, extra: str | None) -> int:
        self._next_index(kind)
        row = self.batch.add(kind, role, text)
        if extra is not None:
            self.batch.extras[row] = extra
        return row

    def _add_text(self, role: str, message: dict[str, Any], extra: str | None) -> bool:
        text = message.get("content")
        if type(text) is not str:
            return False
        self._add(role, role, text, extra)
        return True

    def _add_result(self, message: dict[str, Any], extra: str | None) -> bool:
        call_id, text = message.get("tool_call_id"), message.get("content")
        if type(call_id) is not str or not call_id or type(text) is not str or message.get("error") is not None:
            return False
        row = self._add("tool_use", None, text, extra)
        self.batch.tool_call_ids[row] = call_id
        if name := self.tool_names.get(call_id):
            self.batch.names[row] = name
        return True

    def _add_reply(self, message: dict[str, Any], call: int, extra: str | None) -> bool:
        """Add the parts of a content, and calls; False and nothing added if one of them is not plain."""
        texts, tool_calls = _texts(message), _tool_calls(message)
        if texts is None or tool_calls is None or not (texts or tool_calls):
            return False
        batch = self.batch
        for kind, text in texts:
            batch.calls[self._add(kind, "assistant", text, extra)] = call
            extra = None
        for call_id, name, arguments in tool_calls:
            self.tool_names[call_id] = name
            row = self._add("tool_call", None, arguments, extra)
            batch.calls[row], batch.tool_call_ids[row] = call, call_id
            if name:
                batch.names[row] = name
            extra = None
        return True

    def _add_blocks(self, blocks: list[Block], call: int | None, extra: str | None) -> None:
        for block in blocks:
            name = tool_name(block, self.tool_names)
            row = self.batch.add_block(self._next_index(block.kind), block, name, text_of(block), call)
            if extra is not None:
                self.batch.extras[row] = extra
                self.batch.times.pop(row, None)
                extra = None


def _texts(message: dict[str, Any]) -> list[tuple[str, str]] | None:
    """Return kind and text of each part of the content of a reply; None if one is not plain."""
    content = message.get("content")
    if type(content) is str:
        return [("llm_text", content)] if content or not message.get("tool_calls") else []
    if type(content) is not list:
        return None
    texts = []
    for part in content:
        if type(part) is not dict or not IN_PART.isdisjoint(part):
            return None
        if len(part) > 2:
            require_levels(part)
        part_type = part.get("type")
        if part_type not in ("text", "reasoning"):
            return None
        text = part.get(part_type)
        if type(text) is not str or (part_type == "reasoning" and "text" in part):
            return None
        texts.append((KINDS[part_type], text))
    return texts


def _tool_calls(message: dict[str, Any]) -> list[tuple[str, str, str]] | None:
    """Return id, tool and arguments as JSON of each call of a reply; None if one is not plain."""
    tool_calls = message.get("tool_calls")
    if not tool_calls:
        return []
    if type(tool_calls) is not list:
        return None
    plain_calls = []
    for call in tool_calls:
        if type(call) is not dict or not (CALL.issuperset(call) or IN_CALL.isdisjoint(call)):
            return None
        if len(call) > 4:
            require_levels(call)
        call_id, name, args = call.get("id"), call.get("function"), call.get("arguments")
        if type(call_id) is not str or not call_id or type(name) is not str or type(args) is not dict:
            return None
        plain_calls.append((call_id, name, plain_json(args) if args else "{}"))
    return plain_calls
