"""Prompts of Google AI Studio, as Google Drive keeps them: a document with `chunkedPrompt`.

A chunk has a role and a text, parts, a file, or code; one with `isThought` is a thought. Chunks of the model up to a prompt are of
one model call; its `tokenCount` is the output alone, so that the input is unknown. A chunk that names as its
`branchParent` the chunk before an answer is another version of it: the last version is on the path of the first Run, each other one
ends a path of its own. Source: Sinity/polylogue at d250e578bf73, polylogue/sources/parsers/drive.py, drive_support_blocks.py
(`executableCode`, `codeExecutionResult`, `inlineFile`, `driveDocument`), tests/data/gemini_chunked_prompt; Google does not document
the shape. `runSettings` and `systemInstruction` are those of exported files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..values.inference_results import UNKNOWN_COUNT, InferenceResult, Usage
from ..values.provenance import BRANCH_OF
from ..values.turns import Kind, Run
from .kit.gemini_parts import CODE_TOOL, GeminiParts
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    field_of_document,
    list_or_empty,
    object_of_document,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    unexpected,
)
from .kit.reply_blocks import set_call_result
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "ai-studio"
CHUNK_FIELDS = (
    *("id", "role", "text", "parts", "createTime", "isThought", "inlineFile", "inlineImage", "executableCode"),
    *("codeExecutionResult", "tokenCount", "finishReason"),
)


def is_prompt(value: Any) -> bool:
    """Return True for a document with a chunked prompt."""
    prompt = value.get("chunkedPrompt") if isinstance(value, Mapping) else None
    return isinstance(prompt, Mapping) and isinstance(prompt.get("chunks"), list)


def score_ai_studio(sample: Sample) -> int:
    """Return a score higher than SURE for a document with a chunked prompt."""
    return SURE + 6 if sample.container == "json" and any(map(is_prompt, sample.records)) else 0


def read_prompts(source: Source) -> Iterator[Run]:
    """Yield each prompt of a source, then the paths to its other answers."""
    for position, document in source.records():
        root_id = ""
        for number, path in enumerate(_paths(document)):
            name = f"branch {number}" if number else ""
            notes = source.notes(FORMAT, ", ".join(filter(None, (position, name))))
            for run in try_read(source, position, _read_path, document, path, number, notes):
                yield replace(run, metadata=run.metadata.with_(BRANCH_OF, root_id)) if root_id else run
                root_id = root_id or run.id


def _paths(document: Any) -> list[list[tuple[int, Any]] | None]:
    """Return the chunks on each path, with their indexes; None for a document without chunks, which is refused."""
    if not is_prompt(document):
        return [None]
    chunks = list(enumerate(document["chunkedPrompt"]["chunks"]))
    versions: dict[str, list[int]] = {}
    for index, chunk in chunks:
        parent = chunk.get("branchParent") if isinstance(chunk, Mapping) else None
        parent_id = parent.get("id") if isinstance(parent, Mapping) else None
        if isinstance(parent_id, str):
            versions.setdefault(parent_id, []).append(index)
    left = {index for indexes in versions.values() for index in indexes[:-1]}
    paths: list[list[tuple[int, Any]] | None] = [[numbered for numbered in chunks if numbered[0] not in left]]
    return paths + [
        [numbered for numbered in chunks[: index + 1] if numbered[0] == index or numbered[0] not in left]
        for index in sorted(left)
    ]


def _read_path(document: Any, path: Sequence[tuple[int, Any]] | None, number: int, notes: Notes) -> Run:
    field_of_document(document, notes, "chunkedPrompt", dict)
    transcript = Transcript(notes)
    document_id = text_or_empty(document.get("id"))
    settings = object_of_document(document.get("runSettings"), "runSettings", notes)
    transcript.key = document_id or transcript.key.partition(",")[0]
    reader = _ChunkReader(transcript, text_or_empty(settings.get("model")).removeprefix("models/"))
    instruction = document.get("systemInstruction")
    if instruction:
        transcript.read_record("systemInstruction", instruction, reader.read_instruction)
    for index, chunk in path or ():
        transcript.read_record(f"chunks[{index}]", chunk, reader.read_chunk, index)
    name = next((text for key in ("displayName", "title") if (text := text_or_empty(document.get(key)))), "")
    prompt_fields = omit_empty(chunkedPrompt=omit(document["chunkedPrompt"], "chunks"))
    fields = omit(document, "chunkedPrompt", "systemInstruction", "id") | prompt_fields
    run_id = f"{document_id}/branch {number}" if number and document_id else document_id
    return transcript.to_run(
        id=run_id, name=name, time=document.get("createTime"), extra_fields={} if number else fields
    )


class _ChunkReader:
    def __init__(self, transcript: Transcript, model: str) -> None:
        self.transcript = transcript
        self.model = model
        self.parts = GeminiParts(transcript)
        self.call_id = ""  # of the model call whose chunks are being read
        self.call_count = 0

    def read_instruction(self, record: Any) -> None:
        instruction = expect(record, (dict, str), "systemInstruction")
        parts = instruction.get("parts") if isinstance(instruction, dict) else [{"text": instruction}]
        texts = [text_or_empty(part.get("text")) for part in list_or_empty(parts, "parts") if isinstance(part, Mapping)]
        if isinstance(instruction, dict) and isinstance(instruction.get("text"), str):
            texts.append(instruction["text"])
        self.transcript.add_block(Kind.SYSTEM, {"text": "\n".join(texts)}, "system")

    def read_chunk(self, record: Any) -> None:
        chunk = expect(record, dict, "")
        role = chunk.get("role")
        if role not in ("user", "model"):
            raise unexpected("role", role)
        first_block, is_model = len(self.transcript.blocks), role == "model"
        result = self.result_of_chunk(chunk) if is_model else None
        if not is_model:
            self.call_id = ""
        if chunk.get("isThought") is True:
            payload = {"text": text_or_empty(chunk.get("text"))}
            self.transcript.add_block(Kind.REASONING, payload, "", chunk.get("id"), result=result)
        else:
            self.add_content(chunk, is_model, result)
        self.transcript.set_times(first_block, chunk.get("createTime"))
        blocks, chunk_id = self.transcript.blocks, chunk.get("id")
        if len(blocks) > first_block and blocks[first_block].id != chunk_id:
            self.transcript.add_extra_fields(first_block, {"id": chunk_id})
        extra_fields = (
            omit(chunk, *CHUNK_FIELDS)
            if is_model
            else omit(chunk, *CHUNK_FIELDS) | omit_empty(tokenCount=chunk.get("tokenCount"))
        )
        self.transcript.add_extra_fields(first_block, extra_fields)

    def add_content(self, chunk: Mapping[str, Any], is_model: bool, result: InferenceResult | None) -> None:
        parts = [{"text": chunk["text"]}] if isinstance(chunk.get("text"), str) and chunk["text"] else []
        own_parts = [part for part in list_or_empty(chunk.get("parts"), "parts") if part not in parts]
        parts = (
            own_parts
            if own_parts and not parts
            else parts + [part for part in own_parts if not _is_repeated(part, chunk)]
        )
        parts += [{"inlineData": chunk[name]} for name in ("inlineFile", "inlineImage") if chunk.get(name)]
        added = self.parts.add(parts, is_model=is_model, result=result, block_id=chunk.get("id"))
        if isinstance(chunk.get("executableCode"), Mapping):
            self.parts.add_call("", CODE_TOOL, dict(chunk["executableCode"]), result, {})
            added += 1
        if isinstance(chunk.get("codeExecutionResult"), Mapping):
            self.parts.add_code_result(chunk["codeExecutionResult"])
            added += 1
        if not added:
            kind, role = (Kind.LLM_TEXT, "assistant") if is_model else (Kind.USER, "user")
            self.transcript.add_block(kind, {"text": ""}, role, chunk.get("id"), result=result)

    def result_of_chunk(self, chunk: Mapping[str, Any]) -> InferenceResult:
        """Return the result of the model call of a chunk; its last chunk has the tokens and the reason."""
        if not self.call_id:
            self.call_count += 1
            self.call_id = text_or_empty(chunk.get("id")) or f"call-{self.call_count}"
        tokens, reason = to_number(chunk.get("tokenCount")), text_or_empty(chunk.get("finishReason"))
        result = self.transcript.inference_result(
            id=self.call_id,
            provider="gemini",
            model=self.model or None,
            stop_reason=reason,
            usage=None if tokens is None else Usage(UNKNOWN_COUNT, int(tokens)),
            extra={"error": chunk.get("errorMessage")},
        )
        if tokens is not None or reason:
            set_call_result(self.transcript, result)
        if chunk.get("finishReason") or chunk.get("branchParent"):
            self.call_id = ""
        return result


def _is_repeated(part: Any, chunk: Mapping[str, Any]) -> bool:
    """Return True for a piece of the text of a chunk."""
    text = part.get("text") if isinstance(part, Mapping) else None
    return isinstance(text, str) and text in text_or_empty(chunk.get("text"))


IMPORTER = Importer(FORMAT, score_ai_studio, read_prompts)
