"""A record of OpenAI chat messages, straight into the lists of a batch of blocks.

It knows the plain shape alone: texts, calls with ids, results. For that shape its result is that of
`importers.openai_chat`; for any other it returns False, and the record is left to that importer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...importers.kit.chat_messages import (
    CALL_FIELDS,
    PROMPT_FIELDS,
    REPLY_FIELDS,
    RESULT_FIELDS,
    SEPARATE_FIELDS,
    TIME_FIELDS,
)
from ...importers.kit.lenient_json import fast_parser, parse
from ...importers.kit.recorded_calls import CALL_NAMES
from ...importers.kit.run_names import name_in_file, sample_name
from ...importers.kit.unread_messages import unread_messages
from ..sources import SourceFile
from .block_batch import (
    CALL,
    DEVELOPER,
    REPLY,
    RESULT,
    SYSTEM,
    USER,
    BlockBatch,
    NotPlainError,
    plain_json,
    require_levels,
)

KIND_ROLES = {"user": USER, "system": SYSTEM, "developer": DEVELOPER}
CACHE_SIZE = 1_000  # texts of a kind
CACHED_LENGTH = 2_000  # characters of a text that is cached


class ChatRecords:
    """Reads one record after the other into a batch, with caches that serve all of them.

    Agents call the same few tools, with the same arguments again and again.
    """

    def __init__(self, file: SourceFile) -> None:
        self.source_file = file
        self.file: str = str(file.path)
        self.stem: str = file.path.stem
        self._extra_json: dict[tuple[str, str], str] = {}  # of a message with one extra field, by name and text
        self._arguments_json: dict[str, str] = {}  # by the arguments as the file has them
        self._parse = fast_parser()

    def add(
        self, batch: BlockBatch, record: dict[str, Any], position: str, index: int, unique_id: Callable[[str], str]
    ) -> bool:
        """Add all blocks of a conversation; False if it is not plain, and the batch is to be shortened again.

        `index` is that of the record in its file.
        """
        messages, line = record.get("messages"), position.removeprefix("line ")
        if type(messages) is not list or not messages:
            return False
        place = f":{line}" if line else ""
        try:
            if len(record) > 1:
                fields = {name: value for name, value in record.items() if name != "messages"}
                if not CALL_NAMES.isdisjoint(fields) or any(unread_messages(fields)):  # a recorded call, other messages
                    return False
                require_levels(list(fields.values()))
            run = batch.begin_run("", self.file)
            calls_before = len(batch.call_ids)
            if not self._add_messages(batch, messages, run, f"{self.stem}{place}/message-"):
                return False
        except NotPlainError:
            return False
        batch.set_run_id(run, unique_id(self.source_file.position_id(index)))
        batch.records.append((position, self._name(record, index), len(messages)))
        model = record.get("model")
        summary = batch.summary_number(("", model if type(model) is str else "", "", "unknown"))
        batch.call_summaries += [summary] * (len(batch.call_ids) - calls_before)
        return True

    def _name(self, record: dict[str, Any], index: int) -> str:
        name = record.get("id", record.get("custom_id"))
        if type(name) is str and name:
            return name
        fields = {name: value for name, value in record.items() if name != "messages"} if len(record) > 1 else {}
        return sample_name(fields) or name_in_file(self.source_file.place or self.source_file.path.name, index)

    def _add_messages(self, batch: BlockBatch, messages: list[Any], run: int, call_id_prefix: str) -> bool:
        texts, kind_roles, calls, call_ids = batch.texts, batch.kind_roles, batch.calls, batch.call_ids
        first_row, turn_index, has_reply = len(texts), 0, False
        tool_names: dict[str, str] = {}  # by tool call id
        batch.begin_turn(run, "", 0, 0)
        for number, message in enumerate(messages):
            if type(message) is not dict:
                return False
            role, content = message.get("role"), message.get("content")
            if role == "assistant":
                has_reply = True
                call_ids.append(f"{call_id_prefix}{number}")
                if len(message) > 2 or not content or type(content) is not str:
                    if not self._add_reply(batch, message, content, tool_names):
                        return False
                    continue
                calls[len(texts)] = len(call_ids) - 1
                texts.append(content)
                kind_roles.append(REPLY)
                continue
            if type(content) is not str:
                return False
            if role == "tool":
                has_reply = True
                if not self._add_result(batch, message, content, tool_names):
                    return False
                continue
            kind_role = KIND_ROLES.get(role) if type(role) is str else None
            if kind_role is None:
                return False
            if has_reply and kind_role == USER:
                turn_index, has_reply = turn_index + 1, False
                batch.begin_turn(run, "", turn_index, len(texts) - first_row)
            if len(message) > 2 and (extra := self._extra(message, PROMPT_FIELDS)):
                batch.extras[len(texts)] = extra
            texts.append(content)
            kind_roles.append(kind_role)
        return True

    def _add_result(self, batch: BlockBatch, message: dict[str, Any], content: str, tool_names: dict[str, str]) -> bool:
        call_id = message.get("tool_call_id")
        if type(call_id) is not str or not call_id:
            return False
        row = len(batch.texts)
        batch.tool_call_ids[row] = call_id
        if call_id in tool_names:
            batch.names[row] = tool_names[call_id]
        if len(message) > 3:
            extra = self._extra_json.get(("name", message["name"])) if _has_only_name(message) else None
            if extra or (extra := self._extra(message, RESULT_FIELDS)):
                batch.extras[row] = extra
        batch.texts.append(content)
        batch.kind_roles.append(RESULT)
        return True

    def _add_reply(self, batch: BlockBatch, message: dict[str, Any], content: Any, tool_names: dict[str, str]) -> bool:
        """Add a text, calls, or both, of the last model call; False if one of them is not plain."""
        tool_calls, call = message.get("tool_calls"), len(batch.call_ids) - 1
        if tool_calls is None:
            if type(content) is not str or "tool_calls" in message:
                return False
        elif type(tool_calls) is not list or not tool_calls or (content is not None and type(content) is not str):
            return False
        if len(message) > 2 and not SEPARATE_FIELDS.isdisjoint(message) and any(map(message.get, SEPARATE_FIELDS)):
            return False
        row, extra = len(batch.texts), None
        if len(message) > 3 or content is not None or "content" not in message:
            extra = self._extra(message, REPLY_FIELDS if content or not tool_calls else CALL_FIELDS)
        if extra:
            batch.extras[row] = extra
        if content or not tool_calls:
            batch.calls[row] = call
            batch.texts.append(content or "")
            batch.kind_roles.append(REPLY)
        return all(self._add_call(batch, tool_call, call, tool_names) for tool_call in tool_calls or ())

    def _add_call(self, batch: BlockBatch, tool_call: Any, call: int, tool_names: dict[str, str]) -> bool:
        if type(tool_call) is not dict or len(tool_call) != 3 or tool_call.get("type") != "function":
            return False
        function, call_id = tool_call.get("function"), tool_call.get("id")
        if type(function) is not dict or len(function) != 2 or type(call_id) is not str or not call_id:
            return False
        name, arguments = function.get("name"), function.get("arguments")
        if type(name) is not str or type(arguments) is not str:
            return False
        text = self._arguments_json.get(arguments) or self._normal_arguments(arguments)
        if text is None:
            return False
        row = len(batch.texts)
        batch.calls[row], batch.tool_call_ids[row] = call, call_id
        if name:
            batch.names[row] = tool_names[call_id] = name
        else:
            tool_names.pop(call_id, None)
        batch.texts.append(text)
        batch.kind_roles.append(CALL)
        return True

    def _extra(self, message: dict[str, Any], common_names: frozenset[str]) -> str | None:
        """Return the uncommon fields of a message as JSON."""
        names = [name for name in message if name not in common_names and message[name] is not None]
        if not TIME_FIELDS.isdisjoint(names):
            raise NotPlainError
        if len(names) == 1 and type(value := message[names[0]]) is str and len(value) < CACHED_LENGTH:
            key = (names[0], value)
            text = self._extra_json.get(key)
            if text is None:
                if len(self._extra_json) > CACHE_SIZE:
                    self._extra_json.clear()
                text = self._extra_json[key] = plain_json({names[0]: value})
            return text
        return plain_json({name: message[name] for name in names}) if names else None

    def _normal_arguments(self, arguments: str) -> str | None:
        """Return the arguments of a call as the column `text` has them; None if they are not an object."""
        args: Any
        try:
            args = self._parse(arguments) if arguments else {}
        except (ValueError, TypeError):  # TypeError: half a surrogate pair
            try:
                args = parse(arguments)
            except (ValueError, RecursionError):
                return None
        if type(args) is not dict:
            return None
        text = plain_json(args) if args else "{}"
        if len(arguments) < CACHED_LENGTH:
            if len(self._arguments_json) > CACHE_SIZE:
                self._arguments_json.clear()
            self._arguments_json[arguments] = text
        return text


def _has_only_name(message: dict[str, Any]) -> bool:
    """Return whether the name of its tool is the only extra field of a result."""
    return len(message) == 4 and type(message.get("name")) is str
