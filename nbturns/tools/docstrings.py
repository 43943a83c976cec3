"""Descriptions of arguments in docstrings: the styles of Google, NumPy and Sphinx."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

SECTION_NAMES = frozenset({"args", "arguments", "params", "parameters", "other parameters", "keyword args", "keyword arguments"})  # fmt: skip
GOOGLE_HEADING = re.compile(r"(?P<name>[A-Z][A-Za-z ]+):\s*$")
UNDERLINE = re.compile(r"-{3,}\s*$")
GOOGLE_ENTRY = re.compile(r"\*{0,2}(?P<name>\w+)(?:\s*(?:\([^)]*\)|\[[^\]]*\]))?\s*:(?:\s+(?P<text>.*)|\s*$)")
NUMPY_ENTRY = re.compile(r"(?P<names>\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")
SPHINX_FIELD = re.compile(r":(?P<field>\w+)(?:\s+(?P<words>[^:]*))?:\s*(?P<text>.*)")
SPHINX_ARGUMENTS = frozenset({"param", "parameter", "arg", "argument", "key", "keyword"})


def split_docstring(text: str, argument_names: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return the docstring without its section of arguments, and the descriptions of these arguments.

    Only `argument_names` are looked for. A docstring that describes none of them is returned unchanged.
    """
    lines = text.splitlines()
    descriptions: dict[str, str] = {}
    kept_lines: list[str] = []
    position = 0
    while position < len(lines):
        end, entries = _section_at(lines, position, argument_names)
        if entries is None:
            kept_lines.extend(lines[position:end])
        else:
            descriptions.update(entries)
        position = end
    if not descriptions:
        return text, {}
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept_lines)).strip(), descriptions


def _section_at(lines: list[str], start: int, names: Collection[str]) -> tuple[int, dict[str, str] | None]:
    """Return the end of the section that begins at this line, and its entries; None for the entries of other lines."""
    line = lines[start]
    heading = GOOGLE_HEADING.match(line.strip())
    if heading and heading["name"].lower() in SECTION_NAMES:
        end = _end_of_indented(lines, start + 1, _indentation(line))
        return end, _named(_entries(lines[start + 1 : end], GOOGLE_ENTRY), names) or None
    if line.strip().lower() in SECTION_NAMES and start + 1 < len(lines) and UNDERLINE.match(lines[start + 1].strip()):
        end = _end_of_numpy_section(lines, start + 2)
        return end, _named(_entries(lines[start + 2 : end], NUMPY_ENTRY), names) or None
    if (field := SPHINX_FIELD.match(line.strip())) and _is_sphinx_argument(field, names):
        end = _end_of_indented(lines, start + 1, _indentation(line))
        words = (field["words"] or "").split()
        text = [field["text"], *lines[start + 1 : end]]
        return end, _named([(words[-1:], text)], names) if field["field"] in SPHINX_ARGUMENTS else {}
    return start + 1, None


def _is_sphinx_argument(field: re.Match[str], names: Collection[str]) -> bool:
    words = (field["words"] or "").split()
    return bool(words) and words[-1].lstrip("*\\") in names and field["field"] in {*SPHINX_ARGUMENTS, "type"}


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _end_of_indented(lines: list[str], start: int, indentation: int) -> int:
    """Return the index after the last line that is indented further; blank lines at the end are not part of it."""
    end = start
    for index in range(start, len(lines)):
        if lines[index].strip():
            if _indentation(lines[index]) <= indentation:
                break
            end = index + 1
    return end


def _end_of_numpy_section(lines: list[str], start: int) -> int:
    for index in range(start, len(lines)):
        if index + 1 < len(lines) and lines[index].strip() and UNDERLINE.match(lines[index + 1].strip()):
            return index
    return len(lines)


def _entries(lines: list[str], pattern: re.Pattern[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the names and the text lines of each entry of a section; entries share the smallest indentation."""
    filled_lines = [line for line in lines if line.strip()]
    indentation = min(map(_indentation, filled_lines), default=0)
    names, text = list[str](), list[str]()
    for line in filled_lines:
        entry = pattern.match(line.strip()) if _indentation(line) == indentation else None
        if entry:
            if names:
                yield names, text
            groups = entry.groupdict()
            names = (groups.get("names") or groups["name"]).replace(" ", "").split(",")
            text = [groups.get("text") or ""]
        else:
            text.append(line)
    if names:
        yield names, text


def _named(
    entries: Iterator[tuple[list[str], list[str]]] | list[tuple[list[str], list[str]]], names: Collection[str]
) -> dict[str, str]:
    """Return the texts of these entries by argument, each on one line; other names are left out."""
    return {
        argument: description
        for entry_names, text in entries
        for name in entry_names
        if (argument := name.lstrip("*\\")) in names and (description := " ".join(" ".join(text).split()))
    }


__all__ = ["split_docstring"]
