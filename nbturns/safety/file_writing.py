"""Write files so that a kill, a full disk or a second writer loses nothing.

A file is replaced as a whole, by a temporary one beside it, and lines are appended as a whole. Temporary files that a
killed process left are removed by the next write to the same file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import platform
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ..errors import MisuseError, StoreError

PREFIX, SUFFIX = ".nbturns-", ".tmp"
FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)})
ABANDONED_AFTER = 24 * 3600.0  # seconds; for temporary files of other machines, whose processes are unknown
LOCK_TIMEOUT, LOCK_PAUSE = 60.0, 0.01  # seconds
LONGEST_NAME = 255  # bytes of a name in most file systems
_numbers = itertools.count()


def check_name(path: str | os.PathLike[str]) -> None:
    """Raise MisuseError for a path that no file can have."""
    text = os.fspath(path)
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        raise MisuseError(f"no file can have the name {text!r:.60}; it is not UTF-8") from None
    if b"\0" in encoded:
        raise MisuseError(f"no file can have the name {text!r:.60}; it contains NUL")
    if any(len(part) > LONGEST_NAME for part in encoded.split(os.fsencode(os.sep))):
        raise MisuseError(f"no file can have the name {text!r:.60}…; it has more than {LONGEST_NAME} bytes")


def write_file(path: Path, content: bytes) -> None:
    """Replace the content of a file atomically; links, permissions and the umask are kept.

    Raises StoreError for a full disk, and OSError as `open` would; the old file is then unchanged.
    """
    check_name(path)
    target = Path(os.path.realpath(path))
    mode = _mode_of(target)
    temporary_file = target.parent / _temporary_name(target)
    _remove_abandoned(target)
    descriptor = os.open(
        temporary_file,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0),
        0o666 if mode is None else 0o600,
    )
    try:
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)  # Windows renames no open file
        if mode is not None:
            temporary_file.chmod(mode)
        temporary_file.replace(target)
    except BaseException as error:  # an interrupt, too, leaves no temporary file
        with contextlib.suppress(OSError):
            temporary_file.unlink()
        if isinstance(error, OSError) and error.errno in FULL:
            raise store_error(path, error, len(content)) from None
        raise


def append_line(path: Path, line: bytes) -> None:
    """Append a line as a whole, under a lock; half a line that a killed process left is removed.

    Raises StoreError for a full disk; the file is then as before.
    """
    check_name(path)
    with locked(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            size, line = _end_of_last_line(descriptor, line)
            try:
                os.lseek(descriptor, size, os.SEEK_SET)
                _write_all(descriptor, line + b"\n")
                os.ftruncate(descriptor, size + len(line) + 1)
            except BaseException as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, size)
                if isinstance(error, OSError) and error.errno in FULL:
                    raise store_error(path, error, len(line)) from None
                raise
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file's folder, which writers of all processes wait for.

    Raises StoreError when another writer keeps it. Where a file system has no locks, nothing is held.
    """
    lock_module = _lock_module()
    descriptor = -1
    if lock_module is not None:
        with contextlib.suppress(OSError):
            descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        if descriptor >= 0:
            _wait_for_lock(lock_module, descriptor, path)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def store_error(path: Path, error: OSError, size: int) -> StoreError:
    """Return the error of a file that cannot be written, with the space that is left."""
    free = ""
    with contextlib.suppress(OSError, AttributeError):
        status = os.statvfs(path.parent)
        free = f"; {size:,} bytes are needed and {status.f_bavail * status.f_frsize:,} are free"
    return StoreError(
        f"cannot be written: {error.strerror or error}{free}; the old content is unchanged", file=str(path)
    )


def _mode_of(target: Path) -> int | None:
    """Return the permissions of an existing file, None for a new one. Raises OSError for one that may not be written."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "this is not a file, but a pipe, a device or a socket", str(target))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    return stat.S_IMODE(status.st_mode)


def _temporary_name(target: Path) -> str:
    """Return a name that no other writer uses, and that tells whose it is."""
    return f"{_group_of(target)}{_digest(platform.node())}-{os.getpid()}-{time.time_ns():x}-{next(_numbers)}{SUFFIX}"


def _group_of(target: Path) -> str:
    """Return the beginning of the names of all temporary files of a file."""
    return f"{PREFIX}{_digest(target.name)}-"


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]


def _remove_abandoned(target: Path) -> None:
    """Remove the temporary files of this file whose processes have ended."""
    group = _group_of(target)
    try:
        names = [name for name in os.listdir(target.parent) if name.startswith(group) and name.endswith(SUFFIX)]  # noqa: PTH208
    except OSError:
        return
    for name in names:
        host, process_id = name.removeprefix(group).split("-")[:2]
        path = target.parent / name
        with contextlib.suppress(OSError, ValueError):
            is_here = host == _digest(platform.node())
            if not _is_alive(int(process_id)) if is_here else time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                path.unlink()


def _is_alive(process_id: int) -> bool:
    if os.name == "nt":
        return process_id == os.getpid()  # os.kill would end the process
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _end_of_last_line(descriptor: int, line: bytes) -> tuple[int, bytes]:
    """Return where a new line begins, and the line: after half a line only its whole predecessors are kept.

    A last line that is whole JSON and only lacks its end gets one.
    """
    end = os.lseek(descriptor, 0, os.SEEK_END)
    tail = b""
    position = end
    while position > 0 and b"\n" not in tail:
        step = min(1 << 16, position)
        position = os.lseek(descriptor, position - step, os.SEEK_SET)
        tail = os.read(descriptor, step) + tail
    last_line = tail[tail.rfind(b"\n") + 1 :]
    try:
        json.loads(last_line)
    except (ValueError, RecursionError):
        return end - len(last_line), line
    return end, b"\n" + line


def _lock_module() -> ModuleType | None:
    try:
        import fcntl
    except ImportError:  # Windows, Pyodide
        return None
    return fcntl


def _wait_for_lock(lock_module: ModuleType | None, descriptor: int, path: Path) -> None:
    assert lock_module is not None
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            lock_module.flock(descriptor, lock_module.LOCK_EX | lock_module.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreError("another process is writing; try again", file=str(path)) from None
            time.sleep(LOCK_PAUSE)
        except OSError:  # no locks on this file system
            return
        else:
            return
