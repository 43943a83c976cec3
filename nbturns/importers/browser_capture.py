"""A page of a chat as polylogue's browser extension saves it.

What the page got from its server is in `raw_provider_payload`, in the shape of the export of ChatGPT, Claude or Grok, and is read
as that. Without it the texts on the page are read (`session.turns`), which lack tools and thoughts. What else was captured is kept in
the fields of the Run. Source: Sinity/polylogue at d250e578bf73, polylogue/browser_capture/models.py,
polylogue/sources/parsers/browser_capture.py, tests/fixtures/chatgpt/native-browser-capture-v1.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import LoadError
from ..values.provenance import FIELDS
from ..values.turns import Kind, Run
from . import chatgpt, claude_export, grok_export
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import expect, list_of_document, omit, text_or_empty, unexpected, without_lists
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript, freeze_or_json

FORMAT = "browser-capture"
PAGES = (chatgpt, claude_export, grok_export)
TURN_FIELDS = ("provider_turn_id", "role", "text", "timestamp")


def is_capture(value: Any) -> bool:
    """Return True for a capture of a session."""
    return (
        isinstance(value, Mapping) and isinstance(value.get("session"), Mapping) and "polylogue_capture_kind" in value
    )


def score_browser_capture(sample: Sample) -> int:
    """Return a score higher than SURE for captures."""
    return SURE + 6 if sample.container == "json" and any(map(is_capture, sample.records)) else 0


def read_captures(source: Source) -> Iterator[Run]:
    """Yield the conversation of each capture with its branches, or the texts of its page."""
    for position, capture in source.records():
        payload = capture.get("raw_provider_payload") if isinstance(capture, Mapping) else None
        page = next((page for page in PAGES if page.is_conversation(payload)), None)
        notes = source.notes(FORMAT, position)
        if page is None:
            yield from try_read(source, position, _read_turns, capture, notes)
            continue
        try:
            for index, run in enumerate(page.read_branches(payload, notes)):
                yield run if index else _with_capture(run, capture)
        except LoadError as error:
            if source.strict:
                raise
            source.add_problem(error.position or position, error.reason)


def _capture_fields(capture: Mapping[str, Any]) -> dict[str, Any]:
    session = capture.get("session")
    session_fields = without_lists(session, "turns") if isinstance(session, Mapping) else session
    return {**omit(capture, "raw_provider_payload", "session"), "session": session_fields}


def _with_capture(run: Run, capture: Mapping[str, Any]) -> Run:
    """Return a Run with the fields of its capture, and with the texts of the page that it lacks."""
    fields = dict(run.metadata.raw(FIELDS) or {}) | {"capture": capture_with_turns(run, capture)}
    return replace(run, metadata=run.metadata.with_raw(**{FIELDS.name: freeze_or_json(fields)}))


def capture_with_turns(run: Run, capture: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a capture other than the conversation; a text of the page that no block has is kept."""
    texts = "\0".join(block.text for block in run.latest)
    session = capture.get("session")
    turns = session.get("turns") if isinstance(session, Mapping) else None
    missing_turns = [
        turn
        for turn in (turns if isinstance(turns, list) else ())
        if not isinstance(turn, Mapping) or text_or_empty(turn.get("text")) not in texts
    ]
    return _capture_fields(capture) | ({"turns": missing_turns} if missing_turns else {})


def _read_turns(capture: Any, notes: Notes) -> Run:
    if not is_capture(capture):
        raise notes.load_error("", "no capture of a session")
    session = capture["session"]
    transcript = Transcript(notes)
    session_id = text_or_empty(session.get("provider_session_id"))
    transcript.key = session_id or transcript.key
    model, provider = text_or_empty(session.get("model")), text_or_empty(session.get("provider"))

    def read_turn(record: Any) -> None:
        turn = expect(record, dict, "")
        role, text = turn.get("role"), expect(turn.get("text"), str, "text")
        options: dict[str, Any] = {"time": turn.get("timestamp"), "extra_fields": omit(turn, *TURN_FIELDS)}
        if role == "user":
            transcript.add_block(Kind.USER, {"text": text}, "user", turn.get("provider_turn_id"), **options)
        elif role == "assistant":
            result = transcript.inference_result(id=text_or_empty(turn.get("provider_turn_id")), model=model or None)
            transcript.add_block(
                Kind.LLM_TEXT, {"text": text}, "assistant", turn.get("provider_turn_id"), result=result, **options
            )
        elif role == "system":
            transcript.add_block(Kind.SYSTEM, {"text": text}, "system", turn.get("provider_turn_id"), **options)
        else:
            raise unexpected("role", role)

    transcript.read_records("session.turns", list_of_document(session.get("turns"), "session.turns", notes), read_turn)
    fields = _capture_fields(capture) | {"provider": provider}
    name, time = text_or_empty(session.get("title")), session.get("created_at")
    return transcript.to_run(id=session_id, name=name, time=time, extra_fields=fields)


IMPORTER = Importer(FORMAT, score_browser_capture, read_captures)
