"""Find the blocks of a Turn that another provider made and that this one cannot read.

Text, images, tool calls and their results go to any provider. Signed and encrypted thoughts and
the work of a provider's own servers (searches, code they ran) can be read by their maker alone.
The sources of a text are dropped; the text stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from ..values.turns import Block, Turn
from .provider import Provider
from .registry import installed_providers
from .verbatim import KEY_SUFFIX

READABLE_BY_ONE = ("reasoning", "other", "llm_text")


def family_of(block: Block) -> str:
    """Return the metadata namespace of the API that made a block; "" when it is unknown."""
    for name in block.metadata:
        if name.endswith(KEY_SUFFIX):
            return name.removesuffix(KEY_SUFFIX)
    if block.inference is None:
        return ""
    makers = [provider for provider in installed_providers() if provider.makes(block.inference.provider)]
    return makers[0].family if makers else ""


def foreign_blocks(turn: Turn, provider: Provider) -> list[tuple[int, str]]:
    """Return the index and a description of each block that another API made and this one may not read."""
    makers = {maker.family: maker.name for maker in installed_providers()}
    candidates = ((index, block) for index, block in enumerate(turn) if block.kind in READABLE_BY_ONE)
    return [
        (index, f"{description} of {makers.get(family, family)}")
        for index, block in candidates
        if (family := family_of(block)) not in ("", provider.family) and (description := _describe(block))
    ]


def unsent_blocks(turn: Turn, provider: Provider, body: Any) -> list[tuple[int, str]]:
    """Return the foreign blocks that are not in the request `body` of this Turn: some servers get thoughts as text."""
    foreign = foreign_blocks(turn, provider)
    texts = set(_strings(body)) if any(turn[index].kind == "reasoning" for index, _ in foreign) else set()
    return [
        (index, description)
        for index, description in foreign
        if not (turn[index].kind == "reasoning" and _contains(texts, turn[index].text))
    ]


def unsent_notice(turn: Turn, provider: Provider, body: Any) -> str:
    """Return one sentence for a Notice; "" when every block is sent."""
    counts = Counter(description for _, description in unsent_blocks(turn, provider, body))
    if not counts:
        return ""
    items = ", ".join(f"{count} × {item}" if count > 1 else item for item, count in counts.items())
    return f"not sent to {provider.name}, which cannot read it: {items}"


def _contains(texts: Collection[str], text: str) -> bool:
    return bool(text) and (text in texts or any(text in longer for longer in texts))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _describe(block: Block) -> str:
    if block.kind == "reasoning":
        return "thought"
    if block.kind == "llm_text":
        return "list of sources" if block.payload.get("citations") or block.payload.get("annotations") else ""
    if block.role in ("user", "system"):
        return ""
    return str(block.payload.get("type") or next(iter(block.payload), "") or "item")
