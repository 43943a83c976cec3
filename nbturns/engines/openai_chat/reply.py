"""One answer of a chat model, put together from the chunks of its stream or from its body.

Facts: OpenAI's Chat Completions reference, and what servers that imitate it were
recorded to say. A body is read as one chunk that has it all, so one answer written in
both ways gives equal blocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...errors import EngineError
from ...runtime.call_ids import PROVIDER_CALL_ID
from ...runtime.toolbox import CUT
from ...values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ...values.images import normal_or_raw_image
from ...values.inference_results import FinishClass, InferenceResult, Usage
from ...values.metadata import Key
from ...values.provenance import OPENAI_CHAT_FIELDS as FIELDS
from ...values.turns import Block, Kind
from ..json_access import cost_of, count_of, frozen_part, json_of, mapping_of, text_of
from ..provider import Hear, discard_event
from ..receiver import DONE
from ..transports import openai_client
from ..verbatim import Wire
from .candidate import THOUGHTS, Candidate, merged, says

WIRE = Wire("openai_chat")
LOGPROBS: Key[dict[str, Any]] = Key("openai_chat.logprobs@v1", dict)

TRUNCATED = frozenset({"length", "max_tokens", "model_length"})
FAILED = frozenset({"error", "insufficient_system_resource"})
PADDING = {"obfuscation": None, "p": None}
UNKEPT = frozenset({"error", "object"})


class Reply:
    """What a chat model has said so far. Raises EngineError for an error in it, and for an early end."""

    def __init__(self, hear: Hear = discard_event, inference_id: str = "", server: str = "openai") -> None:
        self.complete = False
        self.server = server
        self._inference_id = inference_id
        self._hear = None if hear is discard_event else hear
        self._message: dict[str, Any] = {}
        self._head: Mapping[str, Any] = EMPTY_DICT  # what the last chunk said beside its choices
        self._candidates: dict[int, Candidate] = {}
        self._made: tuple[Block, ...] | None = None  # of a complete answer

    def body(self, data: Any) -> None:
        """Take a whole answer. Raises EngineError when it is an error, or no answer at all."""
        if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
            raise error_of(data)
        self._take(data, whole=True)
        self.complete = True
        self._checked(data)

    def event(self, name: str, data: Any) -> None:
        """Take one chunk of the stream; what is not known is let pass."""
        if type(data) is dict:
            self._take(data)
            if name == "error":
                raise error_of(data)
        elif name == DONE:
            self.complete = True
            self._checked(EMPTY_DICT)

    def end(self) -> None:
        """Finish at the end of the stream. Raises EngineError when a candidate is not complete."""
        candidates = self._candidates.values()
        if not candidates or not all(candidate.stop for candidate in candidates):
            raise EngineError("the stream ended before [DONE] and before a finish_reason", kind="stream_cut")
        self.complete = True
        self._checked(EMPTY_DICT)

    def _checked(self, data: Mapping[str, Any]) -> None:
        if _is_error(data):
            raise error_of(data)
        if (stop := self._first.stop) in FAILED:
            raise EngineError(f"the server broke off: finish_reason {stop}", kind=stop)

    def _take(self, data: Mapping[str, Any], *, whole: bool = False) -> None:
        choices = data.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                index = choice.get("index")
                index = index if isinstance(index, int) else 0
                candidate = self._candidates.get(index)
                if candidate is None:
                    hear = None if index else self._hear  # another candidate is not shown as it comes
                    candidate = self._candidates[index] = Candidate(index, hear, self._inference_id, whole=whole)
                candidate.take(choice)
        head = {**data, "choices": None}
        if "obfuscation" in head or "p" in head:  # padding, of another length in each chunk
            head |= PADDING
        if head != self._head:  # each chunk says the same of its answer, but the last
            self._head = head
            self._learn(head)

    def _learn(self, news: Mapping[str, Any]) -> None:
        known = self._message
        for name, value in news.items():
            if value is not None and value != "" and known.get(name) != value and name not in UNKEPT:
                known[name] = merged(known.get(name), frozen_part(value))
        if not self.complete and _is_error(news):
            raise error_of(news)

    @property
    def _first(self) -> Candidate:
        return self._candidates.get(0) or Candidate(0)

    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the first candidate as far as they came. One that broke off cannot be sent back, and is no call."""
        if self._made is None:
            made = self._blocks()
            if not self.complete:
                return made
            self._made = made
        return self._made

    def _blocks(self) -> tuple[Block, ...]:
        id, candidate = text_of(self._message.get("id")), self._first
        if candidate.stop in FAILED or not (self.complete or candidate.stop):
            made = _broken_off(candidate)
            return tuple(WIRE.marked(block, response_id=id, index=place) for place, block in enumerate(made))
        message: FrozenDict = freeze(candidate.message())
        pieces = decoded(message, id)
        if pieces and pieces[-1][0].kind == "tool_call" and candidate.stop in TRUNCATED:
            pieces[-1] = (pieces[-1][0].with_metadata(CUT, True), pieces[-1][1])
        blocks = [
            WIRE.marked(block, raw=piece, response_id=id, index=place) for place, (block, piece) in enumerate(pieces)
        ]
        if blocks:
            self._beside(blocks, message, candidate)
        return tuple(blocks)

    def _beside(self, blocks: list[Block], message: FrozenDict, candidate: Candidate) -> None:
        """Give what is no block's to the one it is about, or to the first."""
        beside: dict[str, Any] = {}
        if rest := {name: value for name, value in message.items() if name not in (*SENT, *SHOWN)}:
            beside[FIELDS.name] = rest
        if candidate.logprobs:
            beside[LOGPROBS.name] = candidate.logprobs
        if beside:
            at = next((at for at, block in enumerate(blocks) if block.kind == "llm_text"), 0)
            blocks[at] = blocks[at]._with(metadata=blocks[at].metadata.with_raw(**beside))

    def result(self) -> InferenceResult:
        """Who answered, why it ended, what it took; in `extra` the provider's own, other candidates too."""
        candidate, stop = self._first, self._first.stop
        blocks = self.blocks()
        pending = any(block.kind == "tool_call" and CUT not in block.metadata for block in blocks)
        finish = FinishClass.of(stop, pending=pending)
        if not pending and any(block.payload.get("refusal") for block in blocks):
            finish = FinishClass.REFUSED
        elif stop in FAILED:
            finish = FinishClass.ERROR
        elif not stop and self.complete and blocks and not pending:
            finish = FinishClass.COMPLETED
        extra = {k: v for k, v in self._message.items() if k not in ("id", "model")} | candidate.beside
        if others := [other.whole() for index, other in sorted(self._candidates.items()) if index]:
            extra["candidates"] = others
        counts = mapping_of(extra.get("usage")) or mapping_of(mapping_of(extra.get("x_groq")).get("usage"))
        return InferenceResult(
            provider=self.server,
            model=text_of(self._message.get("model")),
            stop_reason=stop,
            finish_class=finish,
            truncated=stop in TRUNCATED,
            usage=usage(counts) if counts else None,
            cost=cost_of(counts),
            response_id=text_of(self._message.get("id")),
            request_id=text_of(self._message.get("request_id")) or text_of(mapping_of(extra.get("x_groq")).get("id")),
            extra=freeze(extra),
        )


def _broken_off(candidate: Candidate) -> list[Block]:
    """What was there when the stream broke; half a call is data, not a call."""
    message = candidate.message()
    calls = [
        *message.pop("tool_calls", ()),
        *([{"function": message["function_call"]}] if "function_call" in message else []),
    ]
    message.pop("function_call", None)
    said = [block for block, _ in decoded(freeze(message), "")]
    return said + [Block(Kind.OTHER, {"type": "function", **call}, "assistant") for call in calls]


# A message → blocks, each with the piece of the message that it stands for.

SHOWN = frozenset({"role", "annotations", "images"})  # these are in a payload, and are not said to the model again
SENT = frozenset({"content", "refusal", "audio", "tool_calls", "function_call", "reasoning_details", *THOUGHTS})


def decoded(message: FrozenDict, id: str) -> list[tuple[Block, dict[str, Any]]]:
    """The blocks of an assistant's message, whole ones. A call without an id gets one, made of `id` and its place."""
    made: list[tuple[Block, dict[str, Any]]] = []
    if thoughts := {name: message[name] for name in (*THOUGHTS, "reasoning_details") if message.get(name)}:
        made.append((Block(Kind.REASONING, {"text": _thought(thoughts)}, "assistant"), thoughts))
    content = message.get("content")
    if isinstance(content, list):
        made += [(part_block(part), {"content": [part]}) for part in content]
    elif isinstance(content, dict):  # Cloudflare parses the JSON it was asked for
        made.append((Block(Kind.LLM_TEXT, {"text": json.dumps(content)}, "assistant"), {"content": content}))
    elif isinstance(content, str) and content:
        made.append((Block(Kind.LLM_TEXT, {"text": content}, "assistant"), {"content": content}))
    _with_media(made, message)
    calls = message.get("tool_calls")
    for place, call in enumerate(calls if isinstance(calls, list) else ()):
        made.append((call_block(call, f"{id}/{place}"), {"tool_calls": [call]}))
    legacy = message.get("function_call")
    if isinstance(legacy, dict) and (legacy.get("name") or legacy.get("arguments")):
        made.append((call_block({"function": legacy}, f"{id}/function_call"), {"function_call": legacy}))
    return made


def _thought(thoughts: Mapping[str, Any]) -> str:
    """The words of a thought, whichever field they are in."""
    if said := next((thoughts[name] for name in THOUGHTS if isinstance(thoughts.get(name), str)), ""):
        return said
    details = thoughts.get("reasoning_details")
    listed = [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    return "".join(text_of(one.get("text")) or text_of(one.get("summary")) for one in listed)


def part_block(part: Any) -> Block:
    """The block of one part of an assistant's content; one we do not know is kept whole in `other`."""
    match part:
        case {"type": "text", "text": str(text)}:
            return Block(Kind.LLM_TEXT, {"text": text}, "assistant")
        case {"type": "refusal", "refusal": str(refused)}:
            return Block(Kind.LLM_TEXT, {"text": "", "refusal": refused}, "assistant")
        case {"type": "thinking", "thinking": list(thoughts)}:
            said = "".join(text_of(mapping_of(one).get("text")) for one in thoughts)
            return Block(Kind.REASONING, {"text": said}, "assistant")
        case {"type": "thinking", "thinking": str(text)}:
            return Block(Kind.REASONING, {"text": text}, "assistant")
    return Block(Kind.OTHER, part if isinstance(part, dict) else {"part": part}, "assistant")


def _with_media(made: list[tuple[Block, dict[str, Any]]], message: FrozenDict) -> None:
    """Put what goes with a text beside it: a refusal, sources, sound, images."""
    payload: dict[str, Any] = {name: message[name] for name in ("refusal", "annotations") if says(message.get(name))}
    piece = {"refusal": message["refusal"]} if says(message.get("refusal")) else {}
    audio = message.get("audio")
    if isinstance(audio, dict) and (audio.get("id") or audio.get("data") or audio.get("transcript")):
        piece["audio"] = audio
        payload["media"] = [{"type": "audio", **audio}]
    if isinstance(images := message.get("images"), list) and images:
        payload["images"] = [normal_or_raw_image(mapping_of(one)) for one in images]
    if not payload:
        return
    for at, (block, its) in enumerate(made):
        if block.kind == "llm_text":
            made[at] = (block.edit(**payload), {**its, **piece})
            return
    made.append((Block(Kind.LLM_TEXT, {"text": "", **payload}, "assistant"), piece))


def call_block(raw: Any, place: str) -> Block:
    """The block of one call. What is no JSON object is kept as it was written, in `args_raw`."""
    raw = mapping_of(raw)
    function, written = mapping_of(raw.get("function")), "arguments"
    if not function.get("name") and says(raw.get("custom")):
        function, written = mapping_of(raw.get("custom")), "input"
    name, arguments = text_of(function.get("name")), function.get(written)
    args = arguments if isinstance(arguments, dict) else parsed(arguments)
    id = text_of(raw.get("id"))
    made = id or "call_" + hashlib.sha256(f"{place}{name}{arguments}".encode("utf-8", "replace")).hexdigest()[:24]
    said = {"args": EMPTY_DICT, "args_raw": arguments} if args is None else {"args": args}
    block = Block(Kind.TOOL_CALL, {"id": made, "name": name, **said})
    return block if id else block._with(metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: id}))


def parsed(text: Any) -> Any:
    """The arguments as an object; an empty one when there are none, None when they are something else."""
    if text is None or (isinstance(text, str) and text.strip() in ("", "null")):
        return EMPTY_DICT
    args = json_of(text) if isinstance(text, str) else None
    return args if isinstance(args, dict) else None


def usage(raw: Mapping[str, Any]) -> Usage:
    """A server's counts in ours; who reads from a cache counts it in `prompt_tokens`, under one of five names."""
    prompt, completion = mapping_of(raw.get("prompt_tokens_details")), mapping_of(raw.get("completion_tokens_details"))
    read = (
        prompt.get("cached_tokens"),
        *(raw.get(f"{name}_tokens") for name in ("prompt_cache_hit", "num_cached", "cached")),
        raw.get("cache_read_input_tokens"),
    )
    written = (prompt.get("cache_write_tokens"), raw.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=count_of(raw.get("prompt_tokens")),
        output_tokens=count_of(raw.get("completion_tokens")),
        cached_tokens=next(filter(None, map(count_of, read)), 0),
        cache_creation_input_tokens=next(filter(None, map(count_of, written)), 0),
        reasoning_tokens=count_of(completion.get("reasoning_tokens")),
    )


def _is_error(data: Mapping[str, Any]) -> bool:
    return bool(data.get("error")) or data.get("object") == "error" or data.get("type") == "error"


def error_of(data: Any) -> EngineError:
    """Return the error that a server describes; `kind` is its code or type, `status` a code that is a number."""
    data = data[0] if isinstance(data, list) and data else data  # Gemini's compatible server wraps it
    server_error = openai_client.error_of(data)
    error = mapping_of(mapping_of(data).get("error"))
    numbers = (error.get(name) for name in ("code", "status", "status_code"))
    server_error.status = next((code for code in numbers if isinstance(code, int) and 400 <= code < 600), None)
    upstream = mapping_of(error.get("metadata"))  # OpenRouter's: the provider that failed, and its message
    if upstream.get("raw"):
        provider = text_of(upstream.get("provider_name")) or "the provider"
        server_error.args = (f"{server_error} ({provider}: {upstream['raw']!s:.300})",)
    return server_error
