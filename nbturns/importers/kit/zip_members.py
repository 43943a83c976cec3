"""A few small members of a zip archive, without reading the list of all others.

A log may have thousands of members. The end of an archive has a record for each; those that are wanted are found there
by their names.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from struct import Struct
from typing import BinaryIO

from ...errors import NbturnsError
from ...safety.limits import current_limits
from .zip_archive import LOCAL_HEADER_SIZE, ZSTD_METHOD, zstd_module

END_SIZE = 22 + 65_535  # bytes of the last record, with the longest comment
END_MARK, ENTRY_MARK = b"PK\x05\x06", b"PK\x01\x02"
END, ENTRY = Struct("<HHII"), Struct("<HHIIIIHHHHHII")  # from byte 8 of the last record, from byte 8 of an entry
ENTRY_SIZE = 46
MAX_32_BITS = 0xFFFFFFFF
STORED, DEFLATED = 0, 8


def read_members(stream: BinaryIO, names: Iterable[str]) -> dict[str, bytes] | None:
    """Return the bytes of these members, without those that are missing; None for an unusual or damaged archive."""
    size = stream.seek(0, 2)
    tail_start = stream.seek(max(0, size - END_SIZE))
    tail = stream.read()
    end = tail.rfind(END_MARK)
    if end < 0 or len(tail) < end + 20:
        return None
    _, _, directory_size, directory_start = END.unpack_from(tail, end + 8)
    if MAX_32_BITS in (directory_size, directory_start):  # more than 4 GB
        return None
    if directory_start >= tail_start:
        directory = tail[directory_start - tail_start : end]
    else:
        stream.seek(directory_start)
        directory = stream.read(directory_size)
    limit = current_limits().of_document(size) // 2
    members = {}
    for name in names:
        entry = _entry_of(directory, name.encode())
        if entry < 0:
            continue
        content = _content_of(stream, directory, entry, limit)
        if content is None:
            return None
        members[name] = content
    return members


def _entry_of(directory: bytes, name: bytes) -> int:
    """Return the place of the last entry with this name; -1 without one."""
    place = directory.rfind(name)
    while place >= 0:
        entry = place - ENTRY_SIZE
        is_entry = entry >= 0 and directory[entry : entry + 4] == ENTRY_MARK
        if is_entry and int.from_bytes(directory[entry + 28 : entry + 30], "little") == len(name):
            return entry
        place = directory.rfind(name, 0, place + len(name) - 1)
    return -1


def _content_of(stream: BinaryIO, directory: bytes, entry: int, limit: int) -> bytes | None:
    flags, method, _, checksum, packed_size, size, *_, start = ENTRY.unpack_from(directory, entry + 8)
    if flags & 1 or MAX_32_BITS in (packed_size, size, start) or size > limit:
        return None
    stream.seek(start)
    header = stream.read(LOCAL_HEADER_SIZE)
    stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    packed = stream.read(packed_size)
    try:
        if method == DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
        elif method == ZSTD_METHOD:
            content = zstd_module().ZstdDecompressor().decompress(packed, size + 1)
        else:
            content = packed if method == STORED else b""
    except (zlib.error, NbturnsError, ValueError, EOFError, RuntimeError):  # reading the whole archive reports it
        return None
    return content if len(content) == size and zlib.crc32(content) == checksum else None
