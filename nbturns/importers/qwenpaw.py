"""QwenPaw's sessions: `<workspace>/sessions/<name>.json`, the saved state of an agent of AgentScope.

`agent.memory.content` is a list of pairs: a message and its marks. Parts are like those of Anthropic's API; the results of
tools are in messages of the role `system`. Messages with the mark `compressed` are no longer seen by the model: it has
`_compressed_summary` in their place. Models and tokens are not recorded. Source: kenn-io/agentsview at 538600744d1b,
internal/parser/qwenpaw.go and its test data (`_sys_prompt`, `id`, `name`, `role`, `content`, `timestamp`; of a call `raw_input`, of a result `output`);
agentscope-ai/agentscope at 18a648f848bb, src/agentscope/memory/_working_memory/_in_memory_memory.py (pairs, marks,
`_compressed_summary`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.turns import Kind, Run
from .kit.content_parts import add_parts, content_parts, has_calls
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer, document_reader
from .kit.record_fields import expect, list_or_empty, object_or_empty, omit, omit_empty, text_or_empty, unexpected
from .kit.record_lists import document_score
from .kit.transcript import Transcript

FORMAT = "qwenpaw"
ROLES = ("user", "assistant", "system")
COMPRESSED = "compressed"
MESSAGE_FIELDS = ("id", "role", "content", "timestamp")


def _is_session(value: Any) -> bool:
    memory = _memory_of(value)
    content = memory.get("content")
    return isinstance(content, list) and (not content or isinstance(content[0], list))


def _memory_of(value: Any) -> Mapping[str, Any]:
    agent = value.get("agent") if isinstance(value, Mapping) else None
    memory = agent.get("memory") if isinstance(agent, Mapping) else None
    return memory if isinstance(memory, Mapping) else {}


def _read_session(value: Any, notes: Notes) -> Run:
    memory = _memory_of(value)
    pairs = memory.get("content")
    if not isinstance(pairs, list):
        raise notes.load_error("agent.memory", wrong_type("content", pairs, list))
    transcript = Transcript(notes)
    if prompt := text_or_empty(value["agent"].get("_sys_prompt")):
        transcript.begin_record("agent._sys_prompt")
        transcript.add_block(Kind.SYSTEM, {"text": prompt}, "system")
    reader = _MessageReader(transcript, text_or_empty(memory.get("_compressed_summary")))
    transcript.read_records("agent.memory.content", pairs, reader.read_pair)
    reader.begin_compressed_context(None)
    agent = {**omit(value["agent"], "memory", "_sys_prompt"), "memory": omit(memory, "content", "_compressed_summary")}
    return transcript.to_run(extra_fields={**omit(value, "agent"), "agent": omit_empty(agent)})


class _MessageReader:
    def __init__(self, transcript: Transcript, summary: str) -> None:
        self.transcript = transcript
        self.summary = summary
        self.is_compressed = False  # the last message is

    def read_pair(self, record: Any) -> None:
        pair = expect(record, list, "")
        message = expect(pair[0] if pair else None, dict, "[0]")
        marks = list_or_empty(pair[1] if len(pair) > 1 else None, "[1]")
        role, transcript = message.get("role"), self.transcript
        if role not in ROLES:
            raise unexpected("role", role)
        self.begin_compressed_context(marks)
        parts = [_call_as_written(part) for part in content_parts(message.get("content"))]
        first_block, message_id = len(transcript.blocks), text_or_empty(message.get("id"))
        result = transcript.inference_result(id=message_id, pending=has_calls(parts)) if role == "assistant" else None
        add_parts(transcript, role, parts, result)
        transcript.set_times(first_block, message.get("timestamp"))
        extra_fields = omit(message, *MESSAGE_FIELDS) | omit_empty(marks=marks, message_id=message_id)
        transcript.add_extra_fields(first_block, extra_fields)

    def begin_compressed_context(self, marks: list[Any] | None) -> None:
        """Begin the context with the summary after the last message that it replaces; `marks` of the next message."""
        is_end = marks is None or (self.is_compressed and COMPRESSED not in marks)
        if self.summary and is_end:
            if self.is_compressed:
                self.transcript.start_context()
            self.transcript.add_block(Kind.USER, {"text": self.summary}, "user", extra_fields={"compacted": True})
            self.summary = ""
        self.is_compressed = marks is not None and COMPRESSED in marks


def _call_as_written(part: dict[str, Any]) -> dict[str, Any]:
    """Return a tool call with the arguments that the model wrote, where the session has them."""
    raw_input = part.get("raw_input")
    if part.get("type") != "tool_use" or not isinstance(raw_input, str) or not raw_input.strip():
        return part
    return {**omit(part, "raw_input"), "input": object_or_empty(part.get("input"), "input") and raw_input}


IMPORTER = Importer(FORMAT, document_score(_is_session), document_reader(FORMAT, _read_session))
