"""Bytes of compressed and of UTF-16 files: the compression and the encoding are detected by the first bytes.

Source: the magic numbers of RFC 1952 (gzip), RFC 8878 (Zstandard), and of the xz and bzip2 formats.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from typing import Any, BinaryIO

from ...errors import MissingPackageError
from ...safety.limits import current_limits, too_large

BUFFER_SIZE = 1 << 18  # bytes read at once: most lines are longer than the 8 KB that Python would read
MAX_PACKINGS = 3  # a file that was compressed more often is hostile
PROBE_SIZE = 64  # bytes that the encoding is detected by
BYTE_ORDER_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


def _open_gzip(stream: BinaryIO) -> BinaryIO:
    import gzip

    return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]


def _open_bzip2(stream: BinaryIO) -> BinaryIO:
    import bz2

    return bz2.BZ2File(stream)  # type: ignore[return-value]


def _open_xz(stream: BinaryIO) -> BinaryIO:
    import lzma

    return lzma.LZMAFile(stream)  # type: ignore[return-value]


def _open_zstandard(stream: BinaryIO) -> BinaryIO:
    from .zip_archive import zstd_module

    unpacked_stream: BinaryIO = zstd_module().ZstdFile(stream)
    return unpacked_stream


MAGIC_NUMBERS: tuple[tuple[bytes, Callable[[BinaryIO], BinaryIO]], ...] = (
    (b"\x1f\x8b", _open_gzip),
    (b"BZh", _open_bzip2),
    (b"\xfd7zXZ\x00", _open_xz),
    (b"\x28\xb5\x2f\xfd", _open_zstandard),
)


def decompress(stream: BinaryIO, report_damage: Callable[[str], object]) -> BinaryIO:
    """Return a stream of the unpacked bytes, or `stream` itself when it is not compressed.

    A damaged archive ends where it is damaged, and `report_damage` is called with the reason.
    Raises MissingPackageError when Zstandard is not installed. Reading more than `limits.Limits` allows for the
    size of the archive raises LoadError.
    """
    packed_size = size_of(stream)
    for _ in range(MAX_PACKINGS):
        first_bytes = stream.read(8)
        stream.seek(0)
        open_unpacked = next((open_ for magic, open_ in MAGIC_NUMBERS if first_bytes.startswith(magic)), None)
        if open_unpacked is None:
            break
        unpacked = _UnpackedStream(open_unpacked(stream), stream, report_damage, packed_size)
        stream = io.BufferedReader(unpacked, BUFFER_SIZE)
    return stream


def size_of(stream: BinaryIO) -> int:
    """Return the size of a stream in bytes, and go to its beginning."""
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


def detect_encoding(stream: BinaryIO) -> str:
    """Return the encoding of a stream in UTF-16 or UTF-32, with or without a byte order mark; "" for any other."""
    first_bytes = stream.read(PROBE_SIZE)
    stream.seek(0)
    for byte_order_mark, encoding in BYTE_ORDER_MARKS:
        if first_bytes.startswith(byte_order_mark):
            return encoding
    even_bytes, odd_bytes = first_bytes[::2], first_bytes[1::2]
    if len(first_bytes) >= 8 and len(first_bytes) % 4 == 0:
        columns = [first_bytes[number::4] for number in range(4)]
        for encoding, text_bytes, zeros in (
            ("utf-32-le", columns[0], columns[2:]),
            ("utf-32-be", columns[3], columns[:2]),
        ):
            if 0 not in text_bytes and not any(map(any, zeros)):
                return encoding
    if len(first_bytes) < 4 or b"\x00\x00" in first_bytes[: len(first_bytes) // 4 * 4]:
        return ""
    if odd_bytes.count(0) > len(odd_bytes) // 2 and 0 not in even_bytes:
        return "utf-16-le"
    return "utf-16-be" if even_bytes.count(0) > len(even_bytes) // 2 and 0 not in odd_bytes else ""


class _UnpackedStream(io.RawIOBase):
    """The unpacked bytes of an archive up to the place where it is damaged."""

    def __init__(
        self, unpacked: BinaryIO, packed: BinaryIO, report_damage: Callable[[str], object], packed_size: int
    ) -> None:
        self._unpacked = unpacked
        self._packed_size = packed_size
        self._limit = current_limits().of_stream(packed_size)
        self._position = 0
        self._packed = packed
        self._report_damage = report_damage

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = self._unpacked.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._unpacked.tell()

    def readinto(self, buffer: Any) -> int:
        try:
            read1 = getattr(self._unpacked, "read1", self._unpacked.read)
            content: bytes = read1(len(buffer))
        except MissingPackageError:
            raise
        except Exception as error:  # EOFError, OSError, zlib.error, LZMAError, ZstdError: a cut or damaged archive
            self._report_damage(f"the compressed data are damaged or cut here: {error}")
            return 0
        self._position += len(content)
        if self._position > self._limit:
            raise too_large(
                f"the file of {self._packed_size:,} bytes unpacks to more than {self._limit:,} bytes", "stream_bytes"
            )
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            self._packed.close()
        super().close()
