"""Encode the blocks of a Turn as the messages of a chat, in one dialect.

Each block of the assistant is a piece of a message, and the pieces of one reply are joined
again. Unedited blocks from the same server go out verbatim.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import itemgetter
from typing import Any

from ...errors import EngineError
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.images import normal_image
from ...values.inference_results import INFERENCE_RESULT
from ...values.provenance import ARGUMENTS, MESSAGE
from ...values.provenance import OPENAI_CHAT_FIELDS as FIELDS
from ...values.turns import Block
from ..dialects import Dialect
from ..json_access import result_json
from ..media import content_parts
from ..openai.media import write_chat_medium
from .candidate import REASONING_FIELDS
from .reply import ORIGINALS, parse_arguments
from .server_rules import cache_marks, with_word_between

MEDIA_TYPES = frozenset({"input_audio", "file", "document_url", "video_url", "audio_url"})
SPOKEN_FIELDS = ("content", "tool_calls", "function_call", "refusal", "audio")  # a message without these is empty
TOOL_RANK, IMAGE_RANK, OTHER_RANK = range(3)  # order of the messages between two of the assistant


def write_messages(
    turn: Iterable[Block], dialect: Dialect, model: str, system_role: str = "system", *, keep_order: bool = False
) -> list[dict[str, Any]]:
    """Return the messages of a Turn. Results follow the calls they answer, unless `keep_order`."""
    writer = _Writer(dialect, model, system_role)
    ranked_messages = chain.from_iterable(map(writer.messages, _message_groups(turn)))
    ordered_messages = (message for _, message in ranked_messages) if keep_order else _reordered(ranked_messages)
    valid_messages = map(writer.with_valid_ids, ordered_messages)
    return list(valid_messages if dialect.user_after_tool else with_word_between(valid_messages))


def _reordered(ranked_messages: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the messages; after an assistant message with calls come their results, then images, then the others."""
    waiting_messages: list[tuple[int, dict[str, Any]]] = []
    has_calls = False
    for rank, message in ranked_messages:
        if message.get("role") != "assistant":
            waiting_messages.append((rank, message))
            continue
        yield from _sorted_by_rank(waiting_messages, has_calls=has_calls)
        waiting_messages, has_calls = [], bool(message.get("tool_calls") or message.get("function_call"))
        yield message
    yield from _sorted_by_rank(waiting_messages, has_calls=has_calls)


def _sorted_by_rank(ranked_messages: list[tuple[int, dict[str, Any]]], *, has_calls: bool) -> Iterator[dict[str, Any]]:
    """Return messages between two of the assistant, by rank if calls came before them."""
    ordered_messages = sorted(ranked_messages, key=itemgetter(0)) if has_calls else ranked_messages
    return (message for _, message in ordered_messages)


def _message_groups(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield groups of adjacent blocks that make one message: those of the assistant in one reply, or a single other block."""
    block_group: list[Block] = []
    for block in blocks:
        is_assistant = block.kind in ("llm_text", "reasoning", "tool_call") or (
            block.kind == "other" and block.role == "assistant"
        )
        if block_group and (not is_assistant or _begins_new_message(block, block_group)):
            yield block_group
            block_group = []
        if is_assistant:
            block_group.append(block)
        else:
            yield [block]
    if block_group:
        yield block_group


def _begins_new_message(block: Block, block_group: list[Block]) -> bool:
    """Tell whether a block begins another message than the blocks before it."""
    last_block = block_group[-1]
    (last_reply, last_index), (block_reply, block_index) = (
        ORIGINALS.reply_position(last_block),
        ORIGINALS.reply_position(block),
    )
    identity_pairs = (
        (last_reply, block_reply),
        (last_block.inference_id, block.inference_id),
        (last_block.metadata.get(MESSAGE), block.metadata.get(MESSAGE)),
    )
    if any(
        last_identity not in (None, "") and block_identity not in (None, "") and last_identity != block_identity
        for last_identity, block_identity in identity_pairs
    ):
        return True
    if last_index is not None and block_index is not None:
        return block_index <= last_index
    if _model_call(block) and _model_call(block) == _model_call(last_block):
        return False
    group_kinds = {group_block.kind for group_block in block_group}
    return block.kind in ("llm_text", "reasoning") and "llm_text" in group_kinds and "tool_call" not in group_kinds


def _model_call(block: Block) -> Any:
    """Return the id of the model call that made a block, else its record; None for one made by hand."""
    return block.inference_id or dict(block.metadata.items()).get(INFERENCE_RESULT.name)


class _Writer:
    """Writes messages for one model of one server; remembers the calls it has written."""

    def __init__(self, dialect: Dialect, model: str, system_role: str) -> None:
        self.dialect = dialect
        self.model = model.lower()
        self.system_role = system_role
        self.tool_names: dict[str, str] = {}  # by call id
        self.legacy_call_ids: set[str] = set()  # ids of calls that went out as `function_call`

    def messages(self, block_group: list[Block]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the messages of one group, each with its rank."""
        first_block = block_group[0]
        match first_block.kind:
            case "system" | "user":
                yield OTHER_RANK, self._recorded_message(first_block) or self._prompt_message(first_block)
            case "tool_use":
                yield from self._result_messages(first_block)
            case "llm_text" | "reasoning" | "tool_call":
                if message := self._assistant_message(block_group):
                    yield OTHER_RANK, message
            case _ if first_block.role == "assistant":
                if message := self._assistant_message(block_group):
                    yield OTHER_RANK, message
            case _ if (raw_message := ORIGINALS.raw_item(first_block)) is not None and "role" in raw_message:
                yield OTHER_RANK, raw_message

    def _recorded_message(self, block: Block) -> dict[str, Any] | None:
        """Return the message as it was recorded; None without a record, or after an edit."""
        raw_message = ORIGINALS.raw_item(block)
        return raw_message if isinstance(raw_message, dict) and "role" in raw_message else None

    def _prompt_message(self, block: Block) -> dict[str, Any]:
        """Return a user or system message; text alone goes as a string."""
        role = block.kind if block.kind == "user" else block.role if block.role == "developer" else self.system_role
        media_parts = [
            *map(_image_part, block.payload.get("images") or ()),
            *map(_media_part, (*block.payload.get("media", ()), *block.payload.get("parts", ()))),
        ]
        content: Any = block.text
        marks = cache_marks(block, self.dialect, self.model)
        if media_parts or marks:
            content = [*([{"type": "text", "text": block.text}] if block.text else []), *media_parts]
            content[-1] |= marks
        return {"role": role, "content": content, **_imported_fields(block)}

    def _result_messages(self, block: Block) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the result of a call, and after it the images that a tool message cannot hold."""
        if recorded_message := self._recorded_message(block):
            yield TOOL_RANK, recorded_message
            return
        call_id = block.tool_call_id
        content, images = _result_content(block)
        if call_id in self.legacy_call_ids:
            yield TOOL_RANK, {"role": "function", "name": self.tool_names.get(call_id, ""), "content": content}
        else:
            name_field = (
                {"name": self.tool_names[call_id]} if self.dialect.tool_name and self.tool_names.get(call_id) else {}
            )
            if marks := cache_marks(block, self.dialect, self.model):
                content = [{"type": "text", "text": content}] if isinstance(content, str) else content
                content[-1] |= marks
            yield (
                TOOL_RANK,
                {"role": "tool", "tool_call_id": call_id, **name_field, "content": content, **_imported_fields(block)},
            )
        if images:
            yield IMAGE_RANK, {"role": "user", "content": images}

    def _assistant_message(self, block_group: list[Block]) -> dict[str, Any] | None:
        """Return one message with the reasoning, text and calls of a reply; None when all of it is left out."""
        message: dict[str, Any] = {"role": "assistant"}
        is_recorded = False
        for block in block_group:
            message_piece = self._message_piece(block)
            is_recorded = is_recorded or "role" in message_piece
            _add_piece(message, message_piece)
        if is_recorded:
            has_calls = bool(message.get("tool_calls") or message.get("function_call"))
            if has_calls and message.get("content") is None and self.dialect.empty_content == "":
                message["content"] = ""
            return message
        if not any(message.get(name) is not None for name in SPOKEN_FIELDS):
            return None
        return self._completed_message(message, is_imported=MESSAGE in block_group[0].metadata)

    def _completed_message(self, message: dict[str, Any], *, is_imported: bool) -> dict[str, Any]:
        """Return a message that was not recorded, with the empty content that this server requires."""
        if isinstance(message.get("content"), dict):
            message["content"] = json.dumps(message["content"])
        if "audio" in message:
            message["audio"] = {"id": message["audio"].get("id", "")} if isinstance(message["audio"], dict) else {}
        if message.get("content") is not None:
            return message
        empty_content = self.dialect.empty_content
        if message.get("tool_calls") and empty_content != "" and is_imported:  # its fields have the original content
            return message
        if empty_content is None and message.get("tool_calls"):
            message.pop("content", None)
            return message
        other_fields = {name: value for name, value in message.items() if name not in ("role", "content")}
        return {"role": "assistant", "content": "" if empty_content == "" else None, **other_fields}

    def _message_piece(self, block: Block) -> dict[str, Any]:
        """Return the fields that a block adds to its message: verbatim where allowed, else from its payload."""
        raw_piece = ORIGINALS.raw_item(block)
        raw_piece = raw_piece if isinstance(raw_piece, dict) else None
        if block.kind == "tool_call":
            self.tool_names[block.tool_call_id] = block.name
            return self._call_piece(block, raw_piece)
        if raw_piece is not None and (MESSAGE in block.metadata or block.kind != "reasoning"):
            return raw_piece
        if block.kind == "reasoning":
            return self._reasoning_piece(block, raw_piece)
        if block.kind != "llm_text":
            return {}
        refusal = block.payload.get("refusal")
        server_audio = next(filter(_is_server_audio, block.payload.get("media") or ()), None)
        content_field: dict[str, Any] = {"content": block.text} if block.text or not (refusal or server_audio) else {}
        if block.text and (marks := cache_marks(block, self.dialect, self.model)):
            content_field = {"content": [{"type": "text", "text": block.text, **marks}]}
        other_fields = ({"refusal": refusal} if refusal else {}) | (
            {"audio": {"id": server_audio["id"]}} if server_audio and _has_original(block) else {}
        )
        return content_field | other_fields | _imported_fields(block)

    def _call_piece(self, block: Block, raw_piece: dict[str, Any] | None) -> dict[str, Any]:
        """Return a call as a piece; arguments that are not JSON are written anew for servers that refuse them."""
        if raw_piece is not None and "function_call" in raw_piece:
            self.legacy_call_ids.add(block.tool_call_id)
            return raw_piece
        raw_call = raw_piece["tool_calls"][0] if raw_piece and raw_piece.get("tool_calls") else None
        is_refused = "args_raw" in block.payload and not self.dialect.any_arguments and "custom" not in (raw_call or ())
        if raw_piece is not None and (MESSAGE in block.metadata or not is_refused):
            if isinstance(raw_call, dict) and MESSAGE not in block.metadata:
                raw_call["id"] = raw_call.get("id") or block.tool_call_id
                raw_call.setdefault("type", "function")
            return raw_piece
        function = {"name": block.name, "arguments": self._arguments_text(block)}
        return {
            "tool_calls": [{"id": block.tool_call_id, "type": "function", "function": function}],
            **_imported_fields(block),
        }

    def _arguments_text(self, block: Block) -> str:
        """Return the arguments of a call as text; text that is not JSON goes as a value where the server refuses it."""
        recorded_text = block.metadata.get(ARGUMENTS)
        if recorded_text is not None and parse_arguments(recorded_text) == block.args:
            return recorded_text
        args_text = block.payload.get("args_raw", block.payload.get("args"))
        if isinstance(args_text, str) and not block.args and args_text.strip() not in ("", "{}"):
            if self.dialect.any_arguments:
                return args_text
            return json.dumps({"INVALID_JSON": args_text}, ensure_ascii=False)
        return result_json(block.args)

    def _reasoning_piece(self, block: Block, raw_piece: dict[str, Any] | None) -> dict[str, Any]:
        """Return reasoning in the field that this server accepts; an empty piece where it accepts none."""
        match self.dialect.reasoning:
            case "same":
                return raw_piece if raw_piece is not None and self._is_of_this_model(block) else {}
            case "reasoning_content":
                return {"reasoning_content": block.text} if block.text else {}
            case "reasoning_details":
                raw_fields = raw_piece or {}
                field_names = ("reasoning_details",) if "reasoning_details" in raw_fields else REASONING_FIELDS
                return {name: raw_fields[name] for name in field_names if name in raw_fields}
            case "content" if raw_piece is not None and "content" in raw_piece:
                return raw_piece
            case "content" if block.text:
                return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": block.text}]}]}
        return {}

    def _is_of_this_model(self, block: Block) -> bool:
        """Tell whether reasoning is of the requested model; model names come with and without the name of the maker."""
        model_name = block.inference.model.lower() if block.inference else ""
        return not model_name or model_name in self.model or self.model in model_name

    def with_valid_ids(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the message with call ids in the form that this server accepts."""
        if self.dialect.id is None:
            return message
        for tool_call in message.get("tool_calls") or ():
            if isinstance(tool_call, dict):
                tool_call["id"] = self._valid_id(tool_call.get("id"))
        if "tool_call_id" in message:
            message["tool_call_id"] = self._valid_id(message["tool_call_id"])
        return message

    def _valid_id(self, call_id: Any) -> Any:
        if self.dialect.id is None or not isinstance(call_id, str) or self.dialect.id.fullmatch(call_id):
            return call_id
        return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def _add_piece(message: dict[str, Any], message_piece: Mapping[str, Any]) -> None:
    """Add a piece to its message: calls and contents are joined, other fields are replaced."""
    for name, value in message_piece.items():
        known_value = message.get(name)
        if name == "tool_calls" and isinstance(known_value, list) and isinstance(value, list):
            message[name] = [*known_value, *value]
        elif name == "content" and known_value is not None and value is not None:
            are_strings = isinstance(known_value, str) and isinstance(value, str)
            message[name] = (
                known_value + value if are_strings else [*_content_parts(known_value), *_content_parts(value)]
            )
        else:
            message[name] = value


def _content_parts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content if isinstance(content, str) else json.dumps(content)}]


def _imported_fields(block: Block) -> dict[str, Any]:
    """Return the fields of an imported message that belong to no block."""
    message_fields = block.metadata.get(FIELDS) if MESSAGE in block.metadata else None
    return thaw(message_fields) if message_fields else {}


def _has_original(block: Block) -> bool:
    return ORIGINALS.item_key in block.metadata


def _is_server_audio(media_item: Any) -> bool:
    """Tell whether a medium is audio that the server has under an id."""
    return isinstance(media_item, Mapping) and media_item.get("type") == "audio" and bool(media_item.get("id"))


def _image_part(image_value: Any) -> dict[str, Any]:
    """Return an image as a part. Raises EngineError for an invalid or incomplete one."""
    try:
        image = normal_image(image_value) if isinstance(image_value, Mapping) else EMPTY_DICT
    except ValueError as error:
        raise EngineError(str(error), kind="unsupported") from None
    if image.get("url"):
        url = image["url"]
    elif image.get("content"):
        url = f"data:{image['media_type']};base64,{image['content']}"
    else:
        raise EngineError(f"expected an image with content or a URL, got {image_value!r:.80}", kind="unsupported")
    return {
        "type": "image_url",
        "image_url": {"url": url, **({"detail": image["detail"]} if "detail" in image else {})},
    }


def _media_part(media_value: Any) -> dict[str, Any]:
    """Return a medium as a part; one in the notation of chat servers is unchanged."""
    if isinstance(media_value, Mapping) and media_value.get("type") in MEDIA_TYPES:
        media: dict[str, Any] = thaw(media_value)
        return media
    return write_chat_medium(media_value)


def _result_content(block: Block) -> tuple[Any, list[dict[str, Any]]]:
    """Return the content of a tool message, and the images of the result, which it cannot hold."""
    result, image_parts = block.result, [_image_part(image_value) for image_value in block.payload.get("images") or ()]
    if block.error:
        return block.error, image_parts
    output_parts = content_parts(result, "text", write_chat_medium)
    if output_parts is not None:
        image_parts += [part for part in output_parts if part["type"] != "text"]
        return [part for part in output_parts if part["type"] == "text"] or "the images follow", image_parts
    return result if isinstance(result, str) else result_json(result), image_parts
