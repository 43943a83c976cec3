"""Results: one finish vocabulary, tokens and money once per model call, and each call's record on its own blocks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.events import InferenceFinished, InferenceStarted
from nbturns.runtime.engine_protocol import Engine, Scope, recording_engine, signing_engine
from nbturns.values.inference_results import total_cost, total_usage
from nbturns.values.persistent_list import PersistentList
from nbturns.values.turns import results_of_blocks

INFERENCE_RESULT, INFERENCE_ID, INFERENCES = nt.keys.INFERENCE_RESULT, nt.keys.INFERENCE_ID, nt.keys.INFERENCES
counts = st.integers(0, 10**6)
usages = st.builds(nt.Usage, counts, counts, counts, counts, counts)
results = st.builds(
    nt.InferenceResult,
    inference_id=st.text(max_size=3),
    provider=st.sampled_from(["", "anthropic", "openai"]),
    model=st.text(max_size=5),
    stop_reason=st.text(max_size=5),
    finish_class=st.sampled_from(nt.FinishClass),
    truncated=st.booleans(),
    usage=st.none() | usages,
    max_tokens=st.none() | counts,
    duration_ms=st.none() | counts,
    time_to_first_token_ms=st.none() | counts,
    cost=st.none() | st.floats(0, 9),
)


def said(text: str, tokens: int = 0, **of: Any) -> nt.Turn:
    """What a scripted engine is to say, with the result of the call."""
    result = nt.InferenceResult(provider="p", model="m", usage=nt.Usage(tokens, 1) if tokens else None, **of)
    return nt.Turn((nt.assistant(text),)).with_metadata(INFERENCE_RESULT, result)


def calling(*ids: str, tokens: int = 0) -> nt.Turn:
    return said("", tokens)._with(blocks=PersistentList(nt.tool_call(id, "double", {"x": 2}) for id in ids))


def double(x: int) -> int:
    "Twice as much."
    return 2 * x


# The record itself.


@pytest.mark.parametrize(
    ("reason", "pending", "finish"),
    [
        ("length", False, "max_tokens"), ("length", True, "tool_calls_pending"), ("STOP", False, "completed"), ("", False, "unknown"),
        ("Canceled", False, "interrupted"), ("failed", False, "error"), (" MAX_TOKENS ", False, "max_tokens"), ("max_output_tokens", False, "max_tokens"),
        ("model_length", False, "max_tokens"), ("end_turn", False, "completed"), ("stop_sequence", False, "completed"), ("tool_use", False, "completed"),
        ("tool_calls", True, "tool_calls_pending"), ("unknown", False, "unknown"), ("cancelled", False, "interrupted"), ("error", False, "error"),
        ("refusal", False, "refused"), ("content_filter", False, "filtered"), ("SAFETY", False, "filtered"), ("pause_turn", False, "continue"),
    ],
)  # fmt: skip
def test_every_providers_stop_reason_has_one_finish_class(reason: str, pending: bool, finish: str) -> None:
    assert nt.FinishClass.of(reason, pending=pending) == finish


@given(results)
def test_a_result_comes_back_as_it_was_written(result: nt.InferenceResult) -> None:
    assert nt.InferenceResult.from_dict(result.to_dict()) == result
    assert nt.InferenceResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_names_we_do_not_know_are_kept_in_extra() -> None:
    result = nt.InferenceResult.from_dict({"model": "m", "service_tier": "flex", "extra": {"a": 1}})

    assert result.extra == {"a": 1, "service_tier": "flex"}
    assert nt.InferenceResult.from_dict(result.to_dict()) == result


def test_a_finish_class_of_another_time_is_read_as_what_it_means() -> None:
    assert nt.InferenceResult.from_dict({"finish_class": "length"}).finish_class is nt.FinishClass.MAX_TOKENS
    assert nt.InferenceResult.from_dict({"finish_class": "???"}).finish_class is nt.FinishClass.UNKNOWN


def test_geppettos_claude_counts_its_cache_beside_its_input_and_ours_within() -> None:
    raw = {
        "provider": "claude",
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 2,
            "cache_creation_input_tokens": 1,
        },
    }

    result = nt.InferenceResult.from_dict(raw)

    assert (result.provider, result.usage) == ("anthropic", nt.Usage(13, 5, 2, 1))
    assert nt.InferenceResult.from_dict(result.to_dict()) == result


@given(st.lists(usages))
def test_usage_adds_up_field_by_field(given_: list[nt.Usage]) -> None:
    total = total_usage(nt.InferenceResult(usage=one) for one in given_)

    assert total.total_tokens == sum(one.input_tokens + one.output_tokens for one in given_)
    assert total.cached_tokens == total.cache_read_input_tokens == sum(one.cached_tokens for one in given_)
    assert nt.Usage.from_dict(total.to_dict()) == total


def test_the_cost_is_unknown_as_soon_as_one_call_has_none() -> None:
    free, priced = nt.InferenceResult(usage=nt.Usage(1, 1)), nt.InferenceResult(usage=nt.Usage(1, 1), cost=0.5)

    assert total_cost([priced, priced]) == 1.0
    assert total_cost([priced, free]) is None
    assert total_cost([priced, nt.InferenceResult()]) == 0.5
    assert total_cost([]) is None


def test_blocks_of_one_call_count_once_by_its_id() -> None:
    one = nt.InferenceResult(usage=nt.Usage(10, 1))
    blocks = [
        nt.assistant(t).with_metadata(INFERENCE_RESULT, one).with_metadata(INFERENCE_ID, id)
        for t, id in (("a", "1"), ("b", "1"), ("c", "2"))
    ]

    assert nt.Turn(tuple(blocks)).usage == nt.Usage(20, 2)


def test_a_geppetto_loop_stamped_with_its_last_result_counts_that_once() -> None:
    last = nt.InferenceResult(usage=nt.Usage(10, 1), duration_ms=7)
    loop = (
        nt.user("q"),
        nt.tool_call("c", "f").with_metadata(INFERENCE_RESULT, last),
        nt.tool_use("c", 1),
        nt.assistant("a").with_metadata(INFERENCE_RESULT, last),
    )

    assert nt.Turn(loop).usage == nt.Usage(10, 1)
    assert results_of_blocks(loop) == (last,)


def test_a_run_counts_a_call_once_however_many_turns_hold_its_blocks() -> None:
    session = nt.Session(nt.scripted(said("a", 10), said("b", 20), said("c", 40)))
    for prompt in "xyz":
        session.ask(prompt).result(60)

    assert [turn.usage.input_tokens for turn in session.turns] == [10, 20, 40]
    assert session.run.usage == session.usage == nt.Usage(70, 3)
    reread = nt.Run.from_yaml(session.run.to_yaml())
    assert (reread.usage, len(reread.inferences)) == (nt.Usage(70, 3), 3)
    apart = nt.Run(tuple(nt.Turn.from_yaml(turn.to_yaml()) for turn in session.turns))
    assert apart.usage == nt.Usage(70, 3)


# Signing.


def test_each_block_carries_the_record_of_its_own_call() -> None:
    session = nt.Session(nt.scripted(calling("a", "b", tokens=10), said("done", 20)), tools=[double])

    turn = session.ask("q").result(60)

    assert [(b.kind, b.inference.usage.input_tokens if b.inference and b.inference.usage else None) for b in turn] == [
        ("user", None), ("tool_call", 10), ("tool_call", 10), ("tool_use", None), ("tool_use", None), ("llm_text", 20),
    ]  # fmt: skip
    assert turn[1].inference_id == turn[2].inference_id != turn[5].inference_id
    assert [r.inference_id for r in turn.inferences] == [turn[1].inference_id, turn[5].inference_id]
    assert [r.finish_class for r in turn.inferences] == ["tool_calls_pending", "completed"]
    assert turn.usage == nt.Usage(30, 2)


def test_the_session_names_each_block_and_each_id_once() -> None:
    async def notes(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        return await engine(turn + nt.user("note"), scope) + nt.user("after")

    turn = (
        nt.Session(nt.scripted(calling("a"), "done"), system="s", tools=[double], middleware=[notes])
        .ask("q")
        .result(60)
    )

    ids = [b.id for b in turn]
    assert all(ids) and len(set(ids)) == len(ids)


def test_a_block_a_middleware_inserts_is_not_signed() -> None:
    async def insert(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        answer = await engine(turn.insert(0, nt.user("first")) + nt.user("last"), scope)
        return answer.insert(1, nt.assistant("forged")) + nt.assistant("after")

    turn = nt.Session(nt.scripted(said("a", 5)), middleware=[insert]).ask("q").result(60)

    assert [(b.text, b.inference is not None) for b in turn] == [
        ("first", False), ("forged", False), ("q", False), ("last", False), ("a", True), ("after", False),
    ]  # fmt: skip
    assert turn.usage == nt.Usage(5, 1)


def test_a_middleware_that_calls_twice_makes_two_inferences_whatever_it_keeps() -> None:
    async def best_of_two(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        first, _ = await engine(turn, scope), await engine(turn, scope)
        return first

    turn = nt.Session(nt.scripted(said("good", 10), said("better", 20)), middleware=[best_of_two]).ask("q").result(60)

    assert (turn.text, [r.usage and r.usage.input_tokens for r in turn.inferences]) == ("good", [10, 20])
    assert turn.usage == nt.Usage(30, 2)


def test_two_calls_at_once_are_both_accounted() -> None:
    async def both(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        answers = await asyncio.gather(engine(turn, scope), engine(turn, scope))
        return turn + [block for answer in answers for block in answer.blocks.since(len(turn))]

    turn = nt.Session(nt.scripted(said("a", 10), said("b", 20), pace=0.001), middleware=[both]).ask("q").result(60)

    assert turn.usage == nt.Usage(30, 2)
    assert len({b.inference_id for b in turn[1:]}) == 2


def test_a_failed_attempt_that_is_tried_again_is_in_the_ledger() -> None:
    async def retry(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        try:
            return await engine(turn, scope)
        except nt.EngineError:
            return await engine(turn, scope)

    turn = nt.Session(nt.scripted(nt.EngineError("overloaded"), said("a", 10)), middleware=[retry]).ask("q").result(60)

    assert [r.finish_class for r in turn.inferences] == ["error", "completed"]
    assert (turn.text, turn.usage) == ("a", nt.Usage(10, 1))


def test_a_middleware_that_gives_up_leaves_every_attempt_in_the_ledger() -> None:
    async def gives_up(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        await engine(turn, scope)
        raise RuntimeError("not good enough")

    session = nt.Session(nt.scripted(said("a", 10)), middleware=[gives_up])
    with pytest.raises(RuntimeError, match="not good enough") as caught:
        session.ask("q").result(60)

    assert caught.value.turn.usage == nt.Usage(10, 1)  # type: ignore[attr-defined]
    assert session.latest.usage == nt.Usage(10, 1)


def test_an_answer_a_middleware_gives_itself_is_no_inference() -> None:
    async def cached(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        return turn + nt.assistant("from memory")

    turn = nt.Session(nt.scripted("never"), middleware=[cached]).ask("q").result(60)

    assert (turn.text, turn.inferences, turn[-1].inference, bool(turn[-1].id)) == ("from memory", (), None, True)


def test_a_middleware_that_forgets_to_return_is_told_so() -> None:
    async def forgets(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> Any:
        await engine(turn, scope)

    with pytest.raises(nt.EngineError, match="a middleware must return a Turn, got NoneType"):
        nt.Session(nt.scripted("a"), middleware=[forgets]).ask("q").result(60)


def test_an_empty_reply_is_in_the_ledger() -> None:
    turn = (
        nt.Session(
            nt.scripted(
                nt.Turn().with_metadata(INFERENCE_RESULT, nt.InferenceResult(usage=nt.Usage(9, 0), stop_reason="stop"))
            )
        )
        .ask("q")
        .result(60)
    )

    assert (len(turn), [r.finish_class for r in turn.inferences], turn.usage) == (1, ["completed"], nt.Usage(9, 0))


def test_dropping_a_block_does_not_erase_its_cost() -> None:
    turn = nt.Session(nt.scripted(said("a", 10))).ask("q").result(60)

    assert turn.drop(1).usage == nt.Usage(10, 1)


def test_a_new_prompt_starts_an_empty_ledger_and_an_old_result_is_not_taken_for_a_new_one() -> None:
    session = nt.Session(nt.scripted(said("a", 10, cost=0.5), "no result", nt.EngineError("boom")))
    session.ask("x").result(60)

    second = session.ask("y").result(60)
    with pytest.raises(nt.EngineError):
        session.ask("z").result(60)

    assert (second.usage, len(second.inferences)) == (nt.Usage(), 1)
    assert ([r.finish_class for r in session.latest.inferences], session.latest.usage) == (["error"], nt.Usage())


def test_a_call_that_fails_in_a_loop_does_not_repeat_the_usage_of_the_one_before() -> None:
    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        if turn[-1].kind == "tool_use":
            raise ValueError("no more")
        return (turn + nt.tool_call("c", "double", {"x": 1})).with_metadata(
            INFERENCE_RESULT, nt.InferenceResult(usage=nt.Usage(10, 1))
        )

    with pytest.raises(nt.EngineError, match="the engine raised ValueError: no more") as caught:
        nt.Session(engine, tools=[double]).ask("q").result(60)

    assert caught.value.turn.usage == nt.Usage(10, 1)
    assert [r.finish_class for r in caught.value.turn.inferences] == ["tool_calls_pending", "error"]


def test_an_edit_at_a_pause_keeps_the_records_of_the_other_blocks() -> None:
    session = nt.Session(nt.scripted(calling("a", tokens=10), said("done", 20)), tools=[double], step=True)
    execution = session.ask("q")
    pause = execution.next().result(60)
    assert pause is not None

    execution.step(pause.turn.edit(-1, args={"x": 21}) + nt.user("hurry")).result(60)
    execution.resume()
    turn = execution.result(60)

    assert [(b.kind, b.inference is not None) for b in turn] == [
        ("user", False), ("tool_call", True), ("user", False), ("tool_use", False), ("llm_text", True),
    ]  # fmt: skip
    assert (turn[3].result, turn.usage, all(b.id for b in turn)) == (42, nt.Usage(30, 2), True)


def test_a_fork_keeps_the_ledger_of_the_turn_it_goes_on_with() -> None:
    session = nt.Session(nt.scripted(calling("a", tokens=10), said("one", 20), said("two", 40)), tools=[double])
    execution = session.ask("q")
    execution.result(60)
    after_tools = next(s for s in execution.snapshots if s.phase == "post_tools")

    fork = session.fork(after_tools)
    other = fork.ask(fork.latest).result(60)

    assert (other.text, other.usage) == ("two", nt.Usage(50, 2))
    assert session.latest.usage == nt.Usage(30, 2)


def test_a_result_that_was_cut_is_marked_truncated_even_with_calls_pending() -> None:
    cut = calling("a")._with(metadata=said("", stop_reason="max_tokens").metadata)
    turn = nt.Session(nt.scripted(cut, said("short", stop_reason="length")), tools=[double]).ask("q").result(60)

    assert [(r.finish_class, r.truncated) for r in turn.inferences] == [
        ("tool_calls_pending", True),
        ("max_tokens", True),
    ]


def test_an_engine_that_rebuilds_the_turn_is_signed_for_what_it_rebuilt() -> None:
    async def rebuilds(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        return nt.Turn(tuple(b.replace() for b in turn)) + nt.assistant("a")

    turn = nt.Session(rebuilds).ask("q").result(60)

    assert [b.inference is not None for b in turn] == [True, True]
    assert len(turn.inferences) == 1


def test_what_is_no_turn_is_refused_from_an_engine() -> None:
    async def wrong(turn: nt.Turn, scope: nt.Scope) -> Any:
        return "text"

    with pytest.raises(nt.EngineError, match="an engine must return a Turn, got str"):
        nt.Session(wrong).ask("q").result(60)


def test_an_engine_that_exits_is_an_error_and_not_the_end_of_us() -> None:
    async def exits(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        raise SystemExit("bye")

    with pytest.raises(nt.EngineError, match="SystemExit: bye"):
        nt.Session(exits).ask("q").result(60)

    assert nt.Session(nt.scripted("still here")).ask("q").result(60).text == "still here"


def test_an_id_that_was_used_before_or_is_empty_is_made_anew_and_said() -> None:
    seen: list[Any] = []
    session = nt.Session(
        nt.scripted(calling("call_0"), calling("call_0"), calling("", "x", "x"), "done"),
        tools=[double],
        sinks=[seen.append],
    )

    turn = session.ask("q").result(60)

    calls, answers = turn.of_kind("tool_call"), turn.of_kind("tool_use")
    assert len(calls) == 5 and len({c.tool_call_id for c in calls}) == 5
    assert [a.tool_call_id for a in answers] == [c.tool_call_id for c in calls]
    assert [c.metadata.get(nt.keys.PROVIDER_CALL_ID) for c in calls] == [None, "call_0", "", None, "x"]
    assert sum(type(e).__name__ == "Notice" for e in seen) == 3


def test_what_was_really_sent_is_in_the_event_of_the_call() -> None:
    seen: list[Any] = []

    async def secret(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        answer = await engine(turn + nt.user("sent"), scope)
        return answer.drop(1)

    turn = nt.Session(nt.scripted("a"), middleware=[secret], sinks=[seen.append]).ask("q").result(60)

    started = next(e for e in seen if isinstance(e, InferenceStarted))
    finished = next(e for e in seen if isinstance(e, InferenceFinished))
    assert [b.text for b in started.turn] == ["q", "sent"]
    assert [b.text for b in turn] == ["q", "a"]
    assert (finished.result.inference_id, finished.blocks) == (started.inference_id, (turn[-1],))


def test_the_time_of_a_call_and_of_its_first_word_is_measured() -> None:
    turn = nt.Session(nt.scripted("one two three", pace=0.02)).ask("q").result(60)

    result = turn.inferences[0]
    assert result.duration_ms is not None and result.time_to_first_token_ms is not None
    assert 40 <= result.duration_ms < 2000
    assert result.time_to_first_token_ms < result.duration_ms


def run(call: Awaitable[nt.Turn]) -> nt.Turn:
    async def wait() -> nt.Turn:
        return await call

    return asyncio.run(wait())


def test_a_call_outside_a_session_is_signed_as_well() -> None:
    turn = run(signing_engine(nt.scripted(said("a", 3)))(nt.turn("q"), Scope()))

    assert turn[-1].inference is not None and turn.usage == nt.Usage(3, 1)
    again = run(recording_engine(nt.scripted(said("b", 4)), ())(turn + nt.user("r"), Scope()))
    assert again.usage == nt.Usage(7, 2)


def test_the_ledger_travels_with_the_file() -> None:
    turn = nt.Session(nt.scripted(said("a", 3))).ask("q").result(60)

    read = nt.Turn.from_yaml(turn.to_yaml())

    assert read == turn and hash(read) == hash(turn)
    assert read.metadata[INFERENCES] == turn.metadata[INFERENCES]
    assert nt.Turn().with_metadata(INFERENCES, PersistentList(turn.inferences)).inferences == turn.inferences


def test_a_result_made_in_code_counts_as_ours_do_whatever_its_provider_is_called() -> None:
    made = nt.InferenceResult(provider="claude", usage=nt.Usage(10, 5, cached_tokens=4))
    turn = nt.Turn().with_metadata(nt.keys.INFERENCE_RESULT, made)

    assert made.provider == "anthropic" and made.usage == nt.Usage(10, 5, cached_tokens=4)
    assert nt.Turn.from_yaml(turn.to_yaml()).metadata[nt.keys.INFERENCE_RESULT] == made
    assert nt.InferenceResult.from_dict(made.to_dict()) == made


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("incomplete:max_output_tokens", "max_tokens"),
        ("incomplete:content_filter", "filtered"),
        ("incomplete:max_messages", "interrupted"),
        ("insufficient_system_resource", "error"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("IMAGE_SAFETY", "filtered"),
        ("CONTINUATION", "continue"),
        ("queued", "continue"),
        ("a word of tomorrow", "unknown"),
    ],
)
def test_the_stop_reason_of_any_provider_has_its_class(reason: str, finish: str) -> None:
    assert nt.FinishClass.of(reason) == finish


def test_the_shape_on_disk_of_a_result_is_made_once() -> None:
    result = nt.InferenceResult(model="m")

    assert result.disk_shape() is result.disk_shape()
    assert INFERENCE_RESULT.encode(result) is result.disk_shape()
