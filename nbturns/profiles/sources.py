"""Read registries from files, folders, SQLite databases, mappings and installed packages."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from ..errors import LoadError, ProfileError
from ..plugins import load_plugins
from ..safety.regular_files import open_regular, read_regular
from ..safety.secret_texts import shown
from .registry import Registry, RegistryReader
from .schema import describe_kind, suggest

ProfileSource: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]
SQLITE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
SQLITE_HEADER = b"SQLite format 3\x00"
YAML_SUFFIXES = (".yaml", ".yml")


def read_registries(sources: Iterable[ProfileSource]) -> Iterator[Registry]:
    """Yield the registries of all `sources` in order. Raises ProfileError for an unreadable source."""
    for source in sources:
        if not isinstance(source, (str, os.PathLike, Mapping)):
            hint = "; pass several as load_profiles(a, b)" if isinstance(source, (list, tuple)) else ""
            raise ProfileError(
                f"a source must be a path or a mapping, not {describe_kind(source)}{hint}", key="sources"
            )
        if isinstance(source, Mapping):
            yield _registry_from_mapping(source)
            continue
        name = os.fspath(source)
        names = (
            [part.strip() for part in name.split(",")]
            if isinstance(source, str) and not Path(name).exists()
            else [name]
        )
        for part in names:
            yield from _registries_from_name(part)


def installed_registries() -> Iterator[Registry]:
    """Yield the registries of installed packages.

    An entry point of the group `nbturns.profiles` is a path, a mapping, or a function that returns one of these.
    """
    for registries in load_plugins("nbturns.profiles", _declared_registries).values():
        yield from registries


def _declared_registries(profiles: Any) -> list[Registry]:
    return list(read_registries([profiles() if callable(profiles) else profiles]))


def _registry_from_mapping(data: Mapping[str, Any]) -> Registry:
    """Return the registry of a mapping, which may also hold only the profiles by name."""
    registry = data if "profiles" in data or "slug" in data else {"profiles": data}
    return RegistryReader().read_registry(registry, default_slug="notebook")


def _registries_from_name(name: str) -> Iterator[Registry]:
    """Yield the registries of a path, or of a name with the scheme `yaml:`, `sqlite:` or `sqlite-dsn:`."""
    scheme, separator, location = name.partition(":")
    if separator and scheme == "yaml":
        yield _registry_from_yaml(Path(location))
    elif separator and scheme in ("sqlite", "sqlite-dsn"):
        yield from _registries_from_sqlite(location)
    else:
        path = Path(name).expanduser()
        if path.is_dir():
            files = [
                file for file in sorted(path.iterdir()) if file.suffix.lower() in YAML_SUFFIXES and file.name[0] != "."
            ]
            if not files:
                raise ProfileError("the folder contains no .yaml file", key=name, file=name)
            yield from map(_registry_from_yaml, files)
        elif path.suffix.lower() in SQLITE_SUFFIXES or _is_sqlite_file(path):
            yield from _registries_from_sqlite(str(path))
        else:
            yield _registry_from_yaml(path)


def _is_sqlite_file(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    except (OSError, ValueError):
        return False


def _registry_from_yaml(path: Path) -> Registry:
    """Return the registry of a YAML file. Raises ProfileError with the line for an unreadable file."""
    from ..serialization.yaml_text import lines_by_path, yaml_documents

    try:
        content = read_regular(path.expanduser())
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        raise ProfileError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}", key=str(path), file=str(path)
        ) from None
    try:
        content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ProfileError(
            "the file is not UTF-8; save it as UTF-8", key=str(path), file=str(path), position=f"line {line}"
        ) from None
    try:
        (data,) = [document for _, document in yaml_documents(content, str(path))] or [None]
    except ValueError:  # more than one document to unpack
        raise ProfileError(
            "a file must hold one registry, but this one has several documents separated by ---",
            key=str(path),
            file=str(path),
        ) from None
    except LoadError as error:
        raise ProfileError(error.reason, key=str(path), file=str(path), position=error.position) from None
    return RegistryReader(str(path), lines_by_path(content)).read_registry(data)


def _registries_from_sqlite(name: str) -> Iterator[Registry]:
    for row in _database_rows(name):
        slug = row["slug"]
        source = f"{name} row {shown(slug)}"
        if not isinstance(slug, str):
            raise ProfileError(f"the slug must be a text, not {describe_kind(slug)}", key=name, file=source)
        try:
            payload = row["payload_json"]
            data = json.loads(payload if isinstance(payload, (str, bytes)) else str(payload))
        except (ValueError, RecursionError) as error:
            raise ProfileError(f"payload_json is not valid JSON: {error}", key=slug, file=source) from None
        default_profile = data.get("default_profile_slug") if isinstance(data, Mapping) else None
        if isinstance(data, Mapping):
            data = {key: value for key, value in data.items() if key != "default_profile_slug"}
            data["profiles"] = {
                name: {**profile, "inference_settings": _yaml_settings(profile["inference_settings"])}
                if isinstance(profile, Mapping) and isinstance(profile.get("inference_settings"), Mapping)
                else profile
                for name, profile in (data.get("profiles") or {}).items()
            }
        registry = RegistryReader(source).read_registry(data, default_slug=slug)
        if registry.slug != slug.lower():
            raise ProfileError(
                f"the row has the slug {slug!r}, but its payload has {registry.slug!r}", key=slug, file=source
            )
        yield _with_default_profile(registry, default_profile, source)


def _with_default_profile(registry: Registry, slug: Any, source: str) -> Registry:
    """Return the registry with the default profile that its database names. Raises ProfileError when it has no such profile."""
    if not slug:
        return registry
    profile_slug = str(slug).strip().lower()
    if profile_slug not in registry.profiles:
        raise ProfileError(
            f"default_profile_slug is {slug!r:.60}, which is not a profile here; {suggest(profile_slug, registry.profiles)}",
            key="default_profile_slug",
            valid_names=tuple(registry.profiles),
            file=source,
        )
    return replace(registry, default_profile=profile_slug)


def _database_rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of a database by slug. Raises ProfileError."""
    from ..importers.kit.sqlite_database import open_database

    path = _path_of_database(name)
    try:
        open_regular(path).close()
        with open_database(path, name) as database:
            database.require_tables(["profile_registries"])
            database.columns("profile_registries")  # refuses computed ones
            rows = list(database.rows("SELECT slug, payload_json FROM profile_registries"))
    except OSError as error:
        raise ProfileError(f"cannot be read: {error.strerror or error}", key=name, file=name) from None
    except LoadError as error:
        raise ProfileError(f"not a database of profiles: {error.reason}", key=name, file=name) from None
    return sorted(rows, key=lambda row: str(row["slug"]))


def _path_of_database(name: str) -> Path:
    """Return the path of a database that is named by a path or as `file:…?…`, as Go programs do."""
    if not name.startswith("file:"):
        return Path(name).expanduser().resolve()
    return Path(unquote(urlsplit(name).path)).expanduser().resolve()


WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _yaml_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with their YAML names: Go writes keys like `ApiType` into JSON, and times in nanoseconds."""
    sections: dict[str, Any] = {}
    for name, section in settings.items():
        if isinstance(section, Mapping):
            section_values = {WORD_BOUNDARY.sub("_", key).lower(): value for key, value in section.items()}
            if "timeout_seconds" in section_values:
                section_values["timeout"] = section_values.pop("timeout_seconds")
            sections["openai" if name == "OpenAI" else WORD_BOUNDARY.sub("_", name).lower()] = section_values
    return sections
