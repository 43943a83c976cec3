"""Zip archives as evaluation tools write them: members packed by zstd (method 93) included."""

from __future__ import annotations

import sys
import zipfile
import zlib
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from ..errors import LoadError, MissingPackageError
from ..packages import require
from . import json_text

if TYPE_CHECKING:
    from .source import Source

ZSTD = 93  # the number of the method; Python knows it from 3.14 on, but unpacks more than a member says it holds
LOCAL = 30  # bytes of a member's own header, before its name
BIGGEST = 1 << 31  # bytes of a member, unpacked; more is no transcript but an attack


class Archive:
    """An archive, opened; close it, or use it in a `with`."""

    def __init__(self, source: Source) -> None:
        self.file = source.file
        self._stream: BinaryIO = source.open()
        try:
            self._zip = zipfile.ZipFile(self._stream)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:  # the last: of a newer zip
            self._stream.close()
            raise LoadError(f"the archive cannot be read: {error}", file=self.file) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._zip.close()
        self._stream.close()

    @property
    def names(self) -> list[str]:
        return self._zip.namelist()

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises LoadError that names it."""
        try:
            info = self._zip.getinfo(name)
            if info.file_size > BIGGEST:
                raise LoadError(
                    f"{info.file_size:,} bytes are too many for a transcript", file=self.file, position=name
                )
            return self._unpacked(info) if info.compress_type == ZSTD else self._zip.read(info)
        except (LoadError, MissingPackageError):
            raise
        except Exception as error:  # a damaged archive raises what it likes: BadZipFile, zlib.error, EOFError, …
            reason = f"this member of the archive cannot be read: {error!r}"
            raise LoadError(reason, file=self.file, position=name) from None

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of a member, to be looked at; none of one that cannot be read."""
        try:
            info = self._zip.getinfo(name)
            if info.compress_type == ZSTD:
                return self._decompressed(info, size)
            with self._zip.open(info) as member:
                return member.read(size)
        except Exception:  # a damaged archive raises what it likes; reading it will say what is wrong
            return b""

    def json(self, name: str) -> Any:
        """The JSON value in a member. Raises LoadError that names it."""
        try:
            return json_text.parse(self.read(name))
        except (ValueError, RecursionError) as error:
            message, position = json_text.explained(error, "this")
            raise LoadError(message, file=self.file, position=f"{name}, {position}".rstrip(", ")) from None

    def _unpacked(self, info: zipfile.ZipInfo) -> bytes:
        unpacked = self._decompressed(info, info.file_size + 1)
        if len(unpacked) != info.file_size or zlib.crc32(unpacked) != info.CRC:
            raise LoadError("its bytes are not those that were packed", file=self.file, position=info.filename)
        return unpacked

    def _decompressed(self, info: zipfile.ZipInfo, size: int) -> bytes:
        """The first `size` bytes of a member that is packed by zstd; no more memory than that is taken."""
        self._stream.seek(info.header_offset)
        header = self._stream.read(LOCAL)
        self._stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        packed = self._stream.read(info.compress_size)
        unpacked: bytes = zstd_module().ZstdDecompressor().decompress(packed, size)
        return unpacked


def zstd_module() -> ModuleType:
    """The module for Zstandard: Python's own from 3.14 on, its backport before. Raises MissingPackageError."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        require("backports.zstd")
        from backports import zstd
    return zstd
