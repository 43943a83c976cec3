"""Model calls kept in a file that people read and edit, and answered from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.engines.cassette_calls import read_calls
from nbturns.errors import LoadError
from nbturns.testing import assert_turn, serve
from nbturns.values.inference_settings import INFERENCE_CONFIG, InferenceConfig
from tests.dialects import DIALECTS, KEY, weather


def session(engine: Any, path: Path, **settings: Any) -> nt.Session:
    record = settings.pop("record", False)
    return nt.Session(engine, tools=[weather], middleware=[nt.cassette(path, record=record)], **settings)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_cassette_recorded_from_a_server_replays_with_the_server_gone(
    tmp_path: Path, name: str, stream: bool
) -> None:
    path = tmp_path / "weather.yaml"
    with serve() as server:
        url = server.url + DIALECTS[name]
        live = session(nt.engine(name, base_url=url, api_key=KEY, stream=stream), path, record=True, system="Be brief.")
        first = live.ask("What is the weather in Paris?").result(60)
        second = live.ask("Say hello.").result(60)

    gone = session(nt.engine(name, base_url=url, api_key="other", stream=not stream), path, system="Be brief.")
    again = gone.ask("What is the weather in Paris?").result(60)
    then = gone.ask("Say hello.").result(60)

    assert again.same_content(first)
    assert then.same_content(second)
    assert (again.usage, again.cost) == (first.usage, first.cost)
    assert [r.finish_class for r in again.inferences] == [r.finish_class for r in first.inferences]
    assert all(block.inference is not None for block in again.of_kind("llm_text", "tool_call"))  # signed as if asked
    assert KEY not in path.read_text()


def test_a_cassette_is_read_by_people(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    live = session(nt.scripted(nt.tool_call("c1", "weather", {"city": "Paris"}), "It rains."), path, record=True)
    live.ask("Paris?").result(60)

    raw = yaml.safe_load(path.read_text())

    assert [list(call) for call in raw["calls"]] == [["tools", "asked", "answer"]] * 2
    assert raw["calls"][0]["asked"]["blocks"] == [{"kind": "user", "role": "user", "payload": {"text": "Paris?"}}]
    assert raw["calls"][1]["asked"]["after"] == 1
    assert [block["kind"] for block in raw["calls"][1]["asked"]["blocks"]] == ["tool_use"]
    assert raw["calls"][1]["answer"]["blocks"][0]["payload"] == {"text": "It rains."}


def test_an_edited_answer_is_what_is_said_and_what_follows_still_fits(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    live = session(nt.scripted("It rains.", "Yes."), path, record=True)
    live.ask("Paris?").result(60)
    live.ask("Sure?").result(60)

    path.write_text(path.read_text().replace("It rains.", "It snows."))
    edited = session(nt.scripted(), path)

    assert edited.ask("Paris?").result(60).text == "It snows."
    assert edited.ask("Sure?").result(60).text == "Yes."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": "Rome?"}, "block 0: recorded 'user Paris\\?', asked 'user Rome\\?'"),
        ({"tool": "other"}, "tools weather"),
        ({"model": "anthropic:claude-opus-4-6"}, "engine model: recorded 'anthropic:claude-sonnet-4-6', asked"),
        ({"temperature": 0.5}, "engine temperature: recorded 0.0, asked 0.5|engine temperature: recorded 0, asked 0.5"),
        ({"data": True}, "settings: recorded None, asked"),
        ({"choice": "required"}, "tool_choice: recorded None, asked 'required'"),
    ],
)
def test_a_miss_says_what_differs(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "c.yaml"
    with serve() as server:
        asks = nt.engine("anthropic:claude-sonnet-4-6", base_url=server.url, api_key="k", temperature=0)
        session(asks, path, record=True).ask("Paris weather?").result(60)
    text = path.read_text().replace("Paris weather?", "Paris?")
    path.write_text(text)

    def other(city: str) -> str:
        "Another description."
        return city

    other.__name__ = "weather"
    engine = nt.engine(change.get("model", "anthropic:claude-sonnet-4-6"), temperature=change.get("temperature", 0))
    config = nt.ToolConfig(tool_choice=change.get("choice", "auto"))
    asked = nt.Session(
        engine,
        tools=[other if "tool" in change else weather],
        middleware=[nt.cassette(path)],
        tool_config=config,
    )
    turn = nt.turn(change.get("prompt", "Paris?"))
    if "data" in change:
        turn = turn.with_data(INFERENCE_CONFIG, InferenceConfig(seed=1))

    with pytest.raises(nt.DriftError, match=said) as caught:
        asked.ask(turn).result(60)
    assert caught.value.difference
    assert "record=True" in str(caught.value)


def test_what_does_not_matter_to_the_model_is_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    call = nt.tool_call("call_1", "weather", {"city": "Paris"})
    session(nt.scripted(call, "Rain."), path, record=True).ask("Paris?").result(60)

    turn = session(nt.scripted(), path, id="another").ask(nt.turn("Paris?").with_id("t")).result(60)

    assert_turn(turn).calls("weather").says("Rain.")


def test_what_is_there_is_replayed_while_recording_and_the_rest_is_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    session(nt.scripted("one"), path, record=True).ask("1").result(60)
    second = session(nt.scripted("two"), path, record=True)

    assert second.ask("1").result(60).text == "one"
    assert session(nt.scripted("two"), path, record=True).ask("2").result(60).text == "two"
    assert len(nt.cassette(path)) == 2
    assert session(nt.scripted("ONE"), path, record="again").ask("1").result(60).text == "ONE"
    assert [call.blocks[0].text for call in read_calls(path)] == ["ONE", "two"]


def test_a_retry_stands_outside_and_a_failed_call_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    failing = session(nt.scripted(nt.EngineError("busy", status=400)), path, record=True)

    with pytest.raises(nt.EngineError, match="busy"):
        failing.ask("1").result(60)
    with pytest.raises(nt.DriftError, match="c.yaml does not exist;"):
        session(nt.scripted("x"), path).ask("1").result(60)


def test_a_cassette_that_is_none_says_where(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("calls:\n- asked: {}\n")

    with pytest.raises(LoadError, match=r"c.yaml: call 1: a call needs `asked` and `answer`"):
        nt.cassette(path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        nt.cassette(tmp_path / "not" / "there.yaml", record=True)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"calls:\n- {text}".encode(errors="replace")))
def test_any_bytes_are_a_cassette_or_an_error_with_a_place(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(raw)

    try:
        nt.cassette(path)
    except nt.LoadError as error:
        assert "any.yaml" in str(error)


def test_a_session_as_engine_is_kept_as_one_call_and_answers_without_it(tmp_path: Path) -> None:
    path = tmp_path / "inner.yaml"
    url = ""
    with serve() as server:
        url = server.url
        engine = nt.engine("anthropic:claude-sonnet-4-6", base_url=url, api_key=KEY)
        inner = nt.Session(engine, tools=[weather])
        first = nt.Session(inner.as_engine(), middleware=[nt.cassette(path, record=True)])
        said = first.ask("What is the weather in Paris?").result(60)

    nobody = nt.Session(nt.scripted(), tools=[weather]).as_engine()
    again = nt.Session(nobody, middleware=[nt.cassette(path)]).ask("What is the weather in Paris?").result(60)

    assert len(said.inferences) == 2
    assert again.same_content(said)
    assert (again.usage, again.cost) == (said.usage, said.cost)
    assert KEY not in path.read_text()
