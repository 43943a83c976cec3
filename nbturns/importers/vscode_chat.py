"""VS Code's chats, of Copilot and others: `workspaceStorage/<id>/chatSessions/<id>.json`, and logs of changes.

A request has a prompt and the parts of its answer: texts, thoughts, tools, edits. It is one model call here: the calls that
its tools needed are not recorded, only the tokens of the request. Arguments and results of tools are in the metadata of the
result, if Copilot wrote them (`toolCallRounds`, `toolCallResults`), else what the page showed. Parts of a subagent are a
Run of its own. `workspace.json` in the folder above names the directory. Source: microsoft/vscode,
src/vs/workbench/contrib/chat/common/chatService/chatService.ts at c3c6e234f940 and model/chatModel.ts at 00817b7f8e1c
(`sessionId`, `requests`, `message`, `modelId`, `response`, `result`; `IChatToolInvocationSerialized`; `ToolConfirmKind`: 0
is denied, 5 skipped); kenn-io/agentsview at 538600744d1b, internal/parser/vscode_copilot.go (`promptTokens`,
`outputTokens`, `resolvedModel`); jayparikh/agentviz at 33cb8c340e51, src/lib/vscodeSessionParser.ts and its fixture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from ..values.inference_results import InferenceResult
from ..values.provenance import PARENT_RUN, PARENT_TOOL_CALL
from ..values.turns import Kind, Run
from .kit.faults import unknown_value, wrong_type
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read_all
from .kit.links import link_runs, mark_children
from .kit.record_fields import (
    ShapeError,
    expect,
    list_or_empty,
    object_or_empty,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    token_usage,
)
from .kit.sample import Sample
from .kit.side_files import side_value
from .kit.source import Source
from .kit.transcript import Transcript
from .vscode_chat_log import apply_change, is_change
from .vscode_chat_tools import TOOL_KINDS, add_tool, tool_values

FORMAT = "vscode-chat"
TEXT_KINDS = ("", "markdownContent", "markdownVuln")
SMALL_KINDS = (
    "prepareToolInvocation", "mcpServersStarting", "undoStop", "codeblockUri", "progressMessage", "progressTask",
    "progressTaskSerialized", "references", "codeCitation", "command", "hook", "usedContext", "move", "pullRequest",
)  # fmt: skip  # of parts that say nothing of the answer
OTHER_KINDS = (
    "textEditGroup", "notebookEditGroup", "elicitation", "elicitationSerialized", "confirmation", "warning", "treeData",
    "multiDiffData", "extensions", "workspaceEdit", "questionCarousel", "disabledClaudeHooks", "agent", "clearToPreviousToolInvocation",
)  # fmt: skip
REQUEST_FIELDS = ("requestId", "message", "response", "timestamp", "result", "modelId")


def _is_chat(value: Any) -> bool:
    requests = value.get("requests") if isinstance(value, Mapping) else None
    if not isinstance(requests, list):
        return False
    has_request = any(
        isinstance(request, Mapping) and {"message", "response"} <= request.keys() for request in requests[:3]
    )
    return has_request or (not requests and "sessionId" in value and "responderUsername" in value)


def score_vscode_chat(sample: Sample) -> int:
    """Return a score higher than SURE for a chat, and for a log that begins with one."""
    if sample.container != "json":
        return 0
    record = sample.record
    is_log = is_change(record) and isinstance(record.get("v"), Mapping) and "requests" in record["v"]
    return SURE + 6 if is_log or _is_chat(record) else 0


def read_chats(source: Source) -> Iterator[Run]:
    """Yield the conversation of each chat of a source, then those of its subagents."""
    document: Any = None
    for position, value in source.records():
        if not is_change(value):
            yield from try_read_all(source, position, _read_chat, value, source, source.notes(FORMAT, position))
            continue
        try:
            document = apply_change(document, value)
        except ShapeError as error:
            source.add_problem(position, str(error))
    if document is not None:
        yield from try_read_all(source, "", _read_chat, document, source, source.notes(FORMAT))


def _read_chat(value: Any, source: Source, notes: Notes) -> list[Run]:
    requests = value.get("requests") if isinstance(value, Mapping) else None
    if not isinstance(requests, list):
        raise notes.load_error("", wrong_type("requests", requests, list))
    session_id = text_or_empty(value.get("sessionId"))
    reader = _ChatReader(notes, source, session_id)
    for index, request in enumerate(requests):
        reader.transcript.read_record(f"requests[{index}]", request, reader.read_request)
    fields = {"cwd": _folder_of(source), **omit(value, "sessionId", "customTitle", "requests", "creationDate")}
    title, time = text_or_empty(value.get("customTitle")), value.get("creationDate")
    mark_children(reader.transcript.blocks, reader.child_ids)
    main = reader.transcript.to_run(id=session_id, name=title, time=time, extra_fields=fields)
    return link_runs([main, *reader.subagent_runs(main.id)])


def _folder_of(source: Source) -> str:
    """Return the directory that a chat was about, from the file above its folder."""
    path = source.path.absolute().parent.parent / "workspace.json" if source.path is not None else None
    workspace = side_value(source, path)
    folder = workspace.get("folder") if isinstance(workspace, Mapping) else None
    return unquote(urlsplit(folder).path) if isinstance(folder, str) else ""


class _ChatReader:
    def __init__(self, notes: Notes, source: Source, session_id: str) -> None:
        self.source = source
        self.transcript = Transcript(notes)
        self.transcript.key = session_id or self.transcript.key
        self.subagents: dict[str, Transcript] = {}  # by the tool call that started them
        self.child_ids: dict[str, str] = {}

    def read_request(self, record: Any) -> None:
        request, transcript = expect(record, dict, ""), self.transcript
        message, first_block = request.get("message"), len(transcript.blocks)
        text = message if isinstance(message, str) else text_or_empty(object_or_empty(message, "message").get("text"))
        request_id = text_or_empty(request.get("requestId"))
        transcript.add_block(Kind.USER, {"text": text}, "user", request_id)
        transcript.set_times(first_block, request.get("timestamp"))
        message_fields = omit(message, "text") if isinstance(message, Mapping) else {}
        outcome = object_or_empty(request.get("result"), "result")
        metadata = object_or_empty(outcome.get("metadata"), "metadata")
        extra_fields = omit(request, *REQUEST_FIELDS) | omit_empty(message=message_fields)
        transcript.add_extra_fields(first_block, extra_fields)
        parts = [self._part(part) for part in list_or_empty(request.get("response"), "response")]
        if parts or outcome:
            self.add_answer(parts, _call_result(transcript, request, outcome, metadata), tool_values(metadata))
            last_block = len(transcript.blocks) - 1
            if transcript.blocks[last_block].kind == Kind.LLM_TEXT:
                transcript.set_times(last_block, _end_of(request, outcome))

    def _part(self, part: Any) -> dict[str, Any]:
        return {"value": part} if isinstance(part, str) else expect(part, dict, "response")

    def add_answer(self, parts: Sequence[dict[str, Any]], result: InferenceResult, values: Mapping[str, Any]) -> None:
        main, first_block = self.transcript, len(self.transcript.blocks)
        texts: dict[str, list[str]] = {}  # of a text that is not finished, by subagent; "" is the answer itself
        small_parts: list[Any] = []
        for part in parts:
            kind = text_or_empty(part.get("kind"))
            thread = self.thread_of(part)
            if kind in TEXT_KINDS or kind == "inlineReference":
                texts.setdefault(thread, []).append(_text_of(part, kind))
                continue
            if kind in SMALL_KINDS:
                small_parts.append(part)
                continue
            self.end_text(texts, thread, result)
            self.add_part(self.subagents.get(thread, main), kind, part, result, values)
        for thread in list(texts):
            self.end_text(texts, thread, result)
        if len(main.blocks) == first_block:
            main.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", result=result)
        main.add_extra_fields(first_block, omit_empty(parts=small_parts))

    def thread_of(self, part: Mapping[str, Any]) -> str:
        """Return the tool call whose subagent a part is of; "" for a part of the answer itself."""
        thread = text_or_empty(part.get("subAgentInvocationId"))
        if not thread or thread == part.get("toolCallId"):
            return ""
        if thread not in self.subagents:
            transcript = Transcript(self.source.notes(FORMAT, f"subagent {thread}"))
            transcript.key, transcript.position = self.transcript.key, self.transcript.position
            self.subagents[thread] = transcript
        return thread

    def end_text(self, texts: dict[str, list[str]], thread: str, result: InferenceResult) -> None:
        """Add the text before a part that is not a text."""
        text = "".join(texts.pop(thread, ()))
        if text:
            transcript = self.subagents.get(thread, self.transcript)
            transcript.add_block(Kind.LLM_TEXT, {"text": text}, "assistant", result=None if thread else result)

    def add_part(
        self,
        transcript: Transcript,
        kind: str,
        part: dict[str, Any],
        result: InferenceResult,
        values: Mapping[str, Any],
    ) -> None:
        call_result = result if transcript is self.transcript else None
        if kind == "thinking":
            value = part.get("value")
            text = "\n".join(map(str, value)) if isinstance(value, list) else text_or_empty(value)
            if text:
                extra_fields = omit(part, "kind", "value")
                transcript.add_block(Kind.REASONING, {"text": text}, result=call_result, extra_fields=extra_fields)
        elif kind in TOOL_KINDS:
            data = part.get("toolSpecificData")
            if isinstance(data, Mapping) and data.get("kind") == "subagent" and isinstance(part.get("toolCallId"), str):
                self.begin_subagent(part["toolCallId"], data)
            add_tool(transcript, part, values, call_result)
        else:
            if kind not in OTHER_KINDS:
                transcript.unknown(unknown_value("kind", kind))
            transcript.add_other(part, result=call_result)

    def begin_subagent(self, call_id: str, data: Mapping[str, Any]) -> None:
        """Add the prompt of a subagent, whose parts follow those of its call."""
        self.thread_of({"subAgentInvocationId": call_id})
        transcript = self.subagents[call_id]
        if not transcript.blocks and isinstance(data.get("prompt"), str):
            transcript.add_block(
                Kind.USER, {"text": data["prompt"]}, "user", extra_fields=omit(data, "prompt", "result")
            )
        self.child_ids[call_id] = f"{self.transcript.key}/{call_id}"

    def subagent_runs(self, parent_id: str) -> Iterator[Run]:
        for call_id, transcript in self.subagents.items():
            metadata = {PARENT_RUN.name: parent_id, PARENT_TOOL_CALL.name: call_id}
            yield transcript.to_run(id=f"{self.transcript.key}/{call_id}", metadata=metadata)


def _call_result(
    transcript: Transcript, request: Mapping[str, Any], outcome: Mapping[str, Any], metadata: Mapping[str, Any]
) -> InferenceResult:
    timings = object_or_empty(outcome.get("timings"), "timings")
    elapsed, first_progress = to_number(timings.get("totalElapsed")), to_number(timings.get("firstProgress"))
    error = object_or_empty(outcome.get("errorDetails"), "errorDetails")
    is_cancelled = request.get("isCanceled") is True
    model = text_or_empty(metadata.get("resolvedModel")) or text_or_empty(request.get("modelId")).rpartition("/")[2]
    return transcript.inference_result(
        id=text_or_empty(request.get("requestId")),
        model=model or None,
        stop_reason="interrupted" if is_cancelled else "error" if error else "",
        usage=token_usage(metadata.get("promptTokens"), metadata.get("outputTokens")),
        duration_ms=None if elapsed is None else int(elapsed),
        time_to_first_token_ms=None if first_progress is None else int(first_progress),
        extra={"modelId": request.get("modelId"), "result": outcome},
    )


def _end_of(request: Mapping[str, Any], outcome: Mapping[str, Any]) -> float | None:
    """Return the time of the end of an answer in milliseconds; None where it is not known."""
    start = to_number(request.get("timestamp"))
    elapsed = to_number(object_or_empty(outcome.get("timings"), "timings").get("totalElapsed"))
    return None if start is None or elapsed is None else start + elapsed


def _text_of(part: Mapping[str, Any], kind: str) -> str:
    """Return the text of a part; a reference in a text is its name, else that of its file."""
    if kind != "inlineReference":
        value = part.get("value", part.get("content"))
        return text_or_empty(value.get("value") if isinstance(value, Mapping) else value)
    reference = part.get("inlineReference")
    location = reference.get("uri", reference.get("location", reference)) if isinstance(reference, Mapping) else {}
    location = location.get("uri", location) if isinstance(location, Mapping) else {}
    path = text_or_empty(location.get("path")) if isinstance(location, Mapping) else ""
    name = reference.get("name") if isinstance(reference, Mapping) else ""
    return text_or_empty(part.get("name")) or text_or_empty(name) or PurePosixPath(path).name


IMPORTER = Importer(FORMAT, score_vscode_chat, read_chats)
