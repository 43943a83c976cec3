"""Trees of attributes whose names are paths: `gen_ai.prompt.0.role`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def attribute_tree(attributes: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the attributes below a prefix as a tree: `a.0.b` is `{"0": {"b": …}}`."""
    tree: dict[str, Any] = {}
    for attribute_name, value in attributes.items():
        if not attribute_name.startswith(prefix + "."):
            continue
        *path_steps, last_step = attribute_name.removeprefix(prefix + ".").split(".")
        tree_node = tree
        for path_step in path_steps:
            child_node = tree_node.setdefault(path_step, {})
            if not isinstance(child_node, dict):
                child_node = tree_node[path_step] = {"": child_node}
            tree_node = child_node
        tree_node[last_step] = (
            value if not isinstance(tree_node.get(last_step), dict) else {**tree_node[last_step], "": value}
        )
    return tree


def numbered_branches(tree: Any) -> list[Any]:
    """Return the numbered branches of a tree in the order of their numbers."""
    if isinstance(tree, list):
        return tree
    if not isinstance(tree, Mapping):
        return []
    return [
        tree[branch_number]
        for branch_number in sorted((branch_number for branch_number in tree if branch_number.isdigit()), key=int)
    ]
