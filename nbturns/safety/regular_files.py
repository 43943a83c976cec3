"""Open files that may be of any kind without waiting: pipes, devices and sockets are refused.

Reading a pipe waits for a writer, and a device may never end.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from .limits import current_limits

MAGIC = re.compile(r"[*?\[]")


class NotRegularFileError(OSError):
    """A path names a pipe, a device or a socket."""


def open_regular(path: str | os.PathLike[str], buffering: int = -1) -> BinaryIO:
    """Open a file for reading. Raises NotRegularFileError, an OSError, for a pipe, a device or a socket."""
    return open(os.fspath(path), "rb", buffering, opener=_regular_descriptor)


def _regular_descriptor(path: str, flags: int) -> int:
    """Return the descriptor of a file; `open` closes it, also when an interrupt comes."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise NotRegularFileError(errno.EINVAL, _kind(mode), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a small file. Raises OSError for other kinds of files and for one beyond the limit."""
    limit = current_limits().small_file_bytes
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"more than {limit:,} bytes; to allow more, use with nt.Limits(small_file_bytes=…)")
    return content


def special_file_kind(path: Path) -> str:
    """Return a sentence on a path that is a pipe, a device, a socket or a link to nothing; "" for any other."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "this link leads to no file" if os.path.islink(path) else ""  # noqa: PTH114  # no error for any name
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else _kind(mode)


def _kind(mode: int) -> str:
    kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    return f"this is {kind}, not a file"


def matching_paths(pattern: str) -> Iterator[Path]:
    """Yield the paths that a pattern matches, sorted, each once, like `glob.glob(recursive=True)`.

    `**` enters each folder once, also where links make a loop.
    """
    path = Path(pattern)
    parts = [*path.relative_to(path.anchor).parts] if path.anchor else [*path.parts]
    if pattern.endswith("**"):
        parts.append("*")
    seen_folders: set[str] = set()
    for match in _expanded(path.anchor, parts):
        if match not in seen_folders:
            seen_folders.add(match)
            yield Path(match)


def _expanded(folder: str, parts: list[str]) -> Iterator[str]:
    """Yield the paths below a folder ("" for the current one) that match the parts of a pattern."""
    if not parts:
        if folder:
            yield folder
        return
    part, remaining_parts = parts[0], parts[1:]
    if part == "**":
        for subfolder in _folders(folder, set()):
            yield from _expanded(subfolder, remaining_parts)
        return
    if not MAGIC.search(part):
        path = os.path.join(folder, part)  # noqa: PTH118  # many paths; Path objects are slow
        if os.path.lexists(path):
            yield from _expanded(path, remaining_parts)
        return
    for name in _names(folder):
        if fnmatchcase(name, part) and not (name.startswith(".") and not part.startswith(".")):
            path = os.path.join(folder, name)  # noqa: PTH118
            if not remaining_parts or os.path.isdir(path):  # noqa: PTH112
                yield from _expanded(path, remaining_parts)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder or "."))  # noqa: PTH208
    except OSError:
        return []


def _folders(folder: str, visited: set[tuple[int, int]]) -> Iterator[str]:
    """Yield a folder and all below it, each once, without hidden ones."""
    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            status = os.stat(current or ".")  # noqa: PTH116
        except OSError:
            continue
        if not stat.S_ISDIR(status.st_mode) or (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        yield current
        names = [name for name in _names(current) if not name.startswith(".")]
        pending += [os.path.join(current, name) for name in reversed(names)]  # noqa: PTH118


def missing_file_hint(path: Path) -> str:
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


def escape_folders(pattern: str) -> str:
    """Return a pattern whose folders that exist under their own name, signs of patterns included, are taken literally."""
    folder, *remaining_parts = Path(pattern).parts
    literal_folder = Path(folder)
    while remaining_parts and os.path.isdir(literal_folder / remaining_parts[0]):  # noqa: PTH112
        literal_folder /= remaining_parts.pop(0)
    escaped_folder = MAGIC.sub("[\\g<0>]", str(literal_folder))
    return os.path.join(escaped_folder, *remaining_parts)  # noqa: PTH118  # a pattern is not a path


def files_in_folder(folder: Path) -> Iterator[Path]:
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
