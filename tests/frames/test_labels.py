"""Labels: in the metadata of values, and in a file beside conversations that are not changed."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import nbturns as nt


def run() -> nt.Run:
    first = nt.Turn((nt.user("hi"), nt.assistant("hello")))
    return nt.Run((first, first + nt.user("more") + nt.assistant("so")), id="run-1")


def test_a_label_is_in_the_metadata_of_a_new_value() -> None:
    labelled = nt.label(run(), "good", note="polite", by="ana")
    again = nt.label(nt.label(labelled, "short"), "good", note="polite", by="ana")
    assert run().metadata.get(nt.keys.LABELS) is None
    assert [label.label for label in again.metadata[nt.keys.LABELS]][:2] == ["good", "short"]
    assert nt.Run.from_yaml(again.to_yaml()) == again
    block = nt.label(nt.assistant("so"), "wrong tool")
    assert block.metadata[nt.keys.LABELS][0].label == "wrong tool"
    frame = nt.frames.labels(nt.Run((nt.Turn((nt.user("hi"), block)),), id="r", metadata=again.metadata))
    assert list(frame.label) == ["good", "short", "wrong tool"]
    assert frame.by[0] == "ana" and frame.note[0] == "polite"
    assert list(frame.block_index.fillna(-1)) == [-1, -1, 1]
    assert nt.frames.runs(again).labels[0] == "good, short"
    assert nt.frames.blocks(nt.Turn((block,))).labels[0] == "wrong tool"


@pytest.mark.parametrize("wrong", ["", "  ", 3, None])
def test_a_label_is_a_text(wrong: object) -> None:
    with pytest.raises(nt.MisuseError, match="a label must be a text"):
        nt.label(run(), wrong)  # type: ignore[arg-type]
    with pytest.raises(nt.MisuseError, match="expected a Run or a Block"):
        nt.label(nt.Turn(), "good")  # type: ignore[type-var]


def test_a_file_of_labels_joins_the_frames(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    value = run()
    labels = nt.labels(path)
    labels.add(value, "good", note="polite", by="ana").add(value.latest[-1], "short", run=value)
    labels.add(nt.frames.blocks(value).iloc[0], "greeting")
    for current in (labels, nt.labels(path)):
        assert len(current) == 3
        assert nt.frames.runs(value, labels=current).labels[0] == "good"
        blocks = nt.frames.blocks(value, labels=current)
        assert list(blocks.labels.fillna("")) == ["greeting", "", "", "short"]
        assert len(nt.frames.labels(value, current)) == 3
        assert list(current.to_df().label) == ["good", "short", "greeting"]
        pd.testing.assert_frame_equal(nt.frames.labels(current), current.to_df())
    assert nt.frames.runs(value).labels.isna().all()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0].keys() == {"run_id", "turn_index", "block_index", "digest", "label", "note", "by", "at"}


def test_labels_are_applied_and_removed(tmp_path: Path) -> None:
    value, labels = run(), nt.labels(tmp_path / "labels.jsonl")
    labels.add(value, "good").add(value, "short").add(nt.assistant("hello"), "greeting")
    applied = labels.apply(value)
    assert [label.label for label in applied.metadata[nt.keys.LABELS]] == ["good", "short"]
    assert applied[0][1].metadata[nt.keys.LABELS][0].label == "greeting"
    assert applied[1][1] is applied[0][1]
    assert labels.apply(applied) == applied
    assert applied[0][0] is value[0][0]
    labels.remove(value, "good").remove(nt.assistant("hello"))
    assert [line.label.label for line in nt.labels(labels.path)] == ["short"]


def test_a_label_of_a_loaded_run_holds_at_the_next_load(tmp_path: Path) -> None:
    chats = tmp_path / "chats.jsonl"
    messages = [[{"role": "user", "content": t}, {"role": "assistant", "content": t}] for t in "ab"]
    chats.write_text("\n".join(json.dumps({"messages": message}) for message in messages))
    labels = nt.labels(tmp_path / "labels.jsonl")
    _, second = nt.load_all(chats)
    labels.add(second, "odd").add(second.latest[1], "wrong", run=second)
    assert list(nt.frames.runs(chats, labels=labels).labels.fillna("")) == ["", "odd"]
    assert list(nt.frames.blocks(chats, labels=labels).labels.fillna("")) == ["", "", "", "wrong"]


def test_what_cannot_be_labelled_is_said(tmp_path: Path) -> None:
    labels = nt.labels(tmp_path / "labels.jsonl")
    with pytest.raises(nt.MisuseError, match="has no id"):
        labels.add(nt.Run(), "good")
    with pytest.raises(nt.MisuseError, match="is not in run"):
        labels.add(nt.user("x"), "good", run=run())
    with pytest.raises(nt.MisuseError, match="expected a Run, a Block or a row"):
        labels.add(3, "good")
    with pytest.raises(nt.MisuseError, match="labels="):
        nt.frames.runs(run(), labels=3)  # type: ignore[call-overload]
    assert not labels.path.exists()
    labels.path.write_text('{"label": "x"}\nnot json\n')
    with pytest.raises(nt.LoadError, match="line 2"):
        nt.labels(labels.path)
