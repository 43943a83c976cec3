"""tau-bench's results: an array of runs of a task, whose `traj` is an OpenAI chat; and those of tau²-bench.

A run of a task is a Run: its messages as `openai_chat` reads them, the task, its reward and the trial beside it.
tau²-bench has a document with `simulations`, whose messages have calls without a `function` around name and
arguments, a cost and a usage each. Source: sierra-research/tau-bench and tau2-bench.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..keyed import keyed
from ..provenance import FIELDS
from ..turns import Kind, Run
from . import SURE, Importer, Notes, Sample, Source, attempt, openai_chat
from .conversation import place_of
from .transcript import (
    Misfit,
    Transcript,
    expected,
    keepable,
    list_or_none,
    number,
    object_or_none,
    text_or_none,
    told,
    usage,
    without,
)

FORMAT = "tau-bench"


def is_result(value: Any) -> bool:
    """Whether this is the result of one run of a task."""
    return (
        isinstance(value, Mapping) and isinstance(value.get("traj"), list) and ("task_id" in value or "reward" in value)
    )


def is_simulations(value: Any) -> bool:
    """Whether this is a document of tau²-bench's."""
    if not isinstance(value, Mapping) or not isinstance(value.get("simulations"), list):
        return False
    first = next(iter(value["simulations"]), None)
    return isinstance(first, Mapping) and "messages" in first and "task_id" in first


def read_one(value: Any, notes: Notes) -> Run:
    """The result of one run of a task."""
    if not isinstance(value, Mapping) or not isinstance(value.get("traj"), (list, tuple)):
        raise notes.refusal("", "a result of tau-bench has a traj")
    beside = keepable(without(value, "traj"))
    chat = openai_chat.read_one(value["traj"], notes)
    return replace(chat, name=_named(value), metadata=keyed({FIELDS.name: beside}))


def _named(value: Mapping[str, Any]) -> str:
    task, trial = value.get("task_id"), value.get("trial")
    return f"task {task}" + (f", trial {trial}" if isinstance(trial, int) else "") if task is not None else ""


def read_simulations(value: Mapping[str, Any], position: str, source: Source) -> Iterator[Run]:
    """Each simulation of a document of tau²-bench's; what is of all of them stands beside the first."""
    shared = without(value, "simulations")
    for index, one in enumerate(value["simulations"]):
        notes = source.notes(FORMAT, ", ".join(part for part in (position, f"simulations[{index}]") if part))
        said = Transcript(notes)
        held = one if isinstance(one, Mapping) else {}
        messages = held.get("messages")
        said.records("messages", messages if isinstance(messages, list) else [], _Reader(said).message)
        beside = without(held, "messages") | ({} if isinstance(messages, list) else {"messages": messages})
        beside |= {} if isinstance(one, Mapping) else {"simulation": one}
        id = held.get("id")
        yield said.run(
            id=id if isinstance(id, str) else place_of(notes),
            name=_named(held),
            beside=beside | ({"document": shared} if index == 0 else {}),
        )


class _Reader:
    def __init__(self, said: Transcript) -> None:
        self.said = said

    def message(self, raw: Any) -> None:
        message = expected(raw, dict, "a message")
        role, content, at = message.get("role"), message.get("content"), message.get("timestamp")
        said, before = self.said, len(self.said.blocks)
        rest = without(message, "role", "content", "tool_calls", "timestamp")
        calls = [expected(call, dict, "a call") for call in list_or_none(message.get("tool_calls"), "tool_calls")]
        if role == "tool" and isinstance(message.get("tool_messages"), list):
            for one in message["tool_messages"]:
                self.message(one)
            return
        if role in ("system", "user"):
            text = text_or_none(content, "content") or ""
            if text or not calls:
                said.add(Kind.SYSTEM if role == "system" else Kind.USER, {"text": text}, role, at=at)
            self.calls(calls, at, None)
        elif role == "assistant":
            counts = object_or_none(message.get("usage"), "usage")
            cost = number(message.get("cost"))
            result = said.called(
                pending=bool(calls),
                cost=None if cost is None else float(cost),
                usage=usage(counts.get("prompt_tokens"), counts.get("completion_tokens")),
            )
            rest = without(rest, "usage", "cost") | told(usage=without(counts, "prompt_tokens", "completion_tokens"))
            if content or not calls:
                said.add(
                    Kind.LLM_TEXT, {"text": text_or_none(content, "content") or ""}, "assistant", at=at, result=result
                )
            self.calls(calls, at, result)
        elif role == "tool":
            rest = without(rest, "id", "error")
            failed = message.get("error") is True
            error = (content if isinstance(content, str) and content else "error") if failed else ""
            said.answer(message.get("id") or message.get("tool_call_id"), None if failed else content, error, at=at)
        else:
            raise Misfit(f"a message of the role {role!r}")
        said.put_beside(before, rest)

    def calls(self, calls: list[dict[str, Any]], at: Any, result: Any) -> None:
        for call in calls:
            function = call.get("function") if isinstance(call.get("function"), Mapping) else call
            assert isinstance(function, Mapping)
            rest = without(call, "id", "name", "arguments", "function")
            given = function.get("arguments")
            if not isinstance(given, (str, Mapping)):
                given = json.dumps(given)
            self.said.call(call.get("id"), function.get("name"), given, at=at, result=result, beside=rest)


# In files.


def score(sample: Sample) -> int:
    known = sample.container == "json" and any(is_result(one) or is_simulations(one) for one in sample.records)
    return SURE if known else 0


def read(source: Source) -> Iterator[Run]:
    for position, value in source.records():
        if is_simulations(value):
            yield from read_simulations(value, position, source)
        elif (run := attempt(source, position, read_one, value, source.notes(FORMAT, position))) is not None:
            yield run


IMPORTER = Importer(FORMAT, score, read)
