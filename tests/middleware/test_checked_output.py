"""An answer of a certain shape: asked for, checked, asked for again, kept on the Turn."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import BaseModel, Field

import nbturns as nt
from nbturns.events import Notice
from nbturns.testing import assert_turn
from nbturns.testing.server import Server
from nbturns.values.inference_settings import STRUCTURED_OUTPUT_CONFIG
from tests import dialects
from tests.dialects import DIALECTS


class Play(BaseModel):
    title: str
    author: str
    year: int = Field(ge=1000, le=2100)


GOOD = '{"title": "Hamlet", "author": "William Shakespeare", "year": 1603}'
HAMLET = Play(title="Hamlet", author="William Shakespeare", year=1603)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
def test_every_provider_answers_with_a_checked_object(server: Server, name: str, stream: bool) -> None:
    engine = dialects.engine(server, name, stream=stream)

    turn = nt.Session(engine).ask("Who wrote Hamlet?", output=Play).result(60)

    assert turn.output == HAMLET
    assert_turn(turn).has_kinds("user", "llm_text").has_output(HAMLET).is_complete()
    assert "Play" in str(server.log[-1]["json"]) or "author" in str(server.log[-1]["json"])
    assert STRUCTURED_OUTPUT_CONFIG not in turn.data  # it was asked of this call, and is no setting of the next


def test_an_answer_that_does_not_fit_is_asked_for_again_in_ordinary_blocks() -> None:
    heard: list[str] = []
    session = nt.Session(
        nt.scripted("Shakespeare, I think.", '{"title": "Hamlet", "author": "W", "year": 3}', f"```json\n{GOOD}\n```"),
        sinks=[lambda event: heard.append(event.text) if isinstance(event, Notice) else None],
    )

    turn = session.ask("Who wrote Hamlet?", output=Play).result(60)

    assert_turn(turn).has_kinds("user", "llm_text", "user", "llm_text", "user", "llm_text").calls_of_a_model(3)
    assert "year: Input should be greater than or equal to 1000" in turn[4].text
    assert turn.output == HAMLET
    assert len(heard) == 2
    assert all(block.id for block in turn)


def test_after_its_corrections_it_is_an_error_with_all_that_was_said() -> None:
    session = nt.Session(nt.scripted("a", "b", "c"))

    with pytest.raises(nt.EngineError, match="the answer does not match Play") as caught:
        session.ask("?", output=Play).result(60)

    assert caught.value.kind == "output"
    assert [block.text for block in caught.value.turn.of_kind("llm_text")] == ["a", "b", "c"]
    assert caught.value.turn.output is None


def test_tools_run_before_the_answer_is_looked_at() -> None:
    def year(title: str) -> int:
        "When a play was written."
        return 1603

    session = nt.Session(nt.scripted(nt.tool_call("c1", "year", {"title": "Hamlet"}), GOOD), tools=[year])

    turn = session.ask("Who wrote Hamlet?", output=Play).result(60)

    assert_turn(turn).calls("year", title="Hamlet").answered(1603).before("final").has_output(HAMLET)


@dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("type", "said", "value"),
    [
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (int, '{"value": 7}', 7),
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (dict[str, int], '{"a": 1}', {"a": 1}),
    ],
)
def test_any_type_with_a_schema_will_do(type: object, said: str, value: object) -> None:
    assert nt.Session(nt.scripted(said)).ask("?", output=type).result(60).output == value


def test_what_is_no_type_is_refused_before_anything_is_asked() -> None:
    session = nt.Session(nt.scripted("x"))

    with pytest.raises(TypeError, match="output must be a pydantic model"):
        session.ask("?", output=Server)
    assert session.turns == ()


def test_the_output_is_kept_in_files_as_json_and_read_again_by_its_type() -> None:
    turn = nt.Session(nt.scripted(GOOD)).ask("?", output=Play).result(60)

    again = nt.Turn.from_yaml(turn.to_yaml())

    assert again.output == HAMLET.model_dump()
    assert again.metadata[nt.Key("nbturns.output@v1", Play)] == HAMLET


def test_the_output_of_a_turn_does_not_change_and_is_not_the_next_turns() -> None:
    session = nt.Session(nt.scripted(GOOD, "You are welcome."))
    turn = session.ask("?", output=Play).result(60)

    turn.output.title = "Macbeth"

    assert turn.output == HAMLET
    assert session.ask("Thanks.").result(60).output is None


def test_a_stop_keeps_the_turn_without_the_shape() -> None:
    session = nt.Session(nt.scripted("word " * 50, pace=0.05))
    execution = session.ask("?", output=Play)

    while not execution.deltas:
        pass
    execution.stop()

    turn = execution.result(60)
    assert turn.text.startswith("word")
    assert STRUCTURED_OUTPUT_CONFIG not in turn.data
