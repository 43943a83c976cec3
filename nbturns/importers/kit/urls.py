"""Sources at a URL that the user writes, read through the package fsspec (`https://`, `s3://`, `hf://`, …).

A URL inside a file is never fetched.
"""

from __future__ import annotations

import os
import re
from typing import Any, BinaryIO, cast

from ...errors import LoadError
from ...packages import require
from .source import Source

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::[A-Za-z0-9+.-]+)*://")  # longer than the letter of a drive


def is_url(x: Any) -> bool:
    """Return True for text that begins with a scheme such as `https://` or `s3://`."""
    return isinstance(x, str) and not isinstance(x, os.PathLike) and URL.match(x) is not None


def url_source(url: str, *, strict: bool = False) -> Source:
    """Return the source of a URL. Raises MissingPackageError when fsspec is not installed."""
    require("fsspec", extra="urls")
    return Source(lambda: _open_url(url), _without_secrets(url), strict=strict)


def _open_url(url: str) -> BinaryIO:
    import fsspec  # type: ignore[import-untyped, unused-ignore]  # it has no types

    try:
        return cast("BinaryIO", fsspec.open(url, "rb").open())
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).replace(url, _without_secrets(url))
        raise LoadError(f"the URL cannot be opened: {reason:.200}", file=_without_secrets(url)) from None


def _without_secrets(url: str) -> str:
    """Return a URL without user, password and query, which may hold a key."""
    return re.sub(r"://[^/@]*@", "://", url.partition("?")[0])
