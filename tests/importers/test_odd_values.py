"""A value of another type anywhere in a transcript: no conversation is lost by it, in any format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt

SAMPLES = Path(__file__).parents[2] / "fixtures" / "transcripts"
NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix != ".md")
ODD_VALUES: tuple[Any, ...] = (None, True, 0, 3.5, -1, "x", [], [None], {}, {"a": 1})
Place = tuple[Any, ...]  # the keys and indexes that lead to a value


@cache
def sample(name: str) -> tuple[str, bool, list[Any]]:
    """Return the format of a sample, whether it is one document, and its documents."""
    path = SAMPLES / name
    report = next(iter(nt.load_all(path))).import_report
    assert report is not None
    try:
        return report.format, True, [json.loads(path.read_text())]
    except ValueError:
        return report.format, False, [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


@cache
def places(name: str) -> list[Place]:
    """Return where values are, with the number of the document first."""
    _, _, documents = sample(name)
    return [(number, *place) for number, document in enumerate(documents) for place in places_in(document)]


def places_in(value: Any) -> Iterator[Place]:
    yield ()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from ((key, *place) for place in places_in(inner))


def replaced(value: Any, place: Place, new: Any) -> Any:
    if not place:
        return new
    copy = value.copy()
    copy[place[0]] = replaced(value[place[0]], place[1:], new)
    return copy


def text_with(name: str, place: Place, new: Any) -> str:
    _, is_document, documents = sample(name)
    changed = replaced(documents, place, new)
    return json.dumps(changed[0]) if is_document else "\n".join(map(json.dumps, changed))


def unexpected_errors(text: str, format: str | None) -> list[str]:
    """Return the reports of errors that no importer expects; each costs a whole conversation."""
    try:
        runs = list(nt.load_all(text.encode(), format))
    except nt.LoadError as error:
        return [str(error)] if "cannot be read: " in str(error) else []
    notes = [str(note) for run in runs if run.import_report for note in run.import_report.dropped]
    return [note for note in notes if "cannot be read: " in note]


@given(st.data(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_value_of_another_type_costs_no_conversation_by_an_unexpected_error(data: st.DataObject, named: bool) -> None:
    name = data.draw(st.sampled_from(NAMES))
    text = text_with(name, data.draw(st.sampled_from(places(name))), data.draw(st.sampled_from(ODD_VALUES)))
    assert not unexpected_errors(text, sample(name)[0] if named else None)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("ag-ui-events.jsonl", (0, "input", "messages", 1, "id")),
        ("agentv.jsonl", (0, "source")),
        ("ai-studio.json", (0, "runSettings")),
        ("bedrock-converse.json", (0, "request", "system")),
        ("bedrock-converse.json", (0, "request", "system", 0, "text")),
        ("browser-capture.json", (0, "session", "turns")),
        ("browser-capture.json", (0, "session", "turns", 0)),
        ("codex.jsonl", (2, "payload")),
        ("docent.json", (0, "metadata")),
        ("geppetto-events.ndjson", (8, "event", "finish_class")),
        ("librechat.json", (0, "options")),
        ("librechat.json", (0, "messages", 0, "parentMessageId")),
        ("lm-studio.json", (0, "lastUsedModel")),
        ("openai-agents.json", (0, "original_input")),
        ("openai-agents.json", (0, "current_agent")),
        ("openai-agents.json", (0, "generated_items")),
        ("openai-agents.json", (0, "model_responses")),
        ("openai-agents.json", (0, "model_responses", 0, "usage")),
        ("openai-agents.json", (0, "model_responses", 0, "output")),
        ("openclaw.jsonl", (1, "sessionKey")),
    ],
)
@pytest.mark.parametrize("odd", [True, 7, "odd value", ["odd value"], {"odd value": 1}], ids=repr)
def test_a_field_of_another_type_is_kept_and_costs_no_text_elsewhere(name: str, place: Place, odd: Any) -> None:
    format, _, documents = sample(name)
    replaced_text = json.dumps(reduce(getitem, place, documents))
    texts = {block.text for run in nt.load_all(SAMPLES / name) for turn in run.turns for block in turn if block.text}

    left = "\n".join(json.dumps(run.to_dict()) for run in nt.load_all(text_with(name, place, odd).encode(), format))
    lost = [
        text for text in texts if json.dumps(text)[1:-1] not in left and json.dumps(text)[1:-1] not in replaced_text
    ]
    assert not lost
    assert isinstance(odd, int) or "odd value" in left
    assert not unexpected_errors(text_with(name, place, odd), format)


PROMPT = {"author": "user", "content": {"role": "user", "parts": [{"text": "left text"}]}}


@pytest.mark.parametrize(
    ("format", "document"),
    [
        ("google-adk", {"appName": "a", "id": "s", "events": [PROMPT], "event_logs": "ODD"}),
        ("google-adk", {"appName": "a", "id": "s", "events": [PROMPT], "past_events": "ODD"}),
        ("google-adk", {"appName": "a", "id": "s", "events": [PROMPT, "ODD"]}),
        ("antigravity", {"cascadeId": "c", "steps": [{"userInput": "left text"}], "generatorMetadata": "ODD"}),
        ("antigravity", {"cascadeId": "c", "steps": [{"userInput": "left text"}, "ODD"]}),
        ("smolagents", {"steps": [{"task": "left text"}, {"step_number": 1}], "system_prompt": "ODD"}),
        ("grok-build", {"type": "user", "content": "left text", "extra": "ODD"}),
        ("posit-assistant", {"root": {"id": "r", "title": "left text", "metadata": "ODD"}, "messages": []}),
        ("posit-assistant", {"root": {"id": "r", "title": "left text", "metadata": {"model": "ODD"}}, "messages": []}),
        ("posit-assistant", {"root": {"id": "r", "title": "left text"}, "messages": ["ODD"]}),
        ("agentv", {"source": {"source": "ODD", "session_id": "s"}, "role": "user", "content": "left text"}),
    ],
)
@pytest.mark.parametrize("odd", [True, 7, "odd value", ["odd value"], {"odd value": 1}], ids=repr)
def test_an_optional_field_of_another_type_is_kept_beside_the_texts(format: str, document: Any, odd: Any) -> None:
    text = json.dumps(document).replace('"ODD"', json.dumps(odd))
    runs = json.dumps([run.to_dict() for run in nt.load_all(text.encode(), format)])
    assert "left text" in runs and (isinstance(odd, int) or "odd value" in runs)
    assert not unexpected_errors(text, format)
