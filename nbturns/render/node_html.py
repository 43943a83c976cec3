"""Nodes as HTML for static tables: each tag of a fixed list, and every text escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .markdown_nodes import LINK_ADDRESS, TAGS, Node

VOID_TAGS = ("br", "hr")


def nodes_html(nodes: Iterable[Node]) -> str:
    """Return nodes as HTML. A tag that is not in TAGS is text."""
    return "".join(map(_node_html, nodes))


def _node_html(node: Node) -> str:
    if isinstance(node, str):
        return escape(node)
    tag, attributes, *children = node
    if tag not in TAGS or (tag == "span" and len(attributes.get("c", "")) == 1):  # the class of a word of code
        return nodes_html(children)
    written = ""
    if class_name := attributes.get("c"):
        written += f' class="nbt-t-{escape(class_name)}"'
    if tag == "a" and LINK_ADDRESS.match(attributes.get("h", "")):
        written += f' href="{escape(attributes["h"])}" rel="noopener noreferrer" target="_blank"'
    if tag == "ol" and "s" in attributes:
        written += f' start="{int(attributes["s"])}"'
    if attributes.get("a") == "right":
        written += ' align="right"'
    return f"<{tag}{written}>" if tag in VOID_TAGS else f"<{tag}{written}>{nodes_html(children)}</{tag}>"
