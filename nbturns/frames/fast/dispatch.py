"""The fast readers: from lines of JSON and Inspect logs to frames, without a Block for each.

A Block costs as much as all cells of its row together. So `frames.blocks` reads plain records,
which nearly all are, straight into lists, and of chat records the other frames are made of the same lists; any other
record goes through a Run.
Both give the same frame: with `vector_builder` returning None, everything goes through Runs and rows, and
no answer changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import LoadError
from ...importers import (
    OURS,
    Notes,
    Sample,
    detect_importer,
    finished_run,
    inspect_log,
    nbturns_files,
    openai_chat,
    pause_gc,
    try_read,
)
from ...importers import Source as ImportSource
from ...values.turns import Run
from ..builder import FrameBuilder
from ..columns import Column
from ..sources import MEMORY, ListedFile, SourceFile, StoredRun
from .block_arrays import WITH_VECTOR, VectorBlockBuilder
from .chat_lines import ChatRecords
from .copy_keys import add_rows
from .inspect_samples import add_sample
from .nbturns_lines import add_run
from .record_frames import RecordFrames

if TYPE_CHECKING:
    from ..frame_pass import FramePass, FrameRequest

PROGRESS_STEP = 256  # records between two reports of progress


def vector_builder(columns: tuple[Column, ...], *, repeat: bool) -> FrameBuilder | None:
    """Return the fast builder of `blocks` for these columns, or None where one of them is computed from rows."""
    is_possible = not repeat and WITH_VECTOR.issuperset(columns)
    return VectorBlockBuilder(columns) if is_possible else None


def record_frames(builders: Mapping[str, FrameBuilder], request: FrameRequest) -> RecordFrames | None:
    """Return what fills all frames of a pass from records without Runs; None where one of them needs Runs."""
    failed = request.rules.failed
    if callable(failed) or request.rules.labels is not None:
        return None
    block_builder = builders.get("blocks", VectorBlockBuilder(()))
    if not isinstance(block_builder, VectorBlockBuilder):
        return None
    frames = RecordFrames(block_builder, failed)
    other_builders = [(name, builder) for name, builder in builders.items() if name != "blocks"]
    return frames if all(frames.follow(name, builder) for name, builder in other_builders) else None


def read_fast(frame_pass: FramePass, file: SourceFile, advance: Callable[[int], object]) -> bool:
    """Read a JSON file, JSON Lines or an Inspect log into the frames of a pass; False if this needs Runs.

    That is so for other formats, and for frames that need more than blocks. `advance` is called with
    the number of bytes since the last time.
    """
    frames = frame_pass.record_frames
    if frames is None:
        return False
    source = ImportSource.of_file(file.path).placed(file.place).with_prices(frame_pass.request.rules.prices)
    try:
        format = _format(source.sample)
    except LoadError:  # reported when it is read through Runs
        return False
    if frames.formats is not None and format not in frames.formats:
        return False
    if format == inspect_log.FORMAT:
        _InspectReader(frame_pass, frames, file, source, format).add_samples()
    elif format in READERS:
        _RecordReader(frame_pass, frames, file, source, format).add_records(advance)
    else:
        return False
    return True


def read_stored(frame_pass: FramePass, stored: StoredRun) -> bool:
    """Add a stored Run to the frames of a pass by its plain data; False if this needs the Run."""
    frames = frame_pass.record_frames
    if frames is None or frames.formats is not None or (record := stored.record()) is None:
        return False
    builder = frames.block_builder
    builder.begin_records()
    builder.mark()
    batch, first_row, position = builder.batch, len(builder.batch), stored.position
    try:
        is_plain = add_run(
            batch, record, MEMORY, position, lambda id_: frame_pass.run_ids.assign(id_, "", "", position)
        )
        if is_plain and add_rows(frame_pass.copies, batch, first_row, ours=True):
            return True
    except BaseException:  # also for an interrupt: no Run is added in part
        builder.roll_back()
        raise
    builder.roll_back()
    return False


def _format(sample: Sample) -> str:
    """Return the format of records or of an Inspect log; "" for other files, and for a message per line."""
    if not sample.is_json_lines and inspect_log.score_inspect_log(sample):
        importer = detect_importer(sample)
        return importer.name if importer else ""
    if sample.container != "json" or not isinstance(sample.value, dict) or "role" in sample.record:
        return ""
    importer = detect_importer(sample)
    return importer.name if importer else ""


class _FileReader:
    """Adds the conversations of one file in order, each of them completely or not at all."""

    def __init__(
        self, frame_pass: FramePass, frames: RecordFrames, file: SourceFile, source: ImportSource, format: str
    ) -> None:
        self.format = format
        self.frame_pass = frame_pass
        self.builder = frames.block_builder
        self.file = file
        self.path = str(file.path)
        self.source = source
        self.position = 0

    def report_problems(self) -> None:
        for note in self.source.take_problems() if self.source.problems else ():
            self.frame_pass.add_error(LoadError(note.what, file=note.file, position=note.position))

    def add(self, add_fast: Callable[[], bool], load_runs: Callable[[], Iterable[Run]]) -> None:
        """Add one conversation by `add_fast`, or where this returns False through its Runs."""
        self.builder.begin_records()
        self.builder.mark()
        first_row = len(self.builder.batch)
        try:
            if add_fast() and add_rows(self.frame_pass.copies, self.builder.batch, first_row, ours=self.format == OURS):
                self.position += 1
                return
            self.builder.roll_back()
            runs = list(load_runs())
        except BaseException:  # also for an interrupt: no conversation is added in part
            self.builder.roll_back()
            raise
        for run in runs:
            self.source.numbering.index = self.position
            self.frame_pass.add_run(self.file.source(finished_run(run, self.source), self.position))
            self.position += 1

    def unique_id(self, run_id: str) -> str:
        if isinstance(self.file, ListedFile):
            run_id = self.file.listed_id(self.position) or run_id
        return self.frame_pass.run_ids.assign(run_id, self.path, self.file.label, self.position)


class _InspectReader(_FileReader):
    def add_samples(self) -> None:
        with pause_gc():
            for position, sample_source, log in inspect_log.iter_samples(self.source):
                self.report_problems()
                notes = self.source.notes(inspect_log.FORMAT, position)
                self.add(
                    partial(self._add_fast, sample_source, log, notes),
                    partial(self._load_runs, position, sample_source, log),
                )
        self.report_problems()

    def _add_fast(self, sample_source: inspect_log.SampleLoader, log: Any, notes: Notes) -> bool:
        try:
            return add_sample(self.builder.batch, sample_source(notes), log, notes, self.file, self.unique_id)
        except Exception:  # another shape, or not JSON: the importer reports it
            return False

    def _load_runs(self, position: str, sample_source: inspect_log.SampleLoader, log: Any) -> Iterator[Run]:
        return inspect_log.runs_of_sample(self.source, position, sample_source, log)


class _RecordReader(_FileReader):
    def __init__(
        self, frame_pass: FramePass, frames: RecordFrames, file: SourceFile, source: ImportSource, format: str
    ) -> None:
        super().__init__(frame_pass, frames, file, source, format)
        self.chat_records = ChatRecords(file)

    def add_records(self, advance: Callable[[int], object]) -> None:
        with pause_gc():
            try:
                self._read_records(advance)
            except LoadError as error:  # the file cannot be read from here on
                self.frame_pass.add_error(error)
        self.report_problems()

    def _read_records(self, advance: Callable[[int], object]) -> None:
        unreported = self.file.size
        step = self._line_bytes() * PROGRESS_STEP
        for number, (position, record) in enumerate(self.source.values(), 1):
            self.report_problems()
            self.add(partial(self._add_fast, position, record), partial(self._load_runs, position, record))
            if number % PROGRESS_STEP == 0 and unreported > step:
                unreported -= step
                advance(step)

    def _line_bytes(self) -> int:
        """Return the typical length of a line in bytes, estimated from the first ones."""
        head = self.source.sample.head
        return max(len(head) // max(head.count(b"\n"), 1), 1)

    def _load_runs(self, position: str, record: Any) -> Iterator[Run]:
        return try_read(self.source, position, READERS[self.format], self.source, position, record)

    def _add_fast(self, position: str, record: Any) -> bool:
        if type(record) is not dict:
            return False
        if self.format == OURS:
            return add_run(self.builder.batch, record, self.file, self.position, self.unique_id)
        return self.chat_records.add(self.builder.batch, record, position, self.position, self.unique_id)


def _read_chat(source: ImportSource, position: str, record: Any) -> Any:
    return openai_chat.read_chat(record, source.notes(openai_chat.FORMAT, position))


READERS: dict[str, Callable[[ImportSource, str, Any], Any]] = {
    OURS: nbturns_files.document_to_run,
    openai_chat.FORMAT: _read_chat,
}
