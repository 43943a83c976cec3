"""The words of a block, as the index has them.

SQLite's `unicode61` splits at everything that is not a letter or digit, so the parts of `snake_case` names and of paths are
words. It does not split `camelCase` names, or Chinese, Japanese and Korean, which have no spaces: their parts, and each
two neighbouring characters, are in a second column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ..errors import DecodeError
from ..values.inference_results import INFERENCE_RESULT, InferenceResult
from ..values.label_values import LABELS
from ..values.provenance import TIMESTAMP
from ..values.turns import Block

CJK = "\u2e80-\u2fff\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
CJK_RUN = re.compile(f"[{CJK}]+")
WORD = re.compile(r"[^\W_]+")
CJK_CHARACTER = re.compile(f"[{CJK}]")
SPLIT_AT_CJK = re.compile(f"([{CJK}]+)")
ASCII_WORD = re.compile(r"[A-Za-z0-9]+")
CAMEL_CASE_HUMP = re.compile(r"[A-Z](?<=[a-z0-9].)")  # of the second character, which is rarer in texts
NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
MODEL_SEPARATORS = re.compile(r"[^a-z0-9]+")
_encode_json = json.JSONEncoder(ensure_ascii=False, default=str).encode
MILLISECONDS = 1e11  # larger numbers of seconds are milliseconds


def searchable_text(block: Block) -> str:
    """Return everything in a block that is searched: text, tool name, arguments, result, error, reasoning."""
    payload = block.payload
    if len(payload) == 1 and block.text and block.kind != "other":
        return block.text
    parts = [payload.get("text"), payload.get("name"), payload.get("args"), payload.get("args_raw")]
    parts += [payload.get("result"), payload.get("error"), payload.get("summary"), payload.get("refusal")]
    if block.kind == "other" or not any(parts):
        parts.append({name: value for name, value in payload.items() if name != "id"})
    return "\n".join(_plain_text(part) for part in parts if part)


def _plain_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return _encode_json(value)
    except (TypeError, ValueError):
        return str(value)


def name_parts(text: str) -> str:
    """Return the parts of camelCase names and the pairs of CJK characters in a text, separated by spaces."""
    parts: list[str] = []
    if not text.isascii():
        for word in filter(CJK_CHARACTER.search, WORD.findall(text)):
            for part in SPLIT_AT_CJK.split(word):
                parts += character_pairs(part) if CJK_RUN.fullmatch(part) else [part]
    if CAMEL_CASE_HUMP.search(text):
        for name in filter(CAMEL_CASE_HUMP.search, ASCII_WORD.findall(text)):
            parts += NAME_PART.findall(name)
    return " ".join(parts)


def character_pairs(run: str) -> Iterator[str]:
    """Yield each two neighbouring characters of a text, and its last one, so that each character begins a word."""
    yield from (run[place : place + 2] for place in range(len(run)))


def facet(letter: str, value: str) -> str:
    """Return the word that represents a property of a block, like its kind; the index splits no such word."""
    return letter + value.lower().encode("utf-8", "replace").hex()


def block_facets(block: Block, tool: str) -> str:
    """Return the words for kind, tool, model, error and labels of a block. `tool` is that of the call it answers."""
    facets = _property_facets(block.kind, tool, model_of(block), bool(block.payload.get("error")))
    if LABELS in block.metadata:
        facets = " ".join((facets, *(facet("l", label) for label in _labels(block))))
    return facets


@lru_cache(4096)
def _property_facets(kind: str, tool: str, model: str, has_error: bool) -> str:
    facets = [facet("k", kind)]
    if tool:
        facets += [facet("t", name) for name in dict.fromkeys((tool, tool.rpartition("__")[2]))]
    if model:
        parts = MODEL_SEPARATORS.split(model.lower())
        facets += [facet("m", "-".join(parts[start:])) for start in range(len(parts))]
    if has_error:
        facets.append(facet("e", "yes"))
    return " ".join(facets)


def _labels(block: Block) -> Iterator[str]:
    """Yield the labels in the metadata of a block; those of a foreign form are left out."""
    with suppress(DecodeError):
        yield from (label.label for label in block.metadata[LABELS])


def model_of(block: Block) -> str:
    """Return the model that made a block; "" for others."""
    result = block.metadata.stored_value(INFERENCE_RESULT.name)
    model = (
        result.model if isinstance(result, InferenceResult) else result.get("model") if isinstance(result, dict) else ""
    )
    return model if isinstance(model, str) else ""


def block_time(block: Block) -> float | None:
    """Return the time of a block in seconds since the epoch, as its source wrote it; None where it did not."""
    return parse_time(block.metadata.stored_value(TIMESTAMP.name))


def parse_time(value: Any) -> float | None:
    """Return a time in seconds since the epoch; times without a zone are UTC. None for other values."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            try:
                time = datetime.fromisoformat(value)
            except ValueError:
                return None
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e17:
        return None
    return value / 1000 if value > MILLISECONDS else float(value)
