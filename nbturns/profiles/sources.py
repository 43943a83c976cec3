"""Read registries from files, folders, SQLite databases, mappings and installed packages."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import LoadError, ProfileError
from ..plugins import load_plugins
from .registry import Registry, RegistryReader
from .schema import describe_kind

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
        with path.open("rb") as file:
            return file.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    except OSError:
        return False


def _registry_from_yaml(path: Path) -> Registry:
    """Return the registry of a YAML file. Raises ProfileError with the line for an unreadable file."""
    from ..serialization.yaml_text import lines_by_path, yaml_documents

    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise ProfileError(f"cannot be read: {error.strerror}", key=str(path), file=str(path)) from None
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
    """Yield the registries of a geppetto database: one JSON text per row of `profile_registries`."""
    import sqlite3
    from contextlib import closing

    uri = name if name.startswith("file:") else Path(name).expanduser().resolve().as_uri()
    try:
        with closing(sqlite3.connect(uri + ("&" if "?" in uri else "?") + "mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT slug, payload_json FROM profile_registries ORDER BY slug").fetchall()
    except sqlite3.Error as error:
        raise ProfileError(f"not a database of profiles: {error}", key=name, file=name) from None
    for slug, payload in rows:
        source = f"{name} row {slug}"
        try:
            data = json.loads(payload)
        except ValueError as error:
            raise ProfileError(f"payload_json is not valid JSON: {error}", key=slug, file=source) from None
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
        yield registry


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
