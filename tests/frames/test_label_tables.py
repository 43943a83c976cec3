"""Labels from tables of other programs: CSV, Parquet, results of Inspect Scout."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import nbturns as nt


def labelled(labels: object) -> list[tuple[str, str, str, str]]:
    return [(line.run_id, line.label.label, line.label.note, line.label.by) for line in labels]  # type: ignore[attr-defined]


def test_rows_of_a_csv_file_and_of_a_frame_are_labels_once(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "run_id": ["a", "b"],
            "label": ["wrong tool", "good"],
            "note": ["the vent", None],
            "by": ["jane", "jane"],
            "turn_index": [0, None],
            "block_index": [2, None],
        }
    )
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.to_parquet(tmp_path / "rows.parquet")
    labels = nt.labels(tmp_path / "labels.jsonl")

    labels.read(tmp_path / "rows.csv").read(rows).read(tmp_path / "rows.parquet")

    assert labelled(labels) == [("a", "wrong tool", "the vent", "jane"), ("b", "good", "", "jane")]
    assert [line.block_index for line in labels] == [2, None]
    assert labelled(nt.labels(labels.path)) == labelled(labels)


def test_results_of_inspect_scout_are_labels_of_the_runs_they_are_about(tmp_path: Path) -> None:
    log = Path(__file__).parents[2] / "fixtures" / "transcripts" / "inspect.json"
    (run,) = nt.load_all(log)
    results = pd.DataFrame(
        {
            "transcript_id": [run.id] * 4,
            "scanner_name": ["refusal", "refusal", "deception", "effort"],
            "value": ["true", "false", "3", "true"],
            "value_type": ["boolean", "boolean", "number", "boolean"],
            "label": [None, None, None, "low effort"],
            "explanation": ["It declined [M3].", None, "A guess.", None],
        }
    )
    labels = nt.labels(tmp_path / "labels.jsonl").read(results)

    assert [entry[1:3] for entry in labelled(labels)] == [
        ("refusal", "It declined [M3]."),
        ("deception: 3", "A guess."),
        ("low effort", ""),
    ]
    assert "refusal" in str(nt.frames.runs(log, labels=labels)["labels"].iloc[0])


def test_a_row_without_a_label_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("run_id,label\na,good\nb,\n")
    with pytest.raises(nt.LoadError, match=r"rows\.csv: row 2: no label; a row needs run_id and label"):
        nt.labels(tmp_path / "labels.jsonl").read(path)
    assert not (tmp_path / "labels.jsonl").exists()  # nothing is written when a row is wrong
