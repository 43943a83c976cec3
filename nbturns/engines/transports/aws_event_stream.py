"""Convert Amazon's event streams, in which Bedrock answers, to server-sent events.

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

from ...errors import EngineError

CONTENT_TYPE = "application/vnd.amazon.eventstream"
PRELUDE, CHECKSUM = 12, 4  # bytes
LONGEST = 24 * 2**20  # bytes of a frame; Amazon's limit is 16 MB
WIDTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of a header's value, by its type


async def as_text(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the events of Amazon's stream as server-sent events."""
    buffer = b""
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PRELUDE and len(buffer) >= (length := _length(buffer)):
            frame, buffer = buffer[:length], buffer[length:]
            for event in _events(frame):
                yield event


def _length(buffer: bytes) -> int:
    length: int = unpack_from(">I", buffer)[0]
    if not PRELUDE + CHECKSUM <= length <= LONGEST or binascii.crc32(buffer[:8]) != unpack_from(">I", buffer, 8)[0]:
        raise EngineError("not a frame of Amazon's event stream: wrong length or checksum", kind="bad_response")
    return length


def _events(frame: bytes) -> Iterator[bytes]:
    if binascii.crc32(frame[:-CHECKSUM]) != unpack_from(">I", frame, len(frame) - CHECKSUM)[0]:
        raise EngineError("a frame of Amazon's event stream has a wrong checksum", kind="bad_response")
    payload_start = PRELUDE + int(unpack_from(">I", frame, 4)[0])
    headers = dict(_headers(frame[PRELUDE:payload_start]))
    try:
        payload = json.loads(frame[payload_start:-CHECKSUM] or b"{}")
        if headers.get(":message-type") in ("exception", "error"):
            kind = headers.get(":exception-type") or headers.get(":error-code") or "error"
            message = payload.get("message") or headers.get(":error-message") or kind
            raise EngineError(str(message), kind=kind)
        event = base64.b64decode(payload.get("bytes", ""))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise EngineError("invalid JSON in a frame of Amazon's event stream", kind="bad_response") from None
    if event:
        yield b"data: " + event.replace(b"\n", b" ") + b"\n\n"


def _headers(raw: bytes) -> Iterator[tuple[str, str]]:
    offset = 0
    try:
        while offset < len(raw):
            size = raw[offset]
            name, kind = raw[offset + 1 : offset + 1 + size].decode("utf-8", "replace"), raw[offset + 1 + size]
            offset += size + 2
            if kind in (6, 7):
                width = int(unpack_from(">H", raw, offset)[0])
                yield name, raw[offset + 2 : offset + 2 + width].decode("utf-8", "replace")
                offset += 2 + width
            else:
                offset += WIDTHS[kind]
    except (struct.error, IndexError, KeyError):
        raise EngineError("invalid header in a frame of Amazon's event stream", kind="bad_response") from None
