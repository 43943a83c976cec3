"""The blocks that have another form than their text: edits of files, patches, calls with long texts, records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..values.inference_results import STDOUT
from ..values.turns import Block
from .text import has_text_block

EDIT_ARGUMENTS = (
    ("old_string", "new_string"),
    ("old_str", "new_str"),
    ("old_text", "new_text"),
    ("oldText", "newText"),
    ("oldString", "newString"),
)
EDIT_NAMES = frozenset(name for names in EDIT_ARGUMENTS for name in names)
PATCH_STARTS = ("*** Begin Patch", "--- ", "diff --git ", "@@ ")
MAX_JSON_LENGTH = 100_000  # characters of a JSON text that is shown as a table


def has_form(block: Block) -> bool:
    """Return whether a call or a result has another form than its text; nothing is parsed."""
    if block.kind == "tool_call":
        return has_text_block(block) or bool(edits_of(block)) or bool(patch_argument(block))
    return block.kind == "tool_use" and may_be_records(block)


def edits_of(block: Block) -> list[tuple[str, str]]:
    """Return the old and the new text of each edit that a call makes; none for other calls."""
    args = block.args
    candidates: Sequence[Any] = [args]
    if isinstance(args.get("edits"), Sequence) and not isinstance(args["edits"], str):
        candidates = args["edits"]
    pairs = [_edit(candidate) for candidate in candidates]
    return [pair for pair in pairs if pair is not None] if None not in pairs else []


def _edit(args: Any) -> tuple[str, str] | None:
    for old_name, new_name in EDIT_ARGUMENTS if isinstance(args, Mapping) else ():
        old_text, new_text = args.get(old_name), args.get(new_name)
        if isinstance(old_text, str) and isinstance(new_text, str):
            return old_text, new_text
    return None


def arguments_beside_edits(block: Block) -> dict[str, Any]:
    """Return the arguments of an edit that its diff does not show; `edits` with them if its entries have others."""
    names = set(EDIT_NAMES)
    if "edits" in block.args:
        names = {"edits"} if all(EDIT_NAMES.issuperset(edit) for edit in block.args["edits"]) else set()
    return {name: value for name, value in block.args.items() if name not in names}


def patch_argument(block: Block) -> str:
    """Return the name of the argument of a call that is a patch; "" if none is."""
    return next(
        (name for name, value in block.args.items() if isinstance(value, str) and value.startswith(PATCH_STARTS)), ""
    )


def may_be_records(block: Block) -> bool:
    """Return whether a result may be a list of records; a JSON text is not parsed."""
    result = block.result
    if block.error or block.metadata.get(STDOUT):
        return False
    if isinstance(result, str):
        return result.lstrip()[:1] == "[" and "{" in result[:200] and len(result) <= MAX_JSON_LENGTH
    return isinstance(result, Sequence) and len(result) > 1 and all(isinstance(item, Mapping) for item in result)
