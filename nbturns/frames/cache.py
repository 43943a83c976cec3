"""What was made of a file before, kept as Arrow beside nobody's data: read again only when it changed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from .passes import COLUMNS, Made, Wanted
from .sources import File


class Cache:
    """A folder with a file for each frame of each file. What is in it may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def at(cls, where: str | os.PathLike[str] | bool | None) -> Cache | None:
        """The cache in that folder; True is the one of this user, None and False are none."""
        if where is None or where is False:
            return None
        folder = _of_user() if where is True else Path(where).expanduser()
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"cache is a folder, and {folder} is a file")
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def get(self, file: File, wanted: Wanted) -> Made | None:
        """What was made of the file as it is now; None where that is not known of every frame."""
        import pyarrow as pa

        stamp = self.stamp(file)
        tables = {}
        for name in (*wanted.columns, "errors"):
            try:
                with pa.OSFile(str(self._path(file, name)), "rb") as source, pa.ipc.open_file(source) as reader:
                    table = reader.read_all()
            except (OSError, pa.ArrowException):  # not there, or half of it: it is made again
                return None
            if (table.schema.metadata or {}).get(b"nbturns") != stamp:
                return None
            tables[name] = table.replace_schema_metadata(None)
        return Made(tables)

    def put(self, file: File, stamp: bytes, made: Made) -> None:
        """Keep what was made of the file as it was at `stamp`. A full disk is no reason to lose it."""
        import pyarrow as pa

        for name, table in made.tables.items():
            marked = table.unify_dictionaries().replace_schema_metadata({b"nbturns": stamp})
            path = self._path(file, name)
            try:
                number, new = tempfile.mkstemp(dir=self.folder, prefix=".new-")
                os.close(number)
                try:
                    with (
                        pa.OSFile(new, "wb") as sink,
                        pa.ipc.new_file(
                            sink, marked.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")
                        ) as writer,
                    ):
                        writer.write_table(marked)
                    Path(new).replace(path)
                except BaseException:  # an interrupt too: no half of a file stays
                    Path(new).unlink(missing_ok=True)
                    raise
            except OSError:
                return

    def stamp(self, file: File) -> bytes:
        """What must be the same for a cached frame to stand: the file, and all that reads it."""
        try:
            seen = file.path.stat()
        except OSError:
            return b"gone"
        return json.dumps([seen.st_size, seen.st_mtime_ns, ours()]).encode()

    def _path(self, file: File, name: str) -> Path:
        known = hashlib.sha256(f"{file.path.absolute()}\0{file.path}\0{file.label}".encode("utf-8", "surrogateescape"))
        return self.folder / f"{known.hexdigest()[:32]}.{name}.arrow"


@cache
def ours() -> str:
    """A mark of what reads files here: our columns, our code, and the packages that bring importers."""
    columns: Any = {name: [(c.name, c.dtype, c.known) for c in columns] for name, columns in COLUMNS.items()}
    code = [path.stat().st_mtime_ns for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
    brought = sorted(
        f"{point.name} {point.dist.name} {point.dist.version}"
        for point in entry_points(group="nbturns.importers")
        if point.dist
    )
    return hashlib.sha256(json.dumps([columns, code, brought]).encode()).hexdigest()[:16]


def _of_user() -> Path:
    """Where this system keeps what a program may lose."""
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "nbturns" / "frames"
