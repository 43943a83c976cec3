"""Program text as nodes, with the classes of its words by Pygments."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..packages import is_installed

MAX_LENGTH = 20_000  # characters of code that is highlighted

# Lexers by language and file suffix. Those of rarer languages are left out: text of models is hostile, and the time of
# some grows faster than the text.
LANGUAGES = {
    name: language
    for language, names in {
        "python": "python py python3 ipython",
        "json": "json jsonl ipynb",
        "bash": "bash sh shell zsh",
        "javascript": "javascript js jsx mjs",
        "typescript": "typescript ts tsx",
        "html": "html htm",
        "css": "css",
        "yaml": "yaml yml",
        "toml": "toml",
        "ini": "ini cfg",
        "sql": "sql",
        "rust": "rust rs",
        "go": "go golang",
        "java": "java",
        "c": "c h",
        "cpp": "cpp c++ hpp cc",
        "diff": "diff patch",
    }.items()
    for name in names.split()
}
CLASSES = {
    "Keyword": "k",
    "Name.Builtin": "b",
    "Name.Function": "f",
    "Name.Class": "f",
    "Name.Tag": "k",
    "Literal.String": "q",
    "Literal.Number": "n",
    "Comment": "c",
    "Operator.Word": "k",
    "Generic.Deleted": "x",
    "Generic.Inserted": "i",
}


def code_nodes(text: str, language: str) -> list[Any]:
    """Return the nodes of a program text; plain text for an unknown language, and for a long one."""
    name = LANGUAGES.get(language)
    if name is None or len(text) > MAX_LENGTH or not is_installed("pygments"):
        return [text] if text else []
    nodes: list[Any] = []
    last_class = ""
    for token_type, word in _lexer(name).get_tokens(text):
        word_class = "" if word.isspace() else _class_of(token_type)
        if nodes and (word_class == last_class or word.isspace()):
            if isinstance(nodes[-1], str):
                nodes[-1] += word
            else:
                nodes[-1][2] += word
            continue
        nodes.append(["span", {"c": word_class}, word] if word_class else word)
        last_class = word_class
    return nodes


@cache
def _lexer(name: str) -> Any:
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]  # its types are another package

    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


@cache
def _class_of(token_type: Any) -> str:
    """Return the class of a token type or of the nearest one above it; "" for none."""
    names = [str(part) for part in token_type]
    for end in range(len(names), 0, -1):
        if word_class := CLASSES.get(".".join(names[:end])):
            return word_class
    return ""
