"""Blocks as nodes for reading: Markdown, edits of files as diffs, records as a table, texts of calls as code.

The raw text of a block always stays available; a form is only another way to show it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..safety.visible_text import visible
from ..values.turns import Block
from .block_rows import block_body
from .code_nodes import LANGUAGES, code_nodes
from .content_forms import arguments_beside_edits, edits_of, has_form, may_be_records, patch_argument
from .diff import Piece, diff_pieces, matching_positions
from .markdown_nodes import Node, markdown_nodes
from .pretty_json import Members, encode_on_one_line, encode_text_value, parse_json_text
from .text import cut_text, result_text, visible_space

MARKDOWN_KINDS = ("user", "llm_text", "reasoning")
PATH_ARGUMENTS = ("file_path", "path", "filePath", "filename", "file")
CODE_LANGUAGES = {"code": "python", "command": "bash", "cmd": "bash", "script": "bash", "query": "sql", "sql": "sql"}
MAX_EDIT_LENGTH = 100_000  # characters of an edit that is shown as a diff
CONTEXT_LINES = 3
MAX_RECORDS = 100
MAX_COLUMNS = 12
MAX_CELL_LENGTH = 200


def block_nodes(block: Block) -> list[Node] | None:
    """Return a block as nodes; None if its text is all that there is to show."""
    if block.kind in MARKDOWN_KINDS:
        return markdown_nodes(block_body(block))
    if block.kind == "tool_use":
        return record_nodes(_records(block))
    if block.kind != "tool_call":
        return None
    if edits := edits_of(block):
        if sum(len(old) + len(new) for old, new in edits) > MAX_EDIT_LENGTH:
            return None
        nodes = list(_argument_nodes(arguments_beside_edits(block), block))
        for old_text, new_text in edits:
            nodes += edit_nodes(old_text, new_text)
        return nodes
    return list(_argument_nodes(block.args, block)) if has_form(block) else None


# Edits.


def edit_nodes(old_text: str, new_text: str) -> list[Node]:
    """Return an edit of a text as a diff of lines, with the changed words of a line marked."""
    old_lines, new_lines = old_text.split("\n"), new_text.split("\n")
    only_space = old_text != new_text and old_text.split() == new_text.split()
    lines: list[Node] = []
    old_start = new_start = 0
    equal_run: list[str] = []
    for old_end, new_end in [*matching_positions(old_lines, new_lines), (len(old_lines), len(new_lines))]:
        if old_end > old_start or new_end > new_start:
            lines += _context(equal_run, at_start=not lines, at_end=False)
            lines += _changed_lines(old_lines[old_start:old_end], new_lines[new_start:new_end], only_space=only_space)
            equal_run = []
        if old_end < len(old_lines):
            equal_run.append(old_lines[old_end])
        old_start, new_start = old_end + 1, new_end + 1
    lines += _context(equal_run, at_start=not lines, at_end=True)
    note = [["p", {"c": "note"}, "white space only"]] if only_space else []
    return [*note, ["pre", {"c": "diff"}, *lines]]


def _context(equal_lines: list[str], *, at_start: bool, at_end: bool) -> list[Node]:
    """Return unchanged lines near a change; the others are counted."""
    head = 0 if at_start else CONTEXT_LINES
    tail = 0 if at_end else CONTEXT_LINES
    hidden_count = len(equal_lines) - head - tail
    if at_start and at_end:  # nothing has changed
        hidden_count = 0
    if hidden_count <= 1:
        return [_line("same", "  ", line) for line in equal_lines]
    return [
        *(_line("same", "  ", line) for line in equal_lines[:head]),
        ["span", {"c": "note"}, f"… {hidden_count:,} unchanged lines\n"],
        *(_line("same", "  ", line) for line in equal_lines[len(equal_lines) - tail :]),
    ]


def _line(line_class: str, sign: str, *content: Node) -> Node:
    texts = [visible(part) if isinstance(part, str) else part for part in content if part != ""]
    return ["span", {"c": line_class}, sign, *texts, "\n"]


def _changed_lines(old_lines: list[str], new_lines: list[str], *, only_space: bool) -> Iterator[Node]:
    show = visible_space if only_space else str
    if only_space or len(old_lines) != len(new_lines):
        yield from (_line("del", "- ", show(line)) for line in old_lines)
        yield from (_line("ins", "+ ", show(line)) for line in new_lines)
        return
    pairs = [diff_pieces(old, new) for old, new in zip(old_lines, new_lines, strict=True)]
    for line_class, sign, change, tag in (("del", "- ", "removed", "del"), ("ins", "+ ", "added", "ins")):
        for pieces in pairs:
            words = [
                [tag, {}, visible(text)] if what == change and _has_common(pieces) else text
                for what, text in pieces
                if what in (change, "same")
            ]
            yield _line(line_class, sign, *words)


def _has_common(pieces: Sequence[Piece]) -> bool:
    return any(what == "same" and text.strip() for what, text in pieces)


# Calls with texts of several lines.


def _argument_nodes(args: Mapping[str, Any], block: Block) -> Iterator[Node]:
    """Yield the arguments of a call: short ones on a line each, texts of several lines as code."""
    path = next((args[name] for name in PATH_ARGUMENTS if isinstance(args.get(name), str)), "")
    suffix = path.rpartition(".")[2].lower()
    patch_name = patch_argument(block)
    for name, value in args.items():
        if not isinstance(value, str) or ("\n" not in value and name != patch_name):
            yield ["p", {"c": "arg"}, ["strong", {}, visible(name)], f" {visible(result_text(value))}"]
            continue
        language = "diff" if name == patch_name else CODE_LANGUAGES.get(name, suffix if suffix in LANGUAGES else "")
        yield ["p", {"c": "arg"}, ["strong", {}, visible(name)]]
        yield ["pre", {}, *code_nodes(visible(value), language)]


# Records.


def _records(block: Block) -> list[Mapping[str, str]]:
    """Return the records of a result, with their values as text; none if it has another form."""
    if not may_be_records(block):
        return []
    result: Any = block.result
    if not isinstance(result, str):
        return [{name: _value_text(value, encode_on_one_line) for name, value in item.items()} for item in result]
    try:
        items = parse_json_text(result)
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        return []
    if len(items) < 2 or not all(isinstance(item, Members) for item in items):
        return []
    if any(len(dict(item)) != len(item) for item in items):  # a table has no place for a repeated name
        return []
    return [{name: _value_text(value, encode_text_value) for name, value in item} for item in items]


def _value_text(value: Any, encode: Any) -> str:
    return value if isinstance(value, str) else str(encode(value))


def record_nodes(records: Sequence[Mapping[str, str]]) -> list[Node] | None:
    """Return records as a table; None for no records, and for records with many different names."""
    names = list(dict.fromkeys(itertools.chain.from_iterable(records)))
    if not records or not names or len(names) > MAX_COLUMNS:
        return None
    shown_records = records[:MAX_RECORDS]
    alignments = [
        {"a": "right"} if all(_is_number(record.get(name, "")) for record in shown_records) else {} for name in names
    ]
    head = ["tr", {}, *(["th", align, visible(name)] for name, align in zip(names, alignments, strict=True))]
    rows = [
        ["tr", {}, *(_record_cell(record, name, align) for name, align in zip(names, alignments, strict=True))]
        for record in shown_records
    ]
    hidden_count = len(records) - len(shown_records)
    note = f"{len(records):,} records" + (f"; {hidden_count:,} more in the JSON" if hidden_count else "")
    return [["p", {"c": "note"}, note], ["table", {"c": "records"}, ["thead", {}, head], ["tbody", {}, *rows]]]


def _record_cell(record: Mapping[str, str], name: str, attributes: Mapping[str, str]) -> Node:
    text = visible(cut_text(record.get(name, ""), MAX_CELL_LENGTH))
    return ["td", dict(attributes), text] if text else ["td", dict(attributes)]


def _is_number(text: str) -> bool:
    return not text or text.lstrip("-").replace(".", "", 1).replace("e", "", 1).isdigit()
