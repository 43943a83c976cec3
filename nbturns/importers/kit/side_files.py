"""Files beside a source: parts of a session that its agent keeps in files of their own.

A name that a file contains may lead anywhere: `path_in` takes only those of a folder's own files.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ...errors import LoadError
from .import_report import join_positions
from .source import Source

# Files that agents keep beside a session: patterns of their names, and of the session's. Cline and Roo Code: the files of
# `core/storage/disk.ts`; Kimi CLI, Grok Build, Mistral Vibe, Posit Assistant, VS Code: those that their importers read.
SIDE_FILES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("task_metadata.json", "history_item.json", "context_history.json", "settings.json", "focus_chain_taskid_*.md"),
        ("api_conversation_history.json", "ui_messages.json"),
    ),
    (("state.json", "metadata.json"), ("wire.jsonl", "context.jsonl")),
    (("state.json", "upcoming-goals.json"), ("agents",)),  # Kimi Code, above the folders of its agents
    (("summary.json", "updates.jsonl"), ("chat_history.jsonl",)),
    (("meta.json", "*.meta.json"), ("*.jsonl",)),
    (("workspace.json",), ("conversation.json", "chatSessions")),
    (("workspace.yaml",), ("events.jsonl",)),  # Copilot CLI
    (("sessions-index.json",), ("*.jsonl",)),  # Claude Code
    (("logs.json",), ("chats",)),  # Gemini CLI
    (("ai-code-tracking.db",), ("*",)),  # Cursor
)


def is_side_file(path: Path | None) -> bool:
    """Return True for a file that an agent keeps beside a session, where there is such a session in its folder."""
    if path is None:
        return False
    session_patterns = [
        pattern
        for side_patterns, patterns in SIDE_FILES
        if any(fnmatchcase(path.name, side_pattern) for side_pattern in side_patterns)
        for pattern in patterns
    ]
    other_names = [name for name in names_in(path.parent) if name != path.name] if session_patterns else []
    return any(fnmatchcase(name, pattern) for pattern in session_patterns for name in other_names)


def names_in(folder: Path, suffix: str = "") -> list[str]:
    """Return the names in a folder, sorted; none for a folder that cannot be read."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.name.endswith(suffix))
    except OSError:
        return []


def path_in(folder: Path, name: Any) -> Path | None:
    """Return the path of a file or folder that a file names; None for one that does not exist in `folder` itself."""
    if not isinstance(name, str) or name in ("", ".", "..") or any(sign in name for sign in "/\\\0:"):
        return None
    path = folder / name
    return path if path.exists() else None


def side_values(source: Source, path: Path | None) -> Iterator[tuple[str, Any]]:
    """Yield the values in a file beside a source with their positions, as `Source.values` does; none without a file.

    What cannot be read of it is a problem of the source.
    """
    if path is None or not path.is_file():
        return
    side = Source.of_file(path, strict=source.strict)
    try:
        for position, value in side.values():
            yield join_positions(path.name, position), value
    except LoadError as error:
        source.add_problem(join_positions(path.name, error.position), error.reason)
    source.problems += side.take_problems()


def side_value(source: Source, path: Path | None) -> Any:
    """Return the document in a file beside a source; None without one."""
    values = [value for _, value in side_values(source, path)]
    return values[0] if values else None
