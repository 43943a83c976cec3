"""Files in, files out: any known format, found by looking at the content and not at the suffix."""

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
from .serialization.serde import FORMAT_VERSION, run_to_dict
from .values.provenance import BRANCH_OF
from .values.turns import Block, Run, Turn


def load(path: str | Path, format: str | None = None, strict: bool = False) -> Run:
    """Open the conversation in a file, whatever wrote it.

    What could not be read of it stands in `run.import_report`. Raises LoadError with file and
    position for what cannot be read at all, and for a file of several conversations, which
    `load_all` opens; of one with branches (an answer asked for again), this is the current one. `strict` refuses what would be guessed, kept as it is, or left out.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        several = "; nt.load_all(paths) opens several" if isinstance(path, Iterable) and path else ""
        raise MisuseError(f"nt.load opens one file, by its path, not {path!r:.60}{several}")
    plain = Path(path).expanduser()
    if plain.is_dir():
        raise LoadError(f"this is a folder; nt.load_all({str(path)!r}) gives what is in it", file=str(path))
    runs = load_all(path, format, strict)
    run = next(runs, None)
    if run is None:
        raise LoadError("there is no conversation in it", file=str(path))
    if not _is_only_conversation(run, runs):
        raise LoadError(
            "there are several conversations in it; nt.load_all(path) gives one after the other", file=str(path)
        )
    return run


def _is_only_conversation(run: Run, others: Iterator[Run]) -> bool:
    """Whether what else is in a file are branches of `run` alone."""
    return all(other.metadata.get(BRANCH_OF) == run.id for other in others)


def load_all(paths: str | Path | Iterable[str | Path], format: str | None = None, strict: bool = False) -> Runs:
    """Every conversation in a file, in a folder, in those a glob matches, or in several of these, one after the other.

    It streams: a file larger than memory is no matter. What could not be read stands in the
    `import_report` of the Run before it. One file that cannot be read is a LoadError; among several
    it is passed over and kept in `.errors` of what this returns. `strict` raises for all of that.
    """
    return Runs(paths, format, strict)


class Runs(Iterator[Run]):
    """The conversations of one file or of many, as they are read. `errors`: what was passed over so far."""

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
        lost = f", {len(self.errors)} files passed over: {self.errors[0]}" if self.errors else ""
        return f"<Runs {self.read} read so far{lost}>"

    def _read(self, paths: str | Path | Iterable[str | Path], format: str | None, strict: bool) -> Iterator[Run]:
        one = isinstance(paths, (str, Path)) and Path(paths).expanduser().is_file()
        for path in _matching_paths(paths):
            try:
                yield from _runs_with_reports(Source.of_file(path, strict=strict), format)
            except LoadError as error:
                if one or strict:
                    raise
                self.errors += (error,)
        if self.errors and not self.read:
            raise self.errors[0]


def read_runs_of_file(path: Path, format: str | None = None, strict: bool = False) -> Iterator[Run | LoadError]:
    """What can be read of one file, and a LoadError in the place of each thing that cannot.

    A broken line among others is one error, and the lines after it are read.
    """
    try:
        for found in read_runs(Source.of_file(path, strict=strict), format):
            yield LoadError(found.what, file=found.file, position=found.position) if isinstance(found, Note) else found
    except LoadError as error:
        yield error


def loads(
    text: str | bytes | bytearray | Mapping[str, Any] | list[Any], format: str | None = None, strict: bool = False
) -> Run:
    """Read the conversation in a text, in bytes, or in data that were parsed already."""
    if not isinstance(text, (str, bytes, bytearray, memoryview, Mapping, list)):
        raise MisuseError(f"nt.loads reads a text, bytes or parsed data, not {type(text).__name__}: {text!r:.60}")
    if isinstance(text, str) and len(text) < 300 and os.path.isfile(text):  # noqa: PTH113  # no error for what is no path
        raise MisuseError(f"this is the name of a file; nt.load({text!r}) opens it")
    if isinstance(text, (Mapping, list)):
        source = Source.of_data(text, strict=strict)
    else:
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(memoryview(text))
        source = Source.of_bytes(content, strict=strict)
    runs = _runs_with_reports(source, format)
    run = next(runs, None)
    if run is None or not _is_only_conversation(run, runs):
        raise LoadError(f"there {'are several conversations' if run else 'is no conversation'} in this text")
    return run


def example() -> Run:
    """Return a small Run to try things with: three Turns about a greenhouse, with tool calls, tokens and cost."""
    return loads((resources.files("nbturns") / "data" / "example.yaml").read_bytes())


def _runs_with_reports(source: Source, format: str | None) -> Iterator[Run]:
    """The Runs of a source, each with the problems that came behind it in its report; those before all in the first's."""
    if source.strict:  # there are no problems then
        yield from (found for found in read_runs(source, format) if isinstance(found, Run))
        return
    held: Run | None = None
    notes: list[Note] = []
    try:
        for found in read_runs(source, format):
            if isinstance(found, Note):
                notes.append(found)
                continue
            if held is not None:
                yield _with_notes(held, notes)
                notes = []
            held = found
    except LoadError as error:
        if source.strict or held is None:
            raise
        notes.append(Note(error.reason, error.position, error.file))
    if held is not None:
        yield _with_notes(held, notes)
    elif notes:
        raise LoadError(notes[0].what, file=notes[0].file, position=notes[0].position)


def _with_notes(run: Run, notes: list[Note]) -> Run:
    if not notes:
        return run
    report = run.import_report or ImportReport(OURS, len(run), len(run.latest), file=notes[0].file)
    return replace(run, import_report=report.with_dropped(tuple(notes)))


def save(value: Any, path: str | Path) -> Path:
    """Write a Run or a Turn, a session's or an execution's, as the suffix says. All of it, or nothing.

    Suffixes are .yaml, .json, .jsonl, .html and .md; of a comparison .html. Raises ValueError for another one,
    TypeError for what is no conversation, FileNotFoundError for a folder that is not there.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise MisuseError(f"nt.save(what, path) writes to a path, like 'run.yaml', not to {path!r:.60}")
    path = Path(path).expanduser()
    writers = {".html": _to_html} if isinstance(value, Comparison) else WRITERS
    value = value if isinstance(value, Comparison) else _run_or_turn(value)
    if path.suffix.lower() not in writers:
        raise MisuseError(
            f"{path.name}: no format for {path.suffix or 'a name without suffix'}; there are: {', '.join(writers)}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    content = writers[path.suffix.lower()](value).encode(
        "utf-8", "backslashreplace"
    )  # half an emoji, as JSON writes it
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        try:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
            Path(new.name).chmod(path.stat().st_mode if path.exists() else 0o644)
            Path(new.name).replace(path)
        except BaseException:  # whatever stopped it, the old file stands and no half of a new one does
            Path(new.name).unlink()
            raise
    return path


def _run_or_turn(value: Any) -> Run | Turn:
    """What is to be saved of `value`: sessions hold a Run, executions and snapshots a Turn."""
    for one in (value, getattr(value, "run", None), getattr(value, "turn", None)):
        if isinstance(one, (Run, Turn)):
            return one
    if isinstance(value, Block):
        return Turn((value,))
    raise MisuseError(
        f"a Run, a Turn, a session or an execution can be saved, not {type(value).__name__}: {value!r:.60}"
    )


def _to_yaml(value: Run | Turn) -> str:
    return value.to_yaml()


def _to_json(value: Run | Turn) -> str:
    return json.dumps({"version": FORMAT_VERSION, **value.to_dict()}, ensure_ascii=False, indent=1) + "\n"


def _to_json_line(value: Run | Turn) -> str:
    """One conversation a line, so that files can be put together by appending."""
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
        raise MisuseError(f"nt.load_all opens a path, a glob, a folder or a list of these, not {paths!r:.60}")
    for path in (paths,) if isinstance(paths, (str, os.PathLike)) else paths:
        plain = Path(path).expanduser()
        if plain.is_file():
            yield plain
        elif globbing.has_magic(str(path)):
            found = sorted(globbing.glob(str(plain), recursive=True))  # noqa: PTH207  # Path.glob knows no absolute pattern
            if not found:
                raise LoadError("no file matches this pattern", file=str(path))
            yield from (one for one in map(Path, found) if one.is_file())
        elif plain.is_dir():
            yield from _files_in_folder(plain)
        else:
            raise LoadError(f"there is no such file{_missing_file_hint(plain)}", file=str(path))


def _missing_file_hint(path: Path) -> str:
    """Which file may have been meant, and where a path that says no folder was looked for."""
    from difflib import get_close_matches

    folder = path.parent
    if not folder.is_dir():
        return f", and no folder {folder}"
    near = get_close_matches(path.name, [one.name for one in folder.iterdir()], n=1)
    where = "" if path.is_absolute() else f" in {folder.resolve()}"
    return where + (f"; did you mean {near[0]!r}?" if near else "")


def _files_in_folder(folder: Path) -> Iterator[Path]:
    """The files in a folder and in those below it, but for what programs hide there (.git, __pycache__).

    A link to nothing is given too, and a folder that cannot be looked into, for somebody to say so; a
    pipe or a device is no file, and whoever opened one might wait for ever.
    """
    shut: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=shut.append):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        found = (Path(place, name) for name in sorted(names))
        yield from (path for path in found if path.is_file() or not path.exists())
    yield from (Path(error.filename) for error in shut)
