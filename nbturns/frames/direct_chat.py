"""A record of OpenAI chat messages, straight into the lists of a batch of blocks.

It knows the plain shape alone: texts, calls with ids, results. What it gives for that is what
`importers.openai_chat` gives; of anything else it says so, and leaves it to that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..importers.chat_messages import CALL_FIELDS, PROMPT_FIELDS, REPLY_FIELDS, RESULT_FIELDS, SEPARATE
from ..importers.json_text import parse, parser
from .arrays import to_json
from .block_batch import CALL, DEVELOPER, REPLY, RESULT, SYSTEM, USER, BlockBatch
from .sources import File

VOICE = {"user": USER, "system": SYSTEM, "developer": DEVELOPER}
MOST = 1_000  # texts of a kind that are remembered
SHORT = 2_000  # characters of a text that may come again


class ChatRecords:
    """Reads one record after the other into a batch; what it learns of one serves the next."""

    def __init__(self, file: File) -> None:
        self.file = str(file.path)
        self.stem = file.path.stem
        self.label = file.label
        # What was written before. Agents call the same few tools, with the same arguments again and again.
        self._beside: dict[tuple[str, str], str] = {}  # how a single name and text are written
        self._arguments: dict[str, str] = {}  # and the arguments of a call
        self._parse = parser()

    def add(self, batch: BlockBatch, record: dict[str, Any], position: str, claimed: Callable[[str], str]) -> bool:
        """Add all blocks of a conversation; False where it is not plain, and what is in the batch to be taken back."""
        messages, line = record.get("messages"), position.removeprefix("line ")
        if type(messages) is not list:
            return False
        model = record.get("model")
        told = batch.told_number(("", model if type(model) is str else "", "", "unknown"))
        place = f":{line}" if line else ""
        run, key = batch.begin_run(claimed(self.label + place), self.file), f"{self.stem}{place}/message-"
        texts, voices, extras, made_by, calls = batch.texts, batch.voices, batch.extras, batch.made_by, batch.call_ids
        put, voiced, begun, before = texts.append, voices.append, len(texts), len(calls)
        names: dict[str, str] = {}  # of the tools, by the id of the call
        turn, answered = 0, False
        batch.begin_turn(run, "", 0, 0)
        for number, message in enumerate(messages):
            if type(message) is not dict:
                return False
            role, content = message.get("role"), message.get("content")
            if role == "assistant":
                answered = True
                calls.append(f"{key}{number}")
                if len(message) > 2 or not content or type(content) is not str:
                    if not self._reply(batch, message, content, names):
                        return False
                    continue
                made_by[len(texts)] = len(calls) - 1
                put(content)
                voiced(REPLY)
                continue
            if type(content) is not str:
                return False
            if role == "tool":
                answered, call = True, message.get("tool_call_id")
                if type(call) is not str or not call:
                    return False
                row = len(texts)
                batch.tool_call_ids[row] = call
                if call in names:
                    batch.names[row] = names[call]
                if len(message) > 3:
                    known = self._beside.get(("name", message["name"])) if _is_named(message) else None
                    if known or (known := self.beside(message, RESULT_FIELDS)):
                        extras[row] = known
                put(content)
                voiced(RESULT)
                continue
            voice = VOICE.get(role) if type(role) is str else None
            if voice is None:
                return False
            if answered and voice == USER:
                turn, answered = turn + 1, False
                batch.begin_turn(run, "", turn, len(texts) - begun)
            if len(message) > 2 and (beside := self.beside(message, PROMPT_FIELDS)):
                extras[len(texts)] = beside
            put(content)
            voiced(voice)
        batch.call_told += [told] * (len(calls) - before)
        return True

    def _reply(self, batch: BlockBatch, message: dict[str, Any], content: Any, names: dict[str, str]) -> bool:
        """Add a text, calls, or both, of the model call that is the last; False where it is not plain."""
        calls, made_by = message.get("tool_calls"), len(batch.call_ids) - 1
        if calls is None:
            if type(content) is not str or "tool_calls" in message:
                return False
        elif type(calls) is not list or not calls or (content is not None and type(content) is not str):
            return False
        if len(message) > 2 and not SEPARATE.isdisjoint(message) and any(map(message.get, SEPARATE)):
            return False
        row, beside = len(batch.texts), None
        if len(message) > 3 or content is not None or "content" not in message:
            beside = self.beside(message, REPLY_FIELDS if content or not calls else CALL_FIELDS)
        if beside:
            batch.extras[row] = beside
        if content or not calls:
            batch.made_by[row] = made_by
            batch.texts.append(content or "")
            batch.voices.append(REPLY)
        for call in calls or ():
            if type(call) is not dict or len(call) != 3 or call.get("type") != "function":
                return False
            function, id = call.get("function"), call.get("id")
            if type(function) is not dict or len(function) != 2 or type(id) is not str or not id:
                return False
            name, written = function.get("name"), function.get("arguments")
            if type(name) is not str or type(written) is not str:
                return False
            args = self._arguments.get(written) or self._written(written)
            if args is None:
                return False
            row = len(batch.texts)
            batch.made_by[row], batch.tool_call_ids[row] = made_by, id
            if name:
                batch.names[row] = names[id] = name
            else:
                names.pop(id, None)
            batch.texts.append(args)
            batch.voices.append(CALL)
        return True

    def beside(self, message: dict[str, Any], known: frozenset[str]) -> str | None:
        """What a message has beside what is known, as JSON. The same few names come again and again."""
        found = [name for name in message if name not in known and message[name] is not None]
        if len(found) == 1 and type(value := message[found[0]]) is str and len(value) < SHORT:
            key = (found[0], value)
            said = self._beside.get(key)
            if said is None:
                if len(self._beside) > MOST:
                    self._beside.clear()
                said = self._beside[key] = to_json({found[0]: value})
            return said
        return to_json({name: message[name] for name in found}) if found else None

    def _written(self, arguments: str) -> str | None:
        """The arguments of a call as this house writes JSON; None where they are no object."""
        args: Any
        try:
            args = self._parse(arguments) if arguments else {}
        except ValueError:
            try:
                args = parse(arguments)
            except (ValueError, RecursionError):
                return None
        if type(args) is not dict:
            return None
        written = to_json(args) if args else "{}"
        if len(arguments) < SHORT:
            if len(self._arguments) > MOST:
                self._arguments.clear()
            self._arguments[arguments] = written
        return written


def _is_named(message: dict[str, Any]) -> bool:
    """Whether a result has the name of its tool beside all that it has, and nothing else."""
    return len(message) == 4 and type(message.get("name")) is str
