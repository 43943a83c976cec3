"""Frames: what is in them adds up, joins, and stays linear."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns import frames
from nbturns.frames import Column
from nbturns.values.persistent_list import PersistentList

AIRLINE = Path(__file__).parents[3] / "shared/data/transcripts/dev/openai-chat/tau_airline.jsonl"
FRAMES = (frames.blocks, frames.inferences, frames.tool_calls, frames.turns, frames.snapshots)
STORED = FRAMES[:-1]  # what a file tells as well as the session it is of: all but the snapshots on the way
DECLARED: dict[str, tuple[Column, ...]] = {
    "blocks": frames.BLOCK,
    "inferences": frames.INFERENCE,
    "tool_calls": frames.TOOL_CALL,
    "turns": frames.TURN,
    "snapshots": frames.SNAPSHOT,
    "reports": frames.REPORT,
    "errors": frames.ERROR,
}
INLINE = nt.ToolConfig(inline=True)


def add(a: int, b: int) -> int:
    "Add two numbers."
    if a < 0:
        raise ValueError("too small")
    return a + b


def call(id: str, a: int = 1) -> nt.Block:
    return nt.tool_call(id, "add", {"a": a, "b": 2})


def turn_of(*blocks: nt.Block) -> nt.Turn:
    return nt.Turn() + blocks


def reply(*blocks: nt.Block, **usage: int) -> nt.Turn:
    """An answer for the script, with tokens."""
    result = nt.InferenceResult(provider="test", model="m-1", usage=nt.Usage(**usage), stop_reason="stop", cost=0.5)
    return turn_of(*blocks).with_metadata(nt.keys.INFERENCE_RESULT, result)


def asked() -> nt.Session:
    """Two Turns: a thought, two calls of which one fails, an answer; then another answer."""
    first = reply(nt.reasoning("hm"), call("c1"), call("c2", -1), input_tokens=10, output_tokens=7, reasoning_tokens=3)
    script = nt.scripted(first, reply(nt.assistant("three"), input_tokens=20, output_tokens=2), "bye")
    session = nt.Session(script, system="Be brief.", tools=[add], tool_config=INLINE)
    session.ask("1 + 2?").result(timeout=60)
    session.ask("thanks").result(timeout=60)
    return session


def long_run(messages: int) -> nt.Run:
    """A conversation with a prompt, a call, a result and an answer over and over."""
    said: list[dict[str, Any]] = []
    for number in range(messages // 4):
        function = {"name": "look", "arguments": json.dumps({"at": number})}
        said += [
            {"role": "user", "content": f"question {number}"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": f"call-{number}", "function": function}]},
            {"role": "tool", "tool_call_id": f"call-{number}", "content": "found"},
            {"role": "assistant", "content": f"answer {number}"},
        ]
    return nt.loads(said)


# What stands in a frame.


def test_each_block_stands_once_with_the_model_call_that_made_it() -> None:
    session = asked()

    frame = frames.blocks(session)

    kinds = "user reasoning tool_call tool_call tool_use tool_use llm_text user llm_text"
    assert [*frame.kind[frame.kind != "system"]] == kinds.split()
    assert [*frame.block_id] == [block.id or pd.NA for block in session.latest]
    assert frame[frame.kind == "tool_call"].inference_id.nunique() == 1
    assert [*frame[frame.kind == "llm_text"].model] == ["m-1", "scripted"]
    assert frame[frame.kind == "tool_use"].inference_id.isna().all()


def test_a_block_says_in_text_whatever_its_kind_has_to_say() -> None:
    frame = frames.blocks(asked()).set_index("kind")

    assert [*frame.text["tool_call"]] == ['{"a": 1, "b": 2}', '{"a": -1, "b": 2}']
    assert [*frame.text["tool_use"]] == ["3", "ValueError: too small"]
    assert [*frame.name["tool_use"]] == ["add", "add"]
    assert (frame.characters == frame.text.str.len()).all()


def test_repeat_gives_every_turn_in_full() -> None:
    session = asked()

    frame = frames.blocks(session, repeat=True)

    assert [*frame.groupby("turn_index").size()] == [len(turn) for turn in session.turns]
    assert [*frame[frame.turn_index == 1].block_id.dropna()] == [block.id for block in session.latest if block.id]
    assert frame[frame.kind == "llm_text"].inference_id.notna().all()


def test_a_row_of_inferences_counts_what_the_call_made() -> None:
    frame = frames.inferences(asked())

    first = frame.iloc[0]
    assert [*frame.turn_index] == [0, 0, 1]
    assert [*frame.inference_index] == [0, 1, 0]
    assert (first.blocks, first.text_blocks, first.reasoning_blocks, first.tool_call_blocks) == (3, 0, 1, 2)
    assert (first.reasoning_characters, first.tool_call_characters) == (2, len('{"a": 1, "b": 2}{"a": -1, "b": 2}'))
    assert (first.total_tokens, first.reasoning_tokens, first.cost) == (17, 3, 0.5)
    assert pd.isna(frame.total_tokens[2])
    assert [*frame.finish_class] == ["tool_calls_pending", "completed", "completed"]


def test_failed_attempts_and_empty_replies_are_rows_too() -> None:
    async def again(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        try:
            answer: nt.Turn = await engine(turn, scope)
        except nt.EngineError as error:
            answer = await engine(error.turn, scope)
        return answer

    session = nt.Session(nt.scripted(nt.EngineError("busy"), reply(input_tokens=4)), middleware=[again])
    session.ask("q").result(timeout=60)

    frame = frames.inferences(session)

    assert [*frame.finish_class] == [one.finish_class for one in session.run.inferences]
    assert frame.finish_class[0] == "error"
    assert [*frame.blocks] == [0, 0]
    assert frame.input_tokens.sum() == session.usage.input_tokens == 4


def test_a_failed_turn_has_its_status_and_its_model_call() -> None:
    session = nt.Session(nt.scripted(nt.EngineError("busy")))
    with pytest.raises(nt.EngineError):
        session.ask("q").result(timeout=60)

    assert [*frames.turns(session).status] == ["failed"]
    assert [*frames.inferences(session).finish_class] == ["error"]


def test_a_call_and_its_result_are_one_row() -> None:
    session = asked()

    frame = frames.tool_calls(session)

    assert [*frame.tool_call_id] == ["c1", "c2"]
    assert [*frame.args] == [{"a": 1, "b": 2}, {"a": -1, "b": 2}]
    assert frame.result[0] == "3"
    assert pd.isna(frame.result[1])
    assert frame.error[1] == "ValueError: too small"
    assert (frame.duration_ms >= 0).all()
    assert [*frame.attempts] == [1, 1]
    answers = [
        session.turns[turn][block]
        for turn, block in zip(frame.result_turn_index, frame.result_block_index, strict=True)
    ]
    assert [answer.tool_call_id for answer in answers] == ["c1", "c2"]


def test_a_call_nobody_answered_says_so() -> None:
    execution = nt.Session(nt.scripted([call("c1")]), tools=[add], step=True).ask("q")
    execution.next().result(timeout=60)

    frame = frames.tool_calls(execution)
    turn = frames.turns(execution)
    execution.stop()

    assert [*frame.answered] == [False]
    assert frame[["result", "error", "duration_ms", "attempts", "result_turn_index"]].isna().all(axis=None)
    assert [*turn.pending] == [1]


def test_arguments_that_are_no_object_stay_as_the_model_wrote_them() -> None:
    turn = turn_of(nt.Block("tool_call", {"id": "c", "name": "add", "args": {}, "args_raw": '{"a": 1,'}))

    assert frames.tool_calls(turn)["args"][0] == '{"a": 1,'
    assert frames.blocks(turn).text[0] == '{"a": 1,'


def test_ids_used_twice_are_answered_in_order_and_an_edited_call_keeps_its_answer() -> None:
    twice = turn_of(call("c", 1), nt.tool_use("c", "one"), call("c", 2), nt.tool_use("c", "two"))
    answered = turn_of(call("c"), nt.tool_use("c", "one"))
    edited = nt.Run((answered, answered.edit(0, args={"a": 5, "b": 5}) + nt.user("go on")))

    assert [*frames.tool_calls(twice).result] == ["one", "two"]
    assert [*frames.tool_calls(edited).result] == ["one", "one"]


def test_behind_an_edit_a_result_answers_no_other_call() -> None:
    turn = turn_of(nt.user("q"), call("c"), nt.tool_use("c", "one"), call("c"))
    run = nt.Run((turn, turn.edit(0, text="other")))

    frame = frames.tool_calls(run)

    assert [*frame.answered] == [True, False]
    assert [*frames.blocks(run, repeat=True).name.dropna()] == ["add"] * 6


def test_a_row_of_turns_counts_what_is_new() -> None:
    session = asked()

    frame = frames.turns(session)

    assert [*frame.blocks] == [len(turn) for turn in session.turns]
    assert frame.new_blocks.sum() == len(session.latest)
    assert [*frame.tool_calls] == [2, 0]
    assert [*frame.tool_errors] == [1, 0]
    assert [*frame.inferences] == [2, 1]
    assert [*frame.text] == [turn.text for turn in session.turns]
    assert [*frame.prompt] == ["1 + 2?", "thanks"]
    assert [*frame.status] == ["done", "done"]
    assert frame.total_tokens[0] == session.turns[0].usage.total_tokens
    assert pd.isna(frame.total_tokens[1])


# What may be given.


def test_a_session_its_run_its_turns_and_its_file_give_the_same_frames(tmp_path: Path) -> None:
    session = asked()
    path = nt.save(session.run, tmp_path / "run.yaml")
    given = (session.run, [session], list(session.turns), nt.load(path), path, str(tmp_path / "*.yaml"), [str(path)])

    for made in STORED:
        for one in given:
            frame = made(one)
            if "file" in frame:
                frame["file"] = made(session).file
            pd.testing.assert_frame_equal(frame, made(session))


def test_an_execution_joins_its_session() -> None:
    session = asked()

    frame = frames.blocks(session.execution)

    assert {*frame.run_id} == {session.id}
    assert [*frame.block_id.dropna()] == [block.id for block in session.latest if block.id]


def test_several_things_are_a_run_each() -> None:
    session, other = asked(), asked()
    fork = session.fork(0)

    frame = frames.turns([session, [other.run], nt.turn("alone"), fork, nt.turn("alone")])

    assert [*frame.run_id.unique()] == [session.id, other.id, "memory#2", fork.id, "memory#4"]
    assert frame.groupby("run_id", sort=False).size().to_list() == [2, 2, 1, 1, 1]


def test_a_file_of_several_runs_names_each_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    line = json.dumps({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]})
    path.write_text(f"{line}\n{line}\n")

    assert [*frames.blocks(path).run_id.unique()] == ["two.jsonl#0", "two.jsonl#1"]
    assert {*frames.turns(path).file} == {str(path)}


@pytest.mark.parametrize("empty", [[], nt.Turn(), nt.Run()], ids=["nothing", "turn", "run"])
def test_an_empty_frame_has_all_columns_and_dtypes(empty: Any) -> None:
    session = asked()

    for made in FRAMES:
        full = made(session)
        frame = made(empty).iloc[:0]
        assert frame.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict()


@pytest.mark.parametrize(
    "wrong",
    [3, None, object(), nt.Turn, {3: nt.Turn}.get],
    ids=lambda x: type(x).__name__,
)
def test_what_holds_no_turns_is_refused_in_words_that_say_what_does(wrong: Any) -> None:
    for made in FRAMES:
        with pytest.raises(
            TypeError, match="(?s)expected conversations, got .*pass a Turn, a Run, a Session, an Execution, a path"
        ):
            made(wrong)


@pytest.mark.parametrize(
    "wrong", [b"bytes", {"a": 1}, [{"a": 1}], pd.DataFrame({"a": [1]})], ids=lambda x: type(x).__name__
)
def test_data_of_no_known_format_is_refused_by_what_it_has(wrong: Any) -> None:
    for made in FRAMES:
        with pytest.raises(nt.LoadError, match="no format matches|no column holds messages"):
            made(wrong)


def test_metadata_that_do_not_fit_name_the_turn() -> None:
    turn = nt.turn("q")
    turn = turn._with(metadata=turn.metadata.with_raw(**{nt.keys.INFERENCES.name: "none"}))

    with pytest.raises(nt.DecodeError, match="run memory#0, turn 0: nbturns.inferences@v1"):
        frames.blocks(turn)


# Columns are data.


def test_a_column_of_ones_own_stands_beside_ours() -> None:
    length = Column("length", lambda row: len(row.block.text))
    mine = frames.BLOCK + (length, Column("first", lambda row: row.turn_index == 0 and row.turn is row.run[0]))

    frame = frames.blocks(asked(), columns=mine)

    assert [*frame.columns] == [column.name for column in frames.BLOCK] + ["length", "first"]
    assert [str(dtype) for dtype in frame.dtypes[-2:]] == ["Int64", "boolean"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, None], "Int64"),
        ([1, 2.5], "Float64"),
        (["a", None], "string"),
        ([True], "boolean"),
        ([None], "object"),
        ([{"a": 1}], "object"),
    ],
)
def test_a_column_without_a_dtype_gets_one_that_keeps_na(values: list[Any], dtype: str) -> None:
    turn = turn_of(*(nt.user(str(index)) for index in range(len(values))))

    frame = frames.blocks(turn, columns=[Column("mine", lambda row: values[row.block_index])])

    assert str(frame.mine.dtype) == dtype


def test_a_column_that_fails_names_itself_and_the_row() -> None:
    mine = Column("args", lambda row: row.block.payload["args"])

    with pytest.raises(ValueError, match=r"column 'args', row 1 \(run memory#0, turn 0, block 1\): KeyError: 'args'"):
        frames.blocks(turn_of(call("c"), nt.user("x")), columns=[mine])


def test_a_value_that_does_not_fit_names_column_and_row() -> None:
    mine = Column("kind", lambda row: 1 if row.block_index == 0 else "one", "Int64")

    with pytest.raises(ValueError, match="column 'kind', row 1: expected Int64, got 'one'"):
        frames.blocks(turn_of(nt.user("a"), nt.user("b")), columns=[mine])


def test_two_columns_of_one_name_and_what_is_no_column_are_refused() -> None:
    strange: Any = ("text",)
    function: Any = "kind"

    with pytest.raises(ValueError, match="two columns are named 'text'"):
        frames.blocks([], columns=(*frames.BLOCK, Column("text", lambda row: row.text)))
    with pytest.raises(TypeError, match="expected a Column, got .*nt.frames.Column"):
        frames.blocks([], columns=strange)
    with pytest.raises(TypeError, match="expected several columns"):
        frames.blocks([], columns=function)
    with pytest.raises(TypeError, match="a name and a function of a row"):
        Column("kind", function)


def test_categories_are_the_same_in_every_frame_and_new_kinds_join_them() -> None:
    turn = turn_of(nt.user("a"), nt.Block("web_search", {"query": "x"}))

    categories = [*frames.blocks(turn).kind.cat.categories]

    assert categories == [*map(str, nt.Kind), "web_search"]
    assert [*frames.blocks([]).kind.cat.categories] == [*map(str, nt.Kind)]


def test_half_a_surrogate_pair_is_kept_as_json_writes_it() -> None:
    assert frames.blocks(nt.turn("\ud83d")).text[0] == "\\ud83d"


def test_help_lists_every_column_with_dtype_unit_and_doc() -> None:
    documentation = inspect.getdoc(frames) or ""
    for name, columns in DECLARED.items():
        table = documentation.partition(f"`{name}`: ")[2].partition("\n`")[0]
        for column in columns:
            assert column.dtype and column.doc
            line = next(line for line in table.splitlines() if line.split()[:1] == [column.name])
            assert line.split()[1] == column.dtype
            assert line.endswith(column.doc) and column.unit in line


# It adds up and joins, whatever was said.

tokens = st.integers(0, 1000)
words = st.text(max_size=8)


@st.composite
def scripts(draw: st.DrawFn) -> list[list[Any]]:
    """For each prompt the answers of the model: calls first, then a text, a silence or a failure."""
    prompts = []
    for prompt in range(draw(st.integers(1, 4))):
        answers: list[Any] = [
            reply(
                nt.reasoning(draw(words)),
                *(call(f"c{prompt}-{step}-{n}", draw(st.integers(-1, 1))) for n in range(draw(st.integers(1, 3)))),
                input_tokens=draw(tokens),
                output_tokens=draw(tokens),
            )
            for step in range(draw(st.integers(0, 3)))
        ]
        last = [
            draw(words),
            reply(nt.assistant(draw(words)), input_tokens=draw(tokens)),
            reply(output_tokens=draw(tokens)),
            nt.EngineError("busy"),
        ]
        prompts.append([*answers, draw(st.sampled_from(last))])
    return prompts


def played(prompts: list[list[Any]], edits: bool) -> nt.Session:
    session = nt.Session(
        nt.scripted(*(answer for answers in prompts for answer in answers)), system="s", tools=[add], tool_config=INLINE
    )
    for number, _ in enumerate(prompts):
        prompt: Any = f"prompt {number}"
        if edits and number and len(session.latest) > 1:
            prompt = session.latest.edit(1, text="edited") + nt.user(prompt)
        try:
            session.ask(prompt).result(timeout=60)
        except nt.EngineError:
            continue
    return session


@settings(max_examples=30, deadline=None)
@given(scripts(), st.booleans())
def test_inferences_and_turns_add_up_to_the_usage_of_the_run(prompts: list[list[Any]], edits: bool) -> None:
    session = played(prompts, edits)

    calls, turns = frames.inferences(session), frames.turns(session)

    names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens")
    assert [calls[name].sum() for name in names] == [getattr(session.usage, name) for name in names]
    assert [turns[name].sum() for name in names] == [getattr(session.usage, name) for name in names]
    assert [*calls.inference_id] == [one.inference_id for one in session.run.inferences]
    assert turns.inferences.sum() == len(calls)


@settings(max_examples=30, deadline=None)
@given(scripts(), st.booleans())
def test_keys_are_unique_and_every_reference_is_met(prompts: list[list[Any]], edits: bool) -> None:
    session = played(prompts, edits)
    blocks, calls, tools, turns, _ = (made(session) for made in FRAMES)

    assert blocks.set_index(["run_id", "turn_index", "block_index"]).index.is_unique
    assert calls.set_index(["run_id", "inference_id"]).index.is_unique
    assert calls.set_index(["run_id", "turn_index", "inference_index"]).index.is_unique
    assert tools.set_index(["run_id", "turn_index", "block_index"]).index.is_unique
    assert turns.set_index(["run_id", "turn_index"]).index.is_unique
    assert {*blocks.inference_id.dropna()} <= {*calls.inference_id}
    assert {*tools.inference_id} <= {*calls.inference_id}
    assert {*blocks[blocks.kind == "tool_call"].tool_call_id} == {*tools.tool_call_id}
    joined = tools.merge(blocks, on=["run_id", "turn_index", "block_index"], validate="1:1")
    assert (joined.kind == "tool_call").all()
    assert len(blocks.merge(turns, on=["run_id", "turn_index"], validate="m:1")) == len(blocks)


@st.composite
def grown(draw: st.DrawFn) -> nt.Run:
    """Turns that grow, and now and then are cut, edited, repeated or begun anew."""
    turn = nt.turn("q")
    turns = []
    for number in range(draw(st.integers(1, 8))):
        match draw(st.sampled_from(["grow", "grow", "many", "edit", "drop", "repeat", "anew", "same"])):
            case "grow":
                turn = turn + nt.assistant(f"answer {number}") + nt.user("more")
            case "many":
                turn = turn + tuple(nt.user(str(n)) for n in range(draw(st.integers(60, 140))))
            case "edit" if len(turn):
                turn = turn.edit(draw(st.integers(0, len(turn) - 1)), text="other")
            case "drop" if len(turn):
                turn = turn.drop(draw(st.integers(0, len(turn) - 1)))
            case "repeat" if len(turn):
                turn = turn + turn[0]
            case "anew":
                turn = nt.turn(f"again {number}")
        turns.append(turn)
    return nt.Run(tuple(turns))


@settings(max_examples=60, deadline=None)
@given(grown())
def test_each_block_object_stands_once_where_it_first_appears(run: nt.Run) -> None:
    first: dict[int, tuple[int, int]] = {}
    for turn_index, turn in enumerate(run):
        for block_index, block in enumerate(turn):
            first.setdefault(id(block), (turn_index, block_index))
    mine = (*frames.BLOCK, Column("object", lambda row: id(row.block)))

    frame = frames.blocks(run, columns=mine)
    turns = frames.turns(run)

    assert [*zip(frame.turn_index, frame.block_index, strict=True)] == list(first.values())
    assert [*frame.object] == list(first)
    assert [text if isinstance(text, str) else "" for text in turns.text] == [turn.text for turn in run]
    assert [*turns.pending] == [len(turn.pending) for turn in run]
    assert len(frames.blocks(run, repeat=True)) == sum(map(len, run))


@settings(max_examples=20, deadline=None)
@given(scripts())
def test_a_session_saved_and_loaded_gives_the_same_frames(prompts: list[list[Any]]) -> None:
    session = played(prompts, edits=False)

    loaded = nt.Run.from_yaml(session.run.to_yaml())

    for made in STORED:
        pd.testing.assert_frame_equal(made(loaded), made(session))


def test_records_without_ids_join_all_the_same() -> None:
    """geppetto's files: neighbours with an equal result are one call."""
    one, two = (
        {"geppetto.inference_result@v1": {"model": m, "usage": {"input_tokens": n}}} for m, n in (("a", 1), ("b", 2))
    )
    signed = [nt.Block("reasoning", {"text": "hm"}), nt.assistant("so"), nt.user("?"), nt.assistant("well")]
    results: Iterable[Any] = (one, one, None, two)
    blocks = [b._with(metadata=b.metadata.with_raw(**r)) if r else b for b, r in zip(signed, results, strict=True)]
    turn = turn_of(nt.user("q"), *blocks)

    calls, frame = frames.inferences(turn), frames.blocks(turn)

    assert [*calls.input_tokens] == [1, 2]
    assert calls.input_tokens.sum() == turn.usage.input_tokens
    assert [*frame.merge(calls, on="inference_id").model_y] == ["a", "a", "b"]
    assert [*calls.blocks] == [2, 1]


# Real conversations, counted by somebody else.


@pytest.fixture(scope="module")
def airline() -> list[list[dict[str, Any]]]:
    if not AIRLINE.is_file():
        pytest.skip(f"{AIRLINE} is not on this machine")
    return [json.loads(line)["messages"] for line in AIRLINE.read_text().splitlines()]


def test_airline_conversations_have_the_blocks_their_messages_have(airline: list[list[dict[str, Any]]]) -> None:
    expected: Counter[tuple[int, str]] = Counter()
    for number, messages in enumerate(airline):
        for message in messages:
            calls = message.get("tool_calls") or []
            role = {"assistant": "llm_text", "tool": "tool_use"}.get(message["role"], message["role"])
            expected[number, role] += not (role == "llm_text" and calls and not message["content"])
            expected[number, "tool_call"] += len(calls)

    frame = frames.blocks(AIRLINE)

    place = frame.run_id.str.rpartition("#")[2].astype(int)
    assert Counter(zip(place, frame.kind, strict=True)) == +expected
    texts = [m["content"] for messages in airline for m in messages if m["role"] in ("user", "tool")]
    assert [*frame[frame.kind.isin(["user", "tool_use"])].text] == texts


def test_airline_calls_and_results_are_those_of_the_file(airline: list[list[dict[str, Any]]]) -> None:
    calls = [call for messages in airline for m in messages for call in m.get("tool_calls") or []]
    results = []  # an id may come back in a conversation: the answer is the next one with it
    for messages in airline:
        for index, message in enumerate(messages):
            for call in message.get("tool_calls") or []:
                later = (m["content"] for m in messages[index:] if m.get("tool_call_id") == call["id"])
                results.append(next(later, None))

    frame = frames.tool_calls(AIRLINE)

    assert [*frame.name] == [call["function"]["name"] for call in calls]
    assert [*frame["args"]] == [json.loads(call["function"]["arguments"]) for call in calls]
    assert [None if pd.isna(result) else result for result in frame.result] == results
    assert [*frame.answered] == [result is not None for result in results]


def test_airline_inferences_are_the_replies_of_the_model(airline: list[list[dict[str, Any]]]) -> None:
    replies = [sum(m["role"] == "assistant" for m in messages) for messages in airline]

    calls, turns = frames.inferences(AIRLINE), frames.turns(AIRLINE)

    assert calls.groupby("run_id", sort=False).size().to_list() == replies
    assert turns.groupby("run_id", sort=False).inferences.sum().to_list() == replies
    assert calls.text_characters.sum() == sum(
        len(m["content"] or "") for messages in airline for m in messages if m["role"] == "assistant"
    )
    assert calls.input_tokens.isna().all()


# What it costs.


def calls_of_python(do: Callable[[], object]) -> int:
    """How many functions are entered while `do` runs: a clock that other processes do not move."""
    count = 0

    def heard(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(heard)
    try:
        do()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("made", FRAMES, ids=lambda made: made.__name__)
def test_a_conversation_twice_as_long_takes_at_most_2_2_times_the_work(made: Callable[[Any], pd.DataFrame]) -> None:
    short, long = long_run(1600), long_run(3200)
    made(long_run(4))

    assert calls_of_python(lambda: made(long)) <= 2.2 * calls_of_python(lambda: made(short))


def test_a_column_reads_each_row_once() -> None:
    read: list[int] = []
    run = long_run(800)

    frames.blocks(run, columns=[Column("index", lambda row: read.append(row.block_index))])

    assert read == list(range(len(run.latest)))
    assert isinstance(run.latest.blocks, PersistentList)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout


def test_pandas_comes_with_the_first_frame_and_not_before() -> None:
    assert (
        python(
            "import sys, nbturns.frames; print([m for m in ('pandas', 'numpy', 'pyarrow', 'tqdm') if m in sys.modules])"
        )
        == "[]\n"
    )


def test_what_has_no_ids_joins_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "assistant", "content": "yes?"},
    ]
    path.write_text((json.dumps({"messages": messages}) + "\n") * 2)
    blocks = frames.blocks(path)

    assert len(blocks.merge(frames.turns(path), on="turn_id")) == len(blocks)
    assert len(frames.tool_calls(path).merge(blocks, on="block_id")) == 2
    assert len(blocks.merge(frames.inferences(path), on="inference_id")) == 4
    assert blocks.block_id.is_unique
