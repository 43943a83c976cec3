"""Grok Build's sessions: `~/.grok/sessions/<folder>/<id>/chat_history.jsonl`, with `summary.json` and `updates.jsonl` beside it.

Items of the type reasoning, backend_tool_call and assistant up to an assistant item are of one model call. A backend tool ran
on xAI's servers: its call and its status are one record. Older files (`chat_format_version` 0) have messages of OpenAI's
chat with a `model_id`. `updates.jsonl` has the tokens of each prompt, which may have made several calls: they are on
the last call of the prompt. `costUsdTicks` are 10⁻¹⁰ USD. Source: kenn-io/agentsview at 538600744d1b,
internal/parser/testdata/grok-build/README.md and generate.rs (written by xai-org/grok-build's own types at 7cfcb20d2b50),
internal/parser/grok.go (`parseGrokChatHistory`, `parseGrokUsageEvents`, `decodeGrokSummary`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import BRANCH_OF, FIELDS
from ..values.turns import Kind, Run
from .kit.agent_messages import AgentMessageReader
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    object_of_document,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    token_usage,
    unexpected,
)
from .kit.reply_blocks import set_call_result
from .kit.sample import Sample
from .kit.session_files import sibling_object, sibling_records
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "grok-build"
ITEM_TYPES = ("system", "user", "reasoning", "backend_tool_call", "assistant", "tool_result")
FOREIGN_FIELDS = frozenset({"message", "uuid", "sessionId", "session_id", "role", "id", "timestamp"})
SYNTHETIC_COMPACTION = ("compaction", "compaction_summary", "conversation_summary")
TICKS_PER_USD = 1e10


def _is_item(value: Mapping[str, Any]) -> bool:
    if value.get("type") not in ITEM_TYPES:
        return False
    return value["type"] == "reasoning" or FOREIGN_FIELDS.isdisjoint(value)


def _is_old_message(value: Mapping[str, Any]) -> bool:
    return value.get("role") == "assistant" and isinstance(value.get("model_id"), str) and "metadata" not in value


def score_grok_build(sample: Sample) -> int:
    """Return a score higher than SURE for items, and for messages of a chat with a `model_id`."""
    records = sample.records if sample.container == "json" else []
    if records and all(map(_is_item, records)) and any(value["type"] in ("assistant", "user") for value in records):
        return SURE + 4
    return SURE + 4 if any(map(_is_old_message, records)) and all("role" in value for value in records) else 0


def read_session(source: Source) -> Iterator[Run]:
    """Yield the conversation of a session."""
    records = [value for _, value in source.records()]
    summary, updates = sibling_object(source, "summary.json"), sibling_records(source, "updates.jsonl")
    yield from try_read(source, "", _read_items, records, summary, updates, source.notes(FORMAT))


def _read_items(records: Sequence[Any], summary: Mapping[str, Any], updates: Sequence[Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    info = object_of_document(summary.get("info"), "info", notes)
    transcript.key = text_or_empty(info.get("id")) or transcript.key
    reader = _ItemReader(transcript, text_or_empty(summary.get("current_model_id")))
    transcript.read_records("items", records, reader.read_item)
    _add_usage(transcript, updates)
    titles = [text_or_empty(summary.get(name)) for name in ("generated_title", "session_summary")]
    return transcript.to_run(
        id=text_or_empty(info.get("id")),
        name=next(filter(None, titles), ""),
        time=summary.get("created_at"),
        extra_fields=summary,
        metadata={BRANCH_OF.name: summary.get("parent_session_id")},
    )


class _ItemReader(AgentMessageReader):
    known_fields = (*AgentMessageReader.known_fields, "type", "model_id")

    def __init__(self, transcript: Transcript, model: str) -> None:
        super().__init__(transcript, model)
        self.call: InferenceResult | None = None  # the model call that is being read

    def read_item(self, record: Any) -> None:
        item = expect(record, dict, "")
        item_type = item.get("type")
        if "type" not in item:
            self.read_message(item)
        elif item_type == "reasoning":
            self.add_reasoning(item)
        elif item_type == "backend_tool_call":
            self.add_backend_call(item)
        elif item_type in ("system", "user", "assistant"):
            self.read_message({**item, "role": item_type})
        elif item_type == "tool_result":
            self.read_message({**item, "role": "tool"})
        else:
            raise unexpected("type", item_type)

    def result_fields(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"provider": "xai", "model": text_or_empty(message.get("model_id")) or None}

    def begin_message(self, message: Mapping[str, Any]) -> None:
        if message.get("role") != "assistant":
            self.call = None
        if text_or_empty(message.get("synthetic_reason")) in SYNTHETIC_COMPACTION:
            self.transcript.start_context()

    def call_result(self, message: Mapping[str, Any], message_id: str, pending: bool) -> InferenceResult:
        """Return the result of the call that the items before began, completed by what its last item says."""
        result, begun = super().call_result(message, message_id, pending), self.call
        self.call = None
        if begun is None:
            return result
        result = result.replace(inference_id=begun.inference_id)
        set_call_result(self.transcript, result)
        return result

    def begun_call(self) -> InferenceResult:
        self.call = self.call or self.transcript.inference_result(provider="xai", model=self.model or None)
        return self.call

    def add_reasoning(self, item: Mapping[str, Any]) -> None:
        texts = [
            text_or_empty(part.get("text")) for name in ("content", "summary") for part in objects(item.get(name), name)
        ]
        payload = {"text": "\n\n".join(filter(None, texts))}
        extra_fields = omit(item, "type", "content", "summary", "id")
        self.transcript.add_block(
            Kind.REASONING, payload, "", item.get("id"), result=self.begun_call(), extra_fields=extra_fields
        )

    def add_backend_call(self, item: Mapping[str, Any]) -> None:
        """Add the call of a tool that ran on the server, with its status as the result."""
        call = expect(item.get("kind"), dict, "kind")
        arguments = next((call[name] for name in ("action", "input", "code") if call.get(name) is not None), None)
        if isinstance(arguments, str) and not arguments.lstrip().startswith("{"):
            arguments = {"input": arguments}
        status, extra_fields = call.get("status"), omit(call, "tool_type", "id", "status", "action", "input", "code")
        call_id = self.transcript.add_call(
            call.get("id"), call.get("tool_type"), arguments, result=self.begun_call(), extra_fields=extra_fields
        )
        self.transcript.add_result(call_id, status, str(status) if status == "failed" else "")


def _add_usage(transcript: Transcript, updates: Sequence[Any]) -> None:
    """Add the tokens of each prompt to the last model call before the next one."""
    call_ids: list[str] = []  # of the last call of each prompt; "" without one
    for block in transcript.blocks:
        fields = block.metadata.raw(FIELDS) or {}
        if block.kind == Kind.USER and "synthetic_reason" not in fields:
            call_ids.append("")
        elif block.inference_id and call_ids:
            call_ids[-1] = block.inference_id
    usages = dict(zip(call_ids, _usages(updates), strict=False))
    results = {block.inference_id: block.inference for block in transcript.blocks if block.inference_id in usages}
    for call_id, result in results.items():
        if result is not None:
            set_call_result(transcript, result.replace(**usages[call_id]))


def _usages(updates: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield usage and cost of each prompt, of several records of a prompt those of the last one."""
    by_prompt: dict[str, dict[str, Any]] = {}
    for index, record in enumerate(updates):
        params = record.get("params") if isinstance(record, Mapping) else None
        update = params.get("update") if isinstance(params, Mapping) else None
        usage = update.get("usage") if isinstance(update, Mapping) else None
        if isinstance(update, Mapping) and isinstance(usage, Mapping):
            by_prompt[text_or_empty(update.get("prompt_id")) or f" {index}"] = _usage_fields(usage)
    yield from by_prompt.values()


def _usage_fields(usage: Mapping[str, Any]) -> dict[str, Any]:
    names = ("inputTokens", "outputTokens", "cachedReadTokens", "reasoningTokens")
    input_tokens, output_tokens, cached, reasoning = (to_number(usage.get(name)) for name in names)
    counts = token_usage(input_tokens, output_tokens, cache_read_tokens=cached, reasoning_tokens=reasoning)
    ticks = to_number(usage.get("costUsdTicks"))
    cost = {} if ticks is None else {"cost": ticks / TICKS_PER_USD, "cost_source": "provider"}
    return omit_empty(usage=counts) | cost


IMPORTER = Importer(FORMAT, score_grok_build, read_session)
