"""A conversation that one provider began goes on with another: what goes along, what does not, and that it is said."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.engines import decode, find, request
from nbturns.engines.cross_provider import family_of, unsent_blocks, unsent_notice
from nbturns.events import Notice
from nbturns.testing import serve
from tests.engines.openai_chat.test_recorded_traffic import NO_ANSWER
from tests.engines.recorded_traffic import Case, recorded

FAMILIES = {
    "anthropic_messages": "anthropic",
    "openai_responses": "openai",
    "openai_chat": "openai-chat",
    "gemini": "gemini",
}
MODELS = {
    "anthropic": "anthropic:claude-sonnet-4-6",
    "openai": "openai:gpt-5.1",
    "openai-chat": "openai-chat:gpt-4.1",
    "gemini": "gemini:gemini-2.5-flash",
}
PAIRS = [(a, b) for a, b in itertools.permutations(FAMILIES.values(), 2)]
ANSWERS = ("messages", "chat.completions", "responses", "generateContent", "streamGenerateContent")
SIGNED = ("signature", "thoughtSignature", "encrypted_content", "encrypted_index", "data")  # what only its maker reads


@cache
def histories(shared: Path) -> dict[str, tuple[nt.Turn, ...]]:
    """Each recorded request and its answer as the Turn it would be here, of each provider.

    No fixture: Hypothesis writes the arguments of a test that fails into its report, and these are megabytes.
    """
    return {
        prefix: tuple(turn for case in recorded(shared, name) if (turn := _history(prefix, case)) is not None)
        for name, prefix in FAMILIES.items()
    }


def _history(prefix: str, case: Case) -> nt.Turn | None:
    read = find(prefix).history
    if case.request is None or case.endpoint not in ANSWERS or not case.expected["ok"] or read is None:
        return None
    if not ("messages" in case.request or "input" in case.request or "contents" in case.request):
        return None
    if case.id in NO_ANSWER:
        return None
    return read(case.request) + tuple(decode(prefix, case.body, case.content_type))


def strings(value: Any, skip: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the texts in a request, without those of the fields in `skip`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in skip:
                yield from strings(inner, skip)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, skip)
    elif isinstance(value, str):
        yield value


def secrets(turn: nt.Turn, home: str) -> set[str]:
    """Signatures and encrypted items that another API than `home` wrote into this Turn."""
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in SIGNED and isinstance(inner, str) and len(inner) > 20:
                    found.add(inner)
                look(inner)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                look(inner)

    for block in turn:
        if block.kind in ("reasoning", "llm_text", "tool_call", "other") and family_of(block) not in ("", home):
            look({name: value for name, value in block.metadata.to_dict().items() if "wire" in name or "sign" in name})
            if block.kind in ("reasoning", "other"):
                look(dict(block.payload))
    return found


def carried(turn: nt.Turn, to: str) -> None:
    """Check one transplant: nothing secret goes, everything said goes, the rest is listed."""
    try:
        body = request(MODELS[to], turn)
    except nt.EngineError as error:
        assert error.kind == "unsupported"  # media that the other does not take: the user's own, and said
        return
    sent = list(strings(body))
    texts = list(strings(body, skip=("type", "role", "cache_control", "prompt_cache_breakpoint")))
    whole = "\n".join(texts) + "\n\n" + "".join(texts)  # a block's text may be sent in parts, joined by either
    assert not [one for one in secrets(turn, find(to).family) if one in "\n".join(sent)]
    for block in turn:
        if block.kind in ("user", "system", "llm_text") and block.text.strip():
            assert block.text in whole, block
        if block.kind == "tool_call" and block.name:
            assert block.name in sent or f"{block.name}_call" in sent, block  # or one of OpenAI's own tools
    gone = unsent_blocks(turn, find(to), body)
    assert bool(gone) == bool(unsent_notice(turn, find(to), body))
    listed = {at for at, _ in gone}
    for at, block in enumerate(turn):
        foreign = family_of(block) not in ("", find(to).family)
        if foreign and block.kind == "reasoning" and block.text.strip() and at not in listed:
            assert block.text in whole, block
        if foreign and block.kind == "other" and block.role not in ("user", "system"):
            assert at in listed, block


@pytest.mark.parametrize(("of", "to"), PAIRS)
def test_recorded_conversations_go_on_with_every_other_provider(shared: Path, of: str, to: str) -> None:
    turns = histories(shared)[of]
    assert len(turns) > 200

    for turn in turns[::3]:
        carried(turn, to)


@settings(max_examples=40)
@given(
    picks=st.lists(st.tuples(st.sampled_from(sorted(MODELS)), st.integers(0, 10_000)), min_size=2, max_size=4),
    to=st.sampled_from(sorted(MODELS)),
)
def test_any_mixture_of_recorded_turns_goes_on_with_any_provider(
    shared: Path, picks: list[tuple[str, int]], to: str
) -> None:
    mixed = nt.Turn()
    for prefix, at in picks:
        turns = histories(shared)[prefix]
        turn = turns[at % len(turns)]
        mixed += tuple(block for block in turn if block.kind != "system")
        mixed += tuple(nt.tool_use(call.tool_call_id, "done") for call in mixed.pending)

    carried(mixed, to)


def weather(city: str) -> str:
    "Current weather in a city."
    return f"rain in {city}, 14 °C"


@pytest.mark.parametrize(("of", "to"), PAIRS)
def test_a_session_goes_on_with_another_engine_and_says_what_it_left_behind(of: str, to: str) -> None:
    said: list[str] = []
    with serve() as server:
        first = nt.Session(engine(server.url, of), tools=[weather])
        first.ask("What is the weather in Paris?").result(60)
        second = nt.Session(
            engine(server.url, to),
            tools=[weather],
            run=first.run,
            sinks=[lambda event: said.append(event.text) if isinstance(event, Notice) else None],
        )
        turn = second.ask("Say hello.").result(60)

    assert turn.text.startswith("Hello!")
    thoughts = len(turn.of_kind("reasoning"))
    left = [text for text in said if text.startswith(f"not sent to {to}")]
    body = json.dumps(server.log[-1]["json"], ensure_ascii=False)
    kept = all(block.text in body for block in turn.of_kind("reasoning"))
    assert bool(left) == bool(thoughts and not kept)
    assert all(f"thought of {of}" in text for text in left)


def engine(url: str, provider: str) -> Any:
    base = url + ("/v1" if provider.startswith("openai") else "")
    return nt.engine(MODELS[provider], base_url=base, api_key="k-none")
