"""The minified modules of `static/minified.jsonl`, one a line, each with a digest of the source that it was made from.

`python -m tests.lab.minify` writes them with terser. A module whose source has changed since is sent as it is written,
so the file can only make a view smaller, never different.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from importlib.resources import files

FILE_NAME = "minified.jsonl"


def source_digest(source: str) -> str:
    """Return the digest that says which source a minified module belongs to."""
    return sha256(source.encode()).hexdigest()[:16]


def minified_module(name: str, source: str) -> str | None:
    """Return the minified form of a module without imports and exports; None if it does not belong to this source."""
    return _modules_by_digest().get((name, source_digest(source)))


@cache
def _modules_by_digest() -> dict[tuple[str, str], str]:
    path = files("nbturns").joinpath("static", FILE_NAME)
    records = map(json.loads, path.read_text("utf-8").splitlines()) if path.is_file() else ()
    return {(record["name"], record["source"]): record["code"] for record in records}
