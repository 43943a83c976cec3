"""Tasks of Cline, Roo Code and Kilo Code, and sessions of Cline's command line.

A task is a folder: `api_conversation_history.json` has its messages, like those of Anthropic's API, `ui_messages.json` what
the page shows, with the tokens of each request; `task_metadata.json` the models, `history_item.json` (Roo) the name, the
workspace and the task that started it. The messages are read with the other files; the page alone is read where they are
not there. In older versions tools are written as tags in texts. Roo keeps what it condensed: a message with `isSummary`
begins a context, and so does a mark where earlier messages were truncated. A session of the command line has its counts at
each message. Source: cline/cline at 21cb8d2525bc, apps/vscode/src/shared/messages/content.ts and metrics.ts
(`ClineStorageMessage`: `modelInfo`, `metrics`, `ts`), core/storage/disk.ts (names of files: `settings.json` and
`context_history.json` are not read, nor is the list of `core/task/focus-chain/file-utils.ts`,
`focus_chain_taskid_<id>.md`), sdk/packages/core/fixtures/session (sessions: `metrics` whose `inputTokens` include the
cache, `metadata.fork`); RooCodeInc/Roo-Code at cb836567180a, src/core/task-persistence/apiMessages.ts (`isSummary`,
`truncationParent`), packages/types/src/history.ts (`parentTaskId`, `workspace`) and src/shared/globalFileNames.ts
(`history_item.json`); getagentseal/codeburn at ed8fa3af3d58, src/providers/vscode-cline-parser.ts (`<model>` and the
directory in texts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.provenance import BRANCH_OF, PARENT_RUN
from ..values.turns import Run
from .cline_pages import PageReader, is_page_message
from .cline_requests import Request, requests_of, requests_of_replies
from .cline_tools import result_of, split_calls
from .kit.content_parts import add_parts, content_parts, has_calls
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.ledger import with_calls
from .kit.record_fields import (
    expect,
    object_or_empty,
    omit,
    omit_empty,
    text_or_empty,
    to_float,
    to_number,
    token_usage,
    unexpected,
)
from .kit.sample import Sample
from .kit.side_files import names_in, side_value
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "cline"
SCORE = SURE + 6  # higher than that of Anthropic's messages, whose contents are the same
HISTORY, PAGE = "api_conversation_history.json", "ui_messages.json"
SIDE_FILES = ("task_metadata.json", "history_item.json")
MARKS = ("<environment_details>", "<task>")  # in the first messages of a task
OWN_FIELDS = frozenset({"ts", "modelInfo", "metrics", "isSummary", "condenseParent", "truncationParent"})
METRICS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")
MESSAGE_FIELDS = ("role", "content", "ts", "modelInfo", "metrics")
MODEL = re.compile(r"<model>([^<]+)</model>")
FOLDER = re.compile(r"Current (?:Workspace|Working) Directory \(([^)\n]+)\)")


def _is_message(value: Any) -> bool:
    if not isinstance(value, Mapping) or value.get("role") not in ("user", "assistant") or "content" not in value:
        return False
    content = value["content"]
    texts = (
        [part.get("text") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else [content]
    )
    has_mark = any(mark in text for text in texts if isinstance(text, str) for mark in MARKS)
    return has_mark or (isinstance(content, list) and not OWN_FIELDS.isdisjoint(value))


def _is_session(value: Any) -> bool:
    has_messages = isinstance(value, Mapping) and isinstance(value.get("messages"), list)
    return has_messages and isinstance(value.get("sessionId"), str) and {"agent", "updated_at"} <= value.keys()


def score_cline(sample: Sample) -> int:
    """Return a score higher than SURE for the messages of a task, its page, and a session of the command line."""
    if sample.container != "json" or (sample.is_json_lines and not isinstance(sample.value, list)):
        return 0
    is_list = isinstance(sample.value, list)
    records = sample.records[:8] if is_list else []
    if _is_session(sample.value) or any(map(is_page_message, records)) or any(map(_is_message, records)):
        return SCORE
    return 0


def read_tasks(source: Source) -> Iterator[Run]:
    """Yield the conversation of a task; a page in the same folder as the messages of its task is read with those."""
    document = [(position, value) for position, value in source.records()]
    if len(document) == 1 and _is_session(document[0][1]):
        yield from try_read(source, "", _read_session, document[0][1], _side_of_session(source), source.notes(FORMAT))
        return
    folder = source.path.absolute().parent if source.path is not None else None
    names = names_in(folder, ".json") if folder is not None else []
    task = {name: side_value(source, folder / name) for name in SIDE_FILES if folder is not None and name in names}
    task["id"] = folder.name if folder is not None and {HISTORY, PAGE} & {*names} else ""
    if any(is_page_message(value) for _, value in document):
        if HISTORY not in names:
            yield from try_read(source, "", _read_page, document, task, source.notes(FORMAT))
        return
    page = side_value(source, folder / PAGE) if folder is not None and PAGE in names else None
    yield from try_read(source, "", _read_task, document, page, task, source.notes(FORMAT))


def _read_page(messages: Sequence[tuple[str, Any]], task: Mapping[str, Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    transcript.keeps_results = False
    transcript.key = task["id"] or transcript.key
    reader = PageReader(transcript, "")
    for position, message in messages:
        reader.model = _Models(task).at(message.get("ts") if isinstance(message, Mapping) else None)
        transcript.read_record(position, message, reader.read_message)
    return _run_of_task(transcript, task, "")


def _read_task(messages: Sequence[tuple[str, Any]], page: Any, task: Mapping[str, Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    transcript.key = task["id"] or transcript.key
    requests = requests_of(page if isinstance(page, list) else [])
    replies = [value for _, value in messages if isinstance(value, Mapping) and value.get("role") == "assistant"]
    times = [to_number(reply.get("ts")) for reply in replies]
    matched = requests_of_replies(requests, times)
    reader = _MessageReader(transcript, _Models(task), matched)
    for position, message in messages:
        transcript.read_record(position, message, reader.read_message)
    left = [request for request in requests if request not in matched and request.usage is not None]
    run = _run_of_task(transcript, task, reader.folder)
    return with_calls(run, [reader.result_of_request(request, f"request-{request.time:.0f}") for request in left])


def _run_of_task(transcript: Transcript, task: Mapping[str, Any], folder: str) -> Run:
    item = task.get("history_item.json")
    item = item if isinstance(item, Mapping) else {}
    fields = {"cwd": text_or_empty(item.get("workspace")) or folder, **omit(task, "id")}
    metadata = {PARENT_RUN.name: text_or_empty(item.get("parentTaskId"))}
    name, time = text_or_empty(item.get("task")), item.get("ts")
    return transcript.to_run(id=task["id"], name=name[:200], time=time, extra_fields=fields, metadata=metadata)


class _Models:
    """The models of a task: each was used from a time on."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        metadata = task.get("task_metadata.json")
        entries = metadata.get("model_usage") if isinstance(metadata, Mapping) else None
        self.entries = (
            [entry for entry in entries or () if isinstance(entry, Mapping)] if isinstance(entries, list) else []
        )

    def at(self, time: Any) -> str:
        """Return the model at a time, else the first one; "" where none is known."""
        end = to_number(time)
        earlier_entries = [
            entry for entry in self.entries if end is not None and (to_number(entry.get("ts")) or 0) <= end
        ]
        entry = earlier_entries[-1] if earlier_entries else next(iter(self.entries), {})
        return text_or_empty(entry.get("model_id"))


class _MessageReader:
    def __init__(self, transcript: Transcript, models: _Models, requests: Sequence[Request | None]) -> None:
        self.transcript = transcript
        self.models = models
        self.requests = iter(requests)
        self.model = ""  # that texts of the user name
        self.folder = ""
        self.call_count = 0
        self.last_call = ""  # the id of the last call that was written as tags
        self.sources: list[tuple[int, int, Any]] = []  # the blocks of each message, and the mark that hides it

    def read_message(self, record: Any) -> None:
        message, transcript = expect(record, dict, ""), self.transcript
        role, first_block = message.get("role"), len(transcript.blocks)
        if role not in ("user", "assistant"):
            raise unexpected("role", role)
        self.begin_context(message)
        parts = content_parts(message.get("content"))
        if role == "assistant":
            parts = [call_part for part in parts for call_part in self.with_calls(part)]
            add_parts(transcript, role, parts, self.call_result(message, parts))
        else:
            self.take_marks(parts)
            add_parts(transcript, role, result_of(parts, self.last_call))
        transcript.set_times(first_block, message.get("ts"))
        transcript.add_extra_fields(first_block, omit(message, *MESSAGE_FIELDS))
        self.sources.append((first_block, len(transcript.blocks), message.get("truncationParent")))

    def begin_context(self, message: Mapping[str, Any]) -> None:
        """Begin a context with a summary, or with a mark that hides earlier messages."""
        mark = message.get("truncationId")
        is_mark = message.get("isTruncationMarker") is True and isinstance(mark, str)
        if not (message.get("isSummary") is True or is_mark) or not self.transcript.blocks:
            return
        self.transcript.start_context()
        for start, end, hidden_by in self.sources if is_mark else ():
            if hidden_by is None:
                self.transcript.carry_blocks(start, end)

    def with_calls(self, part: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a part; a text with tool calls as its texts and its calls, which get ids."""
        text = part.get("text") if part.get("type") == "text" else None
        for call_part in split_calls(text) if isinstance(text, str) else [part]:
            if call_part.get("type") == "tool_use" and "id" not in call_part:
                self.call_count += 1
                self.last_call = f"{self.transcript.key or 'task'}/call-{self.call_count}"
                call_part = {**call_part, "id": self.last_call}
            yield {**omit(part, "type", "text"), **call_part} if call_part.get("type") == "text" else call_part

    def take_marks(self, parts: Sequence[Mapping[str, Any]]) -> None:
        """Take the model and the directory that Cline writes into messages of the user."""
        for text in [part["text"] for part in parts if isinstance(part.get("text"), str)]:
            model, folder = MODEL.search(text), FOLDER.search(text)
            self.model = model[1] if model else self.model
            self.folder = self.folder or (folder[1] if folder else "")

    def call_result(self, message: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> InferenceResult:
        request = next(self.requests, None)
        info, metrics = (object_or_empty(message.get(name), name) for name in ("modelInfo", "metrics"))
        usage, cost = _usage_of_metrics(metrics), to_float(metrics.get("cost")) or None
        model = text_or_empty(info.get("modelId")) or text_or_empty(info.get("id")) or self.model
        return self.transcript.inference_result(
            id=text_or_empty(message.get("id")),
            provider=text_or_empty(info.get("providerId")) or text_or_empty(info.get("provider")) or None,
            model=model or self.models.at(message.get("ts")) or None,
            stop_reason=request.stop_reason if request is not None else "",
            pending=has_calls(parts),
            usage=usage if usage is not None or request is None else request.usage,
            cost=cost if cost is not None or request is None else request.cost,
            extra=omit_empty(modelInfo=info, metrics=metrics, request=request.fields if request is not None else None),
        )

    def result_of_request(self, request: Request, id: str) -> InferenceResult:
        """Return the result of a request that left no message."""
        return self.transcript.inference_result(
            id=id,
            model=self.model or self.models.at(request.time) or None,
            stop_reason=request.stop_reason,
            usage=request.usage,
            cost=request.cost,
            extra={"request": request.fields},
        )


def _usage_of_metrics(metrics: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a message: those of a task have `tokens`, those of a session have names of their own."""
    tokens = object_or_empty(metrics.get("tokens"), "tokens")
    if tokens:
        counts = [to_number(tokens.get(name)) for name in ("prompt", "completion", "cached")]
        return token_usage(counts[0], counts[1], cache_read_tokens=counts[2])
    counts = [to_number(metrics.get(name)) for name in METRICS]
    return token_usage(counts[0], counts[1], cache_read_tokens=counts[2], cache_write_tokens=counts[3])


# Sessions of the command line.


def _side_of_session(source: Source) -> Mapping[str, Any]:
    """Return the metadata of a session, from the file next to its messages; an empty object without one."""
    path = source.path if source.path is not None and source.path.name.endswith(".messages.json") else None
    side = side_value(source, path.with_name(path.name.replace(".messages", "")) if path is not None else None)
    return side if isinstance(side, Mapping) else {}


def _read_session(value: Any, side: Mapping[str, Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    session_id = text_or_empty(value.get("sessionId"))
    transcript.key = session_id or transcript.key
    if prompt := text_or_empty(value.get("system_prompt")):
        transcript.begin_record("system_prompt")
        add_parts(transcript, "system", content_parts(prompt))
    reader = _MessageReader(transcript, _Models({}), ())
    transcript.read_records("messages", value["messages"], reader.read_message)
    metadata = side.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    fork = metadata.get("fork")
    fork_id = text_or_empty(fork.get("forkedFromSessionId")) if isinstance(fork, Mapping) else ""
    return transcript.to_run(
        id=session_id,
        name=text_or_empty(metadata.get("title")),
        time=side.get("started_at"),
        extra_fields={**side, **omit(value, "messages", "sessionId", "system_prompt")},
        metadata={BRANCH_OF.name: fork_id},
    )


IMPORTER = Importer(FORMAT, score_cline, read_tasks)
