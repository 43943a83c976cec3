"""Recorded HTTP exchanges: what was asked, what was answered, read from a file or a folder of them.

A file is JSON Lines, one exchange a line, as `nt.engine(…, record="calls.jsonl")` writes
it: `request` (path, json) and `response` (status, headers, body). `id`, `session` and
`seq` say where it belongs; `when` answers requests that are not the same to the letter.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import LoadError

HERE = Path(__file__).with_name("exchanges.jsonl")
HOW = ("stream", "stream_options")  # how it is to be answered, not what is asked
FAMILIES = ("count_tokens", "countTokens", "input_tokens", "messages", "completions", "responses", "enerateContent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer. `chunks` are the places in bytes where the body was cut when it came."""

    id: str
    path: str = ""
    asked: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    session: str = ""
    seq: int = 0
    chunks: tuple[int, ...] = ()
    when: Mapping[str, Any] | None = None

    @property
    def streams(self) -> bool:
        return "event-stream" in self.headers.get("content-type", "")

    def fits(self, path: str, asked: Any) -> bool:
        """Whether this is the same question, however it is to be answered."""
        return endpoint(path) == endpoint(self.path) and self.asked is not None and plain(self.asked) == plain(asked)

    def suits(self, path: str, asked: Any) -> bool:
        """Whether this answers such a question: its last words contain `says`, and so many tools have answered."""
        if self.when is None or endpoint(path) != endpoint(self.path):
            return False
        words, results = heard(asked)
        return self.when.get("says", "").lower() in words.lower() and self.when.get("results", 0) == results


def endpoint(path: str) -> str:
    """Which door of a provider a path leads to, whatever stands before it."""
    tail = path.partition("?")[0]
    return next((name for name in FAMILIES if tail.rstrip("/").endswith(name)), tail)


def plain(asked: Any) -> Any:
    return {name: value for name, value in asked.items() if name not in HOW} if isinstance(asked, Mapping) else asked


def heard(asked: Any) -> tuple[str, int]:
    """The last words of a user in a request of any provider, and how many tool results came after them."""
    asked = asked if isinstance(asked, Mapping) else {}
    said = asked.get("messages") or asked.get("input") or asked.get("contents") or ()
    if isinstance(said, str):
        return said, 0
    words, results = "", 0
    for item in said if isinstance(said, list) else ():
        texts, answers = _of_item(item if isinstance(item, Mapping) else {})
        if texts and item.get("role") == "user":
            words, results = " ".join(texts), 0
        results += answers
    return words, results


def _of_item(item: Mapping[str, Any]) -> tuple[list[str], int]:
    if item.get("role") == "tool" or item.get("type") == "function_call_output":
        return [], 1
    content = item.get("content") or item.get("parts") or ()
    if isinstance(content, str):
        return [content], 0
    parts = [part for part in content if isinstance(part, Mapping)]
    answers = sum(part.get("type") == "tool_result" or "functionResponse" in part for part in parts)
    return [part["text"] for part in parts if isinstance(part.get("text"), str)], answers


def read(paths: Iterable[str | Path] = ()) -> list[Exchange]:
    """The exchanges of files and folders, in order; without any, those that come with nbturns.

    Raises LoadError for what is no such file.
    """
    return [exchange for path in tuple(paths) or (HERE,) for exchange in _read(Path(path).expanduser())]


def _read(path: Path) -> Iterator[Exchange]:
    if path.is_dir():
        files = (
            sorted(path.glob("*.jsonl"))
            if not (path / "manifest.jsonl").exists()
            else sorted(path.glob("*/cases.jsonl"))
        )
        if not files:
            raise LoadError("there is no .jsonl file in this folder", file=str(path))
        for file in files:
            yield from _read(file)
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"no exchanges can be read: {error}", file=str(path)) from None
    for number, line in enumerate(filter(None, map(str.strip, lines)), 1):
        try:
            yield _exchange(json.loads(line), path, number)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LoadError(f"this is no exchange: {error}", file=str(path), position=f"line {number}") from None


def _exchange(raw: Mapping[str, Any], path: Path, number: int) -> Exchange:
    asked, answered = raw.get("request") or {}, raw["response"]
    return Exchange(
        id=str(raw.get("id") or f"{path.stem}-{number}"),
        path=asked.get("path") or PATHS.get(raw.get("family", ""), ""),
        asked=asked.get("json"),
        status=int(answered["status"]),
        headers={str(name).lower(): str(value) for name, value in (answered.get("headers") or {}).items()},
        body=_body(answered, path),
        session=str(raw.get("session") or path.stem),
        seq=int(raw.get("seq", number - 1)),
        chunks=tuple(raw.get("chunks") or ()),
        when=raw.get("when"),
    )


PATHS = {
    "anthropic_messages": "/v1/messages",
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "gemini": "/v1beta/models/any:generateContent",
}


def _body(answered: Mapping[str, Any], path: Path) -> bytes:
    if "body_file" in answered:
        return path.parent.joinpath(str(answered["body_file"])).read_bytes()
    if "body_base64" in answered:
        return base64.b64decode(str(answered["body_base64"]))
    body: Any = answered.get("body", "")
    return body.encode("utf-8") if isinstance(body, str) else json.dumps(body).encode("ascii")


def difference(recorded: Any, asked: Any, where: str = "") -> Iterator[str]:
    """Where two requests differ, a line each: + is new, - is missing, ~ is another value."""
    if isinstance(recorded, Mapping) and isinstance(asked, Mapping):
        for name in sorted({*recorded, *asked}):
            at = f"{where}.{name}" if where else str(name)
            if name not in recorded:
                yield f"+ {at}: {json.dumps(asked[name])[:80]}"
            elif name not in asked:
                yield f"- {at}: {json.dumps(recorded[name])[:80]}"
            else:
                yield from difference(recorded[name], asked[name], at)
    elif isinstance(recorded, list) and isinstance(asked, list):
        if len(recorded) != len(asked):
            yield f"~ {where}: {len(recorded)} items → {len(asked)}"
        for index, (one, other) in enumerate(zip(recorded, asked, strict=False)):
            yield from difference(one, other, f"{where}[{index}]")
    elif recorded != asked:
        yield f"~ {where}: {json.dumps(recorded)[:80]} → {json.dumps(asked)[:80]}"
