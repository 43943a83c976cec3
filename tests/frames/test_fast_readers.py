"""Frames made without values are the frames made with them, cell by cell."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns import frames
from nbturns.frames import Column
from nbturns.frames.arrow_arrays import SLOW, to_json
from nbturns.frames.block_frame import BlockBuilder
from nbturns.frames.fast import chat_lines, nbturns_lines
from nbturns.frames.fast.block_arrays import VectorBlockBuilder
from nbturns.frames.frame_pass import FrameRequest
from tests.frames.comparison import (
    BY_ROWS,
    READ_BY_ROWS,
    assert_same_blocks,
    assert_same_frames,
    assert_same_rows_and_errors,
    read_blocks,
    write_lines,
)


def test_both_sides_of_each_comparison_here_take_different_paths() -> None:
    fast, slow = (FrameRequest({"blocks": columns}).builder("blocks") for columns in (frames.BLOCK, BY_ROWS))

    assert isinstance(fast, VectorBlockBuilder)
    assert isinstance(slow, BlockBuilder)
    assert {column.name for column in set(BY_ROWS).intersection(frames.BLOCK)} == {"maybe_duplicate"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=4), inside, max_size=3),
    max_leaves=5,
)
TEXT = st.text(max_size=6)
CALL = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", ""]) | TEXT,
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {
                "name": st.sampled_from(["f", "g", ""]),
                "arguments": st.dictionaries(TEXT, JSON, max_size=2).map(json.dumps)
                | st.sampled_from(
                    ["", "{}", "{ }", "[1]", '{"a":1}', '{"a": 1', '{"n": 100000000000000000000}', "null"]
                ),
            }
        ),
    }
)
EXTRA_FIELDS = st.dictionaries(
    st.sampled_from(["name", "refusal", "reasoning", "weight", "function_call"]), st.none() | TEXT | JSON, max_size=2
)
CONTENT = st.none() | TEXT | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}), max_size=2)
MESSAGE = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "developer"]), "content": CONTENT}),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": CONTENT},
        optional={"tool_calls": st.none() | st.lists(CALL, max_size=2)},
    ),
    st.fixed_dictionaries(
        {"role": st.just("tool"), "tool_call_id": st.sampled_from(["a", "b", ""]), "content": CONTENT}
    ),
).flatmap(lambda message: EXTRA_FIELDS.map(lambda beside: {**beside, **message}))
ARGUMENTS = st.dictionaries(TEXT, JSON, max_size=2).map(json.dumps) | st.sampled_from(["", "{}", "{ }", '{"a":1}'])
PLAIN_CALL = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "c"]),
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": st.sampled_from(["f", "g", ""]), "arguments": ARGUMENTS}),
    }
)
PLAIN_MESSAGE = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "user", "system", "developer"]), "content": TEXT}),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": TEXT}),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "tool_calls": st.lists(PLAIN_CALL, min_size=1, max_size=2)},
        optional={"content": st.none() | TEXT},
    ),
    st.fixed_dictionaries({"role": st.just("tool"), "tool_call_id": st.sampled_from(["a", "b"]), "content": TEXT}),
).flatmap(
    lambda message: st.dictionaries(
        st.sampled_from(["name", "weight", "refusal", "annotations"]),
        st.none() | st.sampled_from(["f", ""]),
        max_size=2,
    ).map(lambda beside: {**message, **beside})
)
PLAIN_CHAT = st.lists(PLAIN_MESSAGE, min_size=1, max_size=6)
CHAT = st.one_of(PLAIN_CHAT, PLAIN_CHAT, PLAIN_CHAT, st.lists(MESSAGE, min_size=1, max_size=6))
PLAIN = {"chat": 0, "ours": 0}  # how many records were read straight


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts the records that went straight, so that a test can say that some did."""
    PLAIN.update(chat=0, ours=0)
    add_chat, add_ours = chat_lines.ChatRecords.add, nbturns_lines.add_run

    def chat(*given: Any) -> bool:
        done: bool = add_chat(*given)
        PLAIN["chat"] += done
        return done

    def ours(*given: Any) -> bool:
        done: bool = add_ours(*given)
        PLAIN["ours"] += done
        return done

    monkeypatch.setattr(chat_lines.ChatRecords, "add", chat)
    monkeypatch.setattr("nbturns.frames.fast.dispatch.add_run", ours)


def test_plain_chats_go_straight_with_all_that_stands_beside_their_words(tmp_path: Path) -> None:
    def call(id: str, name: str, arguments: str) -> dict[str, Any]:
        return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}

    messages = [
        {"role": "system", "content": "s", "name": "rules"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "tool_calls": [call("a", "f", '{"x":1}'), call("b", "", "")]},
        {"role": "tool", "tool_call_id": "a", "name": "f", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2", "weight": 3},
        {"role": "tool", "tool_call_id": "c", "name": "g", "content": "3", "weight": 3},
        {"role": "assistant", "content": "", "refusal": None},
        {"role": "user", "content": "again"},
        {"role": "assistant", "weight": 0, "tool_calls": [call("a", "g", '{"x":1}')]},
        {"role": "assistant", "content": "answer", "tool_calls": [call("d", "f", '{"x":{"y":[1]}}')], "weight": 1},
        {"role": "user", "content": "bye"},
    ]
    path = write_lines(tmp_path / "chat.jsonl", [{"messages": messages, "model": "m"}, {"messages": messages}])

    frame = read_blocks(path, frames.BLOCK).blocks

    assert PLAIN["chat"] == 2
    assert_same_blocks(path)
    PLAIN["chat"] = 0
    all_frames = assert_same_frames(path)
    assert PLAIN["chat"] == 2
    assert all_frames.turns.pending.tolist() == [0, 2, 2] * 2 and all_frames.reports.guessed.tolist() == [4, 4]
    first = frame[frame.run_id == "chat.jsonl#0"]
    assert first.turn_index.tolist() == [0] * 8 + [1] * 4 + [2]
    assert first.block_index.tolist() == [*range(13)]
    assert first.model.dropna().unique().tolist() == ["m"] and frame.model.count() == first.model.count() == 6
    assert first[first.kind == "tool_use"].name.fillna("").tolist() == ["f", "", ""]
    assert first.text[first.kind == "tool_call"].tolist() == ['{"x": 1}', "{}", '{"x": 1}', '{"x": {"y": [1]}}']
    assert first.extra.dropna().tolist() == [
        '{"name": "rules"}',
        '{"name": "f"}',
        '{"weight": 3}',
        '{"name": "g", "weight": 3}',
        '{"weight": 0}',
        '{"weight": 1}',
    ]


@settings(max_examples=25)
@given(st.lists(CHAT, min_size=2, max_size=4), st.booleans())
def test_chat_lines_give_the_frame_their_values_give(
    tmp_path_factory: pytest.TempPathFactory, given: Any, named: bool
) -> None:
    folder = tmp_path_factory.mktemp("chat")
    path = write_lines(folder / "chat.jsonl", [{"messages": one, **({"id": "x"} if named else {})} for one in given])

    assert_same_frames(path)
    if not len(assert_same_rows_and_errors(path).errors):
        assert_same_blocks(path)


TWICE = st.sampled_from([b'"role": "user"', b'"content": "other"', b'"content": NaN', b'"weight": 1e999', b'"id": "x"'])


@st.composite
def damaged(draw: st.DrawFn, line: bytes) -> bytes:
    """A line as it is, or what becomes of lines: cut, with bytes that are no text, half an emoji, a name twice."""
    match draw(st.sampled_from(["whole", "whole", "cut", "bytes", "half", "twice", "end", "blank", "long"])):
        case "cut":
            return line[: draw(st.integers(0, len(line)))]
        case "bytes":
            at = draw(st.integers(0, len(line)))
            return line[:at] + draw(st.binary(max_size=3)).replace(b"\n", b"") + line[at:]
        case "half":
            return line.replace(b'"content": "', b'"content": "' + draw(st.sampled_from([rb"\ud83d", rb"\udc00"])))
        case "twice":
            return line.replace(b'"role"', draw(TWICE) + b', "role"')
        case "end":
            return line + draw(st.sampled_from([b"\r", b" \x0b", b"\xef\xbb\xbf", b",", b" {}"]))
        case "blank":
            return draw(st.sampled_from([b"", b"  ", b"\r", b"null", b"[]", b"{}", b"1"]))
        case "long":
            return line.replace(b'"role"', b'"deep": ' + b"[" * 300 + b"]" * 300 + b', "role"', 1)
    return line


@st.composite
def damaged_lines(draw: st.DrawFn, records: list[Any]) -> bytes:
    written = [json.dumps(record).encode() for record in records]
    return b"\n".join([written[0], *[draw(damaged(line)) for line in written[1:]], written[0]])


GOOD = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
CHATS = st.lists(st.fixed_dictionaries({"messages": CHAT}), max_size=4)


@settings(max_examples=30)
@given(CHATS.flatmap(lambda records: damaged_lines([GOOD, *records])))
def test_of_damaged_chat_lines_both_ways_read_and_refuse_the_same(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    path = tmp_path_factory.mktemp("chat") / "chat.jsonl"
    path.write_bytes(text)

    assert_same_rows_and_errors(path)
    assert_same_frames(path)


@pytest.mark.parametrize("name", ["turns", "inferences", "tool_calls", "snapshots"])
def test_each_frame_of_chat_records_is_made_without_values(tmp_path: Path, name: str) -> None:
    chat: dict[str, Any] = {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        "id": "c",
    }
    odd: dict[str, Any] = {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}]}
    paths = [write_lines(tmp_path / f"{n}.jsonl", records) for n, records in enumerate([[chat, odd, chat], [chat]])]
    function = getattr(frames, name)

    fast = function(paths)

    assert PLAIN["chat"] == 3
    pd.testing.assert_frame_equal(fast, function(paths, columns=READ_BY_ROWS[name]))
    pd.testing.assert_frame_equal(fast, function(paths, cache=tmp_path / "cache"))
    pd.testing.assert_frame_equal(fast, function(paths, cache=tmp_path / "cache"))


def test_columns_and_rules_of_users_are_computed_from_rows(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    path = write_lines(tmp_path / "chat.jsonl", [chat])
    column = Column("text", lambda row: f"Turn {row.turn_index}")

    assert frames.turns(path, columns=[column]).text.tolist() == ["Turn 0"]
    assert frames.tool_calls(path, failed=lambda row: True).empty
    assert PLAIN["chat"] == 0


def test_only_blocks_alone_go_without_values_and_an_error_is_the_same(tmp_path: Path) -> None:
    good = {"messages": [{"role": "user", "content": "hi"}]}
    path = write_lines(tmp_path / "some.jsonl", [good, good])
    path.write_text(path.read_text() + "not json\n")

    for columns in (frames.BLOCK, BY_ROWS):
        with pytest.raises(nt.LoadError, match="line 3"):
            frames.blocks(path, columns=columns)


words = st.text(max_size=6)
payloads = st.dictionaries(
    st.sampled_from(["text", "id", "name", "args", "args_raw", "result", "error", "images"]), JSON, max_size=4
)


@st.composite
def our_runs(draw: st.DrawFn) -> nt.Run:
    """Runs whose Turns grow or are cut, some of whose blocks are signed, some Turns with a ledger."""
    turn, turns = nt.Turn(), []
    for number in range(draw(st.integers(1, 4))):
        added = []
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from([*nt.Kind, "web_search"]))
            block = nt.Block(kind, draw(payloads), draw(st.sampled_from(["", "user", "assistant"])), draw(words))
            if draw(st.booleans()):
                id = draw(st.sampled_from(["i1", "i2", "i3"]))
                result = nt.InferenceResult(
                    inference_id=id, provider=draw(st.sampled_from(["", "test"])), stop_reason=draw(words), model=id
                )
                block = block.with_metadata(nt.keys.INFERENCE_RESULT, result).with_metadata(nt.keys.INFERENCE_ID, id)
            added.append(block)
        turn = turn + added
        if len(turn) and draw(st.booleans()):
            turn = turn.drop(draw(st.integers(0, len(turn) - 1)))
        turns.append(turn.with_id(draw(words)))
        if draw(st.booleans()):
            turns[-1] = turns[-1].with_metadata(nt.keys.SESSION_ID, f"s{number}")
    return nt.Run(turns, id=draw(words))


@settings(max_examples=25)
@given(st.lists(our_runs(), min_size=2, max_size=3))
def test_our_own_lines_give_the_frame_their_values_give(
    tmp_path_factory: pytest.TempPathFactory, runs: list[nt.Run]
) -> None:
    path = write_lines(tmp_path_factory.mktemp("ours") / "ours.jsonl", [run.to_dict() for run in runs])

    assert_same_blocks(path)


@settings(max_examples=30)
@given(st.lists(our_runs().map(nt.Run.to_dict), min_size=1, max_size=3).flatmap(damaged_lines))
def test_of_our_own_damaged_lines_both_ways_read_and_refuse_the_same(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    path = tmp_path_factory.mktemp("ours") / "ours.jsonl"
    path.write_bytes(text)

    assert_same_rows_and_errors(path)


@settings(max_examples=25)
@given(st.lists(CHAT, min_size=2, max_size=4))
def test_blocks_of_a_file_have_the_ids_and_words_of_the_runs_that_are_loaded_of_it(
    tmp_path_factory: pytest.TempPathFactory, given: Any
) -> None:
    path = write_lines(tmp_path_factory.mktemp("chat") / "chat.jsonl", [{"messages": one} for one in given])

    loaded = frames.blocks(nt.load_all(path))

    pd.testing.assert_frame_equal(
        read_blocks(path, frames.BLOCK).blocks.drop(columns="file"), loaded.drop(columns="file")
    )


def test_a_kind_that_is_no_word_is_an_error_of_its_line(tmp_path: Path) -> None:
    plain = nt.Run([nt.turn("q")]).to_dict()
    odd = {"version": 1, "turns": [{"blocks": [{"kind": [], "payload": {"text": "x"}}]}]}

    made = assert_same_rows_and_errors(write_lines(tmp_path / "ours.jsonl", [plain, odd, plain]))

    assert len(made.blocks) == 2
    assert len(made.errors) == 1 and made.errors.position[0].startswith("line 2")
    with pytest.raises(nt.LoadError, match="line 2"):
        frames.blocks(tmp_path / "ours.jsonl")


def test_sessions_saved_as_lines_give_the_frame_their_values_give(tmp_path: Path) -> None:
    path = tmp_path / "sessions.jsonl"
    for answer in ("one", "two", "three"):
        session = nt.Session(nt.scripted([nt.tool_call("c", "add", {"a": 1, "b": 2})], answer), tools=[add])
        session.ask("q").result(60)
        one = nt.save(session.run, tmp_path / "one.jsonl")
        path.write_text((path.read_text() if path.exists() else "") + one.read_text())

    frame = assert_same_blocks(path)

    assert PLAIN["ours"] >= 3
    assert frame.run_id.nunique() == 3
    assert frame[frame.kind == "tool_use"].name.tolist() == ["add"] * 3


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


PART = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "audio"]), "text": TEXT}, optional={"refusal": TEXT, "id": TEXT}
    ),
    st.fixed_dictionaries(
        {"type": st.just("reasoning"), "reasoning": TEXT}, optional={"text": TEXT, "signature": TEXT}
    ),
    st.fixed_dictionaries({"type": st.just("image"), "image": TEXT}),
)
INSPECT_CONTENT = (
    TEXT | st.none() | st.lists(PART | JSON, max_size=3) | st.sampled_from(["attachment://1", "a attachment://2"])
)
INSPECT_CALL = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b", ""]), "function": st.sampled_from(["f", "g", ""])},
    optional={
        "arguments": st.dictionaries(TEXT, JSON, max_size=2) | st.sampled_from(['{"a": 1}', "[1]", "{", None]),
        "type": st.just("function"),
        "parse_error": st.none() | TEXT,
        "error": TEXT,
        "name": TEXT,
    },
)
INSPECT_MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "system", "assistant", "assistant", "tool", "other"]),
        "content": INSPECT_CONTENT,
    },
    optional={
        "id": st.sampled_from(["m1", "m2", "m3"]),
        "source": st.none() | TEXT,
        "model": TEXT,
        "tool_calls": st.none() | st.lists(INSPECT_CALL | JSON, max_size=2),
        "tool_call_id": st.sampled_from(["a", "b", ""]),
        "error": st.none() | st.just({"type": "timeout", "message": "too slow"}) | TEXT,
    },
)
OUTPUT = st.fixed_dictionaries(
    {"model": st.sampled_from(["", "m"])},
    optional={
        "choices": st.lists(
            st.fixed_dictionaries({"message": INSPECT_MESSAGE, "stop_reason": st.sampled_from(["stop", "length", ""])}),
            max_size=2,
        )
    },
)
EVENT = st.fixed_dictionaries(
    {"event": st.sampled_from(["model", "model", "tool", "info"]), "output": OUTPUT},
    optional={"model": st.sampled_from(["claude/x", "openai/y", "z"])},
)
INSPECT_SAMPLE = st.fixed_dictionaries(
    {"id": st.integers(1, 2), "epoch": st.just(1), "messages": st.lists(INSPECT_MESSAGE | JSON, max_size=7)},
    optional={
        "input": TEXT,
        "uuid": st.sampled_from(["u", "v", ""]),
        "output": OUTPUT,
        "events": st.lists(EVENT, max_size=4),
        "attachments": st.just({"1": "long", "2": "longer"}),
    },
)


@settings(max_examples=25)
@given(st.lists(INSPECT_SAMPLE | JSON, max_size=3), st.booleans())
def test_inspect_samples_give_the_frame_their_values_give(
    tmp_path_factory: pytest.TempPathFactory, samples: Any, packed: bool
) -> None:
    folder = tmp_path_factory.mktemp("inspect")
    head = {"version": 2, "eval": {"eval_id": "e", "model": "openai/gpt"}}
    if packed:
        path = folder / "log.eval"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("header.json", json.dumps(head))
            for number, sample in enumerate(samples):
                archive.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
    else:
        path = folder / "log.json"
        path.write_text(json.dumps({**head, "samples": samples}), encoding="utf-8")

    assert_same_rows_and_errors(path)


def test_every_recorded_inspect_log_gives_the_frame_its_values_give(shared: Path) -> None:
    logs = sorted(
        path for path in (shared / "transcripts/dev/inspect").rglob("*.*") if path.suffix in (".eval", ".json")
    )
    found = 0
    for path in logs:
        found += len(assert_same_rows_and_errors(path).blocks)

    assert found > 50


def every_line_file(shared: Path) -> Iterator[Path]:
    yield from sorted(path for path in (shared / "transcripts/dev").rglob("*.jsonl"))


def test_every_recorded_file_of_lines_gives_the_frame_its_values_give(shared: Path) -> None:
    for path in every_line_file(shared):
        assert_same_rows_and_errors(path)

    assert PLAIN["chat"] >= 2


def test_a_column_of_ones_own_does_not_change_the_others() -> None:
    turn = nt.turn("q", system="s") + nt.assistant("a")
    mine = (*frames.BLOCK, Column("length", lambda row: len(row.block.text)))

    frame = frames.blocks(turn, columns=mine)

    pd.testing.assert_frame_equal(frame[[c.name for c in frames.BLOCK]], frames.blocks(turn))
    assert [*frame.length] == [1, 1, 1]


@given(JSON | payloads)
def test_json_is_written_as_the_library_writes_it(value: Any) -> None:
    assert to_json(value) == SLOW.encode(value)
