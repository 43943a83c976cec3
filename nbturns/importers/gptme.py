"""gptme's conversations: `…/gptme/logs/<name>/conversation.jsonl`, and the files in its `branches`.

A line is a message: role, text, time, flags (`pinned`, `hide`), and `metadata` with the model, tokens and cost of a reply.
`usage.input_tokens` does not include the cache; older files have the counts beside the model. With the tool format "tool" a
reply has its calls in the text, as `@name(id): {…}`, and a system message with this `call_id` is the result; in the
other formats a call is a code block, which stays text. Source: gptme/gptme at d27f98d3a554, gptme/message.py
(`Message`, `MessageMetadata`, `_migrate_metadata`), gptme/tools/base.py (`toolcall_re`, "Error executing tool"),
gptme/llm/openai_responses.py (`UsageTokenCounts`); messages of the role `tool`: kenn-io/agentsview at 538600744d1b,
internal/parser/gptme.go and its test data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.turns import Run
from .kit.agent_messages import MESSAGE_FIELDS, AgentMessageReader, requested_calls
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import object_or_empty, omit, omit_empty, text_or_empty, to_float, to_number, token_usage
from .kit.reply_blocks import RequestedCall
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "gptme"
ROLES = ("system", "user", "assistant", "tool")
OWN_FIELDS = frozenset({"pinned", "hide", "file_hashes", "ephemeral_ttl"})
METADATA_FIELDS = frozenset({"usage", "cost", "timings", "tool", "prompt_generation", "input_tokens", "output_tokens"})
TOKEN_NAMES = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
CALL = re.compile(r"^@([\w.]+)\(([\w\-:.]+)\):\s*(?=\{)", re.MULTILINE)
FAILURES = ("Error executing tool ", "Error during execution: ", "Error: ")


def _is_message(value: Mapping[str, Any]) -> bool:
    if value.get("role") not in ROLES or not isinstance(value.get("content"), str):
        return False
    return isinstance(value.get("timestamp"), str) and "message_id" not in value


def _has_mark(value: Mapping[str, Any]) -> bool:
    metadata = value.get("metadata")
    return not OWN_FIELDS.isdisjoint(value) or (
        isinstance(metadata, Mapping) and not METADATA_FIELDS.isdisjoint(metadata)
    )


def score_gptme(sample: Sample) -> int:
    """Return a score higher than that of OpenAI's chat for messages with times and gptme's flags or metadata."""
    records = sample.records if sample.container == "json" else []
    return SURE + 4 if records and all(map(_is_message, records)) and any(map(_has_mark, records)) else 0


def read_conversation(source: Source) -> Iterator[Run]:
    """Yield the conversation of a file."""
    records = [value for _, value in source.records()]
    yield from try_read(source, "", _read_messages, records, source.notes(FORMAT))


def _read_messages(records: Sequence[Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    transcript.read_records("messages", records, _MessageReader(transcript).read_message)
    time = records[0].get("timestamp") if records and isinstance(records[0], Mapping) else None
    return transcript.to_run(time=time)


class _MessageReader(AgentMessageReader):
    known_fields = (*MESSAGE_FIELDS, "call_id", "metadata")
    failures = FAILURES

    def is_result(self, message: Mapping[str, Any]) -> bool:
        metadata = message.get("metadata")
        has_tool = isinstance(metadata, Mapping) and isinstance(metadata.get("tool"), str)
        return message.get("role") == "tool" or (
            message.get("role") == "system" and bool(message.get("call_id") or has_tool)
        )

    def split_reply(self, message: Mapping[str, Any], text: str) -> tuple[str, list[RequestedCall]]:
        """Return the text without the calls in it, and these calls."""
        calls = requested_calls(message.get("tool_calls"))
        pieces, end = [], 0
        for start, next_end, call_id, name, arguments in _calls_in(text):
            calls.append(RequestedCall(call_id, name, arguments))
            pieces.append(text[end:start])
            end = next_end
        return ("".join((*pieces, text[end:])).strip() if pieces else text), calls

    def result_fields(self, message: Mapping[str, Any]) -> dict[str, Any]:
        metadata = object_or_empty(message.get("metadata"), "metadata")
        usage = object_or_empty(metadata.get("usage"), "usage") or metadata
        input_tokens, output_tokens, cache_read, cache_write = (usage.get(name) for name in TOKEN_NAMES)
        timings = metadata.get("timings")
        times = [to_number(timings.get(name)) for name in ("ttft_ms", "gen_ms")] if isinstance(timings, Mapping) else []
        known_times = [time for time in times if time is not None]
        return {
            "model": text_or_empty(metadata.get("model")) or None,
            "usage": token_usage(
                input_tokens,
                output_tokens,
                cache_read_tokens=cache_read,
                cache_write_tokens=cache_write,
                cache_in_input=False,
            ),
            "cost": to_float(metadata.get("cost")),
            "duration_ms": round(sum(known_times)) if known_times else None,
            "extra": omit(metadata, "model", "cost") if metadata else None,
        }

    def read_message(self, record: Any) -> None:
        """Add the blocks of a message; the metadata of one that is not a reply is kept with its block."""
        first_block = len(self.transcript.blocks)
        super().read_message(record)
        if record.get("role") == "assistant" and _calls_of(record):
            self.transcript.add_extra_fields(first_block, {"content": record["content"]})  # its calls are blocks
        if record.get("role") != "assistant":
            self.transcript.add_extra_fields(first_block, omit_empty(metadata=record.get("metadata")))


def _calls_of(message: Mapping[str, Any]) -> bool:
    return next(_calls_in(text_or_empty(message.get("content"))), None) is not None


def _calls_in(text: str) -> Iterator[tuple[int, int, str, str, str]]:
    """Yield the start, the end, the id, the name and the arguments of each call in a text; those in code are left out."""
    decoder, end = json.JSONDecoder(strict=False), 0
    for match in CALL.finditer(text):
        if match.start() < end or text.count("\n```", 0, match.start()) % 2:
            continue
        try:
            _, end = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        yield match.start(), end, match[2], match[1], text[match.end() : end]


IMPORTER = Importer(FORMAT, score_gptme, read_conversation)
