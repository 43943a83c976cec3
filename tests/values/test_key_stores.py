"""Keys name where their values belong, and values can be removed again."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt

SCORE: nt.Key[float] = nt.Key("me.score@v1", float)
ON: dict[str, nt.Key[int]] = {
    store: nt.Key(f"me.{store}@v1", int, on=store) for store in ("block", "turn", "data", "run")
}


def set_on(store: str, key: nt.Key[int]) -> Any:
    match store:
        case "block":
            return nt.user("x").with_metadata(key, 1), nt.Block("user", metadata={key: 1})
        case "turn":
            return nt.turn("x").with_metadata(key, 1), nt.Turn(metadata={key: 1})
        case "data":
            return nt.turn("x").with_data(key, 1), nt.Turn(data={key: 1})
    return nt.Run((nt.turn("x"),), metadata={key: 1}), None


@pytest.mark.parametrize("store", ON)
@pytest.mark.parametrize("name", ON)
def test_a_key_of_one_store_is_refused_by_the_others(store: str, name: str) -> None:
    if store == name:
        assert set_on(store, ON[name])
        return
    with pytest.raises(nt.MisuseError, match=rf"me\.{name}@v1 belongs in"):
        set_on(store, ON[name])


def test_a_key_without_a_store_belongs_everywhere() -> None:
    for store in ON:
        assert set_on(store, SCORE)  # type: ignore[arg-type]


def test_a_setting_of_the_next_call_is_refused_as_metadata() -> None:
    with pytest.raises(nt.MisuseError, match=r"belongs in the data of a Turn, which turn\.with_data\(\) sets"):
        nt.turn("x").with_metadata(nt.keys.TOOL_CONFIG, nt.ToolConfig())


@pytest.mark.parametrize("name", ["score", "me.score", "me.@v1", ".score@v1", "me.score@v0", "me.score@v", "me score@v1", "", 5, None, "me.score@v1 "])  # fmt: skip
def test_an_invalid_name_of_a_key_is_refused(name: Any) -> None:
    with pytest.raises(nt.MisuseError, match=r"namespace\.name@vN"):
        nt.Key(name, int)


def test_an_unknown_store_is_refused() -> None:
    with pytest.raises(nt.MisuseError, match="on must be one of block, turn, data, run"):
        nt.Key("me.score@v1", int, on="blocks")  # type: ignore[call-overload]


def test_a_value_can_be_removed() -> None:
    turn = nt.turn("x").with_metadata(SCORE, 1.0).with_data(SCORE, 2.0)
    block = nt.user("x").with_metadata(SCORE, 1.0)

    assert turn.without_metadata(SCORE).with_data(SCORE, 2.0) == nt.turn("x").with_data(SCORE, 2.0)
    assert turn.without_data(SCORE) == nt.turn("x").with_metadata(SCORE, 1.0)
    assert block.without_metadata(SCORE) == nt.user("x")
    assert nt.turn("x").without_metadata(SCORE) == nt.turn("x")


def test_the_finish_class_of_a_result_may_be_its_name() -> None:
    assert nt.InferenceResult(finish_class="completed") == nt.InferenceResult(finish_class=nt.FinishClass.COMPLETED)  # type: ignore[arg-type]
    assert nt.InferenceResult(finish_class="completed").to_dict() == {"finish_class": "completed"}  # type: ignore[arg-type]
    with pytest.raises(nt.MisuseError, match="finish_class must be one of completed"):
        nt.InferenceResult(finish_class="complete")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "finish_class", "truncated", "provider"),
    [
        ({"stop_reason": "length", "provider": "open_responses"}, nt.FinishClass.MAX_TOKENS, True, "openai"),
        ({"stop_reason": "stop", "provider": "claude"}, nt.FinishClass.COMPLETED, False, "anthropic"),
        ({"stop_reason": "length", "truncated": False}, nt.FinishClass.MAX_TOKENS, False, ""),
        ({"stop_reason": "odd"}, nt.FinishClass.UNKNOWN, False, ""),
        ({}, nt.FinishClass.UNKNOWN, False, ""),
        ({"stop_reason": "length", "finish_class": "completed"}, nt.FinishClass.COMPLETED, True, ""),
    ],
)
def test_a_result_of_geppetto_is_read_in_our_terms(
    fields: dict[str, Any], finish_class: nt.FinishClass, truncated: bool, provider: str
) -> None:
    result = nt.InferenceResult.from_dict(fields)

    assert (result.finish_class, result.truncated, result.provider) == (finish_class, truncated, provider)


def test_pending_shows_calls_without_an_id_and_with_the_id_of_another() -> None:
    calls = [nt.tool_call("", "a"), nt.tool_call("", "b"), nt.tool_call("c", "x"), nt.tool_call("c", "y")]
    turn = nt.turn("q") + calls

    assert list(turn.pending) == calls
    assert [call.name for call in (turn + nt.tool_use("", 1)).pending] == ["b", "x", "y"]
    assert [call.name for call in (turn + nt.tool_use("c", 1)).pending] == ["a", "b", "y"]
    assert (turn + [nt.tool_use(id, 1) for id in ("", "", "c", "c")]).pending == ()
