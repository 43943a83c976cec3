"""Spans of tool calls, matched with the tool calls that model calls of the same group asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...values.frozen_json import freeze
from ...values.inference_results import DURATION_MS
from ...values.provenance import TIMESTAMP
from ...values.turns import Block, Kind
from .record_fields import parse_arguments
from .spans import Span
from .transcript import Transcript


@dataclass(slots=True)
class ToolSpan:
    """A span of a tool call, with the values that it has of the call; the id may be empty.

    A span that is not sure is one only where a model call asked for a tool of its name.
    """

    span: Span
    call_id: str
    name: str
    arguments: Any
    result: Any
    error: str
    is_sure: bool = True


class Thread(Protocol):
    """A sequence of model calls with a transcript."""

    transcript: Transcript


@dataclass(slots=True)
class _RecordedCall:
    """A tool call of a thread, with the index of the block of its result."""

    thread: Thread
    block: Block
    result_index: int | None = None
    has_span: bool = False


@dataclass(slots=True)
class _CallIndex:
    """The tool calls of the threads of a group, by id and by the name of the tool."""

    by_id: dict[str, _RecordedCall] = field(default_factory=dict)
    by_name: dict[str, list[_RecordedCall]] = field(default_factory=dict)

    def add_blocks(self, thread: Thread, start: int = 0) -> None:
        """Add the blocks of a thread from an index on."""
        blocks = thread.transcript.blocks
        for index in range(start, len(blocks)):
            block = blocks[index]
            call = self.by_id.get(block.tool_call_id) if block.kind in (Kind.TOOL_CALL, Kind.TOOL_USE) else None
            if block.kind == Kind.TOOL_CALL and call is None:
                call = self.by_id[block.tool_call_id] = _RecordedCall(thread, block)
                self.by_name.setdefault(block.name, []).append(call)
            elif (
                block.kind == Kind.TOOL_USE and call is not None and call.thread is thread and call.result_index is None
            ):
                call.result_index = index


class ToolSpans:
    """Adds spans of tool calls to the threads of a group."""

    def __init__(self, threads: list[Any]) -> None:
        self.index: _CallIndex = _CallIndex()
        for thread in threads:
            self.index.add_blocks(thread)

    def add(self, tool_span: ToolSpan, default_thread: Thread) -> bool:
        """Set the duration of the call of a span; add the call and its result where no model call has them.

        Return False for a span that is not sure and belongs to no call.
        """
        call = self.index.by_id.get(tool_span.call_id) or self._matching_call(tool_span)
        if call is None and not tool_span.is_sure:
            return False
        span = tool_span.span
        tool_span.call_id = (
            call.block.tool_call_id if call is not None else tool_span.call_id or span.id or span.position
        )
        thread = call.thread if call is not None else default_thread
        start = len(thread.transcript.blocks)
        if call is None:
            thread.transcript.begin_record(span.position)
            thread.transcript.add_call(tool_span.call_id, tool_span.name, tool_span.arguments, time=span.start)
        if (call is None or call.result_index is None) and (tool_span.result is not None or tool_span.error):
            thread.transcript.begin_record(span.position)
            thread.transcript.add_result(tool_span.call_id, tool_span.result, tool_span.error, time=span.end)
        self.index.add_blocks(thread, start)
        self._complete_result(self.index.by_id[tool_span.call_id], tool_span)
        return True

    def _matching_call(self, tool_span: ToolSpan) -> _RecordedCall | None:
        """Return the first call with the name and the arguments of a span whose id no call has; None without one.

        Where none has these arguments, and for a span without arguments, it is the first call of this tool without
        a result.
        """
        arguments, _ = parse_arguments(tool_span.arguments)
        calls = [call for call in self.index.by_name.get(tool_span.name, ()) if not call.has_span]
        equal = (call for call in calls if isinstance(arguments, Mapping) and call.block.args == arguments)
        is_open = (call for call in calls if call.result_index is None)
        any_call = iter(() if isinstance(arguments, Mapping) and tool_span.arguments is not None else calls)
        return next(equal, None) or next(is_open, None) or next(any_call, None)

    def _complete_result(self, call: _RecordedCall, tool_span: ToolSpan) -> None:
        """Set the time and the duration of the result of a call, and its error, which no message names as such."""
        call.has_span = True
        if call.result_index is None:
            return
        blocks, duration = call.thread.transcript.blocks, tool_span.span.duration_ms
        block = blocks[call.result_index]
        if tool_span.error and not block.error:
            result = None if block.result == tool_span.error else block.result
            block = block._with(payload=freeze({**block.payload, "result": result, "error": tool_span.error}))
        if tool_span.span.end and TIMESTAMP not in block.metadata:
            end = tool_span.span.end
            block = block._with(
                metadata=block.metadata.with_raw(**{TIMESTAMP.name: end if isinstance(end, str) else repr(end)})
            )
        if duration is not None:
            block = block._with(metadata=block.metadata.with_raw(**{DURATION_MS.name: float(duration)}))
        blocks[call.result_index] = block
