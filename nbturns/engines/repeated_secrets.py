"""Keys that a server repeats in its answer. What looks like a key and is one of the engine's is removed.

Other private values, like the name of a tenant in a header, may be ordinary words, and stay in the texts of a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..safety.secret_texts import data_without_texts, looks_secret, secret_notations
from ..values.frozen_json import freeze
from ..values.inference_results import InferenceResult
from ..values.metadata import metadata_from_dict
from ..values.turns import Block

LONG_KEY = 16  # characters of a private value with a digit, from which on it is no ordinary word


def _is_like_a_key(text: str) -> bool:
    return looks_secret(text) or (len(text) >= LONG_KEY and any(map(str.isdigit, text)))


def blocks_without_keys(blocks: tuple[Block, ...], secrets: Iterable[str]) -> tuple[Block, ...]:
    """Return the blocks of an answer with "…" in place of each key of the engine."""
    keys = list(filter(_is_like_a_key, secrets))
    notations = secret_notations(keys)
    return tuple(_block_without(block, keys) if _repeats(block, notations) else block for block in blocks)


def _repeats(block: Block, notations: Iterable[str]) -> bool:
    values = block.payload, dict(block.metadata.items())
    text = json.dumps(values, ensure_ascii=False, default=str) if notations else ""
    return any(notation in text for notation in notations)


def _block_without(block: Block, keys: list[str]) -> Block:
    payload = freeze(data_without_texts(block.payload, keys))
    return block._with(
        payload=payload, metadata=metadata_from_dict(data_without_texts(dict(block.metadata.items()), keys))
    )


def result_without_keys(result: InferenceResult, secrets: Iterable[str]) -> InferenceResult:
    """Return the record of a call with "…" in place of each key of the engine."""
    keys = list(filter(_is_like_a_key, secrets))
    data = result.to_dict() if keys else {}
    text = json.dumps(data, ensure_ascii=False, default=str)
    if not any(notation in text for notation in secret_notations(keys)):
        return result
    return InferenceResult.from_dict(data_without_texts(data, keys))
