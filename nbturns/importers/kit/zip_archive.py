"""Zip archives, including those whose members are compressed by Zstandard (method 93)."""

from __future__ import annotations

import sys
import zipfile
import zlib
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from ...errors import LoadError, MissingPackageError
from ...packages import require
from . import lenient_json

if TYPE_CHECKING:
    from .source import Source

ZSTD = 93  # compression method; Python 3.14 supports it, but decompresses more than the size in the header
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
            return self._decompress_all(info) if info.compress_type == ZSTD else self._zip.read(info)
        except (LoadError, MissingPackageError):
            raise
        except Exception as error:  # a damaged archive raises BadZipFile, zlib.error, EOFError, …
            reason = f"this member of the archive cannot be read: {error!r}"
            raise LoadError(reason, file=self.file, position=name) from None

    def head(self, name: str, size: int) -> bytes:
        """Return the first bytes of a member; none of a member that cannot be read."""
        try:
            info = self._zip.getinfo(name)
            if info.compress_type == ZSTD:
                return self._decompress(info, size)
            with self._zip.open(info) as member:
                return member.read(size)
        except Exception:  # a damaged archive; reading all of the member reports the error
            return b""

    def json(self, name: str) -> Any:
        """Return the JSON value in a member. Raises LoadError that names it."""
        try:
            return lenient_json.parse(self.read(name))
        except (ValueError, RecursionError) as error:
            message, position = lenient_json.explain(error, "member")
            raise LoadError(message, file=self.file, position=f"{name}, {position}".rstrip(", ")) from None

    def _decompress_all(self, info: zipfile.ZipInfo) -> bytes:
        content = self._decompress(info, info.file_size + 1)
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise LoadError(
                "the checksum does not match; the member is damaged", file=self.file, position=info.filename
            )
        return content

    def _decompress(self, info: zipfile.ZipInfo, size: int) -> bytes:
        """Return the first `size` bytes of a Zstandard member, without allocating more memory than that."""
        self._stream.seek(info.header_offset)
        header = self._stream.read(LOCAL_HEADER)
        self._stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        compressed = self._stream.read(info.compress_size)
        content: bytes = zstd_module().ZstdDecompressor().decompress(compressed, size)
        return content


def zstd_module() -> ModuleType:
    """Return Python's Zstandard module, or its backport before 3.14. Raises MissingPackageError."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        require("backports.zstd")
        from backports import zstd
    return zstd
