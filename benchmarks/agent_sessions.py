"""Sessions of coding agents: reading them and making their frames, compared with parsing their lines alone.

A session of small records has many for its size. One of usual records has them in the sizes of a public session of
Claude Code of 2.8 MB with 186 tool calls: github.com/marot/spotter at 8cc42b0b (MIT), test/fixtures/transcripts/
258c7280-ae70-4798-800f-63464d01a85d.jsonl. Usual records of Codex have the same sizes, but results of at most 10 KiB,
the limit of codex-rs (`MODEL_FORMAT_MAX_BYTES`), because no public rollout of this size is known.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbturns as nt

from .frames import best, parse_lines
from .peer_packages import MISSING

Row = tuple[str, str, str]
SIZE = 3_000_000  # bytes of a session
WORDS = [
    "the",
    "value",
    "of",
    "each",
    "run",
    "is",
    "read",
    "from",
    "a",
    "file",
    "and",
    "kept",
    "as",
    "it",
    "was",
    "written",
    "by",
    "the",
    "model",
    "in",
    "its",
    "own",
    "words",
]


@dataclass(frozen=True)
class RecordSizes:
    """Words of the texts of records: one of each is taken for a tool call, its result, and the result for the screen."""

    arguments: tuple[int, ...]
    results: tuple[int, ...]
    screen_results: tuple[int, ...] | None = None  # None: the same text
    progress: int = 0  # records of progress for each tool call

    def results_up_to(self, limit: int) -> tuple[int, ...]:
        return tuple(min(size, limit) for size in self.results)


SMALL = RecordSizes((8,), (250,))
USUAL = RecordSizes(  # the deciles of that session in characters, divided by the length of a word
    arguments=(15, 19, 21, 23, 26, 32, 53, 123, 248, 4_800),
    results=(7, 26, 28, 30, 47, 84, 217, 424, 1_270, 5_600),
    screen_results=(28, 53, 80, 139, 253, 423, 694, 1_244, 2_300, 10_600),
    progress=7,
)
CODEX_LIMIT = 10 * 1024 // 5  # words of a result


def words(count: int, source: random.Random) -> str:
    """Return a text of `count` words, with lines."""
    text = [source.choice(WORDS) for _ in range(count)]
    return " ".join(word if index % 12 else f"\n{word}" for index, word in enumerate(text))


def claude_code_session(sizes: RecordSizes, size: int = SIZE) -> Iterator[dict[str, Any]]:
    """Yield the records of a session of Claude Code: thoughts, texts, tool calls, their progress and results."""
    source, written, number, parent = random.Random(1), 0, 0, ""  # noqa: S311
    while written < size:
        parts: list[tuple[str, Any]] = [("user", words(40, source))] if number % 12 == 0 else []
        command, decile = words(source.choice(sizes.arguments), source), source.randrange(len(sizes.results))
        parts += [
            ("assistant", {"type": "thinking", "thinking": words(60, source), "signature": "c2ln" * 40}),
            ("assistant", {"type": "text", "text": words(30, source)}),
            ("assistant", {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": {"command": command}}),
            *[("progress", {"type": "bash_progress", "output": words(20, source), "lines": 4})] * sizes.progress,
            ("user", {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": words(sizes.results[decile], source)}),
        ]  # fmt: skip
        for index, (kind, part) in enumerate(parts):
            uuid = f"00000000-0000-4000-8000-{number:08d}{index:04d}"
            message: dict[str, Any] = {"role": kind, "content": part if isinstance(part, str) else [part]}
            record: dict[str, Any] = {
                "parentUuid": parent or None, "isSidechain": False, "userType": "external", "cwd": "/srv/project",
                "sessionId": "7a1c2e5b-0d52-4d55-9d1e-1f0a9c8b7e6d", "version": "2.1.3", "gitBranch": "main", "type": kind,
            }  # fmt: skip
            if kind == "progress":
                record |= {"data": part, "toolUseID": f"bash-progress-{index}", "parentToolUseID": f"toolu_{number}"}
            elif kind == "assistant":
                record["requestId"] = f"req_{number}"
                message |= {"id": f"msg_{number}", "type": "message", "model": "claude-sonnet-4-5-20250929"}
                message |= {"stop_reason": "tool_use" if index == len(parts) - 2 else None, "stop_sequence": None}
                message["usage"] = {
                    "input_tokens": 6, "cache_creation_input_tokens": 800, "cache_read_input_tokens": 20_000 + number,
                    "cache_creation": {"ephemeral_5m_input_tokens": 800, "ephemeral_1h_input_tokens": 0},
                    "output_tokens": 200, "service_tier": "standard",
                }  # fmt: skip
            elif not isinstance(part, str):
                screen_sizes = sizes.screen_results
                record["toolUseResult"] = {
                    "stdout": words(screen_sizes[decile], source) if screen_sizes else part["content"],
                    "stderr": "",
                    "interrupted": False,
                    "isImage": False,
                }
            minute, second = divmod(number % 3600, 60)
            record |= {
                **({} if kind == "progress" else {"message": message}),
                "uuid": uuid,
                "timestamp": f"2026-11-02T09:{minute:02d}:{second:02d}.{index:03d}Z",
            }
            written += len(json.dumps(record))
            parent = uuid
            yield record
        number += 1


def codex_session(sizes: RecordSizes, size: int = SIZE) -> Iterator[dict[str, Any]]:
    """Yield the records of a rollout of Codex: thoughts, texts, tool calls, their results, token counts."""
    source, written, number = random.Random(2), 0, 0  # noqa: S311
    total = {
        "input_tokens": 0,
        "cached_input_tokens": 0,
        "output_tokens": 0,
        "reasoning_output_tokens": 0,
        "total_tokens": 0,
    }
    yield codex_record("session_meta", 0, {"id": "0199a-session", "timestamp": "2026-11-02T09:00:00.000Z", "cwd": "/srv/project",
                                           "originator": "codex_cli_rs", "cli_version": "0.60.1", "instructions": None})  # fmt: skip
    while written < size:
        records: list[tuple[str, dict[str, Any]]] = []
        if number % 12 == 0:
            prompt = words(40, source)
            records += [
                (
                    "turn_context",
                    {"cwd": "/srv/project", "approval_policy": "on-request", "model": "gpt-5-codex", "effort": "high"},
                ),
                (
                    "response_item",
                    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]},
                ),
                ("event_msg", {"type": "user_message", "message": prompt, "images": []}),
            ]
        thought, answer, call_id = words(20, source), words(30, source), f"call_{number}"
        command = words(source.choice(sizes.arguments), source)
        result = words(source.choice(sizes.results_up_to(CODEX_LIMIT)), source)
        last = {
            "input_tokens": 20_000 + number,
            "cached_input_tokens": 19_000,
            "output_tokens": 200,
            "reasoning_output_tokens": 64,
            "total_tokens": 20_200 + number,
        }
        total = {name: total[name] + last[name] for name in total}
        records += [
            ("event_msg", {"type": "agent_reasoning", "text": thought}),
            ("response_item", {"type": "reasoning", "summary": [{"type": "summary_text", "text": thought}], "content": None, "encrypted_content": "Z0FB" * 150}),
            ("event_msg", {"type": "agent_message", "message": answer}),
            ("response_item", {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": answer}]}),
            ("response_item", {"type": "function_call", "name": "shell", "arguments": json.dumps({"command": ["bash", "-lc", command]}), "call_id": call_id}),
            ("event_msg", {"type": "token_count", "info": {"total_token_usage": total, "last_token_usage": last, "model_context_window": 272_000}, "rate_limits": None}),
            ("response_item", {"type": "function_call_output", "call_id": call_id, "output": json.dumps({"output": result, "metadata": {"exit_code": 0, "duration_seconds": 0.4}})}),
        ]  # fmt: skip
        for kind, payload in records:
            record = codex_record(kind, number, payload)
            written += len(json.dumps(record))
            yield record
        number += 1


def codex_record(kind: str, number: int, payload: dict[str, Any]) -> dict[str, Any]:
    minute, second = divmod(number % 3600, 60)
    return {"timestamp": f"2026-11-02T09:{minute:02d}:{second:02d}.000Z", "type": kind, "payload": payload}


SESSIONS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "Claude Code": partial(claude_code_session, USUAL),
    "Claude Code, small records": partial(claude_code_session, SMALL),
    "Codex": partial(codex_session, USUAL),
    "Codex, small records": partial(codex_session, SMALL),
}


def load(path: Path) -> list[nt.Run]:
    return list(nt.load_all(path))


def sessions_of_agents() -> Iterator[Row]:
    """Sessions of 3 MB of each agent, with usual and with small records: loaded, and all its frames, in processor time, compared with orjson on the same lines."""
    if find_spec("orjson") is None:
        yield "orjson beside sessions of agents", "not installed", MISSING
        return
    for agent, records in SESSIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "session.jsonl")
            path.write_text("".join(json.dumps(record) + "\n" for record in records()), encoding="utf-8")
            load(path), nt.frames.read(path)
            alone = best(partial(parse_lines, path))
            loaded, framed = best(partial(load, path)), best(partial(nt.frames.read, path))
        yield f"{agent}, 3 MB, by orjson alone", f"{alone * 1000:.1f} ms", ""
        yield f"{agent}, loaded, to orjson alone", f"{loaded / alone:.1f}×", "4"
        yield f"{agent}, all frames, to orjson alone", f"{framed / alone:.1f}×", "8"


ALL = (sessions_of_agents,)
