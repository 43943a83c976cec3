"""Zip archives, including those whose members are compressed by Zstandard (method 93)."""

from __future__ import annotations

import sys
import zipfile
import zlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from ...errors import LoadError, MissingPackageError
from ...packages import require
from ...safety.limits import check_document, current_limits, too_large
from . import lenient_json
from .sample import HEAD_SIZE, parse_head

if TYPE_CHECKING:
    from .source import Source

ZSTD_METHOD = 93  # compression method; Python 3.14 supports it, but decompresses more than the size in the header
LOCAL_HEADER_SIZE = 30  # bytes of a member's header, before its name
MAX_SAMPLED_MEMBERS = 64


class ZipArchive:
    """An open archive; close it, or use it in a `with`."""

    def __init__(self, source: Source) -> None:
        self.file: str = source.file
        self._stream: BinaryIO = source.open()
        self._archive_size = source.packed_size
        self._budget = current_limits().of_stream(source.packed_size)
        try:
            self._zip = zipfile.ZipFile(self._stream)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:  # RuntimeError: a newer version of zip
            self._stream.close()
            raise LoadError(f"invalid zip archive: {error}", file=self.file) from None

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
        """The names of all members, each once: of two members with one name the later replaces the earlier."""
        return list(dict.fromkeys(self._zip.namelist()))

    def first_records(self) -> tuple[Mapping[str, Any], ...]:
        """Return the first object in each member that is JSON, of the first members."""
        json_members = [member_name for member_name in self.names if member_name.endswith(".json")]
        return tuple(filter(None, map(self.first_record, json_members[:MAX_SAMPLED_MEMBERS])))

    def first_record(self, member_name: str) -> Mapping[str, Any] | None:
        """Return the first object in a member that is JSON; None without one. It may be cut."""
        values, _ = parse_head(self.head(member_name, HEAD_SIZE), is_complete=False)
        candidates = values[0] if values and isinstance(values[0], list) else values
        return next((value for value in candidates if isinstance(value, Mapping)), None)

    def read(self, member_name: str) -> bytes:
        """Return the bytes of a member. Raises LoadError that names it."""
        try:
            member_info = self._zip.getinfo(member_name)
            self._check_size(member_info)
            return (
                self._decompress_all(member_info)
                if member_info.compress_type == ZSTD_METHOD
                else self._zip.read(member_info)
            )
        except (LoadError, MissingPackageError):
            raise
        except Exception as error:  # a damaged archive raises BadZipFile, zlib.error, EOFError, …
            error_reason = f"this member of the archive cannot be read: {error!r}"
            raise LoadError(error_reason, file=self.file, position=member_name) from None

    def _check_size(self, member_info: zipfile.ZipInfo) -> None:
        """Raise LoadError for a member, or for all that were read, beyond the limits."""
        limits, size = current_limits(), member_info.file_size
        self._budget -= size
        limit = limits.of_document(self._archive_size) // 2
        if size > limit or self._budget < 0:
            message = f"{size:,} bytes are too many for a member of an archive of {self._archive_size:,} bytes"
            name = "document_bytes" if size > limit else "stream_bytes"
            raise too_large(message, name, file=self.file, position=member_info.filename)

    def head(self, member_name: str, head_size: int) -> bytes:
        """Return the first bytes of a member; none of a member that cannot be read."""
        try:
            member_info = self._zip.getinfo(member_name)
            if member_info.compress_type == ZSTD_METHOD:
                return self._decompress(member_info, head_size)
            with self._zip.open(member_info) as member:
                return member.read(head_size)
        except Exception:  # a damaged archive; reading all of the member reports the error
            return b""

    def json(self, member_name: str) -> Any:
        """Return the JSON value in a member. Raises LoadError that names it."""
        content = self.read(member_name)
        check_document(content, self._archive_size, self.file, member_name)
        try:
            return lenient_json.parse(content)
        except (ValueError, RecursionError) as error:
            error_message, position = lenient_json.explain_error(error, "member")
            raise LoadError(error_message, file=self.file, position=f"{member_name}, {position}".rstrip(", ")) from None

    def _decompress_all(self, member_info: zipfile.ZipInfo) -> bytes:
        member_content = self._decompress(member_info, member_info.file_size + 1)
        if len(member_content) != member_info.file_size or zlib.crc32(member_content) != member_info.CRC:
            raise LoadError(
                "the checksum does not match; the member is damaged", file=self.file, position=member_info.filename
            )
        return member_content

    def _decompress(self, member_info: zipfile.ZipInfo, content_size: int) -> bytes:
        """Return the first `size` bytes of a Zstandard member, without allocating more memory than that."""
        self._stream.seek(member_info.header_offset)
        local_header = self._stream.read(LOCAL_HEADER_SIZE)
        self._stream.seek(
            int.from_bytes(local_header[26:28], "little") + int.from_bytes(local_header[28:30], "little"), 1
        )
        compressed_content = self._stream.read(member_info.compress_size)
        content: bytes = zstd_module().ZstdDecompressor().decompress(compressed_content, content_size)
        return content


def zstd_module() -> ModuleType:
    """Return Python's Zstandard module, or its backport before 3.14. Raises MissingPackageError."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        require("backports.zstd")
        from backports import zstd
    return zstd
