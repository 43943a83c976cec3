"""Files in, files out: any known format, found by looking at the content and not at the suffix."""

from __future__ import annotations

import glob as globbing
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from .comparison import Comparison
from .errors import LoadError
from .importers import importers
from .serde import VERSION, is_ours, run_from_dict, run_from_yaml, run_to_dict, turn_from_dict, turn_from_yaml
from .turns import Block, Run, Turn

OURS = "nbturns"
BLANK = b"\xef\xbb\xbf \t\r\n"


def load(path: str | Path, format: str | None = None, strict: bool = False) -> Run:
    """Open the conversation in a file, whatever wrote it.

    Raises LoadError with file and position for what cannot be read, and for a file of
    several conversations, which `load_all` opens. `strict` refuses what would be guessed.
    """
    runs = load_all(path, format, strict)
    run = next(runs, None)
    if run is None:
        raise LoadError("there is no conversation in it", file=str(path))
    if next(runs, None) is not None:
        raise LoadError(
            "there are several conversations in it; nt.load_all(path) gives one after the other", file=str(path)
        )
    return run


def load_all(
    paths: str | Path | Iterable[str | Path], format: str | None = None, strict: bool = False
) -> Iterator[Run]:
    """Every conversation in a file, in those a glob matches, or in several, one after the other."""
    for path in _matched(paths):
        for run in each(path, format, strict):
            if isinstance(run, LoadError):
                raise run
            yield run


def each(path: Path, format: str | None = None, strict: bool = False) -> Iterator[Run | LoadError]:
    """What can be read of one file, and a LoadError in the place of each thing that cannot.

    A broken line among others is one error, and the lines after it are read.
    """
    try:
        with path.open("rb") as source:
            yield from _runs(source, str(path), format, strict)
    except LoadError as error:
        yield error
    except OSError as error:
        yield LoadError(f"it cannot be opened: {error.strerror or error}", file=str(path))


def loads(
    text: str | bytes | bytearray | Mapping[str, Any] | list[Any], format: str | None = None, strict: bool = False
) -> Run:
    """Read the conversation in a text, in bytes, or in data that were parsed already."""
    if isinstance(text, (Mapping, list)):
        return _run(text, "", "", format, strict)
    lines = (text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(memoryview(text))).splitlines(
        keepends=True
    )
    runs = list(_runs(iter(lines), "", format, strict))
    for run in runs:
        if isinstance(run, LoadError):
            raise run
        if len(runs) == 1:
            return run
    raise LoadError(f"there {'are several conversations' if runs else 'is no conversation'} in this text")


def save(value: Any, path: str | Path) -> Path:
    """Write a Run or a Turn, a session's or an execution's, as the suffix says. All of it, or nothing.

    Suffixes are .yaml, .json, .jsonl, .html and .md; of a comparison .html. Raises ValueError for another one,
    TypeError for what is no conversation, FileNotFoundError for a folder that is not there.
    """
    path = Path(path).expanduser()
    writers = {".html": _as_html} if isinstance(value, Comparison) else WRITERS
    value = value if isinstance(value, Comparison) else _conversation(value)
    if path.suffix.lower() not in writers:
        raise ValueError(
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


def _conversation(value: Any) -> Run | Turn:
    """What is to be saved of `value`: sessions hold a Run, executions and snapshots a Turn."""
    for one in (value, getattr(value, "run", None), getattr(value, "turn", None)):
        if isinstance(one, (Run, Turn)):
            return one
    if isinstance(value, Block):
        return Turn((value,))
    raise TypeError(f"a Run, a Turn, a session or an execution can be saved, not {type(value).__name__}: {value!r:.60}")


def _as_yaml(value: Run | Turn) -> str:
    return value.to_yaml()


def _as_json(value: Run | Turn) -> str:
    return json.dumps({"version": VERSION, **value.to_dict()}, ensure_ascii=False, indent=1) + "\n"


def _as_json_lines(value: Run | Turn) -> str:
    """One conversation a line, so that files can be put together by appending."""
    run = value if isinstance(value, Run) else Run((value,))
    return json.dumps(run_to_dict(run), ensure_ascii=False, separators=(",", ":")) + "\n"


def _as_markdown(value: Run | Turn) -> str:
    from .markdown import run_markdown, turn_markdown

    return (run_markdown(value) if isinstance(value, Run) else turn_markdown(value)) + "\n"


def _as_html(value: Run | Turn | Comparison) -> str:
    from .page import page

    return page(value)


WRITERS: dict[str, Callable[[Any], str]] = {
    ".yaml": _as_yaml,
    ".yml": _as_yaml,
    ".json": _as_json,
    ".jsonl": _as_json_lines,
    ".html": _as_html,
    ".md": _as_markdown,
}


def _matched(paths: str | Path | Iterable[str | Path]) -> Iterator[Path]:
    for path in (paths,) if isinstance(paths, (str, Path)) else paths:
        plain = Path(path).expanduser()
        if plain.is_file():
            yield plain
        elif globbing.has_magic(str(path)):
            found = sorted(globbing.glob(str(plain), recursive=True))  # noqa: PTH207  # Path.glob knows no absolute pattern
            yield from (one for one in map(Path, found) if one.is_file())
        elif plain.is_dir():
            raise LoadError(f'this is a folder; name its files, like "{path}/*.jsonl"', file=str(path))
        else:
            raise LoadError("there is no such file", file=str(path))


def _runs(lines: Iterable[bytes], file: str, format: str | None, strict: bool) -> Iterator[Run | LoadError]:
    """Look at the first line with something in it, and read the rest as it says."""
    source = iter(lines)
    head = list(_up_to_text(source))
    first = head[-1].lstrip(BLANK) if head else b""
    if not first:
        return
    if first[:1] in b"{[" and _is_json(first):
        more = list(_up_to_text(source))
        if more and more[-1].strip(BLANK):
            yield from _json_lines(chain((first,), more, source), len(head), file, format, strict)
        else:
            yield _run(json.loads(first), file, "", format, strict)
    else:
        yield from _whole(b"".join(chain(head, source)), file, format, strict)


def _up_to_text(source: Iterator[bytes]) -> Iterator[bytes]:
    for line in source:
        yield line
        if line.strip(BLANK):
            return


def _whole(content: bytes, file: str, format: str | None, strict: bool) -> Iterator[Run]:
    """A file that is one document: JSON over several lines, or YAML."""
    if content.lstrip(BLANK)[:1] in (b"{", b"["):
        try:
            data = json.loads(content)
        except (ValueError, RecursionError) as error:
            if not _is_yaml(content):  # whose flow style begins like JSON
                raise _not_json(error, "this", file) from None
        else:
            yield _run(data, file, "", format, strict)
            return
    yield _from_yaml(content, file, format, strict)


def _is_yaml(content: bytes) -> bool:
    from .yaml_text import load as load_yaml

    try:
        load_yaml(content)
    except LoadError:
        return False
    return True


def _not_json(error: Exception, what: str, file: str, line: int | None = None) -> LoadError:
    """What is wrong with a text, and where: ValueError is a number too long, or bytes that are not UTF-8."""
    if not isinstance(error, json.JSONDecodeError):
        return LoadError(f"{what} is not JSON: {error}", file=file, position=f"line {line}" if line else "")
    cut = (
        "; the file seems to be cut here"
        if error.pos >= len(error.doc.rstrip()) - 1 or "Unterminated" in error.msg
        else ""
    )
    return LoadError(
        f"{what} is not JSON: {error.msg.lower()}{cut}",
        file=file,
        position=f"line {line or error.lineno}, column {error.colno}",
    )


def _from_yaml(content: bytes, file: str, format: str | None, strict: bool) -> Run:
    from .yaml_text import load as load_yaml

    data = load_yaml(content, file)
    if isinstance(data, Mapping) and "turns" in data and format in (None, OURS):
        return run_from_yaml(content, file=file, strict=strict)
    if isinstance(data, Mapping) and "blocks" in data and format in (None, OURS):
        return Run((turn_from_yaml(content, file=file, strict=strict),))
    return _run(data, file, "", format, strict)


def _json_lines(
    lines: Iterable[bytes], number: int, file: str, format: str | None, strict: bool
) -> Iterator[Run | LoadError]:
    """A conversation a line, or a message a line: the first line says which."""
    records = _records(lines, number, file)
    start = next(records)
    first = start[1]
    if isinstance(first, Mapping) and "role" in first and "messages" not in first:
        yield from _message_lines(first, records, file, format, strict)
        return
    for line, data in chain((start,), records):
        yield data if isinstance(data, LoadError) else _run_or_error(data, file, f"line {line}", format, strict)


def _message_lines(
    first: Any, records: Iterator[tuple[int, Any]], file: str, format: str | None, strict: bool
) -> Iterator[Run | LoadError]:
    """One conversation. What stands behind a broken line may not belong to what is before it, and is left."""
    messages = [first]
    for _, data in records:
        if isinstance(data, LoadError):
            data.run = _run(messages, file, "", format, strict)
            yield data
            return
        messages.append(data)
    yield _run(messages, file, "", format, strict)


def _records(lines: Iterable[bytes], number: int, file: str) -> Iterator[tuple[int, Any]]:
    """The number of each line with something in it, and its data, or the LoadError that stands for it."""
    for line, text in enumerate(lines, number):
        if not text.strip(BLANK):
            continue
        try:
            data = json.loads(text.rstrip())
        except (ValueError, RecursionError) as error:
            data = _not_json(error, "this line", file, line)
        yield line, data


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _run(data: Any, file: str, position: str, format: str | None, strict: bool) -> Run:
    """Make a Run of parsed data, by the format named, or the one it looks like."""
    if format == OURS or (format is None and is_ours(data)):
        return _ours(data, file, position, strict)
    known = importers()
    if format is not None and format not in known:
        raise LoadError(f"no format is named {format!r}; there are: {', '.join(sorted((*known, OURS)))}", file=file)
    found = format or next((name for name, importer in known.items() if importer.sniff(data)), None)
    if found is None:
        said = (
            f"an object with {', '.join(map(str, list(data)[:6])) or 'nothing'}"
            if isinstance(data, Mapping)
            else f"a {type(data).__name__}"
        )
        raise LoadError(
            f"this is no conversation in a format known here ({', '.join(sorted((*known, OURS)))}): {said}",
            file=file,
            position=position,
        )
    return known[found].read(data, file=file, position=position, strict=strict)


def _run_or_error(data: Any, file: str, position: str, format: str | None, strict: bool) -> Run | LoadError:
    try:
        return _run(data, file, position, format, strict)
    except LoadError as error:
        return error


def _ours(data: Any, file: str, position: str, strict: bool) -> Run:
    try:
        if isinstance(data, Mapping) and "turns" in data:
            return run_from_dict(data, file=file, strict=strict)
        return Run((turn_from_dict(data, file=file, strict=strict),))
    except LoadError as error:
        if not position:
            raise
        raise LoadError(error.reason, file=file, position=f"{position}, {error.position}".rstrip(", ")) from None
