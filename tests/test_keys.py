"""Every metadata key that the package or its documentation names is an attribute of nt.keys."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbturns as nt
from nbturns import keys
from nbturns.engines.verbatim import OriginalItems
from nbturns.values.provenance import FIELDS_NAMES, FORMER_NAMES

ROOT = Path(nt.__file__).parent.parent
KEY_NAME = re.compile(r"\b[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*@v[0-9]+\b")
OWN_KEY = re.compile(r'nt\.Key\(\\?"([^"\\]+)')  # a key that a page makes itself
OTHER_NAMES = {
    "me.score@v1",  # an example of a user's own key
    "my.feature@v1",  # an example of a user's own extension of a profile
    "pinocchio.webchat_runtime@v1",  # an extension of a profile, not metadata
    *FORMER_NAMES,
}
KNOWN = {value.name: attribute for attribute, value in vars(keys).items() if isinstance(value, nt.Key)}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def string_literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def names_in_the_package() -> dict[str, str]:
    return {
        name: path.name
        for path in sorted((ROOT / "nbturns").rglob("*.py"))
        for text in string_literals(path)
        for name in KEY_NAME.findall(text)
    }


def test_each_key_that_the_code_names_is_in_keys() -> None:
    found = names_in_the_package()

    assert len(found) > 40
    assert {name: file for name, file in found.items() if name not in KNOWN and name not in OTHER_NAMES} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_key_that_a_page_names_is_in_keys(page: Path) -> None:
    text = page.read_text("utf-8")
    found = set(KEY_NAME.findall(text)) - set(OWN_KEY.findall(text))

    assert found - KNOWN.keys() - OTHER_NAMES == set()


def test_an_attribute_has_the_name_of_its_key() -> None:
    exceptions = {"EXECUTION_ID"}  # geppetto calls it inference_id

    for name, attribute in KNOWN.items():
        namespace, stem = name.removesuffix("@v1").split(".")
        expected = stem if namespace in ("geppetto", "nbturns") else f"{namespace}_{stem}"
        assert attribute == expected.upper() or attribute in exceptions, name


def test_files_with_former_names_are_read_and_written_with_the_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    block = {"kind": "user", "payload": {"text": "q"}, "metadata": {"openai_chat.beside@v1": {"name": "ada"}}}
    turn = {"blocks": [block], "data": {"nbturns.beside@v1": {"d": 1}}, "metadata": {"nbturns.beside@v1": {"t": 2}}}
    path.write_text(json.dumps({"version": 1, "turns": [turn], "metadata": {"nbturns.beside@v1": {"task": "vents"}}}))

    run = nt.load(path)

    assert run.metadata[nt.keys.FIELDS] == {"task": "vents"}
    assert run.latest.metadata[nt.keys.FIELDS] == {"t": 2}
    assert run.latest.data[nt.keys.FIELDS] == {"d": 1}
    assert run.latest[0].metadata[nt.keys.OPENAI_CHAT_FIELDS] == {"name": "ada"}
    assert "beside" not in run.to_yaml()
    assert nt.Run.from_yaml(run.to_yaml()) == run
    assert nt.Turn.from_dict(turn).metadata[nt.keys.FIELDS] == {"t": 2}


@pytest.mark.parametrize("former", FORMER_NAMES)
def test_the_former_names_give_the_same_frame(former: str, tmp_path: Path) -> None:
    def extras(name: str, file: str) -> list[str]:
        path = tmp_path / file
        block = {"kind": "user", "payload": {"text": "q"}, "metadata": {name: {"colour": "red"}}}
        path.write_text(2 * (json.dumps({"version": 1, "turns": [{"blocks": [block]}]}) + "\n"))
        return list(nt.frames.blocks(path)["extra"])

    assert extras(former, "old.jsonl") == extras(FORMER_NAMES[former], "new.jsonl") == 2 * ['{"colour": "red"}']


def test_a_file_with_both_names_keeps_both() -> None:
    metadata = {"nbturns.beside@v1": {"a": 1}, "nbturns.fields@v1": {"b": 2}}

    turn = nt.Turn.from_dict({"blocks": [], "metadata": metadata})

    assert turn.metadata.to_dict() == metadata


def test_the_wire_keys_of_each_namespace_are_in_keys() -> None:
    from nbturns.engines.anthropic import reply as anthropic_reply
    from nbturns.engines.gemini import parts as gemini_parts
    from nbturns.engines.openai_chat import reply as openai_chat_reply
    from nbturns.engines.openai_responses import reply as openai_responses_reply

    for module in (anthropic_reply, gemini_parts, openai_chat_reply, openai_responses_reply):
        original_items: OriginalItems = module.ORIGINALS
        for key in (original_items.item_key, original_items.response_id_key, original_items.output_index_key):
            assert getattr(keys, KNOWN[key.name]) == key
    assert FIELDS_NAMES == (keys.FIELDS.name, keys.OPENAI_CHAT_FIELDS.name)
