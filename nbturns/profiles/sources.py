"""Where registries come from: files, folders, SQLite, mappings in a notebook, installed packages."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import LoadError, ProfileError
from ..plugins import load_plugins
from .fields import kind_of
from .registry import Reader, Registry

Source: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]
SQLITE = (".db", ".sqlite", ".sqlite3")
SQLITE_HEAD = b"SQLite format 3\x00"
YAML = (".yaml", ".yml")


def registries(sources: Iterable[Source]) -> Iterator[Registry]:
    """The registries of all `sources`, in order. Raises ProfileError for what is none."""
    for source in sources:
        if not isinstance(source, (str, os.PathLike, Mapping)):
            several = "; give several as load_profiles(a, b)" if isinstance(source, (list, tuple)) else ""
            raise ProfileError(f"profiles come from a path or a mapping, not {kind_of(source)}{several}", key="sources")
        if isinstance(source, Mapping):
            yield _inline(source)
            continue
        text = os.fspath(source)
        parts = (
            [part.strip() for part in text.split(",")]
            if isinstance(source, str) and not Path(text).exists()
            else [text]
        )
        for part in parts:
            yield from _named(part)


def installed() -> Iterator[Registry]:
    """Yield the registries of installed packages: entry points `nbturns.profiles`, a path, a mapping, or a function that returns one."""
    for found in load_plugins("nbturns.profiles", _registries_of).values():
        yield from found


def _registries_of(declared: Any) -> list[Registry]:
    return list(registries([declared() if callable(declared) else declared]))


def _inline(data: Mapping[str, Any]) -> Registry:
    """A mapping from a notebook: a registry, or just its profiles by name."""
    whole = data if "profiles" in data or "slug" in data else {"profiles": data}
    return Reader().registry(whole, fallback="notebook")


def _named(name: str) -> Iterator[Registry]:
    scheme, colon, rest = name.partition(":")
    if colon and scheme == "yaml":
        yield _yaml(Path(rest))
    elif colon and scheme in ("sqlite", "sqlite-dsn"):
        yield from _sqlite(rest)
    else:
        path = Path(name).expanduser()
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in YAML and file.name[0] != "."]
            if not files:
                raise ProfileError("this folder has no .yaml file", key=name, file=name)
            yield from map(_yaml, files)
        elif path.suffix.lower() in SQLITE or _is_sqlite(path):
            yield from _sqlite(str(path))
        else:
            yield _yaml(path)


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_HEAD)) == SQLITE_HEAD
    except OSError:
        return False


def _yaml(path: Path) -> Registry:
    from ..yaml_text import documents, lines_of

    try:
        text = path.expanduser().read_bytes()
    except OSError as error:
        raise ProfileError(f"cannot be read: {error.strerror}", key=str(path), file=str(path)) from None
    try:
        text.decode("utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ProfileError(
            "this is no UTF-8; save it as UTF-8", key=str(path), file=str(path), position=f"line {line}"
        ) from None
    try:
        (data,) = [one for _, one in documents(text, str(path))] or [None]
    except ValueError:  # too many
        raise ProfileError(
            "one file holds one registry, and here are several, parted by ---", key=str(path), file=str(path)
        ) from None
    except LoadError as error:
        raise ProfileError(error.reason, key=str(path), file=str(path), position=error.position) from None
    return Reader(str(path), lines_of(text)).registry(data)


def _sqlite(name: str) -> Iterator[Registry]:
    """The registries that geppetto keeps in a database: one JSON text a row of `profile_registries`."""
    import sqlite3
    from contextlib import closing

    uri = name if name.startswith("file:") else Path(name).expanduser().resolve().as_uri()
    try:
        with closing(sqlite3.connect(uri + ("&" if "?" in uri else "?") + "mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT slug, payload_json FROM profile_registries ORDER BY slug").fetchall()
    except sqlite3.Error as error:
        raise ProfileError(f"is no database of profiles: {error}", key=name, file=name) from None
    for slug, payload in rows:
        source = f"{name} row {slug}"
        try:
            data = json.loads(payload)
        except ValueError as error:
            raise ProfileError(f"its payload is no JSON: {error}", key=slug, file=source) from None
        if isinstance(data, Mapping):
            data = {key: value for key, value in data.items() if key != "default_profile_slug"}
            data["profiles"] = {
                name: {**profile, "inference_settings": _as_in_yaml(profile["inference_settings"])}
                if isinstance(profile, Mapping) and isinstance(profile.get("inference_settings"), Mapping)
                else profile
                for name, profile in (data.get("profiles") or {}).items()
            }
        registry = Reader(source).registry(data, fallback=slug)
        if registry.slug != slug.lower():
            raise ProfileError(f"its row is {slug!r} and its payload says {registry.slug!r}", key=slug, file=source)
        yield registry


WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _as_in_yaml(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the names they have in YAML: Go writes `ApiType` into JSON, and a time in nanoseconds."""
    sections: dict[str, Any] = {}
    for name, section in settings.items():
        if isinstance(section, Mapping):
            its = {WORD.sub("_", key).lower(): value for key, value in section.items()}
            if "timeout_seconds" in its:
                its["timeout"] = its.pop("timeout_seconds")
            sections["openai" if name == "OpenAI" else WORD.sub("_", name).lower()] = its
    return sections
