"""Objects, tables, files in memory and lists of these as conversations."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import io
import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nbturns as nt
from nbturns.importers.kit.plain_data import plain_data
from nbturns.importers.tables import PREFERENCE_FIELD
from nbturns.values.provenance import FIELDS

CHAT = [{"role": "user", "content": "Which bed is dry?"}, {"role": "assistant", "content": "Bed 3."}]
OTHER_CHAT = [{"role": "user", "content": "And now?"}, {"role": "assistant", "content": "None."}]


def texts(run: nt.Run) -> list[str]:
    return [block.text for block in run.latest]


# Objects.


class Dumped:
    """An object like a pydantic model, which knows itself as JSON only."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def model_dump(self, *, mode: str = "python", by_alias: bool = False, warnings: bool = True) -> Any:
        assert (mode, by_alias, warnings) == ("json", True, False)
        return self._data

    def to_dict(self) -> Any:
        raise AssertionError("model_dump comes first")


class Listed:
    def to_dict(self) -> Any:
        return {"messages": CHAT}


class OldModel:
    def model_dump(self) -> Any:  # takes no arguments and says nothing of the conversation
        return {"version": 1}

    def dict(self) -> Any:
        return {"messages": [Dumped(message) for message in CHAT]}


@dataclasses.dataclass
class Message:
    role: str
    content: str
    _note: str = "private"


@pytest.mark.parametrize(
    "value",
    [
        CHAT,
        tuple(CHAT),
        {"messages": CHAT},
        Dumped({"messages": CHAT}),
        Listed(),
        OldModel(),
        [Message(**message) for message in CHAT],
        [Dumped(message) for message in CHAT],
        json.dumps(CHAT).encode(),
        bytearray(json.dumps(CHAT).encode()),
        io.BytesIO(json.dumps(CHAT).encode()),
        io.StringIO(json.dumps(CHAT)),
    ],
    ids=["list", "tuple", "dict", "model_dump", "to_dict", "second method", "dataclasses", "models", "bytes", "bytearray", "binary file", "text file"],
)  # fmt: skip
def test_whatever_is_a_conversation_is_loaded(value: Any) -> None:
    run = nt.load(value)

    assert texts(run) == ["Which bed is dry?", "Bed 3."]
    assert run.import_report.complete and run.import_report.format == "openai-chat"


def test_loads_takes_objects_too() -> None:
    assert texts(nt.loads(Listed())) == texts(nt.loads(json.dumps(CHAT)))


@pytest.mark.parametrize(
    "value", [5, None, object(), Listed, nt, SimpleNamespace(a=1), lambda: 1, threading.Lock(), [], [1, 2]]
)
def test_whatever_is_no_conversation_is_refused_by_what_it_is(value: Any) -> None:
    with pytest.raises(nt.NbturnsError) as error:
        nt.load(value)
    assert "expected a conversation" in str(error.value)


def test_an_object_that_no_format_recognises_is_refused_with_its_fields() -> None:
    with pytest.raises(nt.LoadError, match=r"no format matches this Dumped \(an object with the fields a, b\)"):
        nt.load(Dumped({"a": 1, "b": 2}))


def test_an_object_that_answers_to_every_name_is_asked_for_nothing() -> None:
    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name) if name not in ("read", "__wrapped__") else AttributeError(name)

    with pytest.raises(nt.MisuseError):
        nt.load(Proxy())


def test_plain_data_has_json_types_only() -> None:
    class Colour(enum.Enum):
        RED = "red"

    @dataclasses.dataclass
    class Part:
        when: Any
        raw: bytes
        colours: set[Colour]

    part = Part(dt.datetime(2026, 5, 1, tzinfo=dt.UTC), b"\x00\x01", {Colour.RED})
    assert plain_data({1: part}) == {"1": {"when": "2026-05-01T00:00:00+00:00", "raw": "AAE=", "colours": ["red"]}}


def test_an_object_that_contains_itself_is_refused() -> None:
    circle: dict[str, Any] = {"role": "user", "content": "x"}
    circle["content"] = [circle]
    with pytest.raises(nt.NbturnsError):
        nt.load([circle])


# Several conversations.


def test_a_list_of_conversations_is_several_and_load_names_what_opens_them() -> None:
    assert [texts(run)[0] for run in nt.load_all([CHAT, OTHER_CHAT])] == ["Which bed is dry?", "And now?"]
    with pytest.raises(nt.LoadError, match=r"use nt\.load_all\(x\).*nt\.view\(x\)"):
        nt.load([CHAT, OTHER_CHAT])


def test_runs_paths_and_messages_may_be_in_one_list_and_in_an_iterator(tmp_path: Path) -> None:
    path = nt.save(nt.load(OTHER_CHAT), tmp_path / "other.jsonl")
    run = nt.load(CHAT)

    for values in (
        [run, path, OTHER_CHAT],
        iter([run, path, OTHER_CHAT]),
        (value for value in (run, path, OTHER_CHAT)),
    ):
        assert [texts(found)[0] for found in nt.load_all(values)] == ["Which bed is dry?", "And now?", "And now?"]


def test_a_text_in_data_is_never_the_name_of_a_file(tmp_path: Path) -> None:
    path = str(nt.save(nt.load(CHAT), tmp_path / "chat.jsonl"))
    for data in ([path], [[path]], [CHAT, [path]]):
        with pytest.raises(nt.LoadError):
            nt.loads(data)
    with pytest.raises(nt.LoadError):
        list(nt.load_all([[path]], strict=True))


def test_an_iterator_of_runs_is_not_read_ahead() -> None:
    def endless() -> Any:
        while True:
            yield nt.load(CHAT)

    runs = nt.load_all(endless())
    assert texts(next(runs)) == texts(next(runs))


# Tables.

ROWS = {"messages": [CHAT, OTHER_CHAT], "score": [1.0, None], "task": ["a", "b"]}


def frames() -> dict[str, Any]:
    frame = pd.DataFrame(ROWS)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return {
        "pandas": frame,
        "arrow": table,
        "batch": table.to_batches()[0],
        "polars": pl.DataFrame(ROWS),
        "lazy polars": pl.DataFrame(ROWS).lazy(),
    }


@pytest.mark.parametrize("backend", ["pandas", "arrow", "batch", "polars", "lazy polars"])
def test_a_table_has_a_conversation_in_each_row_and_its_other_columns_are_fields(backend: str) -> None:
    first, second = nt.load_all(frames()[backend])

    assert (texts(first), texts(second)) == (["Which bed is dry?", "Bed 3."], ["And now?", "None."])
    assert first.metadata[FIELDS] == {"score": 1.0, "task": "a"}
    assert second.metadata[FIELDS] == {"score": None, "task": "b"}
    assert first.import_report.complete


def test_parquet_and_csv_files_are_tables(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(ROWS)), tmp_path / "rows.parquet")
    text_rows = pd.DataFrame({**ROWS, "messages": [json.dumps(CHAT), json.dumps(OTHER_CHAT)]})
    text_rows.to_csv(tmp_path / "rows.csv", index=False)
    text_rows.to_csv(tmp_path / "rows.tsv", index=False, sep="\t")

    for name in ("rows.parquet", "rows.csv", "rows.tsv"):
        first, second = nt.load_all(tmp_path / name)
        assert texts(first) == ["Which bed is dry?", "Bed 3."]
        assert second.metadata[FIELDS]["task"] == "b"


def test_a_column_of_structs_keeps_tool_calls_and_leaves_out_the_fields_a_message_does_not_have() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "water", "arguments": '{"bed": 3}'}}
    messages = [
        {"role": "user", "content": "Water it"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "done", "tool_call_id": "c1"},
    ]
    (run,) = nt.load_all(pa.table({"messages": [messages]}))

    assert [block.kind for block in run.latest] == ["user", "tool_call", "tool_use"]
    assert run.latest[1].args == {"bed": 3}
    assert run.import_report.complete


def test_a_column_of_another_name_is_found_when_it_is_the_only_one_or_named() -> None:
    frame = pd.DataFrame({"log": [CHAT], "task": ["a"]})
    assert texts(nt.load(frame)) == ["Which bed is dry?", "Bed 3."]

    two_columns = pd.DataFrame({"before": [CHAT], "after": [OTHER_CHAT]})
    with pytest.raises(nt.LoadError, match=r"no column holds messages; the columns are before, after"):
        nt.load(two_columns)
    run = nt.load(two_columns, messages="after")
    assert texts(run) == ["And now?", "None."]
    assert run.metadata[FIELDS]["before"][0]["content"] == "Which bed is dry?"
    with pytest.raises(nt.LoadError, match=r"no column 'later'; the columns are before, after"):
        nt.load(two_columns, messages="later")


def test_a_table_with_a_message_in_each_row_is_one_conversation(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        [{"Role": "user", "content": "Which bed is dry?"}, {"Role": "assistant", "content": "Bed 3.", "weight": 1}]
    )
    frame.rename(columns=str.lower).to_csv(tmp_path / "chat.csv", index=False)

    for table in (frame, pa.Table.from_pandas(frame), tmp_path / "chat.csv"):
        (run,) = nt.load_all(table)
        assert [block.kind for block in run.latest] == ["user", "llm_text"]
        assert texts(run) == ["Which bed is dry?", "Bed 3."]
    assert nt.frames.blocks(frame).extra.tolist()[1] == '{"weight": 1.0}'


def test_two_columns_whose_names_differ_in_case_are_both_kept() -> None:
    frame = pd.DataFrame({"Role": ["gardener"], "role": ["user"], "content": ["Which bed is dry?"]})

    assert nt.frames.blocks(frame)[["kind", "extra"]].to_numpy().tolist() == [["user", '{"Role": "gardener"}']]


def test_a_column_of_json_lines_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"log": chat, "id": index}) + "\n" for index, chat in enumerate([CHAT, OTHER_CHAT]))
    )
    assert [run.metadata[FIELDS]["id"] for run in nt.load_all(path, messages="log")] == [0, 1]


def test_prompt_and_completion_are_one_conversation_and_a_preference_is_two() -> None:
    run = nt.load(pd.DataFrame({"prompt": ["Which bed?"], "completion": ["Bed 3."], "task": ["a"]}))
    assert [(block.kind, block.text) for block in run.latest] == [("user", "Which bed?"), ("llm_text", "Bed 3.")]
    assert run.metadata[FIELDS] == {"task": "a"}

    chosen, rejected = nt.load_all(pd.DataFrame({"prompt": ["Which bed?"], "chosen": ["Bed 3."], "rejected": ["All."]}))
    assert (texts(chosen), texts(rejected)) == (["Which bed?", "Bed 3."], ["Which bed?", "All."])
    assert [run.metadata[FIELDS][PREFERENCE_FIELD] for run in (chosen, rejected)] == ["chosen", "rejected"]


def test_a_preference_as_lists_of_messages_has_the_prompt_once() -> None:
    chosen, rejected = nt.load_all(
        [{"chosen": CHAT, "rejected": [CHAT[0], {"role": "assistant", "content": "All."}], "margin": 2}]
    )
    assert (texts(chosen)[1], texts(rejected)[1]) == ("Bed 3.", "All.")
    assert chosen.metadata[FIELDS]["margin"] == 2


def test_a_row_without_messages_is_reported_and_the_others_are_read() -> None:
    frame = pd.DataFrame({"messages": [CHAT, None, OTHER_CHAT, "no list"], "task": list("abcd")})
    runs = nt.load_all(frame)
    first, second = runs

    assert (texts(first)[0], texts(second)[0]) == ("Which bed is dry?", "And now?")
    notes = [str(note) for run in (first, second) for note in run.import_report.dropped]
    assert any("row 2" in note for note in notes) and any("row 4" in note for note in notes)
    with pytest.raises(nt.LoadError, match="row 2"):
        list(nt.load_all(frame, strict=True))


def test_a_parquet_file_of_many_row_groups_and_large_texts_is_read_in_full(tmp_path: Path) -> None:
    texts = [f"{number} " + hashlib.sha512(str(number).encode()).hexdigest() * 20 for number in range(900)]
    rows = [
        {"task_id": number, "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "a"}]}
        for number, text in enumerate(texts)
    ]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=700)  # a dictionary of 1 MB is not enough for one

    runs = list(nt.load_all(path))

    assert [run.latest[0].text for run in runs] == texts
    assert [run.name for run in runs[:2]] == ["0", "1"]


def test_rows_of_several_formats_are_each_read_in_their_own(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "q"}]}]
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    claude = [*parts, {"role": "assistant", "content": [use]}]
    path = tmp_path / "rows.csv"
    pd.DataFrame({"messages": [json.dumps(cell) for cell in (chat, claude, chat, claude)]}).to_csv(path, index=False)

    reports = [run.import_report for run in nt.load_all(path)]

    assert [report and report.format for report in reports] == ["openai-chat", "anthropic"] * 2


def test_every_run_of_a_file_has_a_name(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "q"}]}
    lines = [chat, {**chat, "id": "own"}, {**chat, "task": "sums", "task_id": 7, "trial": 0}, chat]
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    names = ["chats", "own", "sums 7 epoch 0", "chats#3"]
    assert [run.name for run in nt.load_all(path)] == names
    assert nt.frames.turns(path).run_name.tolist() == nt.frames.runs(path).name.tolist() == names
    assert nt.loads(json.dumps(chat)).name == ""


def test_a_damaged_parquet_file_is_a_load_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(nt.LoadError, match=r"rows\.parquet.*cannot be read"):
        nt.load(path)


def test_rows_of_a_parquet_file_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"messages": [CHAT] * 5000}), path, row_group_size=500)
    runs = nt.load_all(path)

    next(runs)
    assert runs.read == 1
    assert sum(1 for _ in runs) == 4999


# Frames and views.


@pytest.mark.parametrize(
    "value",
    [
        CHAT,
        {"messages": CHAT},
        Dumped({"messages": CHAT}),
        pd.DataFrame({"messages": [CHAT]}),
        [CHAT],
        iter([CHAT]),
        [Message(**message) for message in CHAT],
    ],
)
def test_frames_take_whatever_is_loaded(value: Any) -> None:
    assert list(nt.frames.blocks(value).text) == ["Which bed is dry?", "Bed 3."]


def test_frames_of_a_table_have_a_run_for_each_row() -> None:
    blocks = nt.frames.blocks(pd.DataFrame(ROWS))
    assert blocks.run_id.nunique() == 2 and len(blocks) == 4


@pytest.mark.parametrize("value", [CHAT, Dumped({"messages": CHAT}), pd.DataFrame({"messages": [CHAT]})])
def test_a_view_takes_whatever_is_loaded(value: Any) -> None:
    view = nt.view(value)
    assert isinstance(view, nt.widgets.RunView)
    assert [block.text for block in view.displayed_turn] == ["Which bed is dry?", "Bed 3."]


# URLs.


def test_a_url_is_read_and_its_secrets_are_not_shown(tmp_path: Path) -> None:
    path = nt.save(nt.load(CHAT), tmp_path / "chat.jsonl")
    assert texts(nt.load(f"file://{path}")) == ["Which bed is dry?", "Bed 3."]
    with pytest.raises(nt.LoadError) as error:
        nt.load(f"file://user:pass-word@{path}.gone?key=secret-key")
    assert "pass-word" not in str(error.value) and "secret-key" not in str(error.value)
