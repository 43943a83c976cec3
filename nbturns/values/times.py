"""Times as sources write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_NUMBER = re.compile(r"\d{9,20}(?:\.\d*)?|\d\.\d+e\+\d\d")  # fewer digits are a date: 20260131


def parsed_time(value: Any) -> datetime | None:
    """Return a time as UTC: one in ISO format, or a number since 1970; None for anything else.

    A number is of seconds, milliseconds, microseconds or nanoseconds, which differ in size for all times from
    1973 to 5138. A time without a zone is taken for UTC.
    """
    return _parsed_text(value) if isinstance(value, str) else None


@lru_cache(maxsize=4_096)  # each time is read for several frames, and records in a row share one
def _parsed_text(value: str) -> datetime | None:
    try:
        if EPOCH_NUMBER.fullmatch(value):
            return EPOCH + timedelta(microseconds=_microseconds(value))
        time = datetime.fromisoformat(value.removesuffix(" UTC").removesuffix(" GMT"))
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _microseconds(number: str) -> int:
    """Return the microseconds since 1970 of a number whose unit follows from its size."""
    size = float(number)
    for largest, factor in ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1)):
        if size < largest:
            return int(number) * factor if number.isdigit() else round(size * factor)
    return int(number) // 1_000 if number.isdigit() else round(size / 1_000)
