"""One candidate of a chat model's answer, collected from its chunks into the message a body would have.

Servers differ in what they repeat, leave out and number, so what a chunk adds is told
by what has come before it, and not by who sent it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...values.frozen_json import EMPTY_DICT
from ..json_access import frozen_part
from ..provider import Hear, delta

THOUGHTS = ("reasoning_content", "reasoning")  # names of the field with the model's thoughts
OF_A_CHUNK = frozenset({"token_id", "channel", "role"})  # in a delta, and not of its message; the role is known
COMMON = frozenset(
    {"index", "delta", "message", "finish_reason", "logprobs", "text"}
)  # of a choice; old servers say `text` twice


class Candidate:
    """What one of the choices has said so far. `whole` when it all comes at once, in a body."""

    def __init__(self, index: int, hear: Hear | None = None, inference_id: str = "", *, whole: bool = False) -> None:
        self.stop = ""
        self.beside: dict[str, Any] = {}  # of the choice, not of its message
        self.logprobs: dict[str, Any] = {}
        self._index = index
        self._hear = hear
        self._inference_id = inference_id
        self._whole = whole
        self._places: dict[Any, int] = {}  # what was heard of, in order
        self._thoughts: dict[str, list[str]] = {}
        self._details: list[dict[str, Any]] = []
        self._contents: list[_Content] = []
        self._last: _Content | None = None  # of the contents, where it may go on
        self._listed = False
        self._refusal: list[str] = []
        self._calls: list[_Call] = []
        self._numbered: dict[int, _Call] = {}
        self._legacy = _Call(0, [])
        self._audio: dict[str, Any] = {}
        self._rest: dict[str, Any] = {}

    def take(self, choice: Mapping[str, Any]) -> None:
        """Take one choice of a chunk, or of a body."""
        for name, value in choice.items():
            if not value or name == "index":
                continue
            if name == "delta" or (name == "message" and "delta" not in choice):
                if isinstance(value, dict):
                    self._say(value)
            elif name == "finish_reason":
                self.stop = value if isinstance(value, str) else self.stop
            elif name == "logprobs":
                self._weigh(value)
            elif name not in COMMON:
                self.beside[name] = merged(self.beside.get(name), frozen_part(value))

    def _weigh(self, logprobs: Any) -> None:
        for name, more in logprobs.items() if isinstance(logprobs, dict) else ():
            if isinstance(more, list) and more:
                known = self.logprobs.setdefault(name, [])
                if isinstance(known, list):
                    known.extend(frozen_part(more))
            elif more:
                self.logprobs[name] = frozen_part(more)

    def _say(self, delta: Mapping[str, Any]) -> None:
        for name, value in delta.items():
            if value is None or value == "" or name in OF_A_CHUNK:
                continue
            if name == "content" and type(value) is str:
                self._add("text", value, EMPTY_DICT)
                continue
            match name:
                case "content":
                    self._content(value)
                case "tool_calls":
                    for call in value if isinstance(value, list) else ():
                        if isinstance(call, dict):
                            self._call(call)
                case "function_call":
                    if isinstance(value, dict) and (value.get("name") or value.get("arguments")):
                        self._told(self._legacy, self._legacy.take({"function": value}))
                case "reasoning_content" | "reasoning" if isinstance(value, str):
                    self._think(name, value)
                case "reasoning_details" if isinstance(value, list):
                    for detail in value:
                        self._detail(detail)
                case "refusal" if isinstance(value, str):
                    self._refusal.append(value)
                case "audio" if isinstance(value, dict):
                    self._sound(value)
                case _:
                    self._keep(name, value)

    def _keep(self, name: str, value: Any) -> None:
        """Keep what has no place of its own; lists grow, and an object that is all blanks says nothing."""
        if not says(value):
            return
        before = self._rest.get(name)
        if isinstance(before, list) and isinstance(value, list):
            self._rest[name] = [*before, *frozen_part(value)]
        else:
            self._rest[name] = merged(before, frozen_part(value))

    def _tell(self, place: int, kind: str, text: str, name: str) -> None:
        if self._hear is not None and (text or name):
            self._hear(delta(self._inference_id, place, kind, text, name))

    def _place(self, of: Any) -> int:
        return self._places.setdefault(of, len(self._places))

    def _think(self, name: str, text: str) -> None:
        self._thoughts.setdefault(name, []).append(text)
        if next(iter(self._thoughts)) == name:  # some servers say it twice, under both names
            self._tell(self._place("thoughts"), "reasoning", text, "")

    def _detail(self, detail: Any) -> None:
        """Pieces of one detail have its index; a text grows, a signature comes at its end."""
        if not isinstance(detail, dict):
            return
        last = self._details[-1] if self._details and not self._whole else {}
        grows = next((name for name in ("text", "summary") if isinstance(detail.get(name), str)), "")
        same = last and all(last.get(name) == detail.get(name) for name in ("type", "index"))
        if not same or not (grows or "signature" in detail):
            self._details.append(dict(frozen_part(detail)))
            return
        for name, value in detail.items():
            if name == grows:
                last[name] = f"{last.get(name) or ''}{value}"
            elif value is not None and value != "":
                last[name] = frozen_part(value)

    def _content(self, value: Any) -> None:
        if not isinstance(value, list):
            self._contents.append(_Content("object", frozen_part(value)))
            self._last = None
            return
        self._listed = True
        for part in value:
            match part:
                case {"type": "text", "text": str(text), **others}:
                    self._add("text", text, others)
                case {"type": "thinking", "thinking": str() | list() as thought, **others} if not self._whole:
                    self._add("thinking", _thought(thought), others)
                case _:
                    self._contents.append(_Content("part", frozen_part(part)))
                    self._last = None
                    if self._whole and isinstance(part, dict):
                        self._tell(self._place(id(part)), "reasoning", _thought(part.get("thinking")), "")

    def _add(self, kind: str, text: str, others: Mapping[Any, Any]) -> None:
        last = self._last
        if last is None or last.kind != kind or self._whole:
            last = self._last = _Content(kind)
            self._contents.append(last)
        last.said.append(text)
        if others:
            last.others |= {name: frozen_part(value) for name, value in others.items() if name != "type"}
        if text and self._hear is not None:
            if last.place < 0:
                last.place = self._place(id(last))
            kind = "llm_text" if kind == "text" else "reasoning"
            self._hear(delta(self._inference_id, last.place, kind, text))

    def _call(self, raw: Mapping[str, Any]) -> None:
        index, its = raw.get("index"), None
        numbered = isinstance(index, int) and not self._whole
        if not self._whole:
            its = self._numbered.get(index) if numbered else self._calls[-1] if self._calls else None  # type: ignore[arg-type]  # an int, if numbered
        if its is None or its.is_another(raw, numbered=numbered):
            its = _Call(index if isinstance(index, int) and numbered else len(self._calls), [])
            self._calls.append(its)
            if isinstance(index, int):
                self._numbered[index] = its
        self._told(its, its.take(raw))

    def _told(self, call: _Call, text: str) -> None:
        first = not call.told and bool(call.name)
        if text or first:
            call.told = call.told or first
            self._tell(self._place(id(call)), "tool_call", text, call.name if first else "")

    def _sound(self, audio: Mapping[str, Any]) -> None:
        """Sound and its transcript come in pieces."""
        for name, value in audio.items():
            if says(value):
                before = self._audio.get(name)
                grows = name in ("data", "transcript") and isinstance(before, str) and isinstance(value, str)
                self._audio[name] = before + value if grows and before else frozen_part(value)

    def message(self) -> dict[str, Any]:
        """The message so far, as a body would have it; what says nothing is left out."""
        made: dict[str, Any] = {name: "".join(said) for name, said in self._thoughts.items()}
        if self._details:
            made["reasoning_details"] = self._details
        if self._listed:
            made["content"] = [content.part() for content in self._contents]
        elif self._contents:
            texts = ["".join(content.said) for content in self._contents]
            only = self._contents[0]
            made["content"] = only.whole if only.kind == "object" else "".join(texts)
        if self._refusal:
            made["refusal"] = "".join(self._refusal)
        if self._audio:
            made["audio"] = self._audio
        if self._calls:
            made["tool_calls"] = [call.whole() for call in sorted(self._calls, key=lambda call: call.order)]
        if self._legacy.name or self._legacy.said:
            made["function_call"] = self._legacy.whole()["function"]
        return made | self._rest

    def whole(self) -> dict[str, Any]:
        """The candidate as a choice of a body, for one that becomes no blocks."""
        beside = {**self.beside, **({"logprobs": self.logprobs} if self.logprobs else {})}
        return {"index": self._index, "message": self.message(), "finish_reason": self.stop or None, **beside}


@dataclass(slots=True)
class _Content:
    """One part of a content."""

    kind: str
    whole: Any = None
    place: int = -1  # among what was heard
    said: list[str] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)

    def part(self) -> Any:
        if self.kind == "text":
            return {"type": "text", "text": "".join(self.said), **self.others}
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": [{"type": "text", "text": "".join(self.said)}], **self.others}
        return self.whole


@dataclass(slots=True)
class _Call:
    """One call on its way. A server may say its id and name once, or with every piece."""

    order: int
    said: list[str]
    id: str = ""
    name: str = ""
    key: str = "function"  # or "custom", which takes a text
    told: bool = False
    others: dict[str, Any] = field(default_factory=dict)  # beside its function
    inside: dict[str, Any] = field(default_factory=dict)  # beside its name

    def is_another(self, raw: Mapping[str, Any], *, numbered: bool) -> bool:
        """Whether `raw` begins another call, though it has the number of this one or none."""
        id, inside = raw.get("id"), raw.get("function")
        inside = inside if isinstance(inside, dict) else {}
        name = inside.get("name")
        if isinstance(id, str) and id:
            if not self.id or id == self.id:
                return False
            return not numbered or (bool(name) and (name != self.name or self._is_complete()))
        return bool(name and inside.get("arguments")) and bool(self.name) and self._is_complete()

    def _is_complete(self) -> bool:
        try:
            return isinstance(json.loads("".join(self.said)), dict)
        except (ValueError, RecursionError):
            return False

    def take(self, raw: Mapping[str, Any]) -> str:
        """Take a piece; return what it adds to the arguments."""
        id = raw.get("id")
        restated = isinstance(id, str) and id != ""
        added = ""
        for name, value in raw.items():
            if name == "id":
                self.id = id if isinstance(id, str) and id else self.id
            elif name in ("function", "custom") and isinstance(value, dict):
                if name == "function" or says(value):
                    added += self._inside(name, value, restated=restated)
            elif name != "index" and says(value):
                self.others[name] = frozen_part(value)
        return added

    def _inside(self, key: str, function: Mapping[str, Any], *, restated: bool) -> str:
        self.key = key
        added = ""
        for name, value in function.items():
            if name == "name":
                self._named(value, restated=restated)
            elif name in ("arguments", "input") and value is not None:
                added = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                self.said.append(added)
            elif says(value):
                self.inside[name] = frozen_part(value)
        return added

    def _named(self, name: Any, *, restated: bool) -> None:
        """A name is said once, again and again, or (without an id) in pieces."""
        if not isinstance(name, str) or not name or name == self.name:
            return
        self.name = name if restated or name.startswith(self.name) else self.name + name

    def whole(self) -> dict[str, Any]:
        said = "".join(self.said)
        words = {"input": said} if self.key == "custom" else {"arguments": said or "{}"}
        id = {"id": self.id} if self.id else {}
        return {**id, **self.others, self.key: {"name": self.name, **words, **self.inside}}


def _thought(thought: Any) -> str:
    """The words of a thinking part, which are a string or a list of texts."""
    if isinstance(thought, list):
        return "".join(str(one.get("text") or "") for one in thought if isinstance(one, dict))
    return thought if isinstance(thought, str) else ""


def says(value: Any) -> bool:
    """Whether a value says anything: not null, blank, empty, zero, or an object of nothing but these."""
    return any(value.values()) if isinstance(value, dict) else bool(value)


def merged(before: Any, news: Any) -> Any:
    """Later news win; of an object field by field, and null is no news."""
    if isinstance(before, dict) and isinstance(news, Mapping):
        return {**before, **{k: merged(before.get(k), v) for k, v in news.items() if v is not None or k not in before}}
    return before if news is None else news
