"""Conversations saved in the formats of others, and read back by our importers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.text import result_text
from nbturns.values.inference_results import INFERENCE_ID, INFERENCE_RESULT
from nbturns.values.provenance import TIMESTAMP

ROOT = Path(__file__).parents[2]
FORMATS = ("atif", "openai-messages", "otlp", "parquet")
EVIL = '<script>\'"\\ \x00\x1b \ud800 ünïcode 🌱\r\n{"role": "system"}'


def signed(name: str, *blocks: nt.Block, **fields: Any) -> list[nt.Block]:
    result = nt.InferenceResult(inference_id=name, **fields)
    return [block.with_metadata(INFERENCE_ID, name).with_metadata(INFERENCE_RESULT, result) for block in blocks]


def conversation(text: str = "How cold?") -> nt.Turn:
    first = signed(
        "one",
        nt.reasoning("I look"),
        nt.assistant("Let me look."),
        nt.tool_call("c1", "read", {"sensor": 1, "note": text}),
        nt.tool_call("c2", "read", {"nested": {"a": [1, None, True, 2.5]}}),
        model="claude-sonnet-4",
        provider="anthropic",
        stop_reason="tool_use",
        cost=0.25,
        cost_source="provider",
        usage=nt.Usage(100, 20, cached_tokens=40, cache_creation_input_tokens=5, reasoning_tokens=7),
    )
    second = signed("two", nt.tool_call("c3", "read", {}), model="claude-sonnet-4", usage=nt.Usage(150, 3))
    third = signed("three", nt.assistant("12 °C " + text), model="claude-sonnet-4", stop_reason="end_turn")
    results = [nt.tool_use("c1", "12 °C " + text), nt.tool_use("c2", "")]
    return nt.Turn([nt.system("Be brief."), nt.user(text), *first, *results, *second, nt.tool_use("c3", "ok"), *third])


def contents(turn: nt.Turn) -> list[tuple[str, Any]]:
    return [(block.kind, block.payload) for block in turn]


def round_trip(value: Any, format: str, folder: Path) -> nt.Run:
    return nt.load(nt.save(value, folder / f"saved.{format}", format=format))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", ["How cold?", EVIL, ""], ids=["plain", "hostile", "empty"])
def test_blocks_come_back_as_they_were(format: str, text: str, tmp_path: Path) -> None:
    turn = conversation(text)

    run = round_trip(turn, format, tmp_path)

    assert contents(run.latest) == contents(turn)
    report = run.import_report
    assert report is not None and not report.dropped and not report.guessed


@pytest.mark.parametrize("format", ["atif", "otlp"])
def test_model_calls_come_back(format: str, tmp_path: Path) -> None:
    turn = conversation()

    run = round_trip(nt.Run((turn,), name="night"), format, tmp_path)

    assert [result.usage for result in run.inferences] == [result.usage for result in turn.inferences]
    assert [result.model for result in run.inferences] == ["claude-sonnet-4"] * 3
    assert run.inferences[0].stop_reason == "tool_use"
    if format == "atif":
        assert run.inferences[0].cost == 0.25
        assert run.name == "night"


@pytest.mark.parametrize("format", FORMATS)
def test_the_example_and_its_run_come_back(format: str, tmp_path: Path) -> None:
    run = nt.example()
    expected = [
        (kind, _with_text_result(dict(payload)) if format != "otlp" else _with_error_as_result(dict(payload)))
        for kind, payload in contents(run.latest)
    ]

    read_run = round_trip(run, format, tmp_path)

    assert [(kind, dict(payload)) for kind, payload in contents(read_run.latest)] == expected


def _with_error_as_result(payload: dict[str, Any]) -> dict[str, Any]:
    if payload.get("error"):
        return payload | {"result": payload["error"], "error": ""}
    return payload


def _with_text_result(payload: dict[str, Any]) -> dict[str, Any]:
    payload = _with_error_as_result(payload)
    if "result" in payload and not isinstance(payload["result"], str):
        payload["result"] = result_text(payload["result"])
    return payload


def test_times_and_durations_are_those_of_the_blocks(tmp_path: Path) -> None:
    blocks = signed("one", nt.assistant("yes"), model="m", duration_ms=1500)
    timed = [block.with_metadata(TIMESTAMP, "2026-03-03T06:00:00Z") for block in blocks]

    spans = json.loads(nt.save(nt.Turn([nt.user("?"), *timed]), tmp_path / "a", format="otlp").read_text("utf-8"))
    untimed = json.loads(nt.save(nt.Turn([nt.user("?"), *blocks]), tmp_path / "b", format="otlp").read_text("utf-8"))

    span = spans["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == 1_500_000_000
    assert "startTimeUnixNano" not in untimed["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert nt.load(tmp_path / "a").inferences[0].duration_ms == 1500


def test_lines_of_openai_messages_are_those_of_fine_tuning(tmp_path: Path) -> None:
    path = nt.save(nt.Turn([nt.user("hi"), nt.assistant("yes")]), tmp_path / "train.jsonl", format="openai-messages")

    assert path.read_text("utf-8") == (
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}\n'
    )


def test_redaction_comes_before_the_format(tmp_path: Path) -> None:
    turn = nt.Turn([nt.user("write to jane.doe@example.org")])
    for format in ("atif", "openai-messages", "otlp"):
        path = nt.save(turn, tmp_path / format, format=format, redact=True)
        assert "jane.doe" not in path.read_text("utf-8")


def test_another_format_is_refused_and_the_suffix_decides_as_before(tmp_path: Path) -> None:
    with pytest.raises(nt.MisuseError, match="no format 'xml'; use one of atif, openai-messages, otlp, parquet"):
        nt.save(nt.Turn(), tmp_path / "a.json", format="xml")
    with pytest.raises(nt.MisuseError, match="a comparison has no formats"):
        nt.save(nt.compare(nt.Turn(), nt.Turn()), tmp_path / "a.html", format="atif")
    with pytest.raises(nt.MisuseError, match="no format for .parquet"):
        nt.save(nt.Turn(), tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", FORMATS)
def test_the_losses_are_those_of_the_page(format: str, tmp_path: Path) -> None:
    call = nt.tool_call("c", "read", {})
    answers = [
        nt.tool_use("c", error="no such sensor"),
        nt.tool_use("c", {"a": 1}, error="no such sensor"),
        nt.tool_use("c", {"a": 1}),
        nt.tool_use("c"),
    ]
    results = []
    for answer in answers:
        turn = nt.Turn([nt.user("go"), call, answer, nt.Block("unknown", {"a": 1}), nt.assistant("done")])
        read_turn = round_trip(turn, format, tmp_path).latest
        assert [block.kind for block in read_turn] == ["user", "tool_call", "tool_use", "llm_text"]
        results.append(read_turn[2].result)

    data = {"a": 1} if format == "otlp" else '{"a": 1}'
    assert results == ["no such sensor", '{"a": 1}\nno such sensor', data, None]
    trailing: list[Any] = ["text", '{"a": 1}', {"a": [1, None, 2.5, {"b": True}]}, [], 7]  # no reply follows
    last_results = [
        round_trip(nt.Turn([nt.user("go"), call, nt.tool_use("c", value)]), format, tmp_path).latest[-1].result
        for value in trailing
    ]
    assert last_results == (trailing if format == "otlp" else [*trailing[:2], *map(result_text, trailing[2:])])


@pytest.mark.parametrize("format", ["openai-messages", "otlp", "parquet"])
def test_images_come_back(format: str, tmp_path: Path) -> None:
    image = nt.image(b"\x89PNG\r\n\x1a\n" + b"0" * 30, media_type="image/png")
    turn = nt.Turn([nt.user("look", images=[image])])

    (read_image,) = round_trip(turn, format, tmp_path).latest[0].images

    assert read_image == turn[0].images[0]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
ARGS = st.dictionaries(
    st.sampled_from(["a", "b"]), st.one_of(st.integers(-9, 9), TEXTS, st.none(), st.booleans()), max_size=2
)


@st.composite
def conversations(draw: st.DrawFn) -> nt.Turn:
    """Return a conversation as an agent makes it: prompts, replies of texts and calls, and a result for each call."""
    blocks = [nt.system(draw(TEXTS))] if draw(st.booleans()) else []
    for n in range(draw(st.integers(1, 3))):
        blocks.append(nt.user(draw(TEXTS)))
        parts = draw(st.lists(st.sampled_from(["reasoning", "text", "call"]), min_size=1, max_size=3, unique=True))
        if parts == ["reasoning"]:  # gets an empty text in messages, as the page says
            parts.append("text")
        reply = [
            nt.reasoning(draw(TEXTS.filter(bool))) if part == "reasoning"
            else nt.assistant(draw(TEXTS.filter(bool))) if part == "text"
            else nt.tool_call(f"c{n}", "read", draw(ARGS))
            for part in sorted(parts, key=["reasoning", "text", "call"].index)
        ]  # fmt: skip
        usage = nt.Usage(draw(st.integers(1, 99)), draw(st.integers(1, 99)))
        blocks += signed(f"i{n}", *reply, model="m", usage=usage)
        if "call" in parts:
            blocks.append(nt.tool_use(f"c{n}", draw(TEXTS)))
    return nt.Turn(blocks)


@settings(max_examples=30, deadline=None)
@given(turn=conversations())
@pytest.mark.parametrize("format", FORMATS)
def test_any_conversation_comes_back_but_for_the_losses_of_the_page(
    format: str, turn: nt.Turn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("saved")

    run = round_trip(turn, format, folder)

    assert contents(run.latest) == contents(turn)
    if format in ("atif", "otlp"):
        assert [result.usage for result in run.inferences] == [result.usage for result in turn.inferences]
    again = round_trip(run, format, folder)
    assert contents(again.latest) == contents(run.latest)  # nothing more is lost the second time


@pytest.mark.parametrize("format", ["openai-messages", "otlp", "parquet", None])
def test_several_runs_are_one_file_and_come_back_in_order(format: str | None, tmp_path: Path) -> None:
    runs = [nt.Run([nt.turn(text) + nt.assistant(f"re {text}")], id="the same", name=text) for text in "abc"]
    path = tmp_path / {"otlp": "many.json", "parquet": "many.parquet"}.get(format or "", "many.jsonl")
    nt.save(iter(runs), path, format=format)
    assert [run.latest[0].text for run in nt.load_all(path)] == ["a", "b", "c"]
    nt.save(nt.load_all(path), tmp_path / "again.jsonl", redact=True)
    assert [run.latest.text for run in nt.load_all(tmp_path / "again.jsonl")] == ["re a", "re b", "re c"]
    nt.save(runs[:1], path, format=format)
    assert nt.load(path).latest.text == "re a"


@pytest.mark.parametrize(("name", "format"), [("many.json", "atif"), ("many.yaml", None), ("many.html", None)])
def test_a_format_of_one_conversation_refuses_several_and_names_those_that_take_them(
    name: str, format: str | None, tmp_path: Path
) -> None:
    with pytest.raises(nt.MisuseError, match=r"holds one conversation; save several as \.jsonl"):
        nt.save([nt.example(), nt.example()], tmp_path / name, format=format)
    with pytest.raises(nt.MisuseError, match="an empty list"):
        nt.save([], tmp_path / name, format=format)
