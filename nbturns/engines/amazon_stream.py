"""Amazon's event streams as server-sent events: the frames in which Bedrock sends what others send as text.

Facts: Amazon's page on event stream encoding. A frame is its length, the length of its
headers, a checksum of both, the headers, the payload and a checksum of it all; of a
Bedrock answer the payload is `{"bytes": base64 of the provider's own event}`.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import AsyncIterator, Iterator
from struct import unpack_from

from ..errors import EngineError

CONTENT_TYPE = "application/vnd.amazon.eventstream"
PRELUDE, CHECKSUM = 12, 4  # bytes
LONGEST = 24 * 2**20  # bytes of a frame; Amazon's limit is 16 MB
WIDTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of a header's value, by its type


async def as_text(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events of Amazon's stream, each as the server-sent event it stands for."""
    held = b""
    async for chunk in chunks:
        held += chunk
        while len(held) >= PRELUDE and len(held) >= (length := _length(held)):
            frame, held = held[:length], held[length:]
            for event in _events(frame):
                yield event


def _length(held: bytes) -> int:
    length: int = unpack_from(">I", held)[0]
    if not PRELUDE + CHECKSUM <= length <= LONGEST or binascii.crc32(held[:8]) != unpack_from(">I", held, 8)[0]:
        raise EngineError("this is no frame of Amazon's event stream", kind="bad_response")
    return length


def _events(frame: bytes) -> Iterator[bytes]:
    if binascii.crc32(frame[:-CHECKSUM]) != unpack_from(">I", frame, len(frame) - CHECKSUM)[0]:
        raise EngineError("a frame of Amazon's event stream came damaged", kind="bad_response")
    begins = PRELUDE + int(unpack_from(">I", frame, 4)[0])
    headers = dict(_headers(frame[PRELUDE:begins]))
    try:
        said = json.loads(frame[begins:-CHECKSUM] or b"{}")
        if headers.get(":message-type") in ("exception", "error"):
            kind = headers.get(":exception-type") or headers.get(":error-code") or "error"
            words = said.get("message") or headers.get(":error-message") or kind
            raise EngineError(str(words), kind=kind)
        event = base64.b64decode(said.get("bytes", ""))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise EngineError("an event of Amazon's stream is not what it should be", kind="bad_response") from None
    if event:
        yield b"data: " + event.replace(b"\n", b" ") + b"\n\n"


def _headers(raw: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    try:
        while at < len(raw):
            size = raw[at]
            name, kind = raw[at + 1 : at + 1 + size].decode("utf-8", "replace"), raw[at + 1 + size]
            at += size + 2
            if kind in (6, 7):
                width = int(unpack_from(">H", raw, at)[0])
                yield name, raw[at + 2 : at + 2 + width].decode("utf-8", "replace")
                at += 2 + width
            else:
                at += WIDTHS[kind]
    except (struct.error, IndexError, KeyError):
        raise EngineError("a header of Amazon's event stream is not what it should be", kind="bad_response") from None
