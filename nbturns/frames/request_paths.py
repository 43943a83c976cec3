"""`explain`: which block of a Turn becomes which part of a provider's request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import EngineError, MisuseError
from ..packages import require
from ..values.turns import Block, Turn

COLUMNS = ("block_index", "block_id", "kind", "path", "reason")


def explain(turn: Turn, engine: Any) -> Any:
    """Return a DataFrame with a row per block: its `path` in the body that the provider would get, or the `reason` why it is not sent.

    `engine` is one of `nt.engine(...)`, or a name like "anthropic:claude-sonnet-4-5". Nothing is sent. One
    request is encoded per block, so a Turn of 2,000 blocks takes half a minute.
    """
    require("pandas")
    import pandas as pd

    if not isinstance(turn, Turn):
        raise MisuseError(f"explain expects a Turn, got {type(turn).__name__}: {turn!r:.60}")
    body_of, provider_name = _encoder(engine)
    paths = _paths(turn, body_of)
    rows = [
        (index, block.id, block.kind, paths[index], None if paths[index] else _reason(block, provider_name))
        for index, block in enumerate(turn)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"path": "string", "reason": "string", "block_id": "string"}
    )


def _encoder(engine: Any) -> tuple[Callable[[Turn], Mapping[str, Any]], str]:
    """Return the function that encodes a Turn, and the name of the provider."""
    from ..engines import request
    from ..engines.provider_engine import ProviderEngine
    from ..runtime.engine_protocol import Scope, innermost_engine

    if isinstance(engine, str):
        return lambda turn: request(engine, turn), engine.partition(":")[0]
    inner_engine = innermost_engine(engine)
    if not isinstance(inner_engine, ProviderEngine):
        raise MisuseError(f"explain needs an engine of nt.engine(…), or its name, got {engine!r:.60}")
    return lambda turn: inner_engine.request(turn, Scope()), inner_engine.provider.name


def _paths(turn: Turn, body_of: Callable[[Turn], Mapping[str, Any]]) -> list[str | None]:
    """Return the path of each block: the first difference that it makes to the request of the blocks before it.

    A block that makes none there may still be sent together with the next one, so it is left out once more.
    """
    paths: list[str | None] = []
    previous_body: Any = {}
    for index in range(len(turn)):
        body = _encoded(turn[: index + 1], body_of)
        paths.append(None if body is None else _first_difference(body, previous_body, ""))
        previous_body = body if body is not None else previous_body
    whole_body = _encoded(turn, body_of)
    for index, path in enumerate(paths):
        if path is None and whole_body is not None and len(turn) > 1:
            other_body = _encoded(turn.drop(index), body_of)
            paths[index] = None if other_body is None else _first_difference(whole_body, other_body, "")
    return paths


def _encoded(turn: Turn, body_of: Callable[[Turn], Mapping[str, Any]]) -> Any:
    """Return the body of a Turn; None for one that cannot be sent, like the beginning of another one."""
    try:
        body = body_of(turn)
    except EngineError:
        return None
    return {
        name: body[name] for name in ("system", "systemInstruction", "messages", "input", "contents") if name in body
    }


def _first_difference(value: Any, other: Any, path: str) -> str | None:
    """Return the path of the first part of `value` that `other` does not have."""
    if isinstance(value, dict) and isinstance(other, dict):
        for name, item in value.items():
            found = (
                f"{path}.{name}".lstrip(".")
                if name not in other
                else _first_difference(item, other[name], f"{path}.{name}")
            )
            if found:
                return _descended(item, found.lstrip(".")) if name not in other else found.lstrip(".")
        return None
    if isinstance(value, list) and isinstance(other, list):
        for index, item in enumerate(value):
            if index >= len(other):
                return _descended(item, f"{path}[{index}]")
            if found := _first_difference(item, other[index], f"{path}[{index}]"):
                return found
        return None
    if isinstance(value, list) and isinstance(other, str):  # a text became one part of several
        return f"{path}[{len(value) - 1}]"
    return None if value == other else path


def _descended(item: Any, path: str) -> str:
    """Return the path of the only part of a new message, instead of that of the message."""
    while True:
        if isinstance(item, list) and len(item) == 1:
            item, path = item[0], f"{path}[0]"
        elif isinstance(item, dict) and isinstance(item.get("content", item.get("parts")), list):
            name = "content" if isinstance(item.get("content"), list) else "parts"
            item, path = item[name], f"{path}.{name}"
        else:
            return path


def _reason(block: Block, provider_name: str) -> str:
    """Return why a block is not sent, as far as the block tells."""
    maker = block.inference.provider if block.inference else ""
    if maker and maker not in (provider_name, "scripted"):
        return f"made by {maker}, whose {block.kind} blocks {provider_name} cannot read"
    if block.kind in ("user", "system", "llm_text") and not block.text.strip():
        return "its text is blank"
    if block.kind == "reasoning":
        return f"it has no signature that {provider_name} would accept"
    return f"{provider_name} has no place for it"


__all__ = ["explain"]
