"""A cache of frames as Arrow files: a file is read again only when it changed.

The frames of one pass are a pack: a folder with an Arrow file for each frame, and an index of the rows of each
source file. A pack is written as a whole and never changed; a newer
pack replaces an older one. The cache can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from ..plugins import entry_points
from .arrow_arrays import category_codes
from .copies import CopyKeys
from .corrections import KnownCall
from .frame_pass import ALL_COLUMNS, FrameTables, concatenated
from .sources import SourceFile

if TYPE_CHECKING:
    import pyarrow as pa

PACK_ROWS = 250_000  # rows of all frames in a pack; these are lost when a process is killed
SMALL_PACK_ROWS, SMALL_PACKS = 30_000, 16  # a small pack, and the number of them that is merged into one
OPEN_PACKS = 8  # packs that stay in memory
EXPIRY = 30 * 86_400  # seconds after which packs of another version are deleted
PARTIAL_PREFIX, PACK_PREFIX = ".nbturns-", "nbturns-"  # of the folders of incomplete packs, and of packs

RowRange = tuple[int, int]  # first row, and the row after the last
CacheableFile = tuple[SourceFile, str, Mapping[str, RowRange], CopyKeys]  # with its stamp, rows, and keys of copies


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """The rows of a pack that came from one file with this stamp, or from several consecutive files.

    `copy_keys` are the keys by which copies of its Runs are recognised.
    """

    stamp: str
    run_ids: tuple[str, ...]
    rows: Mapping[str, RowRange]
    pack: str = ""
    copy_keys: CopyKeys = field(default_factory=CopyKeys.empty)

    def merged_with(self, following: CacheEntry) -> CacheEntry | None:
        """Return both as one entry, if the rows of `following` are the next ones."""
        if self.pack != following.pack or any(self.rows[name][1] != following.rows[name][0] for name in self.rows):
            return None
        rows = {name: (self.rows[name][0], following.rows[name][1]) for name in self.rows}
        return CacheEntry("", (), rows, self.pack)

    @property
    def length(self) -> int:
        return sum(end - begin for begin, end in self.rows.values())


class Cache:
    """The packs of a folder when it was opened, and the results for the next pack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, list[CacheEntry]] = {}  # by the key of the file, oldest first
        self._pack_rows: dict[str, int] = {}  # rows of each pack
        self._open_packs: dict[str, dict[str, pa.Table]] = {}
        self._new_results: list[FrameTables] = []
        self._new_entries: dict[str, CacheEntry] = {}
        self._new_rows = dict.fromkeys(ALL_COLUMNS, 0)
        self._load_indexes()

    @classmethod
    def at(cls, location: str | os.PathLike[str] | bool) -> Cache:
        """Return the cache of a folder; True is the cache of this user."""
        folder = _user_folder() if location is True else Path(str(location)).expanduser()
        if folder.exists() and not folder.is_dir():
            raise MisuseError(f"{folder} is a file; pass a folder as cache=")
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def find(self, file: SourceFile, stamp: str, names: Iterable[str]) -> CacheEntry | None:
        """Return the entry of a file with this stamp, if it has all of these frames."""
        frame_names = {*names, "errors"}
        for entry in reversed(self.entries.get(_key(file), ())):
            is_current = entry.stamp == stamp and frame_names <= entry.rows.keys()
            if is_current and self._tables(entry.pack, frame_names) is not None:
                return entry
        return None

    def load(self, entry: CacheEntry, names: Iterable[str]) -> FrameTables:
        """Return the frames of an entry that `find` returned."""
        frame_names = {*names, "errors"}
        tables = self._tables(entry.pack, frame_names) or {}
        return FrameTables(
            {name: _slice(name, tables[name], entry.rows[name]) for name in ALL_COLUMNS if name in frame_names}
        )

    def add(self, result: FrameTables, files: Sequence[CacheableFile]) -> None:
        """Add the frames of files, each with its rows in them. They are written by `save`, or when they are many."""
        with_ids = next((name for name, table in result.tables.items() if "run_id" in table.column_names), "")
        ids = result.tables[with_ids].column("run_id") if with_ids else None
        for file, stamp, rows, copy_keys in files:
            begin, end = rows.get(with_ids, (0, 0))
            run_ids = tuple(ids.slice(begin, end - begin).unique().to_pylist()) if ids is not None else ()
            shifted = {name: (self._new_rows[name] + b, self._new_rows[name] + e) for name, (b, e) in rows.items()}
            self._new_entries[_key(file)] = CacheEntry(stamp, run_ids, shifted, copy_keys=copy_keys)
        self._new_results.append(FrameTables(dict(result.tables)))
        for name, table in result.tables.items():
            self._new_rows[name] += len(table)
        if sum(self._new_rows.values()) >= PACK_ROWS:
            with suppress(OSError):
                self._write()

    def save(self) -> None:
        """Write the added frames, and tidy up. A full disk does not lose the result of a pass."""
        try:
            if self._new_entries:
                self._write()
                self._tidy()
        except OSError:  # the folder is gone, or another process deletes it
            return

    @staticmethod
    def stamp(file: SourceFile) -> str:
        """Return size and modification time of a file; "" for a missing one."""
        try:
            status = file.path.stat()
        except OSError:
            return ""
        return f"{status.st_size} {status.st_mtime_ns}"

    def _load_indexes(self) -> None:
        """Load the indexes of all packs, except those of another version or with a damaged index."""
        for path in sorted(self.folder.glob(f"{PACK_PREFIX}*/index.json")):
            pack = path.parent.name
            try:
                index = json.loads(path.read_bytes())
                if index["ours"] != version_mark():
                    continue
                pack_entries = {
                    key: CacheEntry(
                        stamp,
                        tuple(ids),
                        {name: (begin, end) for name, (begin, end) in rows.items()},
                        pack,
                        _read_keys(*copy_keys),
                    )
                    for key, (stamp, ids, rows, copy_keys) in index["files"].items()
                }
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
            self._pack_rows[pack] = sum(entry.length for entry in pack_entries.values())
            for key, entry in pack_entries.items():
                self.entries.setdefault(key, []).append(entry)

    def _tables(self, pack: str, names: set[str]) -> dict[str, pa.Table] | None:
        """Return the tables of a pack; None if one cannot be read."""
        import pyarrow as pa

        tables = self._open_packs.pop(pack, {})
        self._open_packs[pack] = tables  # now the most recent one
        while len(self._open_packs) > OPEN_PACKS:
            del self._open_packs[next(iter(self._open_packs))]
        for name in names - tables.keys():
            try:
                with (
                    pa.OSFile(str(self.folder / pack / f"{name}.arrow"), "rb") as stream,
                    pa.ipc.open_file(stream) as reader,
                ):
                    tables[name] = reader.read_all()
            except (OSError, pa.ArrowException):  # deleted by another process, or damaged: it is written again
                return None
        return tables

    def _write(self) -> None:
        results, entries = self._new_results, self._new_entries
        self._new_results, self._new_entries, self._new_rows = [], {}, dict.fromkeys(ALL_COLUMNS, 0)
        if not entries:
            return
        files = {
            key: (
                entry.stamp,
                entry.run_ids,
                entry.rows,
                _written_keys(entry.copy_keys),
            )
            for key, entry in entries.items()
        }
        partial_folder = Path(tempfile.mkdtemp(dir=self.folder, prefix=PARTIAL_PREFIX))
        try:
            for name, table in concatenated(results).tables.items():
                _write_table(partial_folder / f"{name}.arrow", table)
            index = {"ours": version_mark(), "files": files}
            (partial_folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
            pack = f"{PACK_PREFIX}{time.time_ns():020}-{partial_folder.name.removeprefix(PARTIAL_PREFIX)}"
            partial_folder.rename(self.folder / pack)
        except BaseException:  # also for an interrupt: no incomplete pack remains
            shutil.rmtree(partial_folder, ignore_errors=True)
            raise
        self._pack_rows[pack] = sum(entry.length for entry in entries.values())
        for key, entry in entries.items():
            self.entries.setdefault(key, []).append(replace(entry, pack=pack))

    def _tidy(self) -> None:
        """Delete the packs that are replaced, and merge many small packs into one."""
        live: dict[str, dict[str, CacheEntry]] = {}
        for key, entries in self.entries.items():
            newer_frames: set[str] = set()
            for entry in reversed(entries):
                if not entry.rows.keys() <= newer_frames:  # newer entries do not have all of its frames
                    live.setdefault(entry.pack, {})[key] = entry
                newer_frames |= entry.rows.keys()
        for pack in self._pack_rows.keys() - live.keys():
            self._delete(pack)
        small_packs: dict[frozenset[str], list[str]] = {}
        for pack, pack_entries in live.items():
            if sum(entry.length for entry in pack_entries.values()) < SMALL_PACK_ROWS:
                small_packs.setdefault(frozenset(next(iter(pack_entries.values())).rows), []).append(pack)
        for names, packs in small_packs.items():
            if len(packs) > SMALL_PACKS:
                self._merge(sorted(packs), names, live)
        for path in (*self.folder.glob(f"{PACK_PREFIX}*"), *self.folder.glob(f"{PARTIAL_PREFIX}*")):
            if path.name not in self._pack_rows and time.time() - path.stat().st_mtime > EXPIRY:
                shutil.rmtree(path, ignore_errors=True)

    def _merge(self, packs: list[str], names: frozenset[str], live: Mapping[str, Mapping[str, CacheEntry]]) -> None:
        for pack in packs:
            for key, entry in live[pack].items():
                if self._tables(pack, set(names)) is None:
                    continue
                lengths = {name: end - begin for name, (begin, end) in entry.rows.items() if name in names}
                rows = {name: (self._new_rows[name], self._new_rows[name] + lengths[name]) for name in lengths}
                self._new_entries[key] = replace(entry, rows=rows, pack="")
                self._new_results.append(self.load(entry, names))
                for name in names:
                    self._new_rows[name] = rows[name][1]
        self._write()
        for pack in packs:
            self._delete(pack)

    def _delete(self, pack: str) -> None:
        self._pack_rows.pop(pack, None)
        self._open_packs.pop(pack, None)
        shutil.rmtree(self.folder / pack, ignore_errors=True)


def _written_keys(copy_keys: CopyKeys) -> list[Any]:
    """Return the keys of copies as JSON values."""
    calls = [(key, call.run_id, call.turn_index, call.inference_id, call.counts) for key, call in copy_keys.calls]
    return [*(b64encode(keys.tobytes()).decode() for keys in (copy_keys.ids, copy_keys.chains)), calls]


def _read_keys(ids: str, chains: str, calls: list[Any]) -> CopyKeys:
    known_calls = [(int(key), KnownCall(*fields)) for key, *fields in calls]
    return CopyKeys(array("q", b64decode(ids)), array("q", b64decode(chains)), known_calls)


def _slice(name: str, table: pa.Table, rows: RowRange) -> pa.Table:
    """Return some rows of a frame with the categories that these rows alone would have."""
    import pyarrow as pa

    begin, end = rows
    part = table.slice(begin, end - begin)
    for index, column in enumerate(ALL_COLUMNS[name]):
        if column.dtype != "category":
            continue
        codes = {str(category): code for code, category in enumerate(dict.fromkeys(map(str, column.categories)))}
        numbers = [category_codes(chunk.cast(pa.large_string()), codes) for chunk in part.column(index).chunks]
        names = pa.array(list(codes), pa.large_string())
        chunks = [pa.DictionaryArray.from_arrays(chunk, names) for chunk in numbers or [pa.array([], pa.int32())]]
        part = part.set_column(index, part.schema.field(index), pa.chunked_array(chunks))
    return part


def _write_table(path: Path, table: pa.Table) -> None:
    import pyarrow as pa

    unified = table.unify_dictionaries()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, unified.schema, options=options) as writer:
        writer.write_table(unified)


def _key(file: SourceFile) -> str:
    identity = f"{file.path.absolute()}\0{file.path}\0{file.label}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(identity).hexdigest()[:32]


@cache
def version_mark() -> str:
    """Return a hash of everything that reads files: our columns, our code, and the packages with importers."""
    columns: Any = {name: [(c.name, c.dtype, c.categories) for c in columns] for name, columns in ALL_COLUMNS.items()}
    code = [path.stat().st_mtime_ns for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
    importer_packages = sorted(
        f"{point.name} {point.dist.name} {point.dist.version}"
        for point in entry_points("nbturns.importers").values()
        if point.dist
    )
    return hashlib.sha256(json.dumps([columns, code, importer_packages]).encode()).hexdigest()[:16]


def _user_folder() -> Path:
    """Return the folder in which this system keeps the caches of programs."""
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "nbturns" / "frames"
