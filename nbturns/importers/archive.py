"""Zip archives, including those whose members are compressed by Zstandard (method 93)."""

from __future__ import annotations

import sys
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from ..errors import LoadError
from . import json_text

if TYPE_CHECKING:
    from .source import Source

ZSTD = 93  # compression method; Python supports it from 3.14 on
LOCAL_HEADER = 30  # bytes of a member's header, before its name
MAX_MEMBER_SIZE = 1 << 31  # bytes of a member, unpacked; more is an attack


class Archive:
    """An open archive; close it, or use it in a `with`."""

    def __init__(self, source: Source) -> None:
        self.file = source.file
        self._stream: BinaryIO = source.open()
        try:
            self._zip = zipfile.ZipFile(self._stream)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:  # RuntimeError: a newer version of zip
            self._stream.close()
            raise LoadError(f"the archive cannot be read: {error}", file=self.file) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive and its file."""
        self._zip.close()
        self._stream.close()

    @property
    def names(self) -> list[str]:
        """The names of all members."""
        return self._zip.namelist()

    def read(self, name: str) -> bytes:
        """Return the bytes of a member. Raises LoadError that names it."""
        try:
            info = self._zip.getinfo(name)
            if info.file_size > MAX_MEMBER_SIZE:
                raise LoadError(
                    f"{info.file_size:,} bytes are too many for a member of an archive", file=self.file, position=name
                )
            if info.compress_type == ZSTD and sys.version_info < (3, 14):
                return self._unpacked(info)
            return self._zip.read(info)
        except LoadError:
            raise
        except Exception as error:  # a damaged archive raises BadZipFile, zlib.error, EOFError, …
            reason = f"this member of the archive cannot be read: {error!r}"
            raise LoadError(reason, file=self.file, position=name) from None

    def head(self, name: str, size: int) -> bytes:
        """Return the first bytes of a member; none of a member that cannot be read."""
        try:
            with self._zip.open(name) as member:
                return member.read(size)
        except Exception:  # a damaged archive; reading all of the member reports the error
            return b""

    def json(self, name: str) -> Any:
        """Return the JSON value in a member. Raises LoadError that names it."""
        try:
            return json_text.parse(self.read(name))
        except (ValueError, RecursionError) as error:
            message, position = json_text.explain(error, "member")
            raise LoadError(message, file=self.file, position=f"{name}, {position}".rstrip(", ")) from None

    def _unpacked(self, info: zipfile.ZipInfo) -> bytes:
        import zstandard

        self._stream.seek(info.header_offset)
        header = self._stream.read(LOCAL_HEADER)
        self._stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        packed = self._stream.read(info.compress_size)
        unpacked: bytes = zstandard.ZstdDecompressor().stream_reader(packed).read(info.file_size + 1)
        if len(unpacked) != info.file_size or zlib.crc32(unpacked) != info.CRC:
            raise LoadError(
                "the checksum does not match; the member is damaged", file=self.file, position=info.filename
            )
        return unpacked
