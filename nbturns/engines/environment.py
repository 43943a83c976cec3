"""Variables of the environment and of the file `.env` in the current folder, which profiles read as well."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..packages import is_installed

ENV_FILE = ".env"


def variable(*names: str) -> str:
    """Return the value of the first of these variables that is set; "" when none is.

    The environment comes before `.env`, where it names none of them.
    """
    return environment_variable(*names) or file_variable(*names)


def environment_variable(*names: str) -> str:
    """Return the value of the first of these variables that the environment sets; "" when it sets none."""
    return next(filter(None, map(os.environ.get, names)), "")


def file_variable(*names: str) -> str:
    """Return the value of the first of these variables that only `.env` sets; "" when it sets none."""
    new_names = [name for name in names if name not in os.environ]
    if not new_names or not Path(ENV_FILE).is_file():
        return ""
    file_values = _env_file_values()
    return next(filter(None, map(file_values.get, new_names)), "")


def _env_file_values() -> Mapping[str, str | None]:
    if not is_installed("dotenv"):
        return {}
    from dotenv import dotenv_values

    return dotenv_values(Path(ENV_FILE), interpolate=False)
