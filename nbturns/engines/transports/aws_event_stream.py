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
PRELUDE_SIZE, CHECKSUM_SIZE = 12, 4  # bytes
MAX_FRAME_SIZE = 24 * 2**20  # bytes of a frame; Amazon's limit is 16 MB
VALUE_WIDTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of a header's value, by its type


async def as_server_sent_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the events of Amazon's stream as server-sent events."""
    buffer = b""
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PRELUDE_SIZE and len(buffer) >= (frame_length := _frame_length(buffer)):
            frame, buffer = buffer[:frame_length], buffer[frame_length:]
            for event_line in _event_of_frame(frame):
                yield event_line


def _frame_length(buffer: bytes) -> int:
    frame_length: int = unpack_from(">I", buffer)[0]
    if (
        not PRELUDE_SIZE + CHECKSUM_SIZE <= frame_length <= MAX_FRAME_SIZE
        or binascii.crc32(buffer[:8]) != unpack_from(">I", buffer, 8)[0]
    ):
        raise EngineError("not a frame of Amazon's event stream: wrong length or checksum", kind="bad_response")
    return frame_length


def _event_of_frame(frame: bytes) -> Iterator[bytes]:
    if binascii.crc32(frame[:-CHECKSUM_SIZE]) != unpack_from(">I", frame, len(frame) - CHECKSUM_SIZE)[0]:
        raise EngineError("a frame of Amazon's event stream has a wrong checksum", kind="bad_response")
    payload_start = PRELUDE_SIZE + int(unpack_from(">I", frame, 4)[0])
    headers = dict(_text_headers(frame[PRELUDE_SIZE:payload_start]))
    try:
        payload = json.loads(frame[payload_start:-CHECKSUM_SIZE] or b"{}")
        if headers.get(":message-type") in ("exception", "error"):
            error_kind = headers.get(":exception-type") or headers.get(":error-code") or "error"
            error_message = payload.get("message") or headers.get(":error-message") or error_kind
            raise EngineError(str(error_message), kind=error_kind)
        event_json = base64.b64decode(payload.get("bytes", ""))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise EngineError("invalid JSON in a frame of Amazon's event stream", kind="bad_response") from None
    if event_json:
        yield b"data: " + event_json.replace(b"\n", b" ") + b"\n\n"


def _text_headers(header_bytes: bytes) -> Iterator[tuple[str, str]]:
    offset = 0
    try:
        while offset < len(header_bytes):
            name_size = header_bytes[offset]
            header_name, value_type = (
                header_bytes[offset + 1 : offset + 1 + name_size].decode("utf-8", "replace"),
                header_bytes[offset + 1 + name_size],
            )
            offset += name_size + 2
            if value_type in (6, 7):
                value_width = int(unpack_from(">H", header_bytes, offset)[0])
                yield header_name, header_bytes[offset + 2 : offset + 2 + value_width].decode("utf-8", "replace")
                offset += 2 + value_width
            else:
                offset += VALUE_WIDTHS[value_type]
    except (struct.error, IndexError, KeyError):
        raise EngineError("invalid header in a frame of Amazon's event stream", kind="bad_response") from None
