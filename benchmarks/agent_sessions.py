"""Sessions of coding agents: reading them and making their frames, compared with parsing their lines alone."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator
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


def words(count: int, source: random.Random) -> str:
    """Return a text of `count` words, with lines."""
    text = [source.choice(WORDS) for _ in range(count)]
    return " ".join(word if index % 12 else f"\n{word}" for index, word in enumerate(text))


def claude_code_session(size: int = SIZE) -> Iterator[dict[str, Any]]:
    """Yield the records of a session of Claude Code: thoughts, texts, tool calls and their results."""
    source, written, number, parent = random.Random(1), 0, 0, ""  # noqa: S311
    while written < size:
        parts: list[tuple[str, Any]] = [("user", words(40, source))] if number % 12 == 0 else []
        parts += [
            ("assistant", {"type": "thinking", "thinking": words(60, source), "signature": "c2ln" * 40}),
            ("assistant", {"type": "text", "text": words(30, source)}),
            ("assistant", {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": {"command": words(8, source)}}),
            ("user", {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": words(250, source)}),
        ]  # fmt: skip
        for index, (kind, part) in enumerate(parts):
            uuid = f"00000000-0000-4000-8000-{number:08d}{index:04d}"
            message: dict[str, Any] = {"role": kind, "content": part if isinstance(part, str) else [part]}
            record: dict[str, Any] = {
                "parentUuid": parent or None, "isSidechain": False, "userType": "external", "cwd": "/srv/project",
                "sessionId": "7a1c2e5b-0d52-4d55-9d1e-1f0a9c8b7e6d", "version": "2.1.3", "gitBranch": "main", "type": kind,
            }  # fmt: skip
            if kind == "assistant":
                record["requestId"] = f"req_{number}"
                message |= {"id": f"msg_{number}", "type": "message", "model": "claude-sonnet-4-5-20250929"}
                message |= {"stop_reason": "tool_use" if index == len(parts) - 2 else None, "stop_sequence": None}
                message["usage"] = {
                    "input_tokens": 6, "cache_creation_input_tokens": 800, "cache_read_input_tokens": 20_000 + number,
                    "cache_creation": {"ephemeral_5m_input_tokens": 800, "ephemeral_1h_input_tokens": 0},
                    "output_tokens": 200, "service_tier": "standard",
                }  # fmt: skip
            elif not isinstance(part, str):
                record["toolUseResult"] = {
                    "stdout": part["content"],
                    "stderr": "",
                    "interrupted": False,
                    "isImage": False,
                }
            minute, second = divmod(number % 3600, 60)
            record |= {
                "message": message,
                "uuid": uuid,
                "timestamp": f"2026-11-02T09:{minute:02d}:{second:02d}.{index:03d}Z",
            }
            written += len(json.dumps(record))
            parent = uuid
            yield record
        number += 1


def codex_session(size: int = SIZE) -> Iterator[dict[str, Any]]:
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
            ("response_item", {"type": "function_call", "name": "shell", "arguments": json.dumps({"command": ["bash", "-lc", words(8, source)]}), "call_id": call_id}),
            ("event_msg", {"type": "token_count", "info": {"total_token_usage": total, "last_token_usage": last, "model_context_window": 272_000}, "rate_limits": None}),
            ("response_item", {"type": "function_call_output", "call_id": call_id, "output": json.dumps({"output": words(250, source), "metadata": {"exit_code": 0, "duration_seconds": 0.4}})}),
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
    "Claude Code": claude_code_session,
    "Codex": codex_session,
}


def load(path: Path) -> list[nt.Run]:
    return list(nt.load_all(path))


def sessions_of_agents() -> Iterator[Row]:
    """A session of 3 MB of each agent: loaded, and all its frames, in processor time, compared with orjson on the same lines."""
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
