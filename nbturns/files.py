"""Load and save conversations: any known format, detected by content and not by suffix."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from .errors import LoadError, MisuseError
from .exporters.files_by_suffix import find_writer, run_text_line
from .importers import OURS, ImportReport, read_runs
from .importers.inputs import inputs_of
from .importers.kit.import_report import Note
from .importers.kit.source import Source
from .importers.kit.urls import is_url, url_source
from .importers.tables import FORMAT as TABLE_FORMAT
from .redaction import Rules
from .render.comparison import Comparison
from .render.group_comparison import GroupComparison
from .safety.file_writing import check_name, write_file
from .safety.limits import Limits, current_limits
from .safety.regular_files import (
    MAGIC,
    escape_folders,
    files_in_folder,
    matching_paths,
    missing_file_hint,
    special_file_kind,
)
from .safety.visible_text import printable
from .values.provenance import BRANCH_OF
from .values.turns import Block, Run, Turn


def load(
    x: Any,
    format: str | None = None,
    strict: bool = False,
    *,
    messages: str | None = None,
    prices: bool = True,
    limits: Limits | None = None,
) -> Run:
    """Return the conversation in a file of any known format, or in an object that is one.

    `x` is a path or a URL (`https://`, `s3://`, `hf://`, with the package fsspec), an open file, bytes, messages as
    plain data, a table with one row, or an object of an SDK or a framework. `messages` names the column of a table.

    `run.import_report` lists the parts that could not be read. If the file has branches (a repeated
    request for an answer), the current branch is returned. `strict` refuses content that would be guessed,
    kept as it is, or dropped. Without `prices` an imported call has a cost only if the file has it; else one is computed
    from its tokens by a price table, as `cost_source` and `price_table` of its result tell. `limits` raises the limits for
    hostile files (`nt.Limits`). Raises LoadError, with file and position, for an unreadable file and for a file of several conversations, which `load_all` opens.
    """
    label = str(x) if isinstance(x, (str, os.PathLike)) else ""
    if isinstance(x, (str, os.PathLike)) and not is_url(x):
        if not label:
            raise MisuseError("nt.load() expects the path of one file, got ''")
        if os.path.isdir(_expand_user(x)):  # noqa: PTH112  # no error for a name that no folder can have
            raise LoadError(f"this is a folder; use nt.load_all({label!r})", file=label)
    if isinstance(x, (list, tuple)) and len(x) > 1 and all(isinstance(item, (str, os.PathLike)) for item in x):
        raise MisuseError(f"{len(x)} paths are several conversations; {_several_hint('paths')}")
    runs = load_all(x, format, strict, messages=messages, prices=prices, limits=limits)
    run = next(runs, None)
    if run is None:
        raise LoadError("the file contains no conversation" if label else "this contains no conversation", file=label)
    if not _is_only_conversation(run, runs):
        subject = "the file" if label else f"this {type(x).__name__}"
        raise LoadError(
            f"{subject} contains several conversations; {_several_hint('path' if label else 'x')}", file=label
        )
    return run


def _several_hint(argument: str) -> str:
    return f"use nt.load_all({argument}) for all of them, or nt.view({argument}) to look at them"


def _is_only_conversation(run: Run, remaining_runs: Iterator[Run]) -> bool:
    """Return True when all remaining Runs of the file are branches of `run`."""
    return all(other_run.metadata.get(BRANCH_OF) == run.id for other_run in remaining_runs)


def load_all(
    x: Any,
    format: str | None = None,
    strict: bool = False,
    *,
    messages: str | None = None,
    prices: bool = True,
    limits: Limits | None = None,
) -> Runs:
    """Iterate over the conversations of a file, a folder, a glob, a table, or a list or iterator of these.

    `x` is all that `load` accepts, and a table has a conversation in each row. Files and tables are read as a stream
    and may be larger than memory. Parts that could not be read are in the
    `import_report` of the Run before them. A single unreadable file raises LoadError; one of several is
    skipped and added to `.errors` of the returned iterator. `strict` raises in all these cases. `prices` as in `load`.
    """
    return Runs(x, LoadOptions(format, strict, messages, prices, limits=limits))


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The arguments of `load_all`. `paths` is False for `loads`, where a text is never the name of a file."""

    format: str | None = None
    strict: bool = False
    messages: str | None = None
    prices: bool = True
    paths: bool = True
    limits: Limits | None = None


class Runs(Iterator[Run]):
    """An iterator over the conversations of files. `errors` are the files skipped so far, `read` counts the Runs."""

    def __init__(self, x: Any, options: LoadOptions) -> None:
        self.errors: tuple[LoadError, ...] = ()
        self.read: int = 0
        self._limits = options.limits
        self._runs = self._read(x, options)

    def __iter__(self) -> Runs:
        return self

    def __next__(self) -> Run:
        with self._limits or current_limits():
            run = next(self._runs)
        self.read += 1
        return run

    @printable
    def __repr__(self) -> str:
        lost = f", {len(self.errors)} files skipped: {self.errors[0]}" if self.errors else ""
        return f"<Runs {self.read} read so far{lost}>"

    def _read(self, x: Any, options: LoadOptions) -> Iterator[Run]:
        is_single = isinstance(x, (str, os.PathLike)) and (is_url(x) or os.path.isfile(_expand_user(x)))  # noqa: PTH113
        is_single = is_single or not isinstance(x, (str, os.PathLike, Iterable)) or isinstance(x, Mapping)
        format = options.format if options.messages is None else options.format or TABLE_FORMAT
        memory_index = 0
        for part in _parts(x, options):
            if isinstance(part, Run):
                yield part
                memory_index += 1
                continue
            source = part if isinstance(part, Source) else _source_of_file(*part, strict=options.strict)
            source.message_column = options.messages
            if not source.file:
                source.placed("", memory_index)
            try:
                yield from _runs_with_reports(source.with_prices(options.prices), format)
                memory_index = memory_index if source.file else source.numbering.index
            except LoadError as error:
                if is_single or options.strict:
                    raise
                self.errors += (error,)
        if self.errors and not self.read:
            raise self.errors[0]


def _source_of_file(path: Path, place: str, *, strict: bool) -> Source:
    return Source.of_file(path, strict=strict).placed(place)


def _parts(x: Any, options: LoadOptions) -> Iterator[Source | Run | tuple[Path, str]]:
    """Yield the sources in a value: each file of its paths with its place, each URL, and all that `inputs_of` finds."""
    for part in inputs_of(x, strict=options.strict, messages=options.messages, paths=options.paths):
        if isinstance(part, (Source, Run)):
            yield part
        elif is_url(part):
            yield url_source(str(part), strict=options.strict)
        else:
            yield from placed_paths(part if isinstance(part, str) else Path(part))


def read_runs_of_file(
    path: Path,
    format: str | None = None,
    strict: bool = False,
    *,
    prices: bool = True,
    place: str = "",
    texts_only: bool = False,
) -> Iterator[Run | LoadError]:
    """Yield the Runs of one file, and a LoadError in place of each part that cannot be read.

    Reading continues after a broken line. `place` is the name of the file in the ids of Runs that have none. With
    `texts_only` the blocks may lack metadata that a search does not need, like the original of an item.
    """
    try:
        source = _source_of_file(path, place, strict=strict).with_prices(prices)
        source.texts_only = texts_only
        for run_or_note in read_runs(source, format):
            yield (
                LoadError(run_or_note.what, file=run_or_note.file, position=run_or_note.position)
                if isinstance(run_or_note, Note)
                else run_or_note
            )
    except LoadError as error:
        yield error


def loads(
    text: Any,
    format: str | None = None,
    strict: bool = False,
    *,
    messages: str | None = None,
    prices: bool = True,
    limits: Limits | None = None,
) -> Run:
    """Return the conversation in a text, in bytes, or in all else that `load` accepts but paths.

    Raises LoadError if it holds none, or several.
    """
    if isinstance(text, os.PathLike):
        raise MisuseError(f"nt.loads() expects text, bytes or parsed data, got a path; use nt.load({str(text)!r})")
    if isinstance(text, str):
        if len(text) < 300 and os.path.isfile(text):  # noqa: PTH113  # returns False, without an error, for any text
            raise MisuseError(f"nt.loads() got the name of a file; use nt.load({text!r})")
        text = text.encode("utf-8", "surrogatepass")
    runs = Runs(text, LoadOptions(format, strict, messages, prices, paths=False, limits=limits))
    run = next(runs, None)
    if run is None:
        raise LoadError("this text contains no conversation")
    if not _is_only_conversation(run, runs):
        raise LoadError(f"this text contains several conversations; {_several_hint('text')}")
    return run


def example() -> Run:
    """Return a small Run to try things with: three Turns about a greenhouse, with tool calls, tokens and cost."""
    return loads((resources.files("nbturns") / "data" / "example.yaml").read_bytes())


def _runs_with_reports(source: Source, format: str | None) -> Iterator[Run]:
    """Yield the Runs of a source; the report of each lists the problems found after it, the first also those before."""
    if source.strict:  # every problem is raised
        yield from (run_or_note for run_or_note in read_runs(source, format) if isinstance(run_or_note, Run))
        return
    pending_run: Run | None = None
    notes: list[Note] = []
    try:
        for run_or_note in read_runs(source, format):
            if isinstance(run_or_note, Note):
                notes.append(run_or_note)
                continue
            if pending_run is not None:
                yield _with_notes(pending_run, notes)
                notes = []
            pending_run = run_or_note
    except LoadError as error:
        if source.strict or pending_run is None:
            raise
        notes.append(Note(error.reason, error.position, error.file))
    if pending_run is not None:
        yield _with_notes(pending_run, notes)
    elif notes:
        raise LoadError(notes[0].what, file=notes[0].file, position=notes[0].position)


def _with_notes(run: Run, notes: list[Note]) -> Run:
    if not notes:
        return run
    report = run.import_report or ImportReport(OURS, len(run), len(run.latest), file=notes[0].file)
    return replace(run, import_report=report.with_dropped(tuple(notes)))


def save(value: Any, path: str | Path, *, redact: Rules | bool = False, format: str | None = None) -> Path:
    """Write a Run, Turn, session, execution or comparison to a file, atomically, and return its path.

    A list or an iterator of Runs is one file as .jsonl, or with `format` "openai-messages", "otlp" or "parquet".

    The suffix chooses the format: .yaml, .json, .jsonl, .html or .md; .svg, .png or .pdf for a figure (of a Run its
    tokens and time, of a Turn its blocks), .tex for a table of the blocks; a comparison as .html, .tex or a figure. Raises
    ValueError for another suffix, TypeError for another value, FileNotFoundError for a missing folder, and StoreError for a
    full disk. `format` is "atif", "openai-messages", "otlp" or "parquet" instead: what these lose is in docs/formats.md. Permissions and links are kept, a new file gets the umask, and a failed write leaves the old file.
    `redact=True` replaces keys, tokens, e-mail addresses and home folders; rules are as in `nt.redact`.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise MisuseError(f"nt.save() expects a path like 'run.yaml', got {path!r:.60}")
    check_name(path)
    path = Path(path).expanduser()
    value = value if isinstance(value, (Comparison, GroupComparison)) else _runs_to_save(value)
    if redact is not False:
        value = _without_private_texts(value, redact)
    writer = find_writer(value, path.suffix.lower(), path.name, format)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: folder {path.parent} does not exist")
    content = writer(value)
    if isinstance(content, str):
        content = content.encode("utf-8", "backslashreplace")  # lone surrogates, as JSON writes them
    write_file(path, content)
    return path


def _without_private_texts(value: Any, rules: Rules | bool) -> Any:
    from .redaction import redact

    if isinstance(value, (Comparison, GroupComparison)):
        raise MisuseError("a comparison cannot be redacted; compare nt.redact(a).value and nt.redact(b).value")
    if isinstance(value, tuple):
        return tuple(_without_private_texts(run, rules) for run in value)
    return redact(value, None if isinstance(rules, bool) else rules).value


def _runs_to_save(value: Any) -> Run | Turn | tuple[Run, ...]:
    """Return a Run or Turn, or the Runs of a list or an iterator."""
    if not isinstance(value, (list, tuple, Iterator)):
        return run_or_turn(value)
    values = [run_or_turn(item) for item in value]
    if not values:
        raise MisuseError(f"expected a Run, a Turn or several of them, got an empty {type(value).__name__}")
    return tuple(item if isinstance(item, Run) else Run((item,)) for item in values)


def run_or_turn(value: Any) -> Run | Turn:
    """Return the Run or Turn of a value: sessions have a Run, executions and snapshots a Turn."""
    for candidate in (value, getattr(value, "run", None), getattr(value, "turn", None)):
        if isinstance(candidate, (Run, Turn)):
            return candidate
    if isinstance(value, Block):
        return Turn((value,))
    raise MisuseError(f"expected a Run, a Turn, a session or an execution, got {type(value).__name__}: {value!r:.60}")


def run_line(run: Run, *, redact: Rules | bool = False) -> str:
    """Return a Run as a line of a JSON Lines file."""
    return run_text_line(run if redact is False else _without_private_texts(run, redact))


def placed_paths(path: str | Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of a path, a folder or a glob, each with its name below that folder, or below that of the glob."""
    folder: Path | None = None
    expanded_path = _expand_user(path)
    if os.path.isdir(expanded_path):  # noqa: PTH112
        folder = expanded_path
    elif not os.path.isfile(expanded_path) and MAGIC.search(str(path)):  # noqa: PTH113
        folder = Path(MAGIC.split(str(expanded_path))[0] + "x").parent
    for file_path in _matching_paths(path):
        is_below = folder is not None and file_path.is_relative_to(folder)
        yield file_path, file_path.relative_to(folder or "").as_posix() if is_below else file_path.name


def _matching_paths(paths: str | Path | Iterable[str | Path]) -> Iterator[Path]:
    if not paths or not isinstance(paths, (str, os.PathLike, Iterable)) or isinstance(paths, bytes):
        raise MisuseError(f"nt.load_all() expects a path, a glob, a folder or a list of these, got {paths!r:.60}")
    for path in (paths,) if isinstance(paths, (str, os.PathLike)) else paths:
        expanded_path = _expand_user(path)
        if os.path.isfile(expanded_path):  # noqa: PTH113  # no error for a name that no file can have
            yield expanded_path
        elif os.path.isdir(expanded_path):  # noqa: PTH112
            yield from files_in_folder(expanded_path)
        elif MAGIC.search(str(path)):
            yield from _files_of_pattern(str(path), str(expanded_path))
        else:
            raise LoadError(
                special_file_kind(expanded_path) or f"file not found{missing_file_hint(expanded_path)}", file=str(path)
            )


def _files_of_pattern(pattern: str, expanded_pattern: str) -> Iterator[Path]:
    """Yield the files that a pattern matches, and those in the folders that it matches when it matches no file."""
    matched_paths = sorted(matching_paths(expanded_pattern)) or sorted(matching_paths(escape_folders(expanded_pattern)))
    matched_files = [matched_path for matched_path in matched_paths if matched_path.is_file()]
    if not matched_files:
        matched_files = [path for folder in matched_paths for path in files_in_folder(folder)]
    if not matched_files:
        raise LoadError("no file matches this pattern", file=pattern)
    yield from matched_files


def _expand_user(path: str | os.PathLike[str]) -> Path:
    """Return the path with `~` as the home directory. Raises LoadError for a user without one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise LoadError("the home directory of this user is unknown; pass the whole path", file=str(path)) from None
