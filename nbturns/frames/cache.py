"""What was made of files before, kept as Arrow: a file is read again only when it changed.

What one pass made is a pack: a folder with a file for each frame, and an index that says which
rows came of which file. A pack is there whole or not at all, and is never written to again; a newer
one wins. All of it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from ..plugins import entry_points
from .arrays import recoded
from .passes import COLUMNS, Made, together
from .sources import File

if TYPE_CHECKING:
    import pyarrow as pa

PACK = 250_000  # rows of all frames together: so much is lost when a process is killed
SMALL, FEW = 30_000, 16  # rows of a pack that is small, and how many of these there may be before they become one
OPEN = 8  # packs that are held, unpacked
LONG_AGO = 30 * 86_400  # seconds after which packs of another version are swept away
NEW, OLD = ".nbturns-", "nbturns-"  # how the folders of packs are named: in the making, and made

Rows = tuple[int, int]  # from and to


@dataclass(frozen=True, slots=True)
class Entry:
    """The rows of a pack that came of one file as it was then, or of several that follow each other."""

    stamp: str
    ids: tuple[str, ...]  # of its Runs
    rows: Mapping[str, Rows]
    pack: str = ""

    def joined(self, after: Entry) -> Entry | None:
        """Both as one, where the rows of `after` follow."""
        if self.pack != after.pack or any(self.rows[name][1] != after.rows[name][0] for name in self.rows):
            return None
        rows = {name: (self.rows[name][0], after.rows[name][1]) for name in self.rows}
        return Entry("", (), rows, self.pack)

    @property
    def length(self) -> int:
        return sum(end - begin for begin, end in self.rows.values())


class Cache:
    """The packs in a folder, as they were when it was opened, and what is to become one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, list[Entry]] = {}  # by the key of the file, oldest first
        self._sizes: dict[str, int] = {}  # rows of each pack
        self._open: dict[str, dict[str, pa.Table]] = {}
        self._made: list[Made] = []
        self._entries: dict[str, Entry] = {}  # of what is to become a pack
        self._length = dict.fromkeys(COLUMNS, 0)
        self._load()

    @classmethod
    def at(cls, where: str | os.PathLike[str] | bool | None) -> Cache | None:
        """The cache in that folder; True is the one of this user, None and False are none."""
        if where is None or where is False:
            return None
        folder = _of_user() if where is True else Path(where).expanduser()
        if folder.exists() and not folder.is_dir():
            raise MisuseError(f"cache is a folder, and {folder} is a file")
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def find(self, file: File, stamp: str, names: Iterable[str]) -> Entry | None:
        """What is known of a file that has this stamp now, if it is of every frame that is named."""
        wanted = {*names, "errors"}
        for entry in reversed(self.known.get(_key(file), ())):
            if entry.stamp == stamp and wanted <= entry.rows.keys() and self._tables(entry.pack, wanted) is not None:
                return entry
        return None

    def made(self, entry: Entry, names: Iterable[str]) -> Made:
        """The frames of what was found."""
        wanted = {*names, "errors"}
        tables = self._tables(entry.pack, wanted) or {}
        return Made({name: _slice(name, tables[name], entry.rows[name]) for name in COLUMNS if name in wanted})

    def put(self, made: Made, files: Sequence[tuple[File, str, Mapping[str, Rows]]]) -> None:
        """Keep what was made of files, each with its stamp and its rows. It is written in `save`, or when it is much."""
        ids = next((table.column("run_id") for table in made.tables.values() if "run_id" in table.column_names), None)
        by = next((name for name, table in made.tables.items() if "run_id" in table.column_names), "")
        for file, stamp, rows in files:
            begin, end = rows.get(by, (0, 0))
            own = tuple(ids.slice(begin, end - begin).unique().to_pylist()) if ids is not None else ()
            moved = {name: (self._length[name] + rows[name][0], self._length[name] + rows[name][1]) for name in rows}
            self._entries[_key(file)] = Entry(stamp, own, moved)
        self._made.append(Made(dict(made.tables)))
        for name, table in made.tables.items():
            self._length[name] += len(table)
        if sum(self._length.values()) >= PACK:
            with suppress(OSError):
                self._write()

    def save(self) -> None:
        """Write what was put, and tidy up. A full disk is no reason to lose what was read."""
        try:
            if self._entries:
                self._write()
                self._tidy()
        except OSError:  # the folder is gone, or another process sweeps it, too
            return

    @staticmethod
    def stamp(file: File) -> str:
        """What must be the same for a cached frame to stand; "" for a file that is not there."""
        try:
            seen = file.path.stat()
        except OSError:
            return ""
        return f"{seen.st_size} {seen.st_mtime_ns}"

    def _load(self) -> None:
        """The indices of all packs; a pack of another version, or without a whole index, is none."""
        for path in sorted(self.folder.glob(f"{OLD}*/index.json")):
            try:
                index = json.loads(path.read_bytes())
                if index["ours"] != ours():
                    continue
                found = {
                    key: Entry(
                        stamp, tuple(ids), {name: (begin, end) for name, (begin, end) in rows.items()}, path.parent.name
                    )
                    for key, (stamp, ids, rows) in index["files"].items()
                }
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
            self._sizes[path.parent.name] = sum(entry.length for entry in found.values())
            for key, entry in found.items():
                self.known.setdefault(key, []).append(entry)

    def _tables(self, pack: str, names: set[str]) -> dict[str, pa.Table] | None:
        """The tables of a pack; None where one cannot be read."""
        import pyarrow as pa

        held = self._open.pop(pack, {})
        self._open[pack] = held  # the last to be let go
        while len(self._open) > OPEN:
            del self._open[next(iter(self._open))]
        for name in names - held.keys():
            try:
                with (
                    pa.OSFile(str(self.folder / pack / f"{name}.arrow"), "rb") as source,
                    pa.ipc.open_file(source) as one,
                ):
                    held[name] = one.read_all()
            except (OSError, pa.ArrowException):  # swept away by another process, or broken: it is made again
                return None
        return held

    def _write(self) -> None:
        made, entries = self._made, self._entries
        self._made, self._entries, self._length = [], {}, dict.fromkeys(COLUMNS, 0)
        if not entries:
            return
        files = {key: (entry.stamp, entry.ids, entry.rows) for key, entry in entries.items()}
        half = Path(tempfile.mkdtemp(dir=self.folder, prefix=NEW))
        try:
            for name, table in together(made).tables.items():
                _write_table(half / f"{name}.arrow", table)
            (half / "index.json").write_text(json.dumps({"ours": ours(), "files": files}), encoding="utf-8")
            pack = f"{OLD}{time.time_ns():020}-{half.name.removeprefix(NEW)}"
            half.rename(self.folder / pack)
        except BaseException:  # an interrupt too: no half of a pack stays
            shutil.rmtree(half, ignore_errors=True)
            raise
        self._sizes[pack] = sum(entry.length for entry in entries.values())
        for key, entry in entries.items():
            self.known.setdefault(key, []).append(Entry(entry.stamp, entry.ids, entry.rows, pack))

    def _tidy(self) -> None:
        """Sweep away what nobody will read again, and make one of many small packs."""
        live: dict[str, dict[str, Entry]] = {}
        for key, entries in self.known.items():
            seen: set[str] = set()
            for entry in reversed(entries):
                if not entry.rows.keys() <= seen:  # a newer one does not have all of it
                    live.setdefault(entry.pack, {})[key] = entry
                seen |= entry.rows.keys()
        for pack in self._sizes.keys() - live.keys():
            self._sweep(pack)
        small: dict[frozenset[str], list[str]] = {}
        for pack, files in live.items():
            if sum(entry.length for entry in files.values()) < SMALL:
                small.setdefault(frozenset(next(iter(files.values())).rows), []).append(pack)
        for names, packs in small.items():
            if len(packs) > FEW:
                self._merge(sorted(packs), names, live)
        for path in (*self.folder.glob(f"{OLD}*"), *self.folder.glob(f"{NEW}*")):
            if path.name not in self._sizes and time.time() - path.stat().st_mtime > LONG_AGO:
                shutil.rmtree(path, ignore_errors=True)

    def _merge(self, packs: list[str], names: frozenset[str], live: Mapping[str, Mapping[str, Entry]]) -> None:
        for pack in packs:
            for key, entry in live[pack].items():
                if self._tables(pack, set(names)) is None:
                    continue
                moved = {
                    name: (size, size + entry.rows[name][1] - entry.rows[name][0])
                    for name, size in self._length.items()
                    if name in names
                }
                self._entries[key] = Entry(entry.stamp, entry.ids, moved)
                self._made.append(self.made(entry, names))
                for name in names:
                    self._length[name] = moved[name][1]
        self._write()
        for pack in packs:
            self._sweep(pack)

    def _sweep(self, pack: str) -> None:
        self._sizes.pop(pack, None)
        self._open.pop(pack, None)
        shutil.rmtree(self.folder / pack, ignore_errors=True)


def _slice(name: str, table: pa.Table, rows: Rows) -> pa.Table:
    """Some rows of a frame as if nothing else had been read with them: their categories are their own."""
    import pyarrow as pa

    begin, end = rows
    some = table.slice(begin, end - begin)
    for place, column in enumerate(COLUMNS[name]):
        if column.dtype != "category":
            continue
        codes = {str(known): code for code, known in enumerate(dict.fromkeys(map(str, column.known)))}
        numbers = [recoded(chunk.cast(pa.large_string()), codes) for chunk in some.column(place).chunks]
        names = pa.array(list(codes), pa.large_string())
        chunks = [pa.DictionaryArray.from_arrays(one, names) for one in numbers or [pa.array([], pa.int32())]]
        some = some.set_column(place, some.schema.field(place), pa.chunked_array(chunks))
    return some


def _write_table(path: Path, table: pa.Table) -> None:
    import pyarrow as pa

    whole = table.unify_dictionaries()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, whole.schema, options=options) as writer:
        writer.write_table(whole)


def _key(file: File) -> str:
    known = f"{file.path.absolute()}\0{file.path}\0{file.label}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(known).hexdigest()[:32]


@cache
def ours() -> str:
    """A mark of what reads files here: our columns, our code, and the packages that bring importers."""
    columns: Any = {name: [(c.name, c.dtype, c.known) for c in columns] for name, columns in COLUMNS.items()}
    code = [path.stat().st_mtime_ns for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
    brought = sorted(
        f"{point.name} {point.dist.name} {point.dist.version}"
        for point in entry_points("nbturns.importers").values()
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
