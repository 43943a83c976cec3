"""OpenCode's sessions, and those of Kilo's command line: exports, the folder `storage`, the database, events.

An export is `{info, messages: [{info, parts}]}`, and the server's list of messages is the same without the first `info`. In
the folder `session/<project>/<id>.json` has the info, `message/<session>/<id>.json` and `part/<message>/<id>.json` the
messages: a file of the session is read with them. The database has the tables `session`, `message` and `part` with
the same objects in `data`. Source: anomalyco/opencode, packages/opencode/src/cli/cmd/export.ts at 07fa81066b42,
session/index.ts at 0002b1fa7df4 (`Info`: `id`, `parentID`, `directory`, `title`, `version`, `time`, `revert`) and
storage/json-migration.ts at 062aa8c024a0 (the folder, and the columns of the tables); `opencode_messages.py` and
`opencode_events.py` name those of messages and events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..values.turns import Run
from .kit.import_report import join_positions
from .kit.importer import SURE, Importer, try_read
from .kit.links import link_runs
from .kit.record_fields import json_or_none, omit, text_or_empty
from .kit.sample import Sample
from .kit.side_files import names_in, path_in, side_value
from .kit.source import Source
from .opencode_events import EventReader, event_of
from .opencode_messages import FORMAT, Message, Session, has_reverted_messages, info_of, read_conversation

SCORE = SURE + 6  # higher than SURE: parts and roles are those of other formats as well
TABLES = frozenset({"session", "message", "part"})
TIMES = ("time_created", "time_updated", "time_compacting", "time_archived")  # columns of a session
ROLES = ("user", "assistant")


def _is_message(value: Any) -> bool:
    return info_of(value).get("role") in ROLES and isinstance(value.get("parts"), list)


def _is_export(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("messages"), list):
        return False
    info, messages = info_of(value), value["messages"]
    return isinstance(info.get("id"), str) and (_is_message(messages[0]) if messages else "directory" in info)


def _is_session_info(value: Any) -> bool:
    has_id = isinstance(value, Mapping) and text_or_empty(value.get("id")).startswith("ses_")
    return has_id and "time" in value and not {"projectID", "directory", "version"}.isdisjoint(value)


def _is_stored_message(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("role") in ROLES and "sessionID" in value and "time" in value


def _is_stored_part(value: Any) -> bool:
    return isinstance(value, Mapping) and {"id", "messageID", "sessionID", "type"} <= value.keys()


def score_opencode(sample: Sample) -> int:
    """Return a score higher than SURE for exports, messages with parts, stored files, events, and the database."""
    if sample.container == "sqlite":
        return SCORE if set(sample.names) >= TABLES else 0
    if sample.container != "json":
        return 0
    record, records = sample.record, sample.records
    if _is_export(record) or _is_message(record) or any(event_of(value) for value in records):
        return SCORE
    is_stored = _is_session_info(record) or _is_stored_message(record) or _is_stored_part(record)
    return SCORE if is_stored and len(records) == 1 else 0


def read_sessions(source: Source) -> Iterator[Run]:
    """Yield each session of a source, and one more for messages that were taken back and are still stored."""
    if source.sample.container == "sqlite":
        yield from _runs_of_database(source)
        return
    events, messages = EventReader(), list[Message]()
    for position, value in source.records():
        event = event_of(value)
        if event is not None:
            events.take(position, value, event)
        elif _is_export(value):
            yield from _runs_of(source, _session_of_export(value), position)
        elif _is_message(value) or isinstance(value.get("info") if isinstance(value, Mapping) else None, Mapping):
            messages.append((position, value))
        elif _is_session_info(value):
            yield from _runs_of(source, _stored_session(source, value), position)
        elif _is_stored_message(value) or _is_stored_part(value):
            yield from _runs_of_part(source, position, value)
        else:
            source.add_problem(position, "not a part of a session")
    if messages:
        yield from _runs_of(source, Session(messages=messages), "")
    yield from link_runs([run for session in events.sessions() for run in _runs_of(source, session, "")])


def _runs_of(source: Source, session: Session, position: str) -> Iterator[Run]:
    yield from try_read(source, position, read_conversation, session, source.notes(FORMAT, position))
    if has_reverted_messages(session):
        notes = source.notes(FORMAT, join_positions(position, "reverted"))
        yield from try_read(source, position, read_conversation, session, notes, "reverted")


def _session_of_export(value: Mapping[str, Any]) -> Session:
    messages = [(f"messages[{index}]", message) for index, message in enumerate(value["messages"])]
    return Session(value["info"], messages, omit(value, "info", "messages"))


# The folder.


def _stored_session(source: Source, info: Mapping[str, Any]) -> Session:
    """Return the session of a file with the messages in the neighbouring folders."""
    session_id = text_or_empty(info.get("id"))
    root = _storage_folder(source, "session")
    messages = [] if root is None else list(_stored_messages(source, root, session_id))
    return Session(info, messages)


def _storage_folder(source: Source, kind: str) -> Path | None:
    """Return the folder with the sessions, messages and parts; None for a file in another place."""
    folder = source.path.absolute().parent.parent if source.path is not None else None
    return folder.parent if folder is not None and folder.name == kind else None


def _stored_messages(source: Source, root: Path, session_id: str) -> Iterator[Message]:
    folder = path_in(root / "message", session_id)
    found: list[tuple[Any, str, Message]] = []
    for name in names_in(folder, ".json") if folder is not None else ():
        info = side_value(source, folder / name if folder is not None else None)
        part_folder = path_in(root / "part", name.removesuffix(".json"))
        parts = [] if part_folder is None else _stored_parts(source, part_folder)
        if info is not None:
            found.append((_created(info), name, (name, {"info": info, "parts": parts})))
    for _, _, message in sorted(found, key=lambda item: item[:2]):
        yield message


def _stored_parts(source: Source, folder: Path) -> list[Any]:
    parts = (side_value(source, folder / name) for name in names_in(folder, ".json"))
    return [part for part in parts if part is not None]


def _created(info: Any) -> float:
    times = info.get("time") if isinstance(info, Mapping) else None
    created = times.get("created") if isinstance(times, Mapping) else None
    return created if isinstance(created, (int, float)) else 0


def _runs_of_part(source: Source, position: str, value: Mapping[str, Any]) -> Iterator[Run]:
    """Yield a message or a part that stands alone; one whose session is there is read with that.

    The first message of a session whose info is missing reads the others.
    """
    is_message, session_id = _is_stored_message(value), text_or_empty(value.get("sessionID"))
    root = _storage_folder(source, "message" if is_message else "part")
    if root is None or source.path is None:
        info = value if is_message else {"role": "assistant", **omit(value, "id", "type")}
        record = {"info": info, "parts": [] if is_message else [value]}
        yield from _runs_of(source, Session({"id": session_id}, [(position, record)]), position)
        return
    folders = names_in(root / "session")
    has_session = any(path_in(root / "session" / folder, f"{session_id}.json") for folder in folders)
    if is_message and not has_session and names_in(source.path.parent, ".json")[:1] == [source.path.name]:
        session = Session({"id": session_id}, list(_stored_messages(source, root, session_id)))
        yield from _runs_of(source, session, position)


# The database.


def _runs_of_database(source: Source) -> Iterator[Run]:
    from .kit.sqlite_database import Database, open_source

    def sessions_of(database: Database) -> Iterator[Session]:
        for table in TABLES:
            database.columns(table)  # refuses computed ones
        for row in list(database.rows("SELECT * FROM session ORDER BY time_created, id")):
            yield Session(_info_of_row(row), list(_messages_of_rows(database, row["id"])))

    with open_source(source) as database:
        database.require_tables(TABLES)
        sessions = sorted(sessions_of(database), key=lambda session: bool(session.info.get("parentID")))
    yield from link_runs([run for session in sessions for run in _runs_of(source, session, str(session.info["id"]))])


def _info_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    revert = json_or_none(row["revert"]) if isinstance(row.get("revert"), str) else None
    names = {"project_id": "projectID", "parent_id": "parentID"}
    info = {names.get(name, name): value for name, value in row.items() if value and name not in ("revert", *TIMES)}
    times = {name.removeprefix("time_"): row[name] for name in TIMES if row.get(name)}
    return {**info, "time": times, **({"revert": revert} if revert else {})}


def _messages_of_rows(database: Any, session_id: Any) -> Iterator[Message]:
    parts: dict[Any, list[Any]] = {}
    query = "SELECT id, message_id, data FROM part WHERE session_id = ? ORDER BY id"
    for row in database.rows(query, (session_id,)):
        parts.setdefault(row["message_id"], []).append({"id": row["id"], **_data_of(row)})
    query = "SELECT id, data FROM message WHERE session_id = ? ORDER BY time_created, id"
    for row in database.rows(query, (session_id,)):
        info = {"id": row["id"], "sessionID": session_id, **_data_of(row)}
        yield f"message {row['id']}", {"info": info, "parts": parts.get(row["id"], [])}


def _data_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object in a row; a text that is not an object is kept as it is."""
    text = row["data"].decode("utf-8", "replace") if isinstance(row["data"], bytes) else row["data"]
    data = json_or_none(text) if isinstance(text, str) else None
    return data if isinstance(data, dict) else {"data": text}


IMPORTER = Importer(FORMAT, score_opencode, read_sessions)
