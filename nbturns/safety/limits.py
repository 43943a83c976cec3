"""The limits of what a file may cost: memory, blocks, rows. A file beyond them is a LoadError that names the limit.

The defaults keep the memory of one file below ten times its size plus 200 MB. `nt.load(path, limits=nt.Limits(…))`
raises them for one call, `with nt.Limits(…):` for all that is read inside.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Self

from ..errors import LoadError, MisuseError

MEGABYTE = 1 << 20
MAX_EXPANSION = 45  # bytes of memory of a byte of JSON, at most: of a bracket
CONTAINER_COST = 80  # bytes of an empty list or mapping in memory, and of its frozen copy
VALUE_COST = 16  # bytes of a place in a list or mapping


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for reading files; each is raised by its argument.

    expansion         bytes of memory per byte of the file, for documents that are parsed as a whole
    document_bytes    memory that every document may use besides
    stream_expansion  unpacked bytes per byte of a compressed file that is read as a stream, like JSON Lines
    stream_bytes      unpacked bytes that every compressed file may have besides
    shared_blocks     blocks that Turns take over from earlier ones by `shared_blocks`, in one conversation
    merged_keys       keys that `<<` merges in a YAML file, besides a quarter of its bytes
    alias_values      values that aliases add to a YAML file, besides its bytes
    database_bytes    bytes of values from a database, besides ten times its file
    small_file_bytes  bytes of a file of profiles, an image or a cassette
    """

    expansion: float = 10.0
    document_bytes: int = 100 * MEGABYTE
    stream_expansion: float = 100.0
    stream_bytes: int = 200 * MEGABYTE
    shared_blocks: int = 8_000_000
    merged_keys: int = 20_000
    alias_values: int = 500_000
    database_bytes: int = 100 * MEGABYTE
    small_file_bytes: int = 256 * MEGABYTE

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
                raise MisuseError(f"the limit {field.name} must be a number of 0 or more, got {value!r:.60}")

    def __enter__(self) -> Self:
        _stack.set((*_stack.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        _stack.set(_stack.get()[:-1])

    def of_document(self, packed_size: int) -> int:
        """Return the bytes of memory that a document in a file of this size may use."""
        return int(self.expansion * packed_size) + self.document_bytes

    def of_stream(self, packed_size: int) -> int:
        """Return the unpacked bytes that a compressed file of this size may have."""
        return int(self.stream_expansion * packed_size) + self.stream_bytes

    def of_database(self, size: int) -> int:
        """Return the bytes of values that a database of this size may return."""
        return 10 * size + self.database_bytes


DEFAULT_LIMITS = Limits()
_stack: ContextVar[tuple[Limits, ...]] = ContextVar("nbturns_limits", default=())


def current_limits() -> Limits:
    """Return the limits of the innermost `with nt.Limits(…):`, else the defaults."""
    stack = _stack.get()
    return stack[-1] if stack else DEFAULT_LIMITS


def too_large(problem: str, limit: str, *, file: str = "", position: str = "") -> LoadError:
    """Return the error of a file beyond a limit."""
    return LoadError(f"{problem}; to allow more, pass limits=nt.Limits({limit}=…)", file=file, position=position)


def check_document(content: bytes, packed_size: int, file: str = "", position: str = "") -> None:
    """Raise LoadError for a JSON document whose values would use more memory than its file may.

    The estimate counts brackets and commas, those in texts too.
    """
    budget = current_limits().of_document(packed_size)
    size = len(content)
    if size * MAX_EXPANSION < budget:  # even a document of brackets alone is small enough
        return
    containers = content.count(b"[") + content.count(b"{")
    estimate = size + CONTAINER_COST * containers + VALUE_COST * content.count(b",")
    if estimate > budget:
        raise too_large(
            f"the document of {size:,} bytes in a file of {packed_size:,} bytes would use about {estimate:,} bytes of memory",
            "document_bytes",
            file=file,
            position=position,
        )
