"""The names of Runs whose source has none: their task, sample and epoch, else their file and the index in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

FieldPath = tuple[str, ...]

# Where the sources have these values, in the fields of the Run; the first that is there is taken.
TASK: tuple[FieldPath, ...] = (
    ("eval", "task"),
    ("task_name",),
    ("task",),
    ("env",),
    ("metadata", "dataset"),
    ("instance", "repo"),
    ("verifier_metadata", "domain"),
    ("dataset",),
)
SAMPLE: tuple[FieldPath, ...] = (
    ("sample_id",),
    ("instance_id",),
    ("sample",),
    ("task_id",),
    ("metadata", "task_id"),
    ("verifier_metadata", "task_id"),
    ("_ng_task_index",),
)
EPOCH: tuple[FieldPath, ...] = (("epoch",), ("trial",), ("metadata", "trial"), ("_ng_rollout_index",))


def field_of(fields: Mapping[str, Any], paths: tuple[FieldPath, ...]) -> Any:
    """Return the first of these fields that is a text or a number; None without one."""
    for path in paths:
        value: Any = fields
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None and value != "" and not isinstance(value, (Mapping, list, tuple)):
            return value
    return None


def sample_of(fields: Mapping[str, Any]) -> str | None:
    """Return the id of the sample of a Run; of Inspect it is the `id` beside the epoch."""
    sample = fields.get("id") if "epoch" in fields and "id" in fields else field_of(fields, SAMPLE)
    return None if sample is None or isinstance(sample, (Mapping, list, tuple)) else str(sample)


def epoch_of(fields: Mapping[str, Any]) -> int | None:
    """Return the number of the attempt at the sample."""
    epoch = field_of(fields, EPOCH)
    return epoch if isinstance(epoch, int) and not isinstance(epoch, bool) else None


def sample_name(fields: Mapping[str, Any]) -> str:
    """Return the task, the sample and the epoch of a Run; "" for one without a sample."""
    sample, epoch = sample_of(fields) if fields else None, epoch_of(fields) if fields else None
    if sample is None:
        return ""
    task = field_of(fields, TASK)
    epoch_text = f"epoch {epoch}" if epoch is not None and epoch != 1 else None
    return " ".join(str(part) for part in (task, sample, epoch_text) if part is not None)


def name_in_file(place: str, index: int) -> str:
    """Return the name of a file without its suffix, and for a later Run its index there, like `chats#3`."""
    stem = PurePath(place).stem
    return f"{stem}#{index}" if index else stem
