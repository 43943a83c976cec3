"""A record of OpenAI chat messages, straight into the lists of a batch of blocks.

It knows the plain shape alone: texts, calls with ids, results. What it gives for that is what
`importers.openai_chat` gives; of anything else it says so, and leaves it to that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..importers.chat_messages import ANSWERED, CALLED, RESULTED, SAID, SEPARATE
from ..importers.json_text import parse
from .arrays import to_json
from .block_batch import BlockBatch
from .sources import File

# Of a block: kind, role, text, call id, tool, what its message had beside.
Said = tuple[str, str | None, str, str | None, str | None, str | None]


class ChatRecords:
    """Reads one record after the other into a batch; what it learns of one serves the next."""

    def __init__(self, file: File) -> None:
        self.file = str(file.path)
        self.stem = file.path.stem
        self.label = file.label
        self._beside: dict[tuple[str, str], str] = {}  # how a single name and text are written

    def add(self, batch: BlockBatch, record: dict[str, Any], position: str, claimed: Callable[[str], str]) -> bool:
        """Add all blocks of a conversation; False where it is not plain, and what is in the batch to be taken back."""
        messages, line = record.get("messages"), position.removeprefix("line ")
        if type(messages) is not list:
            return False
        model = record.get("model")
        model = model if type(model) is str else ""
        place = f":{line}" if line else ""
        id, key, put, calls = (
            claimed(self.label + place),
            f"{self.stem}{place}/message-",
            batch.blocks.append,
            batch.calls,
        )
        names: dict[str, str | None] = {}  # of the tools, by the id of the call
        turn, turns, index, answered = batch.begin_turn(id, "", 0, self.file), 0, 0, False
        for number, message in enumerate(messages):
            if type(message) is not dict:
                return False
            role, content = message.get("role"), message.get("content")
            if role == "assistant":
                answered, made_by = True, len(calls)
                calls.append((f"{key}{number}", "", model, "", "unknown"))
                if len(message) == 2 and content and type(content) is str:
                    put((turn, index, None, "llm_text", "assistant", content, 0, None, None, None, made_by, None, None))
                    index += 1
                    continue
                reply = self._reply(message, content, names)
                if reply is None:
                    return False
                for kind, said, text, call, name, beside in reply:
                    put((turn, index, None, kind, said, text, 0, call, name, None, made_by, beside, None))
                    index += 1
                continue
            if type(content) is not str:
                return False
            if role == "tool":
                answered, call = True, message.get("tool_call_id")
                if type(call) is not str or not call:
                    return False
                beside = self.beside(message, RESULTED) if len(message) > 3 else None
                put((turn, index, None, "tool_use", None, content, 0, call, names.get(call), None, None, beside, None))
            else:
                if role == "user":
                    if answered:
                        turns, answered = turns + 1, False
                        turn = batch.begin_turn(id, "", turns, self.file)
                elif role not in ("system", "developer"):
                    return False
                beside = self.beside(message, SAID) if len(message) > 2 else None
                kind = "user" if role == "user" else "system"
                put((turn, index, None, kind, role, content, 0, None, None, None, None, beside, None))
            index += 1
        return True

    def _reply(self, message: dict[str, Any], content: Any, names: dict[str, str | None]) -> list[Said] | None:
        """A text, calls, or both; None where it is not plain."""
        calls = message.get("tool_calls")
        if calls is None:
            if type(content) is not str or "tool_calls" in message:
                return None
        elif type(calls) is not list or not calls or (content is not None and type(content) is not str):
            return None
        if len(message) > 2 and any(message.get(name) for name in SEPARATE.intersection(message)):
            return None
        beside = self.beside(message, ANSWERED if content or not calls else CALLED)
        made: list[Said] = []
        if content or not calls:
            made.append(("llm_text", "assistant", content or "", None, None, beside))
            beside = None
        for call in calls or ():
            one = _call(call, beside)
            if one is None:
                return None
            names[str(one[3])] = one[4]
            made.append(one)
            beside = None
        return made

    def beside(self, message: dict[str, Any], known: frozenset[str]) -> str | None:
        """What a message has beside what is known, as JSON. The same few names come again and again."""
        found = [name for name in message if name not in known and message[name] is not None]
        if len(found) == 1 and type(value := message[found[0]]) is str and len(value) < 100:
            key = (found[0], value)
            said = self._beside.get(key)
            if said is None:
                if len(self._beside) > 1000:
                    self._beside.clear()
                said = self._beside[key] = to_json({found[0]: value})
            return said
        return to_json({name: message[name] for name in found}) if found else None


def _call(call: Any, beside: str | None) -> Said | None:
    """A call as every server writes it; None for another."""
    if type(call) is not dict or len(call) != 3 or call.get("type") != "function":
        return None
    function, id = call.get("function"), call.get("id")
    if type(function) is not dict or len(function) != 2 or type(id) is not str or not id:
        return None
    name, text = function.get("name"), function.get("arguments")
    if type(name) is not str or type(text) is not str:
        return None
    try:
        args = parse(text) if text else {}
    except (ValueError, RecursionError):
        return None
    if type(args) is not dict:
        return None
    return "tool_call", None, to_json(args) if args else "{}", id, name or None, beside
