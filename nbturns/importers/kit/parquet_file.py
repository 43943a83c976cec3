"""Rows of Parquet files, with a limit for what their pages expand to.

A Parquet page stores a repeated value once, so a file of 1 MB may hold gigabytes of text ("Dictionary Encoding" of
the Parquet format's Encodings.md). Text columns are read as dictionaries, which keeps repeated values single, and
are converted in pieces of a limited size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import LoadError
from ...packages import require
from ...safety.limits import MEGABYTE, current_limits
from .decompression import size_of
from .plain_data import plain_data

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_SIZE = 256  # rows that are in memory at a time
PLAIN_BATCH_SIZE = 16  # rows whose texts are not read as dictionaries
PIECE_BYTES = 16 * MEGABYTE  # bytes of values that are converted at a time
VALUE_BYTES = 8  # of a value and its levels, which a page stores in less than a bit when all are equal
DICTIONARY_TYPE = "BYTE_ARRAY"  # the physical type of texts and bytes


def parquet_rows(stream: BinaryIO, file: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a Parquet file, a batch at a time; too many bytes in them are a LoadError."""
    require("pyarrow")
    try:
        with stream:
            size = size_of(stream)
            budget = _Budget(size, file)
            for batch in _batches(stream, budget):
                for piece in _pieces(batch, budget):
                    for row in piece.to_pylist():
                        yield {name: plain_data(value) for name, value in row.items()}
    except (OSError, ValueError, TypeError) as error:
        raise LoadError(f"the Parquet file cannot be read: {error!s:.200}", file=file) from None


class _Budget:
    """The bytes of values that a file may still have."""

    def __init__(self, size: int, file: str) -> None:
        limits = current_limits()
        self._limit = self._remaining = limits.of_stream(size)
        self._row_limit = max(size, limits.of_document(size) // 2)
        self._size, self._file = size, file

    def require(self, byte_count: int) -> None:
        """Raise a LoadError for more bytes than the file may still have."""
        if byte_count > self._remaining:
            raise self._error("values", self._limit, "stream_bytes")

    def spend(self, byte_count: int, row_count: int) -> None:
        """Take the bytes of rows away; a LoadError when too few remain, or a single row has too many."""
        self.require(byte_count)
        if row_count == 1 and byte_count > self._row_limit:
            raise self._error("values in one row", self._row_limit, "document_bytes")
        self._remaining -= byte_count

    def _error(self, what: str, limit: int, name: str) -> LoadError:
        message = f"this Parquet file of {self._size:,} bytes has more than {limit:,} bytes of {what}"
        return LoadError(f"{message}; raise the limit with nt.Limits({name}=…)", file=self._file)


def _batches(stream: BinaryIO, budget: _Budget) -> Iterator[pa.RecordBatch]:
    from pyarrow import parquet

    metadata = parquet.read_metadata(stream)
    text_columns: dict[str, None] = {}
    for group_index in range(metadata.num_row_groups):
        group = metadata.row_group(group_index)
        columns = [group.column(index) for index in range(group.num_columns)]
        budget.require(sum(max(c.total_uncompressed_size, c.num_values * VALUE_BYTES) for c in columns))
        text_columns |= {c.path_in_schema: None for c in columns if c.physical_type == DICTIONARY_TYPE}
    stream.seek(0)
    parquet_file = parquet.ParquetFile(stream, pre_buffer=False, read_dictionary=[*text_columns])
    for group_index in range(metadata.num_row_groups):
        yield from _batches_of_group(parquet_file, stream, group_index)


def _batches_of_group(parquet_file: Any, stream: BinaryIO, group_index: int) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a row group. Texts in lists are not dictionary-encoded where the group has more than one of them."""
    from pyarrow import ArrowNotImplementedError, parquet

    row_count = 0
    try:
        for batch in parquet_file.iter_batches(BATCH_SIZE, row_groups=[group_index]):
            yield batch
            row_count += batch.num_rows
    except ArrowNotImplementedError:
        plain_file = parquet.ParquetFile(stream, pre_buffer=False)
        for batch in plain_file.iter_batches(PLAIN_BATCH_SIZE, row_groups=[group_index]):
            remaining_rows = batch.slice(min(row_count, batch.num_rows))
            row_count -= batch.num_rows - remaining_rows.num_rows
            if remaining_rows.num_rows:
                yield remaining_rows


def _pieces(batch: pa.RecordBatch, budget: _Budget) -> Iterator[pa.RecordBatch]:
    """Yield a batch in slices of a limited size; a single row may be larger."""
    byte_count = sum(map(_expanded_bytes, batch.columns))
    if byte_count <= PIECE_BYTES or batch.num_rows == 1:
        budget.spend(byte_count, batch.num_rows)
        yield batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.slice(0, half), budget)
    yield from _pieces(batch.slice(half), budget)


def _expanded_bytes(array: Any) -> int:
    """Return the bytes of an array's values, those of a dictionary counted at each place."""
    from pyarrow import compute, types

    if types.is_dictionary(array.type):
        lengths = compute.binary_length(array.dictionary) if len(array.dictionary) else None
        return 0 if lengths is None else compute.sum(lengths.take(array.indices)).as_py() or 0
    if types.is_struct(array.type):
        return sum(map(_expanded_bytes, array.flatten()))
    if types.is_map(array.type):
        start, stop = array.offsets[0].as_py(), array.offsets[-1].as_py()
        return sum(_expanded_bytes(part.slice(start, stop - start)) for part in (array.keys, array.items))
    if types.is_list(array.type) or types.is_large_list(array.type) or types.is_fixed_size_list(array.type):
        return _expanded_bytes(array.flatten())
    return int(array.nbytes)
