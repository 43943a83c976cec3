"""The costs of imported calls: estimated by a table where the file has none, and marked as such."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

pytest.importorskip("genai_prices")

USAGE = {"input_tokens": 1_000, "output_tokens": 100}


def record(uuid: str, parent: str | None, **fields: Any) -> dict[str, Any]:
    return {"parentUuid": parent, "uuid": uuid, "sessionId": "s", "timestamp": "2026-03-01T10:00:00.000Z", **fields}


def claude_code(**fields: Any) -> bytes:
    reply = {"id": "m1", "role": "assistant", "model": "claude-sonnet-4-5", "usage": USAGE}
    parts = [{"type": "text", "text": "Hello"}, {"type": "tool_use", "id": "t1", "name": "ls", "input": {}}]
    records = [
        record("u1", None, type="user", message={"role": "user", "content": "hi"}),
        *(
            record(f"a{n}", "u1", type="assistant", message={**reply, "content": [part]}, **fields)
            for n, part in enumerate(parts)
        ),
        record("u2", "a1", type="user", message={"role": "user", "content": "more"}),
    ]
    return b"\n".join(json.dumps(line).encode() for line in records)


GEPPETTO = """
blocks:
- kind: user
  role: user
  payload: {text: hi}
- kind: llm_text
  role: assistant
  payload: {text: Hello}
  metadata:
    geppetto.inference_result@v1: {provider: openai, model: gpt-4o, usage: {input_tokens: 1000, output_tokens: 100}}
"""


def test_each_block_of_a_call_has_the_estimated_cost() -> None:
    run = nt.loads(claude_code())
    (result,) = run.inferences
    assert result.cost == pytest.approx(0.0045)
    assert (result.cost_source, (result.price_table or "").split()[0]) == ("table", "genai-prices")
    results = {block.inference for block in run.latest if block.inference}
    assert results == {result}
    assert run.cost == result.cost


def test_turns_that_share_blocks_share_the_priced_ones() -> None:
    first, second = nt.loads(claude_code()).turns
    assert len(first) == 3
    assert all(a is b for a, b in zip(first, second, strict=False))
    assert second.blocks.shared_length(first.blocks) == 3


def test_a_cost_of_the_file_is_kept_and_named() -> None:
    (result,) = nt.loads(claude_code(costUSD=0.5)).inferences
    assert (result.cost, result.cost_source, result.price_table) == (0.5, "provider", None)


def test_without_prices_only_the_costs_of_the_file_are_there(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes(claude_code())
    archive = tmp_path / "sessions.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("session.jsonl", claude_code())
        file.writestr("turn.yaml", GEPPETTO)
    runs = [
        nt.load(path, prices=False),
        nt.loads(claude_code(), prices=False),
        nt.loads(GEPPETTO, prices=False),
        *nt.load_all(tmp_path, prices=False),
    ]
    assert len(runs) == 6
    assert {run.cost for run in runs} == {None}
    assert len({run.cost for run in nt.load_all(archive)} - {None}) == 2


def test_a_file_of_geppetto_is_priced_and_our_own_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    run = nt.loads(GEPPETTO)
    assert run.cost == pytest.approx(0.0035)
    unpriced = nt.loads(GEPPETTO, prices=False)
    for name in ("run.yaml", "run.json", "run.jsonl"):
        assert nt.load(nt.save(unpriced, tmp_path / name)) == unpriced
        assert nt.load(nt.save(run, tmp_path / name)).inferences == run.inferences
    assert nt.Turn.from_yaml(GEPPETTO).cost is None


def test_an_unknown_model_has_no_cost() -> None:
    (result,) = nt.loads(claude_code().replace(b"claude-sonnet-4-5", b"claude-sonnet-99")).inferences
    assert (result.cost, result.cost_source, result.price_table) == (None, None, None)


def test_a_count_of_another_type_costs_no_conversation() -> None:
    text = GEPPETTO.replace("input_tokens: 1000", "input_tokens: many")
    assert nt.loads(text).latest.text == "Hello"
