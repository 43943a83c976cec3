"""Find the blocks of a Turn that another provider made and that this one cannot read.

Text, images, tool calls and their results go to any provider. Signed and encrypted thoughts and
the work of a provider's own servers (searches, code they ran) can be read by their maker alone.
The sources of a text are dropped; the text stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..values.turns import Block, Turn
from .provider import Provider
from .registry import installed_providers
from .verbatim import KEY_SUFFIX

PRIVATE_KINDS = ("reasoning", "other", "llm_text")


def family_of(block: Block) -> str:
    """Return the metadata namespace of the API that made a block; "" when it is unknown."""
    for key_name in block.metadata:
        if key_name.endswith(KEY_SUFFIX):
            return key_name.removesuffix(KEY_SUFFIX)
    if block.inference is None:
        return ""
    matching_providers = [provider for provider in installed_providers() if provider.makes(block.inference.provider)]
    return matching_providers[0].family if matching_providers else ""


def foreign_blocks(turn: Turn, provider: Provider) -> list[tuple[int, str]]:
    """Return the index and a description of each block that another API made and this one may not read."""
    private_blocks = ((index, block) for index, block in enumerate(turn) if block.kind in PRIVATE_KINDS)
    foreign = [
        (index, description, block_family)
        for index, block in private_blocks
        if (block_family := family_of(block)) not in ("", provider.family) and (description := _describe(block))
    ]
    if not foreign:  # the usual case, in which no other provider is imported
        return []
    names_by_family = {provider_variant.family: provider_variant.name for provider_variant in installed_providers()}
    return [
        (index, f"{description} of {names_by_family.get(block_family, block_family)}")
        for index, description, block_family in foreign
    ]


def unsent_blocks(turn: Turn, provider: Provider, body: Any) -> list[tuple[int, str]]:
    """Return the foreign blocks that are not in the request `body` of this Turn: some servers get thoughts as text."""
    foreign_indexes = foreign_blocks(turn, provider)
    sent_texts = set(_strings(body)) if any(turn[index].kind == "reasoning" for index, _ in foreign_indexes) else set()
    return [
        (index, description)
        for index, description in foreign_indexes
        if not (turn[index].kind == "reasoning" and _contains(sent_texts, turn[index].text))
    ]


def unsent_items(turn: Turn, body: Any) -> list[tuple[int, str]]:
    """Return the index and type of each item of the user's own that is not in the request `body`."""
    own_items = [
        (index, block.payload)
        for index, block in enumerate(turn)
        if block.kind == "other" and "partial_json" not in block.payload and family_of(block) == ""
    ]
    return [(index, str(payload.get("type") or "item")) for index, payload in own_items if not _holds(body, payload)]


def _holds(value: Any, item: Any) -> bool:
    """Tell whether an item is somewhere in a value."""
    if isinstance(value, Mapping):
        return value == item or any(_holds(inner_value, item) for inner_value in value.values())
    return isinstance(value, (list, tuple)) and any(_holds(inner_value, item) for inner_value in value)


def unsent_notice(turn: Turn, provider: Provider, body: Any) -> str:
    """Return one sentence for a Notice; "" when every block is sent."""
    unsent = [*unsent_blocks(turn, provider, body), *unsent_items(turn, body)]
    description_counts = Counter(description for _, description in unsent)
    if not description_counts:
        return ""
    item_list = ", ".join(
        f"{count} × {item_description}" if count > 1 else item_description
        for item_description, count in description_counts.items()
    )
    return f"not sent to {provider.name}, which cannot read it: {item_list}"


def _contains(sent_texts: Collection[str], text: str) -> bool:
    return bool(text) and (text in sent_texts or any(text in sent_text for sent_text in sent_texts))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner_value in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner_value)


def _describe(block: Block) -> str:
    if block.kind == "reasoning":
        return "thought"
    if block.kind == "llm_text":
        return "list of sources" if block.payload.get("citations") or block.payload.get("annotations") else ""
    if block.role in ("user", "system"):
        return ""
    return str(block.payload.get("type") or next(iter(block.payload), "") or "item")
