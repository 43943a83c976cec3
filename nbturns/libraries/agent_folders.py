"""The folders in which coding agents keep their transcripts."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import MisuseError

CODE_FOLDERS = tuple(
    f"{folder}/{editor}/User"
    for folder in (".config", "Library/Application Support", "AppData/Roaming")
    for editor in ("Code", "Code - Insiders", "VSCodium", "Cursor")
)  # of the settings of VS Code and its relatives, in the home folder

CHAT_FOLDERS = tuple(
    f"{folder}/{name}"
    for folder in CODE_FOLDERS
    for name in ("workspaceStorage", "globalStorage/emptyWindowChatSessions")
)


def _tasks_of(extension: str) -> tuple[str, ...]:
    """Return the folders in which an extension of VS Code may keep its tasks."""
    return tuple(f"{folder}/globalStorage/{extension}/tasks" for folder in CODE_FOLDERS)


# By agent: the environment variable that moves its folder, the folder in the home folder, and those of the transcripts.
AGENT_FOLDERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "claude-code": ("CLAUDE_CONFIG_DIR", ".claude", ("projects",)),
    "codex": ("CODEX_HOME", ".codex", ("sessions", "archived_sessions")),
    "gemini-cli": ("", ".gemini", ("tmp",)),
    "iflow": ("", ".iflow", ("projects",)),
    "goose": ("", ".local/share/goose", ("sessions",)),
    "opencode": ("", ".local/share/opencode", ("storage", "opencode.db")),
    "kilo": ("", ".local/share/kilo", ("storage", "kilo.db")),
    "cline": ("", "", (*_tasks_of("saoudrizwan.claude-dev"), ".cline/data/sessions", ".cline/data/tasks")),
    "roo-code": ("", "", _tasks_of("rooveterinaryinc.roo-cline")),
    "kilo-code": ("", "", _tasks_of("kilocode.kilo-code")),
    "kiro": (
        "",
        "",
        (".kiro/sessions/cli", ".local/share/kiro-cli/data.sqlite3", ".local/share/amazon-q/data.sqlite3"),
    ),
    "cursor": ("", ".cursor", ("projects",)),
    "qwen-code": ("", ".qwen", ("projects",)),
    "qwenpaw": ("", ".copaw", ("workspaces",)),
    "openhands": ("", ".openhands", ("conversations", "sessions")),
    "pi": ("PI_CODING_AGENT_DIR", ".pi/agent", ("sessions",)),
    "kimi": ("", "", (".kimi/sessions", ".kimi-code/sessions")),
    "vscode-chat": ("", "", CHAT_FOLDERS),
    "copilot-cli": ("", ".copilot", ("session-state",)),
}


def agent_folders(agent: str) -> list[Path]:
    """Return the existing folders of an agent, and its database if it has one. Raises MisuseError for an unknown one, or one without folders."""
    if agent not in AGENT_FOLDERS:
        raise MisuseError(f"unknown agent {agent!r:.60}; use one of {', '.join(AGENT_FOLDERS)}")
    variable, home_folder, names = AGENT_FOLDERS[agent]
    base = Path(os.environ.get(variable) or Path.home() / home_folder) if variable else Path.home() / home_folder
    folders = [base / name for name in names if (base / name).exists()]
    if not folders:
        raise MisuseError(f"{agent} has no transcripts here: {base / names[0]} does not exist")
    return folders
