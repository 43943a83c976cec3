"""The frame of Runs: source, totals, outcome and links, a row for each Run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbturns as nt
from nbturns.frames import Column

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"


def inspect_log(path: Path, *samples: dict[str, Any]) -> Path:
    head = {"version": 2, "status": "success", "eval": {"eval_id": "e", "task": "sums", "model": "openai/gpt-4o"}}
    path.write_text(json.dumps({**head, "samples": list(samples)}))
    return path


def sample(id: int, epoch: int, value: Any, **fields: Any) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": f"{id}+1?"},
        {"role": "assistant", "content": str(id + 1), "id": f"m{id}{epoch}"},
    ]
    scores = {"match": {"value": value, "answer": str(id + 1)}}
    return {"id": id, "epoch": epoch, "target": str(id + 1), "messages": messages, "scores": scores, **fields}


def test_an_inspect_sample_has_its_scores_and_outcome(tmp_path: Path) -> None:
    limit = {"limit": {"type": "token", "limit": 10}, "error": {"message": "out of time", "traceback": ""}}
    path = inspect_log(tmp_path / "log.json", sample(1, 1, "C", total_time=1.5), sample(1, 2, 0.5, **limit))
    runs = nt.frames.runs(path)
    assert list(runs["score.match"]) == ["C", "0.5"]
    assert list(runs.task) == ["sums", "sums"]
    assert list(runs["sample"]) == ["1", "1"]
    assert list(runs.epoch) == [1, 2]
    assert list(runs.answer) == list(runs.target) == ["2", "2"]
    assert runs.error[1] == "out of time" and runs.limit[1] == "token"
    assert runs.success.isna().all()
    assert runs.duration_ms[0] == 1500
    assert runs.name.notna().all() and runs.format[0] == "inspect" and str(path) == runs.file[0]
    assert set(runs.run_id) == set(nt.frames.blocks(path).run_id)


def test_totals_are_those_of_the_other_frames(tmp_path: Path) -> None:
    example = nt.example()
    frames = nt.frames.read(example)
    (row,) = nt.frames.runs(example).itertuples()
    assert (row.turns, row.blocks, row.inferences) == (len(example), len(frames.blocks), len(frames.inferences))
    assert (row.tool_calls, row.failed) == (len(frames.tool_calls), frames.tool_calls.failed.sum())
    assert (row.input_tokens, row.output_tokens) == (example.usage.input_tokens, example.usage.output_tokens)
    assert row.cost == pytest.approx(example.cost)
    assert row.name == example.name and row.run_id == example.id


def test_fields_and_columns_are_added(tmp_path: Path) -> None:
    lines = [
        {"messages": [{"role": "user", "content": "a"}], "team": team, "meta": {"seed": n}}
        for n, team in enumerate("xy")
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    runs = nt.frames.runs(path, ["team", "meta.seed", "none"])
    assert list(runs["fields.team"]) == ["x", "y"]
    assert list(runs["fields.meta.seed"]) == [0, 1]
    assert runs["fields.none"].isna().all()
    own = nt.frames.runs(path, columns=(*nt.frames.RUN, Column("words", lambda row: len(row.run.latest.text.split()))))
    assert list(own.words) == [0, 0]
    with pytest.raises(nt.MisuseError, match="fields="):
        nt.frames.runs(path, [3])  # type: ignore[list-item]


@pytest.mark.parametrize("backend", ["arrow", "polars"])
def test_each_backend_has_the_same_columns(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend if backend == "polars" else "pyarrow")
    path = inspect_log(tmp_path / "log.json", sample(1, 1, 1.0))
    frame = nt.frames.runs(path, backend=backend)
    names = frame.column_names if backend == "arrow" else frame.columns
    assert list(names) == list(nt.frames.runs(path).columns)
    assert "score.match" in names and "scores" not in names


def test_processes_and_a_cache_give_the_same_runs(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for n in range(3):
        inspect_log(logs / f"{n}.json", sample(n, 1, n / 2))
    expected = nt.frames.runs(logs)
    pd.testing.assert_frame_equal(nt.frames.runs(logs, processes=2), expected)
    for _ in range(2):
        pd.testing.assert_frame_equal(nt.frames.runs(logs, cache=tmp_path / "cache"), expected)


def linked_runs() -> list[nt.Run]:
    call = nt.tool_call("c1", "task", {}).with_metadata(nt.keys.CHILD_RUN, "child")
    parent = nt.Run((nt.Turn((nt.user("go"), call)),), id="parent")
    metadata = {nt.keys.PARENT_RUN: "parent", nt.keys.PARENT_TOOL_CALL: "c1"}
    child = nt.Run((nt.Turn((nt.user("sub"), nt.assistant("done"))),), id="child", metadata=metadata)
    below = nt.Run((nt.Turn((nt.user("deep"),)),), id="below", metadata={nt.keys.PARENT_RUN: "child"})
    return [parent, child, below]


def test_runs_are_linked_in_every_frame(tmp_path: Path) -> None:
    runs = linked_runs()
    for run in runs:
        nt.save(run, tmp_path / f"{3 - runs.index(run)}.json")
    paths = [tmp_path / f"{n}.json" for n in (3, 2, 1)]
    for x in (runs, paths):
        frames = nt.frames.read(x)
        for frame in (nt.frames.runs(x), frames.blocks, nt.frames.blocks(x), frames.turns):
            links = frame.drop_duplicates("run_id").set_index("run_id")
            assert links.parent_run_id.fillna("").to_dict() == {"parent": "", "child": "parent", "below": "child"}
            assert links.parent_tool_call_id.fillna("").to_dict() == {"parent": "", "child": "c1", "below": ""}
            assert links.root_run_id.to_dict() == {"parent": "parent", "child": "parent", "below": "parent"}
        assert list(frames.tool_calls.child_run_id) == ["child"]
        assert list(frames.tool_calls.root_run_id) == ["parent"]


def test_every_column_has_a_value_in_one_of_the_recorded_runs(shared: Path, tmp_path: Path) -> None:
    transcripts = shared / "transcripts"
    folders = [transcripts / "dev" / name for name in ("inspect", "claude-code", "tau-bench", "atif", "openhands")]
    frames = [nt.frames.runs(folder) for folder in folders]
    frames.append(nt.frames.runs([nt.label(linked_runs()[1], "good")]))
    session = nt.Session(nt.scripted("hi"))
    session.ask("x").result()
    frames.append(nt.frames.runs(session))
    log = inspect_log(tmp_path / "l.json", sample(1, 1, 1, limit={"type": "time"}, error={"message": "no"}))
    frames.append(nt.frames.runs(log))
    outcome = nt.Run(metadata={nt.keys.OUTCOME: nt.Outcome(success=True)})
    frames.append(nt.frames.runs(outcome))
    for column in nt.frames.RUN:
        assert column.name == "scores" or any(frame[column.name].notna().any() for frame in frames), column.name


def test_inspect_samples_come_in_the_order_of_sample_and_epoch(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    header = {"version": 2, "status": "success", "eval": {"eval_id": "e", "task": "sums", "model": "openai/gpt-4o"}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps(header))
        for id, epoch in ((10, 1), (2, 2), (2, 1), (1, 1)):
            archive.writestr(f"samples/{id}_epoch_{epoch}.json", json.dumps(sample(id, epoch, 1)))
    runs = nt.frames.runs(path)
    assert list(zip(runs["sample"], runs.epoch, strict=True)) == [("1", 1), ("2", 1), ("2", 2), ("10", 1)]
    assert [block.text for run in nt.load_all(path) for block in run.latest[:1]] == ["1+1?", "2+1?", "2+1?", "10+1?"]


def test_summaries_of_inspect_logs_give_the_rows_that_their_samples_give(tmp_path: Path) -> None:
    usage = {"openai/m": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}}
    samples = [
        {
            "id": number,
            "epoch": 1,
            "uuid": f"uuid-of-sample-{number}",
            "target": ["4"],
            "total_time": 1.5,
            "scores": {"match": {"value": "C" if number % 2 else "I", "answer": "4"}},
            "model_usage": usage,
            "started_at": "2026-01-02T10:00:00+00:00",
            **({"error": {"message": "boom", "traceback": "…"}} if number == 10 else {}),
            "messages": [
                {"id": f"message-of-sample-{number}", "role": "assistant", "content": "4", "source": "generate"}
            ],
            "output": {"model": "m", "choices": [], "usage": usage["openai/m"]},
        }
        for number in (2, 10, 1)
    ]
    without = ("messages", "output", "error")
    summaries = [
        {name: value for name, value in sample.items() if name not in without}
        | ({"error": "boom"} if "error" in sample else {})
        for sample in samples
    ]
    for name in ("a", "b"):
        with zipfile.ZipFile(tmp_path / f"{name}.eval", "w", zipfile.ZIP_DEFLATED) as log:
            log.writestr("header.json", json.dumps({"version": 2, "eval": {"eval_id": name, "task": "sums"}}))
            for sample in samples if name == "a" else samples[:1]:
                log.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
            log.writestr("summaries.json", json.dumps(summaries if name == "a" else summaries[:1]))
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "q"}]}) + "\n")

    full, summary = nt.frames.runs(tmp_path), nt.frames.runs(tmp_path, summary=True)

    assert summary["sample"].tolist()[:4] == ["1", "2", "10", "2"]
    assert summary.turns.isna().tolist() == [True] * 4 + [False]
    known = [name for name in summary.columns if summary[name][:4].notna().any()]
    pd.testing.assert_frame_equal(summary[known][:3], full[known][:3])
    pd.testing.assert_frame_equal(summary[known].drop(columns="models"), full[known].drop(columns="models"))
    assert {"score.match", "error", "answer", "target", "total_tokens", "started", "duration_ms", "name"} <= {*known}
    assert summary.total_tokens.tolist()[:4] == [9, 9, 9, pd.NA]  # the copy in the second log is not counted again


def test_a_log_whose_summaries_are_damaged_is_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    sample = {"id": 1, "epoch": 1, "messages": [{"role": "user", "content": "q"}]}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("header.json", json.dumps({"version": 2, "eval": {"eval_id": "e", "task": "t"}}))
        log.writestr("samples/1_epoch_1.json", json.dumps(sample))
        log.writestr("summaries.json", json.dumps([sample]) + "}" * 9)

    assert nt.frames.runs(path, summary=True).blocks.tolist() == [1]
    assert nt.frames.runs(path, ["id"], summary=True)["fields.id"].tolist() == [1]


def test_each_column_has_a_value_for_at_least_one_sample(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Dry?"}, {"role": "assistant", "content": "Yes"}]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"messages": messages, "success": True, "error": "too late"}))
    sample = {"id": 1, "epoch": 1, "messages": messages, "limit": {"type": "time", "limit": 5}, "target": "Yes"}
    sample["scores"] = {"match": {"value": 1, "answer": "Yes"}}
    log = tmp_path / "log.json"
    log.write_text(json.dumps({"version": 2, "eval": {"eval_id": "e", "task": "t"}, "samples": [sample]}))
    session = nt.Session(nt.scripted("Yes"))
    session.ask("Dry?").result(20)
    parent = nt.load(path)
    child = nt.Run(parent.turns, id="child", metadata={nt.keys.PARENT_RUN: parent.id, nt.keys.PARENT_TOOL_CALL: "c1"})
    names = ("inspect.json", "claude-code.jsonl", "tau-bench.json", "codex.jsonl", "atif.json", "pi.jsonl")
    samples = [*(FIXTURES / name for name in names), path, log, session, nt.label(child, "good")]

    frame = nt.frames.runs(samples)

    assert [name for name in frame if frame[name].isna().all()] == []
