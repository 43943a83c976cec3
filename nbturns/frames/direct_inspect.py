"""A sample of an Inspect log, straight into the lists of a batch of blocks.

It knows the messages that are plain, which nearly all are; any other goes by way of its Blocks.
What it gives is what `importers.inspect_messages` and the walk over its Runs give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..importers import Notes
from ..importers.inspect_log import evaluation_of, messages_of, run_id
from ..importers.inspect_messages import (
    Attachments,
    SampleEvents,
    blocks_of,
    call_outcome,
    extra_fields_of,
    last_reply,
    model_of,
)
from ..importers.transcript import PROMPT_KINDS, conversation_key, other_block
from ..turns import Block
from .arrays import to_json
from .block_batch import BlockBatch, Told
from .sources import File
from .walk import said

# What in a part of a message, or in a call, would stand in the place of what the frame reads.
IN_PART = frozenset({"id", "name", "error", "images"})
IN_CALL = frozenset({"name", "args", "args_raw", "error", "images"})
CALL = frozenset({"id", "function", "arguments", "type"})
KINDS = {"text": "llm_text", "reasoning": "reasoning"}
NO_CALLS = SampleEvents(())


def add_sample(
    batch: BlockBatch, sample: Any, log: Any, notes: Notes, file: File, claimed: Callable[[str], str]
) -> bool:
    """Add all blocks of a sample; False for what is none, and what is in the batch to be taken back.

    Raises whatever a sample of another shape leads to: then too it is to be read by way of values.
    """
    if type(sample) is not dict:
        return False
    about = evaluation_of(log)
    model = str(about.get("model") or "")
    answers = _Answers(sample.get("events"), sample.get("output"), model)
    id = claimed(file.told_apart(run_id(sample, about, notes)))
    listed = sample.get("attachments")
    attachments = Attachments(listed, notes) if listed else None
    _Sample(batch, id, str(file.path), answers, notes).add(messages_of(sample), attachments)
    return True


class _Answers:
    """The outputs of a sample's model calls by the ids of their messages; told of when they are asked for."""

    def __init__(self, events: Any, output: Any, model: str) -> None:
        self.model = model
        self.last = output if isinstance(output, Mapping) else None
        self.outputs: dict[str, tuple[Mapping[str, Any], str]] = {}
        for event in events if isinstance(events, Iterable) and not isinstance(events, (str, Mapping)) else ():
            if type(event) is not dict or event.get("event") != "model":
                continue
            output = event.get("output")
            if type(output) is not dict:
                continue
            made_by = output, str(event.get("model") or "")
            for choice in output.get("choices") or ():
                message = choice.get("message") if type(choice) is dict else None
                if type(message) is dict and type(id := message.get("id")) is str:
                    self.outputs[id] = made_by

    def told(self, message: Mapping[str, Any], *, is_last: bool) -> Told:
        """What is known of the call that made `message`."""
        output, model = self.outputs.get(str(message.get("id")), (None, ""))
        if output is None and is_last:
            output, model = self.last, self.model
        if output is None:
            provider, answered, reason, finish = *model_of(message, self.model), "", "unknown"
        else:
            provider, answered, reason, finish = call_outcome(output, model)
        return "anthropic" if provider == "claude" else provider, answered, reason, str(finish)


class _Sample:
    def __init__(self, batch: BlockBatch, id: str, path: str, answers: _Answers, notes: Notes) -> None:
        self.batch = batch
        self.run = batch.begin_run(id, path)
        self.answers = answers
        self.notes = notes
        self.key = f"{place}/" if (place := conversation_key(notes)) else ""
        self.calls: dict[str, int] = {}  # the number of a model call, by its id
        self.names: dict[str, str | None] = {}  # of the tools, by the id of the call
        self.turns = 0
        self.index = 0
        batch.begin_turn(self.run, "", 0, 0)
        self.answered = False

    def add(self, messages: list[Any], attachments: Attachments | None) -> None:
        final = last_reply(messages)
        for number, message in enumerate(messages):
            if type(message) is not dict:
                self._slow([other_block(message)], None, None)
                continue
            if attachments is not None:
                message = attachments.resolve(message, f"messages[{number}]")
            beside = extra_fields_of(message)
            extra = to_json(beside) if beside else None
            made_by: int | None = None
            done = False
            match message.get("role"):
                case "assistant":
                    made_by = self._made_by(message, number, is_last=number == final)
                    done = self._reply(message, made_by, extra)
                case "tool":
                    done = self._result(message, extra)
                case "user" | "system" as role:
                    done = self._said(role, message, extra)
            if not done:
                self._slow(blocks_of(message, f"messages[{number}]", NO_CALLS, self.notes), made_by, extra)

    def _made_by(self, message: dict[str, Any], number: int, *, is_last: bool) -> int:
        id = f"{self.key}{message.get('id') or f'messages[{number}]'}"
        known = self.calls.get(id)
        if known is None:
            known = self.calls[id] = self.batch.called(id, self.answers.told(message, is_last=is_last))
        return known

    def _next(self, kind: str) -> int:
        """The place of the next block in its Turn; a prompt after an answer begins one."""
        if kind == "user" and self.answered:
            self.turns += 1
            self.batch.begin_turn(self.run, "", self.turns, self.index)
            self.answered = False
        if kind not in PROMPT_KINDS:
            self.answered = True
        self.index += 1
        return self.index - 1

    def _put(self, kind: str, role: str | None, text: str, extra: str | None) -> int:
        self._next(kind)
        row = self.batch.put(kind, role, text)
        if extra is not None:
            self.batch.extras[row] = extra
        return row

    def _said(self, role: str, message: dict[str, Any], extra: str | None) -> bool:
        text = message.get("content")
        if type(text) is not str:
            return False
        self._put(role, role, text, extra)
        return True

    def _result(self, message: dict[str, Any], extra: str | None) -> bool:
        id, text = message.get("tool_call_id"), message.get("content")
        if type(id) is not str or not id or type(text) is not str or message.get("error"):
            return False
        row = self._put("tool_use", None, text, extra)
        self.batch.tool_call_ids[row] = id
        if name := self.names.get(id):
            self.batch.names[row] = name
        return True

    def _reply(self, message: dict[str, Any], made_by: int, extra: str | None) -> bool:
        """A text or the parts of a content, and calls; False where any of them is not plain, and none is put."""
        texts, calls = _texts(message), _calls(message)
        if texts is None or calls is None or not (texts or calls):
            return False
        batch = self.batch
        for kind, text in texts:
            batch.made_by[self._put(kind, "assistant", text, extra)] = made_by
            extra = None
        for id, name, args in calls:
            self.names[id] = name
            row = self._put("tool_call", None, args, extra)
            batch.made_by[row], batch.tool_call_ids[row] = made_by, id
            if name:
                batch.names[row] = name
            extra = None
        return True

    def _slow(self, blocks: list[Block], made_by: int | None, extra: str | None) -> None:
        for one in blocks:
            name: str | None = one.name
            if one.kind == "tool_call":
                self.names[one.tool_call_id] = name
            elif one.kind == "tool_use":
                name = self.names.get(one.tool_call_id)
            row = self.batch.add(self._next(one.kind), one, name or "", said(one), made_by)
            if extra is not None:
                self.batch.extras[row] = extra
                self.batch.times.pop(row, None)
                extra = None


def _texts(message: dict[str, Any]) -> list[tuple[str, str]] | None:
    """What the model said and thought: kind and text."""
    content = message.get("content")
    if type(content) is str:
        return [("llm_text", content)] if content or not message.get("tool_calls") else []
    if type(content) is not list:
        return None
    made = []
    for part in content:
        if type(part) is not dict or not IN_PART.isdisjoint(part):
            return None
        kind = part.get("type")
        if kind not in ("text", "reasoning"):
            return None
        text = part.get(kind)
        if type(text) is not str or (kind == "reasoning" and "text" in part):
            return None
        made.append((KINDS[kind], text))
    return made


def _calls(message: dict[str, Any]) -> list[tuple[str, str | None, str]] | None:
    """The calls with objects for arguments: id, tool, arguments as JSON."""
    listed = message.get("tool_calls")
    if not listed:
        return []
    if type(listed) is not list:
        return None
    made = []
    for call in listed:
        if type(call) is not dict or not (CALL.issuperset(call) or IN_CALL.isdisjoint(call)):
            return None
        id, name, args = call.get("id"), call.get("function"), call.get("arguments")
        if type(id) is not str or not id or type(name) is not str or type(args) is not dict:
            return None
        made.append((id, name or None, to_json(args) if args else "{}"))
    return made
