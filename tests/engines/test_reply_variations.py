"""Recorded answers, written as another day's server might write them: all four codecs keep what they do not know."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, request
from nbturns.values.frozen_json import EMPTY_DICT
from tests.engines.recorded_traffic import Case, recorded

FAMILIES = {
    "anthropic": "anthropic_messages",
    "openai": "openai_responses",
    "openai-chat": "openai_chat",
    "gemini": "gemini",
}
ANSWERS = (
    "messages",
    "responses",
    "responses.retrieve",
    "chat.completions",
    "generateContent",
    "streamGenerateContent",
)
MODELS = {"anthropic": "claude-x", "openai": "gpt-x", "openai-chat": "gpt-x", "gemini": "gemini-x"}
providers = pytest.mark.parametrize("provider", FAMILIES)


@cache
def answers(shared: Path, provider: str) -> tuple[Case, ...]:
    return tuple(
        case
        for case in recorded(shared, FAMILIES[provider])
        if case.expected["ok"] and case.status == 200 and case.endpoint in ANSWERS and case.id != "chat-9428c03ede"
    )


def bodies(shared: Path, provider: str) -> Iterator[tuple[Case, Any]]:
    for case in answers(shared, provider):
        if case.body.lstrip().startswith(b"{"):
            yield case, json.loads(case.body)


def streams(shared: Path, provider: str) -> Iterator[tuple[Case, list[bytes]]]:
    """Recorded streams, each as the lines of its events."""
    for case in answers(shared, provider):
        if case.stream and not case.body.lstrip().startswith((b"{", b"[")):
            yield case, [event for event in case.body.replace(b"\r\n", b"\n").split(b"\n\n") if event.strip()]


def joined(events: list[bytes]) -> bytes:
    return b"".join(event + b"\n\n" for event in events)


def read(provider: str, body: Any) -> tuple[tuple[Any, ...], nt.InferenceResult]:
    """What is to be seen of an answer, and its record, without what is the provider's own."""
    turn = decode(provider, body)
    return tuple((block.kind, block.payload) for block in turn), turn.inferences[0].replace(extra=EMPTY_DICT)


def everywhere(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """`value` with each object in it changed, but for those that are a user's own: arguments and schemas."""
    if isinstance(value, list):
        return [everywhere(one, change) for one in value]
    if not isinstance(value, dict):
        return value
    inside = {k: v if k in OWN else everywhere(v, change) for k, v in value.items()}
    return change(inside)


ANYTHING: tuple[Any, ...] = (None, 7, "x", [], {}, [[]], [{}], True)
OWN = ("input", "args", "arguments", "response", "schema", "parameters", "tools", "text_format")


def turned(one: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(one.items()))


@providers
def test_the_order_of_fields_makes_no_difference(shared: Path, provider: str) -> None:
    for case, body in bodies(shared, provider):
        assert read(provider, everywhere(body, turned)) == read(provider, body), case.id


@providers
def test_fields_that_are_not_known_change_nothing_and_go_back(shared: Path, provider: str) -> None:
    def with_news(one: dict[str, Any]) -> dict[str, Any]:
        return {"news_of_2031": {"deep": [1]}, **one}

    for case, body in bodies(shared, provider):
        varied = everywhere(body, with_news)
        turn, plain = decode(provider, varied), decode(provider, body)
        assert [b.kind for b in turn] == [b.kind for b in plain], case.id
        assert [b.text for b in turn] == [b.text for b in plain], case.id
        assert [(b.tool_call_id, b.name, b.args) for b in turn.of_kind("tool_call")] == [
            (b.tool_call_id, b.name, b.args) for b in plain.of_kind("tool_call")
        ], case.id
        assert (turn.usage, turn.inferences[0].stop_reason) == (plain.usage, plain.inferences[0].stop_reason)
        if all(block.kind == "reasoning" for block in plain):  # what led nowhere is not sent
            continue
        assert "news_of_2031" in json.dumps(turn.to_dict()), case.id
        if provider != "openai-chat":  # whose servers refuse a message with fields they do not know
            assert "news_of_2031" in json.dumps(request(f"{provider}:{MODELS[provider]}", turn)), case.id


HOLOGRAM = {"hologram": {"data": "AAAA", "bytes": [1, None, {"ü": 1e3}]}}
UNKNOWN: dict[str, tuple[Any, Callable[[Any], list[Any]]]] = {  # an item of no known type, and where it would stand
    "anthropic": ({"type": "hologram", **HOLOGRAM}, lambda body: body["content"]),
    "openai": ({"type": "hologram_call", "id": "hg_1", **HOLOGRAM}, lambda body: body["output"]),
    "gemini": (HOLOGRAM, lambda body: body["candidates"][0].get("content", {}).get("parts", [])),
}


@pytest.mark.parametrize("provider", UNKNOWN)
def test_an_item_of_an_unknown_type_is_kept_in_its_place_and_goes_back(shared: Path, provider: str) -> None:
    item, items = UNKNOWN[provider]
    chance = random.Random(5)
    for case, body in bodies(shared, provider):
        known = items(body)
        place = chance.randrange(len(known) + 1)
        plain = decode(provider, body)
        known.insert(place, item)
        if not items(body):  # an answer without content
            continue
        turn = decode(provider, body)
        assert (turn[place].kind, turn[place].payload) == ("other", item), case.id
        assert [b.text for b in (*turn[:place], *turn[place + 1 :])] == [b.text for b in plain], case.id
        assert item in told(request(f"{provider}:{MODELS[provider]}", turn)), case.id


def told(value: Any) -> list[Any]:
    """Every object of a request."""
    return [value, *(inside[at] for inside, at in inner(value))]


def test_a_part_of_an_unknown_type_is_kept_in_its_place_and_goes_back(shared: Path) -> None:
    part = {"type": "hologram", **HOLOGRAM}
    for case, body in bodies(shared, "openai-chat"):
        message = (body["choices"] or [{}])[0].get("message") or {}
        if isinstance(message.get("content"), str) and message["content"]:
            message["content"] = [{"type": "text", "text": message["content"]}, part]
            turn = decode("openai-chat", body)
            [other] = turn.of_kind("other")
            assert other.payload == part
            assert part in told(request("openai-chat:gpt-x", turn)), case.id


@providers
def test_answers_without_ids_are_read_and_their_calls_can_be_answered(shared: Path, provider: str) -> None:
    gone = ("id", "response_id", "responseId", "call_id", "tool_call_id", "item_id")
    for case, body in bodies(shared, provider):
        turn = decode(provider, everywhere(body, lambda one: {k: v for k, v in one.items() if k not in gone}))
        plain = decode(provider, body)
        assert [(b.kind, b.text) for b in turn] == [(b.kind, b.text) for b in plain], case.id
        calls = turn.of_kind("tool_call")
        ids = [call.tool_call_id for call in calls]
        assert all(ids), case.id
        assert len(set(ids)) == len(ids), case.id
        assert [(c.name, c.args) for c in calls] == [(c.name, c.args) for c in plain.of_kind("tool_call")], case.id
        sent = request(f"{provider}:{MODELS[provider]}", turn + [nt.tool_use(id, f"answer {id}") for id in ids])
        answers = {
            call.tool_call_id: call.tool_call_id if call.name == "tool_search" else f"answer {call.tool_call_id}"
            for call in calls
        }
        assert all(answers[id] in json.dumps(sent) for id in ids), (
            case.id
        )  # the answer to a tool search is a list of tools


@providers
def test_events_and_lines_that_are_not_known_are_let_pass(shared: Path, provider: str) -> None:
    news = [
        b'event: news\ndata: {"type":"news","index":0,"output_index":0,"item":7}',
        b"data: {}",
        b": heard?",
        b"id: 7\nretry: 1",
        b'data: {"type":{"a":[]}}',
    ]
    for case, events in streams(shared, provider):
        varied = [one for event in events for one in (*news, event)]
        assert read(provider, joined(varied)) == read(provider, joined(events)), case.id


@providers
def test_a_field_that_is_missing_or_of_another_shape_is_never_another_error(shared: Path, provider: str) -> None:
    chance = random.Random(3)
    for case, body in bodies(shared, provider):
        for value in ANYTHING:
            if chance.random() < 0.3:
                attempt(provider, json.dumps(changed(body, value, chance)), case.id)
        attempt(provider, json.dumps(changed(body, KeyError, chance)), case.id)


@providers
def test_streams_of_events_with_anything_in_them_are_never_another_error(shared: Path, provider: str) -> None:
    chance = random.Random(4)
    for case, events in streams(shared, provider):
        for value in chance.sample((*ANYTHING, KeyError), 3):
            at = chance.randrange(len(events))
            head, mark, data = events[at].partition(b"data: ")
            if data.startswith(b"{"):
                told = head + mark + json.dumps(changed(json.loads(data), value, chance)).encode()
                attempt(provider, joined([*events[:at], told, *events[at + 1 :]]), case.id)


def changed(value: Any, to: Any, chance: random.Random) -> Any:
    """A copy of `value` in which one thing, anywhere, is `to`, or is not there for KeyError."""
    value = json.loads(json.dumps(value))
    places = list(inner(value))
    if places:
        inside, at = chance.choice(places)
        if to is KeyError:
            del inside[at]
        else:
            inside[at] = to
    return value


def inner(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for at, one in pairs:
        yield value, at
        yield from inner(one)


def attempt(provider: str, body: Any, case: str) -> nt.Turn:
    """Read this; whatever it is, a Turn comes of it, and a request of that."""
    try:
        turn = decode(provider, body)
    except nt.EngineError as error:
        turn = error.turn
    assert len(turn.inferences) == 1, case
    turn.to_yaml()
    request(f"{provider}:{MODELS[provider]}", turn)
    return turn


@providers
def test_streams_broken_in_any_way_are_a_turn_or_an_error_with_one(shared: Path, provider: str) -> None:
    chance = random.Random(11)
    for case, events in streams(shared, provider):
        for break_up in (damaged, swapped, doubled, thinned):
            attempt(provider, joined(break_up(events, chance)), case.id)


@providers
def test_a_stream_that_is_cut_or_has_garbage_in_it_makes_no_call_that_was_not_there(
    shared: Path, provider: str
) -> None:
    chance = random.Random(12)
    for case, events in streams(shared, provider):
        body = joined(events)
        whole = [(c.name, c.args) for c in decode(provider, body).of_kind("tool_call")]
        for told in (body[: chance.randrange(len(body))], joined(with_garbage(events, chance))):
            turn = attempt(provider, told, case.id)
            calls = [(c.name, c.args) for c in turn.of_kind("tool_call") if "args_raw" not in c.payload]
            assert calls == whole[: len(calls)], case.id


def damaged(events: list[bytes], chance: random.Random) -> list[bytes]:
    at = chance.randrange(len(events))
    event = bytearray(events[at])
    for _ in range(3):
        event[chance.randrange(len(event))] = chance.randrange(256)
    return [*events[:at], bytes(event), *events[at + 1 :]]


def swapped(events: list[bytes], chance: random.Random) -> list[bytes]:
    made, at, other = list(events), chance.randrange(len(events)), chance.randrange(len(events))
    made[at], made[other] = made[other], made[at]
    return made


def doubled(events: list[bytes], chance: random.Random) -> list[bytes]:
    made = list(events)
    made.insert(chance.randrange(len(events)), chance.choice(events))
    return made


def thinned(events: list[bytes], chance: random.Random) -> list[bytes]:
    return [event for event in events if chance.random() < 0.8]


def with_garbage(events: list[bytes], chance: random.Random) -> list[bytes]:
    made = list(events)
    made.insert(chance.randrange(len(events)), chance.randbytes(30).replace(b"\n", b"").replace(b"\r", b""))
    return made
