"""The cost columns: their source, their table, and the frames without estimated costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbturns as nt

pytest.importorskip("genai_prices")


def write_sessions(folder: Path, number: int) -> None:
    usage = {"input_tokens": 1_000, "output_tokens": 100}
    for n in range(number):
        reply = {"id": f"m{n}", "role": "assistant", "model": "claude-sonnet-4-5", "usage": usage}
        shared = {"sessionId": f"s{n}", "timestamp": "2026-03-01T10:00:00.000Z"}
        records = [
            {
                **shared,
                "uuid": f"u{n}",
                "parentUuid": None,
                "type": "user",
                "message": {"role": "user", "content": f"hi {n}"},
            },
            {
                **shared,
                "uuid": f"a{n}",
                "parentUuid": f"u{n}",
                "type": "assistant",
                "message": {**reply, "content": [{"type": "text", "text": f"so {n}"}]},
            },
        ]
        (folder / f"s{n}.jsonl").write_text("\n".join(map(json.dumps, records)))


@pytest.mark.parametrize("options", [{}, {"processes": 2}, {"cache": "cache"}])
def test_estimated_costs_name_their_table_and_can_be_left_out(tmp_path: Path, options: dict[str, Any]) -> None:
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    write_sessions(sessions, 3)
    if "cache" in options:
        options = {"cache": tmp_path / "cache"}
    for _ in range(2):  # the second time from the cache
        frames = nt.frames.read(sessions, **options)
        assert frames.inferences.cost.sum() == pytest.approx(3 * 0.0045)
        assert set(frames.inferences.cost_source) == set(frames.turns.cost_source) == {"table"}
        assert frames.inferences.price_table.str.startswith("genai-prices ").all()
        without = nt.frames.read(sessions, prices=False, **options)
        assert without.inferences.cost.isna().all() and without.turns.cost.isna().all()
        assert without.inferences.cost_source.isna().all() and without.inferences.price_table.isna().all()
        assert without.inferences.input_tokens.sum() == 3_000


def test_each_frame_function_takes_prices(tmp_path: Path) -> None:
    write_sessions(tmp_path, 1)
    path = tmp_path / "s0.jsonl"
    assert nt.frames.inferences(path, prices=False).cost.isna().all()
    assert nt.frames.turns(path, prices=False).cost.isna().all()
    for frame in (nt.frames.blocks, nt.frames.tool_calls, nt.frames.snapshots):
        pd.testing.assert_frame_equal(frame(path, prices=False), frame(path))
    nt.frames.to_parquet(path, tmp_path / "frames", prices=False)
    assert nt.frames.from_parquet(tmp_path / "frames").inferences.cost.isna().all()


def test_a_turn_with_one_estimated_cost_is_estimated() -> None:
    def reply(n: int, source: str | None) -> nt.Block:
        result = nt.InferenceResult(inference_id=f"i{n}", usage=nt.Usage(1, 1), cost=0.5, cost_source=source)
        block = nt.assistant(f"reply {n}").with_metadata(nt.keys.INFERENCE_RESULT, result)
        return block.with_metadata(nt.keys.INFERENCE_ID, result.inference_id)

    def source_of(*sources: str | None) -> Any:
        turn = nt.Turn((nt.user("hi"), *(reply(n, source) for n, source in enumerate(sources))))
        return nt.frames.turns(turn).cost_source[0]

    assert source_of("provider", "table") == "table"
    assert source_of("provider", "provider") == "provider"
    assert pd.isna(source_of("provider", None))
