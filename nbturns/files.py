"""Load and save conversations: any known format, detected by content and not by suffix."""

from __future__ import annotations

import glob as globbing
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from .errors import LoadError, MisuseError
from .importers import OURS, ImportReport, read_runs
from .importers.kit.import_report import Note
from .importers.kit.source import Source
from .render.comparison import Comparison
from .serialization.file_format import FORMAT_VERSION
from .serialization.serde import run_to_dict
from .values.provenance import BRANCH_OF
from .values.turns import Block, Run, Turn


def load(path: str | Path, format: str | None = None, strict: bool = False) -> Run:
    """Return the conversation in a file of any known format.

    `run.import_report` lists the parts that could not be read. If the file has branches (a repeated
    request for an answer), the current branch is returned. `strict` refuses content that would be guessed,
    kept as it is, or dropped. Raises LoadError, with file and position, for an unreadable file and for a
    file of several conversations, which `load_all` opens.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        load_all_hint = "; use nt.load_all(paths) for several files" if isinstance(path, Iterable) and path else ""
        raise MisuseError(f"nt.load() expects the path of one file, got {path!r:.60}{load_all_hint}")
    file_path = _expand_user(path)
    if os.path.isdir(file_path):  # noqa: PTH112  # no error for a name that no folder can have
        raise LoadError(f"this is a folder; use nt.load_all({str(path)!r})", file=str(path))
    runs = load_all(path, format, strict)
    run = next(runs, None)
    if run is None:
        raise LoadError("the file contains no conversation", file=str(path))
    if not _is_only_conversation(run, runs):
        raise LoadError("the file contains several conversations; use nt.load_all(path)", file=str(path))
    return run


def _is_only_conversation(run: Run, remaining_runs: Iterator[Run]) -> bool:
    """Return True when all remaining Runs of the file are branches of `run`."""
    return all(other_run.metadata.get(BRANCH_OF) == run.id for other_run in remaining_runs)


def load_all(paths: str | Path | Iterable[str | Path], format: str | None = None, strict: bool = False) -> Runs:
    """Iterate over the conversations of a file, a folder, a glob, or a list of these.

    Files are read as a stream and may be larger than memory. Parts that could not be read are in the
    `import_report` of the Run before them. A single unreadable file raises LoadError; one of several is
    skipped and added to `.errors` of the returned iterator. `strict` raises in all these cases.
    """
    return Runs(paths, format, strict)


class Runs(Iterator[Run]):
    """An iterator over the conversations of files. `errors` are the files skipped so far, `read` counts the Runs."""

    def __init__(self, paths: str | Path | Iterable[str | Path], format: str | None, strict: bool) -> None:
        self.errors: tuple[LoadError, ...] = ()
        self.read = 0
        self._runs = self._read(paths, format, strict)

    def __iter__(self) -> Runs:
        return self

    def __next__(self) -> Run:
        run = next(self._runs)
        self.read += 1
        return run

    def __repr__(self) -> str:
        lost = f", {len(self.errors)} files skipped: {self.errors[0]}" if self.errors else ""
        return f"<Runs {self.read} read so far{lost}>"

    def _read(self, paths: str | Path | Iterable[str | Path], format: str | None, strict: bool) -> Iterator[Run]:
        is_single_file = isinstance(paths, (str, Path)) and os.path.isfile(_expand_user(paths))  # noqa: PTH113
        for path in _matching_paths(paths):
            try:
                yield from _runs_with_reports(Source.of_file(path, strict=strict), format)
            except LoadError as error:
                if is_single_file or strict:
                    raise
                self.errors += (error,)
        if self.errors and not self.read:
            raise self.errors[0]


def read_runs_of_file(path: Path, format: str | None = None, strict: bool = False) -> Iterator[Run | LoadError]:
    """Yield the Runs of one file, and a LoadError in place of each part that cannot be read.

    Reading continues after a broken line.
    """
    try:
        for run_or_note in read_runs(Source.of_file(path, strict=strict), format):
            yield (
                LoadError(run_or_note.what, file=run_or_note.file, position=run_or_note.position)
                if isinstance(run_or_note, Note)
                else run_or_note
            )
    except LoadError as error:
        yield error


def loads(
    text: str | bytes | bytearray | Mapping[str, Any] | list[Any], format: str | None = None, strict: bool = False
) -> Run:
    """Return the conversation in a text, in bytes, or in parsed data."""
    if not isinstance(text, (str, bytes, bytearray, memoryview, Mapping, list)):
        raise MisuseError(f"nt.loads() expects text, bytes or parsed data, got {type(text).__name__}: {text!r:.60}")
    if isinstance(text, str) and len(text) < 300 and os.path.isfile(text):  # noqa: PTH113  # returns False, without an error, for any text
        raise MisuseError(f"nt.loads() got the name of a file; use nt.load({text!r})")
    if isinstance(text, (Mapping, list)):
        source = Source.of_data(text, strict=strict)
    else:
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(memoryview(text))
        source = Source.of_bytes(content, strict=strict)
    runs = _runs_with_reports(source, format)
    run = next(runs, None)
    if run is None or not _is_only_conversation(run, runs):
        raise LoadError(f"this text contains {'several conversations' if run else 'no conversation'}")
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


def save(value: Any, path: str | Path) -> Path:
    """Write a Run, Turn, session, execution or comparison to a file, atomically, and return its path.

    The suffix chooses the format: .yaml, .json, .jsonl, .html or .md; only .html for a comparison. Raises
    ValueError for another suffix, TypeError for another value, FileNotFoundError for a missing folder.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise MisuseError(f"nt.save() expects a path like 'run.yaml', got {path!r:.60}")
    path = Path(path).expanduser()
    writers_by_suffix = {".html": _to_html} if isinstance(value, Comparison) else WRITERS
    value = value if isinstance(value, Comparison) else _run_or_turn(value)
    if path.suffix.lower() not in writers_by_suffix:
        raise MisuseError(
            f"{path.name}: no format for {path.suffix or 'a name without suffix'}; use one of {', '.join(writers_by_suffix)}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: folder {path.parent} does not exist")
    file_content = writers_by_suffix[path.suffix.lower()](value).encode(
        "utf-8", "backslashreplace"
    )  # lone surrogates, as JSON writes them
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary_file:
        try:
            temporary_file.write(file_content)
            temporary_file.flush()
            os.fsync(temporary_file.fileno())
            Path(temporary_file.name).chmod(path.stat().st_mode if path.exists() else 0o644)
            Path(temporary_file.name).replace(path)
        except BaseException:  # keep the old file and remove the incomplete new one
            Path(temporary_file.name).unlink()
            raise
    return path


def _run_or_turn(value: Any) -> Run | Turn:
    """Return the Run or Turn of a value: sessions have a Run, executions and snapshots a Turn."""
    for candidate in (value, getattr(value, "run", None), getattr(value, "turn", None)):
        if isinstance(candidate, (Run, Turn)):
            return candidate
    if isinstance(value, Block):
        return Turn((value,))
    raise MisuseError(f"expected a Run, a Turn, a session or an execution, got {type(value).__name__}: {value!r:.60}")


def _to_yaml(value: Run | Turn) -> str:
    return value.to_yaml()


def _to_json(value: Run | Turn) -> str:
    return json.dumps({"version": FORMAT_VERSION, **value.to_dict()}, ensure_ascii=False, indent=1) + "\n"


def _to_json_line(value: Run | Turn) -> str:
    """Return the conversation as one line of JSON, so that files can be concatenated."""
    run = value if isinstance(value, Run) else Run((value,))
    return json.dumps(run_to_dict(run), ensure_ascii=False, separators=(",", ":")) + "\n"


def _to_markdown(value: Run | Turn) -> str:
    from .render.markdown import run_markdown, turn_markdown

    return (run_markdown(value) if isinstance(value, Run) else turn_markdown(value)) + "\n"


def _to_html(value: Run | Turn | Comparison) -> str:
    from .render.standalone_page import render_page

    return render_page(value)


WRITERS: dict[str, Callable[[Any], str]] = {
    ".yaml": _to_yaml,
    ".yml": _to_yaml,
    ".json": _to_json,
    ".jsonl": _to_json_line,
    ".html": _to_html,
    ".md": _to_markdown,
}


def _matching_paths(paths: str | Path | Iterable[str | Path]) -> Iterator[Path]:
    if not paths or not isinstance(paths, (str, os.PathLike, Iterable)) or isinstance(paths, bytes):
        raise MisuseError(f"nt.load_all() expects a path, a glob, a folder or a list of these, got {paths!r:.60}")
    for path in (paths,) if isinstance(paths, (str, os.PathLike)) else paths:
        expanded_path = _expand_user(path)
        if os.path.isfile(expanded_path):  # noqa: PTH113  # no error for a name that no file can have
            yield expanded_path
        elif os.path.isdir(expanded_path):  # noqa: PTH112
            yield from _files_in_folder(expanded_path)
        elif globbing.has_magic(str(path)):
            yield from _files_of_pattern(str(path), str(expanded_path))
        else:
            raise LoadError(f"file not found{_missing_file_hint(expanded_path)}", file=str(path))


def _files_of_pattern(pattern: str, expanded_pattern: str) -> Iterator[Path]:
    """Yield the files that a pattern matches, and those in the folders that it matches when it matches no file."""
    matched_paths = [Path(name) for name in sorted(globbing.glob(expanded_pattern, recursive=True))]  # noqa: PTH207  # Path.glob does not accept absolute patterns
    matched_files = [matched_path for matched_path in matched_paths if matched_path.is_file()]
    if not matched_files:
        matched_files = [path for folder in matched_paths for path in _files_in_folder(folder)]
    if not matched_files:
        raise LoadError("no file matches this pattern", file=pattern)
    yield from matched_files


def _expand_user(path: str | os.PathLike[str]) -> Path:
    """Return the path with `~` as the home directory. Raises LoadError for a user without one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise LoadError("the home directory of this user is unknown; pass the whole path", file=str(path)) from None


def _missing_file_hint(path: Path) -> str:
    """Return the folder that was searched, and the file name that is most similar."""
    from difflib import get_close_matches

    folder = path.parent
    if not os.path.isdir(folder):  # noqa: PTH112  # no error for a name that no folder can have
        return f", and folder {folder} does not exist"
    try:
        sibling_names = [sibling.name for sibling in folder.iterdir()]
    except OSError as error:
        return f", and folder {folder} cannot be read: {error.strerror}"
    similar_names = get_close_matches(path.name, sibling_names, n=1)
    folder_hint = "" if path.is_absolute() else f" in {folder.resolve()}"
    return folder_hint + (f"; did you mean {similar_names[0]!r}?" if similar_names else "")


def _files_in_folder(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, without those of programs (.git, __pycache__).

    Broken links and unreadable folders are yielded too, so that opening them reports the error. Pipes and
    devices are not, because reading one may block forever.
    """
    folder_errors: list[OSError] = []
    for folder_name, subfolder_names, file_names in os.walk(folder, onerror=folder_errors.append):
        subfolder_names[:] = sorted(name for name in subfolder_names if not name.startswith((".", "__")))
        file_paths = (Path(folder_name, name) for name in sorted(file_names))
        yield from (path for path in file_paths if path.is_file() or not path.exists())
    yield from (Path(error.filename) for error in folder_errors)
