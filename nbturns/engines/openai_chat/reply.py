"""One reply of a chat model, built from the chunks of its stream or from its body.

Facts: OpenAI's Chat Completions reference, and recorded replies of compatible servers. A body is
read as a single chunk, so that a body and a stream of the same reply give equal blocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import EngineError
from ...runtime.call_ids import PROVIDER_CALL_ID
from ...runtime.toolbox import CUT
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.images import normal_or_raw_image
from ...values.inference_results import UNKNOWN_COUNT, FinishClass, InferenceResult, Usage
from ...values.metadata import Key
from ...values.provenance import OPENAI_CHAT_FIELDS as FIELDS
from ...values.turns import Block, Kind
from ..json_access import cost_of, detail_of, frozen_part, json_of, mapping_of, text_of, token_count_of
from ..provider import DeltaListener, discard_event
from ..receiver import DONE
from ..transports import openai_client
from ..verbatim import OriginalItems
from .candidate import REASONING_FIELDS, Candidate, has_content, merge_values

ORIGINALS = OriginalItems("openai_chat")
LOGPROBS: Key[dict[str, Any]] = Key("openai_chat.logprobs@v1", dict)

TRUNCATED_REASONS = frozenset({"length", "max_tokens", "model_length"})
FAILED_REASONS = frozenset({"error", "insufficient_system_resource"})
PADDING_FIELDS = {"obfuscation": None, "p": None}
IGNORED_FIELDS = frozenset({"error", "object"})


class Reply:
    """A chat reply under construction. Raises EngineError for an error in it and for an early end."""

    complete: bool

    def __init__(self, on_delta: DeltaListener = discard_event, inference_id: str = "", server: str = "openai") -> None:
        self.complete = False
        self.server = server
        self._inference_id = inference_id
        self._on_delta = None if on_delta is discard_event else on_delta
        self._reply_fields: dict[str, Any] = {}
        self._last_chunk_fields: Mapping[str, Any] = EMPTY_DICT  # fields of the last chunk, without its choices
        self._candidates: dict[int, Candidate] = {}
        self._final_blocks: tuple[Block, ...] | None = None  # blocks of a complete reply

    def body(self, data: Any) -> None:
        """Take a whole reply. Raises EngineError when it is an error or not a reply."""
        if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
            raise error_of(data)
        self._take_chunk(data, is_body=True)
        self.complete = True
        self._raise_for_error(data)

    def event(self, name: str, data: Any) -> None:
        """Take one chunk of the stream; unknown events are ignored."""
        if type(data) is dict:
            self._take_chunk(data)
            if name == "error":
                raise error_of(data)
        elif name == DONE:
            if not self._candidates and not self._reply_fields:
                raise EngineError("the stream ended without a reply", kind="bad_response")
            self.complete = True
            self._raise_for_error(EMPTY_DICT)

    def end(self) -> None:
        """Finish at the end of the stream. Raises EngineError when a candidate is not complete."""
        candidates = self._candidates.values()
        if not candidates or not all(candidate.finish_reason for candidate in candidates):
            raise EngineError("the stream ended before [DONE] and before a finish_reason", kind="stream_cut")
        self.complete = True
        self._raise_for_error(EMPTY_DICT)

    def _raise_for_error(self, error_data: Mapping[str, Any]) -> None:
        if _is_error(error_data):
            raise error_of(error_data)
        if (finish_reason := self._first_candidate.finish_reason) in FAILED_REASONS:
            raise EngineError(
                f"the server ended the reply early with finish_reason {finish_reason!r}", kind=finish_reason
            )

    def _take_chunk(self, chunk: Mapping[str, Any], *, is_body: bool = False) -> None:
        """Take the choices and the other fields of a chunk, or of a whole body."""
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                choice_index = choice.get("index")
                choice_index = choice_index if isinstance(choice_index, int) else 0
                candidate = self._candidates.get(choice_index)
                if candidate is None:
                    on_delta = None if choice_index else self._on_delta  # only the first candidate emits deltas
                    candidate = self._candidates[choice_index] = Candidate(
                        choice_index, on_delta, self._inference_id, is_body=is_body
                    )
                candidate.take(choice)
        chunk_fields = {**chunk, "choices": None}
        if "obfuscation" in chunk_fields or "p" in chunk_fields:  # random padding, different in each chunk
            chunk_fields |= PADDING_FIELDS
        if chunk_fields != self._last_chunk_fields:  # all chunks but the last repeat the same fields
            self._last_chunk_fields = chunk_fields
            self._merge_fields(chunk_fields)

    def _merge_fields(self, chunk_fields: Mapping[str, Any]) -> None:
        """Keep the fields of a chunk. Raises EngineError for an error in a stream."""
        reply_fields = self._reply_fields
        for name, value in chunk_fields.items():
            if value is not None and value != "" and reply_fields.get(name) != value and name not in IGNORED_FIELDS:
                reply_fields[name] = merge_values(reply_fields.get(name), frozen_part(value))
        if not self.complete and _is_error(chunk_fields):
            raise error_of(chunk_fields)

    @property
    def _first_candidate(self) -> Candidate:
        return self._candidates.get(0) or Candidate(0)

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of the first candidate so far. An incomplete one cannot be sent back, and an incomplete call is not a call."""
        if self._final_blocks is None:
            current_blocks = self._current_blocks()
            if not self.complete:
                return current_blocks
            self._final_blocks = current_blocks
        return self._final_blocks

    def _current_blocks(self) -> tuple[Block, ...]:
        response_id, candidate = text_of(self._reply_fields.get("id")), self._first_candidate
        if candidate.finish_reason in FAILED_REASONS or not (self.complete or candidate.finish_reason):
            incomplete_blocks = enumerate(_incomplete_blocks(candidate))
            return tuple(
                ORIGINALS.attach(block, response_id=response_id, index=index) for index, block in incomplete_blocks
            )
        message: FrozenDict = freeze(candidate.message())
        block_pieces = message_pieces(message, response_id)
        if block_pieces and block_pieces[-1][0].kind == "tool_call" and candidate.finish_reason in TRUNCATED_REASONS:
            block_pieces[-1] = (block_pieces[-1][0].with_metadata(CUT, True), block_pieces[-1][1])
        blocks = [
            ORIGINALS.attach(block, raw=message_piece, response_id=response_id, index=block_index)
            for block_index, (block, message_piece) in enumerate(block_pieces)
        ]
        if blocks:
            self._attach_metadata(blocks, message, candidate)
        return tuple(blocks)

    def _attach_metadata(self, blocks: list[Block], message: FrozenDict, candidate: Candidate) -> None:
        """Attach fields that belong to no block to the first text block, else to the first block."""
        metadata_values: dict[str, Any] = {}
        extra_fields = {name: value for name, value in message.items() if name not in SENT_FIELDS | PAYLOAD_FIELDS}
        if extra_fields:
            metadata_values[FIELDS.name] = extra_fields
        if candidate.logprobs:
            metadata_values[LOGPROBS.name] = candidate.logprobs
        if metadata_values:
            text_index = next((index for index, block in enumerate(blocks) if block.kind == "llm_text"), 0)
            metadata = blocks[text_index].metadata.with_raw(**metadata_values)
            blocks[text_index] = blocks[text_index]._with(metadata=metadata)

    def result(self) -> InferenceResult:
        """Return the record of this call; `extra` has the fields of the server and the other candidates."""
        candidate, finish_reason = self._first_candidate, self._first_candidate.finish_reason
        blocks = self.blocks()
        has_pending_calls = any(block.kind == "tool_call" and CUT not in block.metadata for block in blocks)
        finish_class = FinishClass.of(finish_reason, pending=has_pending_calls)
        if not has_pending_calls and any(block.payload.get("refusal") for block in blocks):
            finish_class = FinishClass.REFUSED
        elif finish_reason in FAILED_REASONS:
            finish_class = FinishClass.ERROR
        elif not finish_reason and self.complete and blocks and not has_pending_calls:
            finish_class = FinishClass.COMPLETED
        server_fields = {name: value for name, value in self._reply_fields.items() if name not in ("id", "model")}
        extra_fields = server_fields | candidate.choice_fields
        other_candidates = [candidate for index, candidate in sorted(self._candidates.items()) if index]
        if other_candidates:
            extra_fields["candidates"] = [candidate.complete_choice() for candidate in other_candidates]
        groq_fields = mapping_of(extra_fields.get("x_groq"))
        usage_counts = mapping_of(extra_fields.get("usage")) or mapping_of(groq_fields.get("usage"))
        return InferenceResult(
            provider=self.server,
            model=text_of(self._reply_fields.get("model")),
            stop_reason=finish_reason,
            finish_class=finish_class,
            truncated=finish_reason in TRUNCATED_REASONS,
            usage=usage_of_counts(usage_counts) if usage_counts else None,
            cost=cost_of(usage_counts),
            response_id=text_of(self._reply_fields.get("id")),
            request_id=text_of(self._reply_fields.get("request_id")) or text_of(groq_fields.get("id")),
            extra=freeze(extra_fields),
        )


def _incomplete_blocks(candidate: Candidate) -> list[Block]:
    """Return the blocks of a reply that was cut off; part of a call is data, not a call."""
    message = candidate.message()
    partial_calls = [
        *message.pop("tool_calls", ()),
        *([{"function": message["function_call"]}] if "function_call" in message else []),
    ]
    message.pop("function_call", None)
    complete_blocks = [block for block, _ in message_pieces(freeze(message), "")]
    return complete_blocks + [
        Block(Kind.OTHER, {"type": "function", **partial_call}, "assistant") for partial_call in partial_calls
    ]


# Decoding a message: its blocks, each with the piece of the message that it was read from.

PAYLOAD_FIELDS = frozenset({"role", "annotations", "images"})  # in a payload, and not sent back to the model
SENT_FIELDS = frozenset(
    {"content", "refusal", "audio", "tool_calls", "function_call", "reasoning_details", *REASONING_FIELDS}
)


def message_pieces(message: FrozenDict, message_id: str) -> list[tuple[Block, dict[str, Any]]]:
    """Return the blocks of an assistant message, each with its piece. A call without an id gets one from `message_id` and its index."""
    block_pieces: list[tuple[Block, dict[str, Any]]] = []
    field_names = (*REASONING_FIELDS, "reasoning_details")
    if reasoning_fields := {name: message[name] for name in field_names if message.get(name)}:
        reasoning_block = Block(Kind.REASONING, {"text": _reasoning_text(reasoning_fields)}, "assistant")
        block_pieces.append((reasoning_block, reasoning_fields))
    content = message.get("content")
    if isinstance(content, list):
        block_pieces += [(part_block(content_part), {"content": [content_part]}) for content_part in content]
    elif isinstance(content, dict):  # Cloudflare returns a requested JSON answer parsed
        block_pieces.append((Block(Kind.LLM_TEXT, {"text": json.dumps(content)}, "assistant"), {"content": content}))
    elif isinstance(content, str) and content:
        block_pieces.append((Block(Kind.LLM_TEXT, {"text": content}, "assistant"), {"content": content}))
    _attach_media(block_pieces, message)
    tool_calls = message.get("tool_calls")
    for call_index, tool_call in enumerate(tool_calls if isinstance(tool_calls, list) else ()):
        block_pieces.append((call_block(tool_call, f"{message_id}/{call_index}"), {"tool_calls": [tool_call]}))
    function_call = message.get("function_call")
    if isinstance(function_call, dict) and (function_call.get("name") or function_call.get("arguments")):
        legacy_call = call_block({"function": function_call}, f"{message_id}/function_call")
        block_pieces.append((legacy_call, {"function_call": function_call}))
    return block_pieces


def _reasoning_text(reasoning_fields: Mapping[str, Any]) -> str:
    """Return the text of the reasoning, whichever field it is in."""
    if plain_text := next(
        (reasoning_fields[name] for name in REASONING_FIELDS if isinstance(reasoning_fields.get(name), str)), ""
    ):
        return plain_text
    details = reasoning_fields.get("reasoning_details")
    detail_objects = [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    return "".join(text_of(detail.get("text")) or text_of(detail.get("summary")) for detail in detail_objects)


def part_block(content_part: Any) -> Block:
    """Return the block of one part of an assistant message; a part of an unknown type is kept whole in `other`."""
    match content_part:
        case {"type": "text", "text": str(text)}:
            return Block(Kind.LLM_TEXT, {"text": text}, "assistant")
        case {"type": "refusal", "refusal": str(refusal)}:
            return Block(Kind.LLM_TEXT, {"text": "", "refusal": refusal}, "assistant")
        case {"type": "thinking", "thinking": list(thinking_parts)}:
            thinking_text = "".join(text_of(mapping_of(thinking_part).get("text")) for thinking_part in thinking_parts)
            return Block(Kind.REASONING, {"text": thinking_text}, "assistant")
        case {"type": "thinking", "thinking": str(text)}:
            return Block(Kind.REASONING, {"text": text}, "assistant")
    return Block(Kind.OTHER, content_part if isinstance(content_part, dict) else {"part": content_part}, "assistant")


def _attach_media(block_pieces: list[tuple[Block, dict[str, Any]]], message: FrozenDict) -> None:
    """Attach a refusal, annotations, audio and images to the text block, or to an empty one."""
    payload: dict[str, Any] = {
        name: message[name] for name in ("refusal", "annotations") if has_content(message.get(name))
    }
    media_piece = {"refusal": message["refusal"]} if has_content(message.get("refusal")) else {}
    audio = message.get("audio")
    if isinstance(audio, dict) and (audio.get("id") or audio.get("data") or audio.get("transcript")):
        media_piece["audio"] = audio
        payload["media"] = [{"type": "audio", **audio}]
    if isinstance(images := message.get("images"), list) and images:
        payload["images"] = [normal_or_raw_image(mapping_of(image_part)) for image_part in images]
    if not payload:
        return
    for block_index, (block, text_piece) in enumerate(block_pieces):
        if block.kind == "llm_text":
            block_pieces[block_index] = (block.edit(**payload), {**text_piece, **media_piece})
            return
    block_pieces.append((Block(Kind.LLM_TEXT, {"text": "", **payload}, "assistant"), media_piece))


def call_block(raw_call: Any, position: str) -> Block:
    """Return the block of one call. Arguments that are not a JSON object are kept in `args_raw`."""
    raw_call = mapping_of(raw_call)
    function, arguments_field = mapping_of(raw_call.get("function")), "arguments"
    if not function.get("name") and has_content(raw_call.get("custom")):
        function, arguments_field = mapping_of(raw_call.get("custom")), "input"
    name, arguments = text_of(function.get("name")), function.get(arguments_field)
    args = arguments if isinstance(arguments, dict) else parse_arguments(arguments)
    call_id = text_of(raw_call.get("id"))
    call_digest = hashlib.sha256(f"{position}{name}{arguments}".encode("utf-8", "replace")).hexdigest()
    args_payload = {"args": EMPTY_DICT, "args_raw": arguments} if args is None else {"args": args}
    block = Block(Kind.TOOL_CALL, {"id": call_id or f"call_{call_digest[:24]}", "name": name, **args_payload})
    return block if call_id else block._with(metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: call_id}))


def parse_arguments(arguments_value: Any) -> Any:
    """Return the arguments as an object: empty for null and blank ones, None when they are not an object."""
    if arguments_value is None or (isinstance(arguments_value, str) and arguments_value.strip() in ("", "null")):
        return EMPTY_DICT
    args = json_of(arguments_value) if isinstance(arguments_value, str) else None
    return args if isinstance(args, dict) else None


def usage_of_counts(usage_counts: Mapping[str, Any]) -> Usage:
    """Return the usage of a reply. Cached tokens are part of `prompt_tokens`, and servers use one of five names for them."""
    prompt_details = mapping_of(usage_counts.get("prompt_tokens_details"))
    completion_details = mapping_of(usage_counts.get("completion_tokens_details"))
    cache_read_counts = (
        prompt_details.get("cached_tokens"),
        *(usage_counts.get(f"{name}_tokens") for name in ("prompt_cache_hit", "num_cached", "cached")),
        usage_counts.get("cache_read_input_tokens"),
    )
    cache_write_counts = (prompt_details.get("cache_write_tokens"), usage_counts.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=token_count_of(usage_counts.get("prompt_tokens")),
        output_tokens=token_count_of(usage_counts.get("completion_tokens")),
        cached_tokens=_first_count(cache_read_counts),
        cache_creation_input_tokens=_first_count(cache_write_counts),
        reasoning_tokens=token_count_of(completion_details.get("reasoning_tokens")),
    )


def _first_count(values: Iterable[Any]) -> int:
    """Return the first count that is not 0, else 0 where a server says so; UNKNOWN_COUNT when none says anything."""
    counts = [count for value in values if (count := token_count_of(value)) is not UNKNOWN_COUNT]
    return next(filter(None, counts), 0) if counts else UNKNOWN_COUNT


def _is_error(data: Mapping[str, Any]) -> bool:
    """Tell whether a chunk or body reports an error."""
    if not data.get("choices") and detail_of(data):
        return True
    return bool(data.get("error")) or data.get("object") == "error" or data.get("type") == "error"


def error_of(data: Any) -> EngineError:
    """Return the error that a server describes; `kind` is its code or type, `status` a code that is a number."""
    data = data[0] if isinstance(data, list) and data else data  # Gemini's compatible server wraps it
    server_error = openai_client.error_of(data)
    error_fields = mapping_of(mapping_of(data).get("error"))
    status_codes = (error_fields.get(name) for name in ("code", "status", "status_code"))
    server_error.status = next(
        (status_code for status_code in status_codes if isinstance(status_code, int) and 400 <= status_code < 600), None
    )
    upstream_error = mapping_of(error_fields.get("metadata"))  # OpenRouter's: the provider that failed, and its message
    if upstream_error.get("raw"):
        provider_name = text_of(upstream_error.get("provider_name")) or "the provider"
        server_error.args = (f"{server_error} ({provider_name}: {upstream_error['raw']!s:.300})",)
    return server_error
