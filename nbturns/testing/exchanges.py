"""Recorded HTTP exchanges: requests and responses, read from a file or a folder.

A file is JSON Lines with one exchange per line, as written by `nt.engine(…, record="calls.jsonl")`: `request` (path,
json) and `response` (status, headers, body). `id`, `session` and `seq` identify the exchange. `when` is a condition
that lets the exchange answer similar requests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import LoadError

SHIPPED_EXCHANGES = Path(__file__).with_name("exchanges.jsonl")
STREAM_FIELDS = ("stream", "stream_options")  # these select streaming and do not change the answer
ENDPOINTS = ("count_tokens", "countTokens", "input_tokens", "messages", "completions", "responses", "enerateContent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its response. `chunks` are the byte offsets at which the body was split when it was received."""

    id: str
    path: str = ""
    request: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    session: str = ""
    seq: int = 0
    chunks: tuple[int, ...] = ()
    when: Mapping[str, Any] | None = None

    @property
    def streams(self) -> bool:
        """True if the response is a stream of server-sent events."""
        return "event-stream" in self.headers.get("content-type", "")

    def matches_exactly(self, path: str, request: Any) -> bool:
        """Return whether the request is equal to the recorded one, apart from streaming options."""
        return (
            endpoint(path) == endpoint(self.path)
            and self.request is not None
            and without_stream_fields(self.request) == without_stream_fields(request)
        )

    def differences(self, request: Any) -> list[str]:
        """Return the differences between the recorded request and another one, apart from streaming options."""
        return list(request_differences(without_stream_fields(self.request), without_stream_fields(request)))

    def matches_condition(self, path: str, request: Any) -> bool:
        """Return whether `when` holds: the user's last text contains `says`, and `results` tool results followed."""
        if self.when is None or endpoint(path) != endpoint(self.path):
            return False
        text, result_count = last_user_text(request)
        return self.when.get("says", "").lower() in text.lower() and self.when.get("results", 0) == result_count


def endpoint(path: str) -> str:
    """Return the endpoint of a provider that a path leads to, without host and version prefixes."""
    path_only = path.partition("?")[0]
    return next((name for name in ENDPOINTS if path_only.rstrip("/").endswith(name)), path_only)


def without_stream_fields(request: Any) -> Any:
    """Return a request body without the fields that only select streaming."""
    return (
        {name: value for name, value in request.items() if name not in STREAM_FIELDS}
        if isinstance(request, Mapping)
        else request
    )


def last_user_text(request: Any) -> tuple[str, int]:
    """Return the last text of the user in a request of any provider, and the number of tool results after it."""
    request = request if isinstance(request, Mapping) else {}
    messages = request.get("messages") or request.get("input") or request.get("contents") or ()
    if isinstance(messages, str):
        return messages, 0
    text, result_count = "", 0
    for item in messages if isinstance(messages, list) else ():
        texts, item_results = _texts_and_results(item if isinstance(item, Mapping) else {})
        if texts and item.get("role") == "user":
            text, result_count = " ".join(texts), 0
        result_count += item_results
    return text, result_count


def _texts_and_results(item: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return the texts of a message and its number of tool results."""
    if item.get("role") == "tool" or item.get("type") == "function_call_output":
        return [], 1
    content = item.get("content") or item.get("parts") or ()
    if isinstance(content, str):
        return [content], 0
    parts = [part for part in content if isinstance(part, Mapping)]
    result_count = sum(part.get("type") == "tool_result" or "functionResponse" in part for part in parts)
    return [part["text"] for part in parts if isinstance(part.get("text"), str)], result_count


def read_exchanges(paths: Iterable[str | Path] = ()) -> list[Exchange]:
    """Return the exchanges of files and folders, in order; without paths, those shipped with nbturns.

    Raises LoadError for a file that holds no exchanges.
    """
    return [
        exchange
        for path in tuple(paths) or (SHIPPED_EXCHANGES,)
        for exchange in _exchanges_of_path(Path(path).expanduser())
    ]


def _exchanges_of_path(path: Path) -> Iterator[Exchange]:
    """Yield the exchanges of a file or of all files in a folder."""
    if path.is_dir():
        files = (
            sorted(path.glob("*.jsonl"))
            if not (path / "manifest.jsonl").exists()
            else sorted(path.glob("*/cases.jsonl"))
        )
        if not files:
            raise LoadError("the folder contains no .jsonl file", file=str(path))
        for file in files:
            yield from _exchanges_of_path(file)
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"cannot read exchanges: {error}", file=str(path)) from None
    for number, line in enumerate(filter(None, map(str.strip, lines)), 1):
        try:
            yield _exchange(json.loads(line), path, number)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LoadError(f"not a recorded exchange: {error}", file=str(path), position=f"line {number}") from None


def _exchange(raw: Mapping[str, Any], path: Path, number: int) -> Exchange:
    """Return the exchange of one line of a file."""
    request, response = raw.get("request") or {}, raw["response"]
    return Exchange(
        id=str(raw.get("id") or f"{path.stem}-{number}"),
        path=request.get("path") or FAMILY_PATHS.get(raw.get("family", ""), ""),
        request=request.get("json"),
        status=int(response["status"]),
        headers={str(name).lower(): str(value) for name, value in (response.get("headers") or {}).items()},
        body=_response_body(response, path),
        session=str(raw.get("session") or path.stem),
        seq=int(raw.get("seq", number - 1)),
        chunks=tuple(raw.get("chunks") or ()),
        when=raw.get("when"),
    )


FAMILY_PATHS = {
    "anthropic_messages": "/v1/messages",
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "gemini": "/v1beta/models/any:generateContent",
}


def _response_body(response: Mapping[str, Any], path: Path) -> bytes:
    if "body_file" in response:
        return path.parent.joinpath(str(response["body_file"])).read_bytes()
    if "body_base64" in response:
        return base64.b64decode(str(response["body_base64"]))
    body: Any = response.get("body", "")
    return body.encode("utf-8") if isinstance(body, str) else json.dumps(body).encode("ascii")


def request_differences(recorded: Any, request: Any, location: str = "") -> Iterator[str]:
    """Yield the differences of two requests, one line each: + for added, - for missing, ~ for changed values."""
    if isinstance(recorded, Mapping) and isinstance(request, Mapping):
        for name in sorted({*recorded, *request}):
            child_location = f"{location}.{name}" if location else str(name)
            if name not in recorded:
                yield f"+ {child_location}: {json.dumps(request[name])[:80]}"
            elif name not in request:
                yield f"- {child_location}: {json.dumps(recorded[name])[:80]}"
            else:
                yield from request_differences(recorded[name], request[name], child_location)
    elif isinstance(recorded, list) and isinstance(request, list):
        if len(recorded) != len(request):
            yield f"~ {location}: {len(recorded)} items → {len(request)}"
        for index, (recorded_item, item) in enumerate(zip(recorded, request, strict=False)):
            yield from request_differences(recorded_item, item, f"{location}[{index}]")
    elif recorded != request:
        yield f"~ {location}: {json.dumps(recorded)[:80]} → {json.dumps(request)[:80]}"
