"""Spans that a model marks in its text are taken out of the stream, wherever the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbturns.events import Delta, Event, InferenceFinished
from nbturns.runtime.tag_extraction import Extracted, Extractor, extract_tags
from nbturns.values.inference_results import InferenceResult

TAG = "notes:todo:v1"
TEXT = (
    f"a <b> <{TAG}>buy <milk> & </notes> eggs</{TAG}> c <other:tag:v1>d</other:tag:v1> <{TAG}></{TAG}><notes:todo:v2>"
)
LEFT = "a <b>  c <other:tag:v1>d</other:tag:v1> <notes:todo:v2>"


def heard(pieces: list[str], malformed: str = "error", extractor: Extractor = None) -> list[Event]:
    events: list[Event] = []
    sink = extract_tags(events.append, {TAG: extractor}, malformed=malformed)  # type: ignore[arg-type]
    for piece in pieces:
        sink(Delta("call", 0, "llm_text", piece))
    sink(InferenceFinished(InferenceResult()))
    return events


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def spans(events: list[Event], stage: str) -> list[str]:
    return [event.text for event in events if isinstance(event, Extracted) and event.stage == stage]


@pytest.mark.parametrize("cut", range(len(TEXT) + 1))
def test_a_stream_cut_at_any_place_gives_the_same_text_and_spans(cut: int) -> None:
    events = heard([TEXT[:cut], TEXT[cut:]])

    assert text(events) == LEFT
    assert spans(events, "completed") == ["buy <milk> & </notes> eggs", ""]
    assert "".join(spans(events, "delta")) == "buy <milk> & </notes> eggs"


@given(
    st.lists(
        st.sampled_from(["<", ">", "/", TAG, f"<{TAG}>", f"</{TAG}>", "x", "<notes:", "todo:v1>", "<other:tag:v1>"])
    )
)
def test_whatever_the_pieces_nothing_is_lost_where_broken_spans_become_text(pieces: list[str]) -> None:
    events = heard(pieces, "text")
    rebuilt = ""
    for event in events:
        if isinstance(event, Delta):
            rebuilt += event.text
        elif isinstance(event, Extracted) and event.stage == "completed":
            rebuilt += f"<{event.tag}>{event.text}</{event.tag}>"

    assert rebuilt == "".join(pieces)


def test_a_span_that_never_ends_is_an_error_text_or_nothing_as_one_likes() -> None:
    pieces = ["a<notes:todo:v1>", "half"]

    failed = [event for event in heard(pieces) if isinstance(event, Extracted) and event.stage == "failed"]
    assert [(event.text, event.error) for event in failed] == [("half", "the text ended before </notes:todo:v1>")]
    assert text(heard(pieces, "text")) == "a<notes:todo:v1>half"
    assert text(heard(pieces, "ignore")) == "a"
    assert not spans(heard(pieces, "ignore"), "failed")


def test_an_extractor_makes_a_value_and_one_that_raises_is_told() -> None:
    whole = [f"<{TAG}>3</{TAG}><{TAG}>x</{TAG}>"]
    events = [event for event in heard(whole, extractor=int) if isinstance(event, Extracted)]

    assert [event.value for event in events if event.stage == "completed"] == [3]
    assert "ValueError" in next(event.error for event in events if event.stage == "failed")
    assert [event.number for event in events if event.stage == "started"] == [0, 1]


def test_thoughts_and_arguments_pass_as_they_are_and_what_is_no_tag_is_refused() -> None:
    events: list[Event] = []
    sink = extract_tags(events.append, {TAG: None})
    sink(Delta("call", 0, "reasoning", f"<{TAG}>"))
    assert text(events) == f"<{TAG}>"
    with pytest.raises(ValueError, match="package:type:version"):
        extract_tags(events.append, {"todo": None})


def test_two_sessions_that_share_a_sink_keep_their_spans_apart() -> None:
    heard: list[Event] = []
    sink = extract_tags(heard.append, {"a:b:v1": None})
    spans = {"one": "<a:b:v1>first ", "two": "<a:b:v1>second"}

    for inference_id, text in spans.items():
        sink(Delta(inference_id, 0, "llm_text", text))
    sink(InferenceFinished(InferenceResult(inference_id="two")))
    sink(Delta("one", 0, "llm_text", "end</a:b:v1>"))
    sink(InferenceFinished(InferenceResult(inference_id="one")))

    outcomes = [
        (event.inference_id, event.stage, event.text)
        for event in heard
        if isinstance(event, Extracted) and event.stage in ("completed", "failed")
    ]
    assert outcomes == [("two", "failed", "second"), ("one", "completed", "first end")]
    assert not any(isinstance(event, Delta) for event in heard)
