"""One request of a client and its reply, while it is captured."""

from __future__ import annotations

import json
import time
from typing import Any

from ..importers.http_exchanges import Exchange
from ..safety.secret_texts import (
    HIDDEN_TEXT,
    public_url,
    secret_notations,
    secrets_in_body,
    secrets_in_headers,
    secrets_in_url,
    without_texts,
)

MAX_REPLY_SIZE = 128 << 20  # bytes; a longer reply is captured up to here


class KeyRemover:
    """Removes the secrets of the headers and the address of requests; made once for requests that have the same."""

    def __init__(self, url: str, headers: Any) -> None:
        self.address: str = public_url(url, for_file=True)
        self.secrets: frozenset[str] = secrets_in_headers(headers) | secrets_in_url(url)
        self._notations = secret_notations(self.secrets)

    def remove(self, text: str, other_secrets: frozenset[str]) -> str:
        """Return a text without the secrets."""
        for notation in self._notations:
            if notation in text:
                text = text.replace(notation, HIDDEN_TEXT)
        return without_texts(text, other_secrets) if other_secrets else text


class KeyRemovers:
    """The remover of keys of each request; the last one is kept, because most requests have the same headers."""

    def __init__(self) -> None:
        self._last: tuple[Any, KeyRemover] | None = None

    def of(self, request: Any) -> KeyRemover:
        """Return the remover of the keys of a request."""
        headers = [header for header in request.headers.raw if header[0].lower() != b"content-length"]
        identity = (str(request.url), headers)
        if self._last is None or self._last[0] != identity:
            self._last = (identity, KeyRemover(identity[0], request.headers))
        return self._last[1]


class CapturedCall:
    """A request and what has come of its reply. Keys are removed when it is read."""

    __slots__ = ("chunks", "encoding", "end", "error", "http_package", "number", "request", "size", "start", "status")

    def __init__(self, number: int, request: Any, http_package: Any) -> None:
        self.number: int = number
        self.start: int = time.time_ns()
        self.request: Any = request
        self.http_package: Any = http_package
        self.status: int | None = None
        self.encoding: str = ""
        self.chunks: list[bytes] = []
        self.size: int = 0
        self.error: BaseException | None = None
        self.end: int | None = None

    def add(self, chunk: bytes) -> None:
        """Add a part of the reply."""
        if self.size <= MAX_REPLY_SIZE:
            self.chunks.append(chunk)
        self.size += len(chunk)

    def exchange(self, removers: KeyRemovers) -> Exchange:
        """Return what is known of the call, without keys."""
        remover = removers.of(self.request)
        text = self.request.content.decode("utf-8", "replace")
        secrets = secrets_in_body(parsed(text))
        body = remover.remove(self._body(), secrets)
        error = None if self.error is None else remover.remove(f"{type(self.error).__name__}: {self.error}", secrets)
        request = parsed(remover.remove(text, secrets))
        is_open = True if self.end is None else None
        response = parsed(body) if body else None
        return Exchange(remover.address, request, response, self.status, self.start, self.end, error, is_open)

    def _body(self) -> str:
        """Return the reply until now as text; one that is compressed when it has ended."""
        content = b"".join(self.chunks)
        if self.encoding:
            if self.end is None:
                return ""
            headers = {"content-encoding": self.encoding}
            content = self.http_package.Response(200, headers=headers, content=content).content
        return content.decode("utf-8", "replace")


def parsed(text: str) -> Any:
    """Return the JSON of a text; the text itself when it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
