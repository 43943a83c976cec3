"""Our own files and geppetto's: Turns and Runs as YAML, JSON, and JSON Lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import LoadError
from ..serde import is_ours, run_from_dict, run_from_yaml, turn_from_dict, turn_from_yaml
from ..turns import Run
from . import OURS, SURE, Importer, Sample, Source, attempt

_yaml = re.compile(r"(?m)^(?:\{\s*)?['\"]?(blocks|turns)['\"]?\s*:")


def score(sample: Sample) -> int:
    """A Turn has blocks, a Run has turns that have them."""
    if sample.container == "text":
        return SURE if _yaml.search(sample.text) else 0
    return SURE if sample.container == "json" and _is_ours(sample.record) else 0


def _is_ours(record: Mapping[str, Any]) -> bool:
    """A long Run may be cut in its last Turn."""
    turns = record.get("turns")
    if isinstance(turns, list) and turns and "version" in record:
        return isinstance(turns[0], Mapping) and "blocks" in turns[0]
    return is_ours(record)


def read(source: Source) -> Iterator[Run]:
    if source.sample.container == "text":
        yield _from_yaml(source)
        return
    for position, value in source.records():
        if (run := attempt(source, position, _read, source, position, value)) is not None:
            yield run


def _read(source: Source, position: str, value: Any) -> Run:
    try:
        if isinstance(value, Mapping) and "turns" in value:
            return run_from_dict(value, file=source.file, strict=source.strict)
        return Run((turn_from_dict(value, file=source.file, strict=source.strict),))
    except LoadError as error:
        where = ", ".join(part for part in (position, error.position) if part)
        raise LoadError(error.reason, file=source.file, position=where) from None


def _from_yaml(source: Source) -> Run:
    content = source.content()
    if (found := _yaml.search(source.sample.text)) and found[1] == "turns":
        return run_from_yaml(content, file=source.file, strict=source.strict)
    return Run((turn_from_yaml(content, file=source.file, strict=source.strict),))


IMPORTER = Importer(OURS, score, read)
