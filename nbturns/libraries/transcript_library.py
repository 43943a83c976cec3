"""TranscriptLibrary: the transcripts below some folders, listed and searched without loading them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError, StoreError
from ..files import read_runs_of_file
from ..render.totals import count_phrase
from ..safety.visible_text import printable
from ..search.hits import Hit, Hits
from ..search.index import find_entries
from ..search.query import SearchQuery, check_limit, parse_query
from ..search.summaries import summaries_html
from ..values.portable import escape_surrogates
from ..values.turns import Run
from .agent_folders import agent_folders
from .catalog import Catalog, FoundFile, UpdateResult, default_index_path, path_of

if TYPE_CHECKING:
    from ..widgets.library_view import LibraryView


def library(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    *,
    agent: str | None = None,
    index: str | os.PathLike[str] | None = None,
) -> TranscriptLibrary:
    """Return the library of the transcripts below `path`, or of those of a coding agent, like agent="claude-code".

    Transcripts of every known format are found by their content. `index` is the file of the index; by default it is in
    the platform's cache folder. Nothing is written to the folders themselves.
    """
    if (path is None) is (agent is None):
        raise MisuseError('pass the path of a folder, or agent="claude-code"; not both, and not neither')
    if agent is not None:
        return TranscriptLibrary(agent_folders(agent), index)
    names = (path,) if isinstance(path, (str, os.PathLike)) else tuple(path) if isinstance(path, Iterable) else ()
    if not names or not all(isinstance(name, (str, os.PathLike)) and str(name) for name in names):
        raise MisuseError(f"nt.library() expects a folder or a list of folders, got {path!r:.60}")
    return TranscriptLibrary([Path(name).expanduser() for name in names], index)


class TranscriptLibrary:
    """Transcripts on disk. Each method first brings the index up to date; unchanged files are not read again."""

    def __init__(self, roots: Iterable[Path], index: str | os.PathLike[str] | None = None) -> None:
        self.roots: tuple[Path, ...] = tuple(root.absolute() for root in roots)
        for root in self.roots:
            if not root.exists():
                raise MisuseError(f"{root} does not exist; pass a folder of transcripts")
        self.index_path: Path = Path(index).expanduser() if index is not None else default_index_path(self.roots)
        self._catalog = Catalog(self.index_path, self.roots)
        self._unreadable: dict[str, list[str]] = {}  # paths that the last look at the folders could not read

    @property
    def frames_path(self) -> Path:
        """The folder beside the index in which the frames of read files are kept; it can be deleted at any time."""
        return self.index_path.with_name(f"{self.index_path.name}-frames")

    def update(self, *, progress: bool | None = None) -> UpdateResult:
        """Bring the index up to date; the other methods do this themselves. `progress` shows a bar."""
        return self._catalog.update(self._found_files(), progress=progress)

    def _found_files(self) -> Iterator[FoundFile]:
        own_files = {str(self.index_path.absolute()) + suffix for suffix in ("", "-wal", "-shm", "-journal")}
        own_frames = f"{self.frames_path.absolute()}{os.sep}"
        self._unreadable = {}
        for root in self.roots:
            for entry in _files_below(root, self._unreadable):
                if entry.path not in own_files and not entry.path.startswith(own_frames):
                    yield entry

    def ids(self) -> list[str]:
        """Return the ids of all Runs, those of the newest files last."""
        self.update()
        with self._catalog.connect() as connection:
            return [id for (id,) in connection.execute("SELECT id FROM runs ORDER BY number")]

    def ids_by_file(self) -> dict[str, tuple[str, ...]]:
        """Return the ids of the Runs of each file, in their order there; the newest files last."""
        self.update()
        with self._catalog.connect() as connection:
            rows = connection.execute(
                "SELECT f.path, json_group_array(r.id) FROM (SELECT * FROM runs ORDER BY file, position) AS r"
                " JOIN files AS f ON f.number = r.file GROUP BY f.number ORDER BY f.number"
            ).fetchall()
        return {path_of(path): tuple(json.loads(ids)) for path, ids in rows}

    def summaries(self) -> list[dict[str, Any]]:
        """Return the summary of each Run, those of the newest files first."""
        self.update()
        with self._catalog.connect() as connection:
            rows = connection.execute("SELECT id, summary FROM runs ORDER BY number DESC").fetchall()
        return [{"run_id": id, **json.loads(summary)} for id, summary in rows]

    def runs(self, fields: Iterable[str] = (), **options: Any) -> Any:
        """Return the frame of all Runs, as `nt.frames.runs` does; `summaries()` is quicker."""
        from ..frames import runs

        return runs(self, fields, **options)

    @property
    def problems(self) -> dict[str, list[str]]:
        """The problems of damaged files and unreadable folders, by path; files that are not transcripts are not among them."""
        self.update()
        with self._catalog.connect() as connection:
            rows = connection.execute("SELECT path, problems FROM files WHERE is_transcript AND problems <> '[]'")
            return {**{path_of(path): json.loads(problems) for path, problems in rows}, **self._unreadable}

    def load(self, run_id: str) -> Run:
        """Return the Run of this id. Raises StoreError for an unknown one."""
        with self._catalog.connect() as connection:
            row = connection.execute(
                "SELECT f.path, r.position FROM runs AS r JOIN files AS f ON f.number = r.file WHERE r.id = ?",
                (run_id,),
            ).fetchone()
        if row is None:
            raise StoreError(f"no Run {run_id!r:.80} in this library; .runs() lists all", file=str(self.index_path))
        path, position = path_of(row[0]), row[1]
        runs = (run for run in read_runs_of_file(Path(path)) if isinstance(run, Run))
        for index, run in enumerate(runs):
            if index == position:
                return run if run.id == run_id else _with_id(run, run_id)
        raise StoreError(f"the file no longer has the Run {run_id!r:.80}; ask .runs() again", file=path)

    def search(self, query: str, limit: int = 100) -> Hits:
        """Return up to `limit` blocks that match, those of the newest files first. The query is as in a store."""
        parsed_query = parse_query(query)
        check_limit(limit)
        self.update()
        with self._catalog.connect() as connection:
            runs = _matching_runs(connection, parsed_query)
            found = find_entries(connection, parsed_query, runs, limit + 1)
            numbers = json.dumps([entry.run for _, entry in found])
            places = {
                number: (id, escape_surrogates(path_of(path)))
                for number, id, path in connection.execute(
                    "SELECT r.number, r.id, f.path FROM runs AS r JOIN files AS f ON f.number = r.file"
                    " WHERE r.number IN (SELECT value FROM json_each(?))", (numbers,),
                )
            }  # fmt: skip
        hits = [
            Hit(
                places[entry.run][0], entry.turn_index, entry.block_index, entry.kind, entry.text or "", entry.block_id,
                entry.tool, entry.model, entry.at, self._catalog.relative_name(places[entry.run][1]),
                parsed_query.pattern, self.load,
            )
            for _, entry in found[:limit]
        ]  # fmt: skip
        return Hits(query, hits, has_more=len(found) > limit)

    def view(self) -> LibraryView:
        """Return a view with the Runs, a search, and the Run that is opened in it."""
        from ..widgets.library_view import LibraryView

        return LibraryView(self)

    def follow(self) -> LibraryView:
        """Return a view in which new and growing files appear; `view.close()` ends it."""
        from ..widgets.library_view import LibraryView

        return LibraryView(self, follow=True)

    def __iter__(self) -> Iterator[Run]:
        return map(self.load, self.ids())

    def __len__(self) -> int:
        return len(self.ids())

    @printable
    def __repr__(self) -> str:
        return f"<TranscriptLibrary of {', '.join(map(str, self.roots))}>"

    def _repr_html_(self) -> str:
        summaries = self.summaries()
        damaged_count = len(self.problems)
        note = f"{count_phrase(damaged_count, 'damaged file')}: see .problems" if damaged_count else ""
        caption = f"{count_phrase(len(summaries), 'Run')} below {', '.join(map(str, self.roots))}"
        return summaries_html(caption, summaries, note)


def _with_id(run: Run, id: str) -> Run:
    from dataclasses import replace

    return replace(run, id=id)


def _matching_runs(connection: Any, query: SearchQuery) -> list[int] | None:
    """Return the numbers of the Runs that the filters allow; None for all."""
    if not query.places:
        return None
    rows = connection.execute("SELECT r.number, r.id, f.path FROM runs AS r JOIN files AS f ON f.number = r.file")
    return [number for number, id, path in rows if query.allows(id, escape_surrogates(path_of(path)))]


def _files_below(root: Path, problems: dict[str, list[str]]) -> Iterator[FoundFile]:
    """Yield the files in a folder and its subfolders, without those of programs (.git, __pycache__).

    Folders that cannot be read are added to `problems`.
    """
    if root.is_file():
        stat = root.stat()
        yield FoundFile(str(root), stat.st_size, stat.st_mtime_ns)
        return
    folders = [str(root)]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            problems[folder] = [f"the folder cannot be read: {error.strerror}"]
            continue
        for entry in entries:
            try:
                if entry.is_dir():
                    if not entry.name.startswith((".", "__")) and not entry.is_symlink():
                        folders.append(entry.path)
                elif entry.is_file():
                    stat = entry.stat()
                    yield FoundFile(entry.path, stat.st_size, stat.st_mtime_ns)
                elif entry.is_symlink():
                    problems[entry.path] = ["the link leads to no file"]
            except OSError as error:
                problems[entry.path] = [f"the file cannot be read: {error.strerror}"]
