"""Real transcripts of providers, evaluations and coding agents: their counts are those of the raw files."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers import detect_importer
from nbturns.importers.kit.source import Source

LIST_NAMES = {"anthropic": "messages", "gemini": "contents", "openai-responses": "input", "openai-chat": "messages"}
PROVIDERS = {"anthropic": "anthropic", "gemini": "gemini", "openai-responses": "openai", "openai-chat": "openai-chat"}
PROMPT_NAMES = {"anthropic": "system", "gemini": "systemInstruction", "openai-responses": "instructions"}


def transcripts(shared: Path) -> Path:
    return shared / "transcripts" / "dev"


def count_types(value: Any, *types: str, name: str = "type") -> int:
    """Return the number of objects in `value` with one of these types (or, for Gemini, names)."""
    if isinstance(value, list):
        return sum(count_types(one, *types, name=name) for one in value)
    if not isinstance(value, dict):
        return 0
    here = any(type in value for type in types) if not name else value.get(name) in types
    return here + sum(count_types(one, *types, name=name) for one in value.values())


def calls_and_results(format: str, messages: Any) -> tuple[int, int]:
    match format:
        case "anthropic":
            return count_types(messages, "tool_use"), count_types(messages, "tool_result")
        case "gemini":
            calls = count_types(messages, "functionCall", "function_call", name="")
            return calls, count_types(messages, "functionResponse", "function_response", name="")
        case _:
            own = [item for item in messages if isinstance(item, dict) and item.get("execution") != "server"]
            searches = [item.get("type") for item in own]
            calls = count_types(messages, "function_call", "custom_tool_call") + searches.count("tool_search_call")
            results = count_types(messages, "function_call_output", "custom_tool_call_output")
            return calls, results + searches.count("tool_search_output")


@pytest.mark.parametrize("format", ["anthropic", "gemini", "openai-responses"])
def test_messages_calls_and_results_of_a_provider_are_those_of_the_file(shared: Path, format: str) -> None:
    path = transcripts(shared) / format / "wire_sessions.jsonl"
    assert (importer := detect_importer(Source.of_file(path).sample)) and importer.name == PROVIDERS[format]

    runs = list(nt.load_all(path))
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert len(runs) == len(lines)
    for line, run in zip(lines, runs, strict=True):
        messages = line[LIST_NAMES[format]]
        calls, results = calls_and_results(format, messages)
        assert run.import_report.read == (len(messages) if isinstance(messages, list) else 1)
        assert len(run.latest.of_kind("tool_call")) == calls
        assert len(run.latest.of_kind("tool_use")) == results
        assert run.import_report.dropped == ()
        assert run.import_report.blocks == len(run.latest)
        assert run.name == line["id"]
        assert nt.Run.from_dict(json.loads(json.dumps(run.to_dict()))) == run


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("openai-chat", "tau_airline"),
        ("openai-chat", "wire_sessions"),
        ("anthropic", "wire_sessions"),
        ("gemini", "wire_sessions"),
        ("openai-responses", "wire_sessions"),
    ],
)
def test_what_came_from_a_provider_is_written_back_word_for_word(shared: Path, folder: str, name: str) -> None:
    path = transcripts(shared) / folder / f"{name}.jsonl"

    for line, run in zip(path.read_text().splitlines(), nt.load_all(path), strict=True):
        chat = json.loads(line)
        messages = run.to_messages(PROVIDERS[folder])
        listed = chat[LIST_NAMES[folder]]
        assert messages == ([{"role": "user", "content": listed}] if isinstance(listed, str) else listed)
        assert messages.body.get(PROMPT_NAMES.get(folder, "")) == chat.get(PROMPT_NAMES.get(folder, ""))
        kept = nt.Run.from_yaml(run.to_yaml())
        assert kept.to_messages(PROVIDERS[folder]) == messages


def samples(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".json":
        return list(json.loads(path.read_text())["samples"])
    with zipfile.ZipFile(path) as archive:
        return [json.loads(archive.read(name)) for name in archive.namelist() if name.startswith("samples/")]


def name_of(sample: Any, runs: list[nt.Run]) -> str:
    """The name of the Run of a sample: its task, its id, and its epoch after the first."""
    epoch = "" if sample["epoch"] == 1 else f" epoch {sample['epoch']}"
    return next(run.name for run in runs if run.name.partition(" ")[2] == f"{sample['id']}{epoch}")


def test_samples_of_inspect_logs_are_runs_with_their_messages_calls_and_results(shared: Path) -> None:
    paths = sorted((transcripts(shared) / "inspect").iterdir())
    assert len(paths) == 6
    for path in paths:
        runs = list(nt.load_all(path))
        assert len(runs) == len(samples(path))
        in_order = sorted(samples(path), key=lambda sample: [run.name for run in runs].index(name_of(sample, runs)))
        for sample, run in zip(in_order, runs, strict=True):
            roles = Counter(message["role"] for message in sample["messages"])
            kinds = Counter(block.kind for block in run.latest)
            assert run.import_report.format == "inspect" and run.import_report.complete
            assert run.import_report.read == len(sample["messages"])
            assert (kinds["user"], kinds["system"], kinds["tool_use"]) == (
                roles["user"],
                roles["system"],
                roles["tool"],
            )
            assert kinds["tool_call"] == sum(len(message.get("tool_calls") or ()) for message in sample["messages"])
            assert not any("attachment://" in block.text for block in run.latest)
            assert len(run.inferences) == roles["assistant"]
            used = sample["model_usage"].values()
            models = [event for event in sample.get("events") or () if event["event"] == "model"]
            if len(models) == roles["assistant"]:
                assert run.usage.output_tokens == sum(one["output_tokens"] for one in used)
                assert run.usage.total_tokens == sum(one["total_tokens"] for one in used)


def test_sessions_of_claude_code_have_the_records_calls_and_results_of_their_files(shared: Path) -> None:
    paths = sorted((transcripts(shared) / "claude-code").iterdir())
    assert len(paths) == 10
    for path in paths:
        if path.suffix == ".json":
            records = json.loads(path.read_text())["loglines"]
        else:
            records = [json.loads(line) for line in path.read_text().splitlines()]
        (run,) = nt.load_all(path)
        blocks = list(run.latest)
        said = [record["message"]["content"] for record in records if "message" in record]
        texts = sum(
            1 if isinstance(content, str) else sum(part["type"] == "text" for part in content) for content in said
        )
        ids = {record["message"].get("id") for record in records if record.get("type") == "assistant"} - {None}

        assert run.import_report.read == len(records) and run.import_report.complete
        assert sum(block.kind == "tool_call" for block in blocks) == count_types(said, "tool_use")
        assert sum(block.kind == "tool_use" for block in blocks) == count_types(said, "tool_result")
        assert sum(block.kind == "reasoning" for block in blocks) == count_types(said, "thinking")
        assert sum(block.kind in ("user", "llm_text") for block in blocks) == texts
        assert not ids or len({result.response_id for result in run.inferences}) == len(ids)


def test_every_transcript_is_named_by_what_it_holds(shared: Path) -> None:
    for folder, name in {**PROVIDERS, "inspect": "inspect", "claude-code": "claude-code"}.items():
        for path in (transcripts(shared) / folder).iterdir():
            importer = detect_importer(Source.of_file(path).sample)
            assert importer is not None and importer.name == name, path
