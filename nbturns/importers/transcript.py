"""What every reader of a foreign transcript writes into: blocks, and what is to be told of them.

A reader maps one record after the other. A record that is not of the shape its format
documents raises `Misfit`: it is kept as it is, in an `other` block, and named in the
report. So nothing is lost, and one odd record does not cost the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeVar

from ..blocks import block
from ..chunks import PersistentList
from ..frozen import EMPTY, freeze
from ..keyed import NOTHING, keyed
from ..provenance import ARGUMENTS, FIELDS, MESSAGE, TIMESTAMP
from ..results import INFERENCE_ID, INFERENCE_RESULT, FinishClass, InferenceResult, Usage
from ..turns import Block, Kind, Run, Turn
from .conversation import call, other, place_of, turns_of
from .report import Notes

T = TypeVar("T")


class Misfit(Exception):
    """A record is not of the shape its format documents; the record is kept as it is."""


def expected(value: Any, kind: type[T] | tuple[type[T], ...], what: str) -> T:
    """`value`, which is a `kind`. Raises Misfit when it is not."""
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    wanted = kind if isinstance(kind, tuple) else (kind,)
    raise Misfit(f"{what} is {' or '.join(SHAPES.get(one, one.__name__) for one in wanted)}, not {_said(value)}")


NOTHING_SAID: tuple[Any, ...] = (None, "", [], {})
SHAPES = {str: "a text", int: "a number", float: "a number", dict: "an object", list: "a list", bool: "true or false"}


def _said(value: Any) -> str:
    return "nothing" if value is None else f"{SHAPES.get(type(value), type(value).__name__)}: {value!r:.40}"


def text_or_none(value: Any, what: str) -> str | None:
    return None if value is None else expected(value, str, what)


def object_or_none(value: Any, what: str) -> dict[str, Any]:
    return {} if value is None else expected(value, dict, what)


def list_or_none(value: Any, what: str) -> list[Any]:
    return [] if value is None else expected(value, list, what)


def number(value: Any) -> int | float | None:
    """A number, also one written as text; None where there is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    sound = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    return value if sound else None


def tokens(value: Any) -> int:
    """A number of tokens; 0 where there is none."""
    counted = number(value)
    return 0 if counted is None else int(counted)


def told(known: Mapping[str, Any] = EMPTY, **more: Any) -> dict[str, Any]:
    """What of it says something."""
    return {name: value for name, value in (*known.items(), *more.items()) if value not in NOTHING_SAID}


def without(record: Mapping[str, Any], *taken: str) -> dict[str, Any]:
    """What a record holds besides the names that were `taken` from it."""
    return {name: value for name, value in record.items() if name not in taken}


class Transcript:
    """One conversation while it is read: its blocks, and the `notes` taken of it."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.key = place_of(notes)
        self.blocks: list[Block] = []
        self.places: list[str] = []
        self.at = ""  # the record that is read now
        self.index: int | None = None  # its number, where records are numbered
        self.prompts: list[int] = []  # where a Turn begins, when the format says so

    def guess(self, message: str) -> None:
        self.notes.guess(self.at, message)

    # One record after the other.

    def record(self, at: str, raw: Any, reader: Callable[[Any], None], index: int | None = None) -> None:
        """Let `reader` write the blocks of one record; keep the record as it is where that fails."""
        self.at, self.index = at, index
        self.notes.read += 1
        before = len(self.blocks), len(self.notes.guessed), len(self.notes.unknowns), len(self.prompts)
        try:
            reader(raw)
        except (Misfit, TypeError) as error:  # TypeError: nested too deeply for a value
            self._forget(*before)
            self.keep(raw, str(error))

    def records(self, name: str, all: Any, reader: Callable[[Any], None]) -> None:
        for index, raw in enumerate(all):
            self.record(f"{name}[{index}]", raw, reader, index)

    def _forget(self, blocks: int, guessed: int, unknown: int, prompts: int) -> None:
        del self.blocks[blocks:], self.places[blocks:], self.prompts[prompts:]
        del self.notes.guessed[guessed:], self.notes.unknowns[unknown:]

    def keep(self, raw: Any, why: str) -> None:
        """What is not known here, as it is, in an `other` block; and why, in the report."""
        self.notes.unknown(self.at, why)
        self.other(raw)

    def other(self, raw: Any, *, result: InferenceResult | None = None) -> None:
        """A record that is nobody's message, as it is."""
        role = raw.get("role") if isinstance(raw, Mapping) else ""
        made = other(raw, role if isinstance(role, str) else "")
        self.add(made.kind, made.payload, made.role, result=result)

    def add(
        self,
        kind: str,
        payload: Mapping[str, Any],
        role: str = "",
        id: Any = "",
        *,
        result: InferenceResult | None = None,
        beside: Mapping[str, Any] | None = None,
        at: Any = None,
        **metadata: Any,
    ) -> None:
        """A block. `at` is when it was said, `beside` what its record held beside; `metadata` goes by full name."""
        known = dict(metadata)
        if self.index is not None:
            known[MESSAGE.name] = self.index
        if at:
            known[TIMESTAMP.name] = at if isinstance(at, str) else repr(at)
        if beside and (more := told(beside)):
            known[FIELDS.name] = more
        if result is not None:
            known[INFERENCE_ID.name] = result.inference_id
            known[INFERENCE_RESULT.name] = result.to_dict()
        named = id if isinstance(id, str) else ""
        self.blocks.append(block(str(kind), freeze(payload), role, named, keyed(known) if known else NOTHING))
        self.places.append(self.at)

    def call(self, id: Any, name: Any, args: Any, **how: Any) -> str:
        """A tool call; its id, made of the place where the record has none."""
        if id is None or id == "":
            id = f"{self.at}.{len(self.blocks)}"
            self.guess(f"a call of {name or 'a tool'} without an id; it is {id} here")
        named = name if isinstance(name, str) else "" if name is None else expected(name, str, "the name of a tool")
        made = call(expected(id, str, "the id of a call"), named, args)
        written = made.metadata.raw(ARGUMENTS)
        self.add(Kind.TOOL_CALL, made.payload, **({ARGUMENTS.name: written} if written is not None else {}), **how)
        return str(id)

    def answer(self, id: Any, result: Any, error: Any = "", *, block_id: Any = "", **how: Any) -> None:
        """The result of the call with this id."""
        if error and not isinstance(error, str):
            error = json.dumps(error, ensure_ascii=False)
        named = expected("" if id is None else id, str, "the id of the call that is answered")
        self.add(Kind.TOOL_USE, {"id": named, "result": result, "error": error or ""}, "", block_id, **how)

    def put_beside(self, index: int, beside: Mapping[str, Any]) -> None:
        """What a message held beside its parts goes to the first block that was made of it."""
        if more := told(beside):
            one = self.blocks[index]
            part = one.metadata.raw(FIELDS) or EMPTY
            kept = {"part": part, **more} if part.keys() & more.keys() else {**part, **more}
            self.blocks[index] = one._with(metadata=one.metadata.with_raw(**{FIELDS.name: kept}))

    def prompt(self) -> None:
        """A Turn begins with the next block."""
        self.prompts.append(len(self.blocks))

    def called(
        self,
        *,
        id: str = "",
        stop_reason: Any = "",
        pending: bool = False,
        extra: Mapping[str, Any] | None = None,
        **known: Any,
    ) -> InferenceResult:
        """The result of one model call of this transcript. `id` is made of the place where there is none."""
        reason = stop_reason if isinstance(stop_reason, str) else ""
        known = {name: value for name, value in known.items() if value is not None}
        for name in ("provider", "model", "request_id", "response_id"):
            if not isinstance(known.get(name, ""), str):
                raise Misfit(f"{name} is a text, not {_said(known[name])}")
        return InferenceResult(
            inference_id=f"{self.key}/{id or self.at}".lstrip("/"),
            stop_reason=reason,
            finish_class=FinishClass.of(reason, pending=pending),
            truncated=FinishClass.of(reason) is FinishClass.MAX_TOKENS,
            extra=freeze(told(extra or EMPTY)),
            **known,
        )

    # The whole.

    def run(
        self, *, id: str = "", name: str = "", at: Any = None, beside: Mapping[str, Any] | None = None, **metadata: Any
    ) -> Run:
        """All of it as a Run: a Turn per prompt, each holding all that came before it."""
        self.at = ""
        self._check_calls()
        known = told(metadata)
        if at:
            known[TIMESTAMP.name] = at if isinstance(at, str) else repr(at)
        if beside and (more := told(beside)):
            known[FIELDS.name] = keepable(more)
        turns = turns_at(self.blocks, self.prompts) if self.prompts else turns_of(self.blocks)
        bag = keyed(known) if known else NOTHING
        return Run(turns, id=id or self.key, name=name, metadata=bag, import_report=self.notes.report(len(self.blocks)))

    def _check_calls(self) -> None:
        """Tell of calls and results that do not find each other."""
        open: dict[str, int] = {}
        calls: set[str] = set()
        for index, one in enumerate(self.blocks):
            id = one.tool_call_id
            if one.kind == Kind.TOOL_CALL:
                if id in calls:
                    self.notes.guess(self.places[index], f"a second call with the id {id!r}; both are kept")
                calls.add(id)
                open[id] = index
            elif one.kind == Kind.TOOL_USE and id:
                if id not in calls:
                    self.notes.guess(self.places[index], f"a result for {id!r}, which nobody called")
                open.pop(id, None)
            elif one.kind == Kind.USER and open:
                for id, place in open.items():
                    self.notes.guess(self.places[place], f"the call {id!r} was never answered")
                open.clear()


def keepable(value: dict[str, Any]) -> Any:
    """`value`; its JSON, when it is nested too deeply for a value."""
    try:
        return freeze(value)
    except TypeError:
        return {"json": json.dumps(value, ensure_ascii=False, default=repr)}


def turns_at(blocks: list[Block], starts: list[int]) -> tuple[Turn, ...]:
    """A Turn from each of `starts` on, each holding all that came before."""
    turns: list[Turn] = []
    so_far: PersistentList[Block] = PersistentList()
    done = 0
    for cut in sorted({*(start for start in starts if 0 < start < len(blocks)), len(blocks)}):
        so_far += tuple(blocks[done:cut])
        done = cut
        turns.append(Turn(so_far))
    return tuple(turns)


def usage(
    input: Any = None, output: Any = None, *, cached: Any = None, written: Any = None, reasoning: Any = None
) -> Usage | None:
    """Tokens of a call, `input` with the cache in it; None where nothing is said of them."""
    if number(input) is None and number(output) is None:
        return None
    return Usage(tokens(input), tokens(output), tokens(cached), tokens(written), tokens(reasoning))


def messages_of(value: Any, notes: Notes, name: str = "messages") -> tuple[list[Any], dict[str, Any]]:
    """The list of messages in a document, and what stands beside it."""
    if isinstance(value, (list, tuple)):
        return list(value), {}
    if not isinstance(value, Mapping) or not isinstance(value.get(name), (list, tuple)):
        raise notes.refusal("", f"a conversation has a list of {name}; this is {_said(value)}")
    return list(value[name]), {key: one for key, one in value.items() if key != name}


def of_messages(
    value: Any,
    notes: Notes,
    is_message: Callable[[Any], bool],
    reads: Callable[[Transcript], Callable[[Any], None]],
    *ids: str,
) -> Run:
    """The Run of a list of messages, of one alone, or of an object that has them as `messages` and its id as one of `ids`."""
    messages, beside = messages_of([value] if is_message(value) else value, notes)
    said = Transcript(notes)
    said.records("messages", messages, reads(said))
    return said.run(id=named(beside, *ids), name=named(beside, "name", "title"), beside=beside)


def named(beside: dict[str, Any], *names: str) -> str:
    """The first of `names` that is a text, taken out of what stands beside the messages."""
    for name in names:
        if isinstance(beside.get(name), str) and beside[name]:
            return str(beside.pop(name))
    return ""
