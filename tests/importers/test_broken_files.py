"""Foreign transcripts that are not as they should be: nothing of them is lost, and nothing but our errors comes out."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.importers import Note, Source, importers, read_runs

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"
JSON = sorted(path.name for path in FIXTURES.iterdir() if path.suffix != ".md")
# Names of fields whose words name a shape: a block says the same by its kind.
SHAPES = {
    "type", "kind", "role", "part_kind", "source", "status", "state", "outcome", "content_type", "object", "recipient",
    "parent", "children", "parent_message_uuid", "sender", "from", "key", "intValue", "lc", "openinference.span.kind", "mime_type", "input.mime_type",
    "output.mime_type", "llm.input_messages.1.message.contents.1.message_content.type",
}  # fmt: skip
SHAPE_WORDS = {
    "client-created-root", "langchain", "schema", "messages", "SystemMessage", "HumanMessage", "AIMessage", "ToolMessage",
    "RUN_STARTED", "model", "provider-call-started", "gen_ai.choice", *(f"gen_ai.{role}.message" for role in ("system", "user", "assistant", "tool")),
}  # fmt: skip


def document(name: str) -> Any:
    text = (FIXTURES / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith((".json", ".traj")) else [json.loads(line) for line in text.splitlines()]


def to_bytes(name: str, value: Any) -> bytes:
    rows = [value] if name.endswith((".json", ".traj")) else value
    return "\n".join(json.dumps(row) for row in rows).encode()


def read_document(name: str, value: Any, *, strict: bool = False) -> tuple[list[nt.Run], list[Note]]:
    """Return the Runs of a changed document, read as its format, and the notes on unreadable parts."""
    source = Source.of_bytes(to_bytes(name, value), name, strict=strict)
    format = "tau-bench" if name.startswith("tau") else FORMATS[name]
    runs_and_notes = list(read_runs(source, format))
    return [item for item in runs_and_notes if isinstance(item, nt.Run)], [
        item for item in runs_and_notes if isinstance(item, Note)
    ]


FORMATS = {name: next(nt.load_all(FIXTURES / name)).import_report.format for name in JSON}


# Nothing is lost.


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, name)
    elif isinstance(value, str) and value:
        yield name, value


def text_of_runs(runs: list[nt.Run]) -> str:
    return "\n".join(text for run in runs for _, text in leaves([run.to_dict(), list(run.to_dict())]))


def lost_texts(value: Any, runs: list[nt.Run]) -> set[str]:
    """Return the texts of a document that its Runs lack, both as texts and within JSON texts."""
    whole = text_of_runs(runs)
    parsed = {json.dumps(block.args, sort_keys=True) for run in runs for turn in run for block in turn}
    missing = {text for name, text in leaves(value) if name not in SHAPES and text not in whole}
    return {text for text in missing if not _has_other_shape(text, whole, parsed)}


def _has_other_shape(text: str, whole: str, parsed: set[str]) -> bool:
    if text.startswith("Error: ") and text.removeprefix("Error: ") in whole:  # geppetto's way to mark a result
        return True
    if text.startswith("attachment://"):  # Inspect's reference; what it refers to stands in its place
        return True
    try:
        value = json.loads(text)
    except ValueError:
        return False
    if json.dumps(value, sort_keys=True) in parsed or isinstance(value, (int, float)):
        return True
    leaf_texts = (leaf_text for name, leaf_text in leaves(value) if name not in SHAPES)
    return isinstance(value, (dict, list)) and all(
        leaf_text in whole or _has_other_shape(leaf_text, whole, parsed) for leaf_text in leaf_texts
    )


DELTA_FIELDS = {  # fields that repeat, in parts, a text that is whole elsewhere
    "ag-ui-events.jsonl": "delta",
    "geppetto-events.ndjson": "delta",
}


@pytest.mark.parametrize("name", JSON)
def test_no_text_of_a_transcript_is_lost(name: str) -> None:
    value = document(name)
    runs, problems = read_document(name, value)

    missing = lost_texts(value, runs) - SHAPE_WORDS

    assert {text for text in missing if not _is_delta(name, text, value)} == set()
    assert not problems


def _is_delta(name: str, text: str, value: Any) -> bool:
    pieces = {leaf_text for key, leaf_text in leaves(value) if key in ("delta", "text", "arguments", "input")}
    return name in DELTA_FIELDS and text in pieces


# Wrong types everywhere.


def value_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a document."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from value_paths(item, (*path, key))


def nested_list(levels: int) -> Any:
    value: Any = "at the bottom"
    for _ in range(levels):
        value = [value]
    return value


WRONG_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "null", "{}", '{"a": 1}', "[", "\ud800", "0", "role", "assistant", "tool"]),
    st.sampled_from(
        [
            [],
            {},
            [None],
            [[]],
            [{}],
            {"": None},
            {"type": "text"},
            [1, "x"],
            {"role": 1},
            nested_list(60),
            nested_list(300),
        ]
    ),
)
DROP = object()


def replace_at(value: Any, path: tuple[Any, ...], new_value: Any) -> Any:
    value = copy.deepcopy(value)
    container = value
    for step in path[:-1]:
        container = container[step]
    if new_value is DROP:
        del container[path[-1]]
    else:
        container[path[-1]] = new_value
    return value


@st.composite
def mutated_documents(draw: st.DrawFn, name: str) -> Any:
    value = document(name)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(value_paths(value))
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        mutation = draw(st.sampled_from(["wrong", "wrong", "drop", "another", "twice"]))
        if mutation == "wrong":
            value = replace_at(value, path, draw(WRONG_VALUES))
        elif mutation == "drop":
            value = replace_at(value, path, DROP)
        elif mutation == "another":
            other_path = draw(st.sampled_from(paths))
            value = replace_at(value, path, copy.deepcopy(value_at(value, other_path)))
        elif isinstance(path[-1], int):
            value = copy.deepcopy(value)
            value_at(value, path[:-1]).append(copy.deepcopy(value_at(value, path)))
    return value


def value_at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def assert_sound(run: nt.Run) -> None:
    """Check that a Run can be shown, saved and read again."""
    restored_run = nt.Run.from_dict(json.loads(json.dumps(run.to_dict())))
    assert len(restored_run) == len(run) and [len(turn) for turn in restored_run] == [len(turn) for turn in run]
    assert isinstance(str(run), str) and isinstance(run._repr_html_(), str)
    assert run.usage.total_tokens == sum(
        inference.usage.total_tokens for inference in run.inferences if inference.usage
    )
    assert run.import_report.blocks >= 0


def saved_text(runs: list[nt.Run]) -> str:
    """As text, in which a NaN equals itself."""
    return json.dumps([run.to_dict() for run in runs])


@pytest.mark.parametrize("name", JSON)
def test_any_wrong_type_in_any_field_is_read_or_refused_with_a_reason(name: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated_documents(name))
    def test(value: Any) -> None:
        try:
            runs, problems = read_document(name, value)
        except nt.LoadError as error:
            assert name in str(error)
            return
        for run in runs:
            assert_sound(run)
        told = problems or any(list(run.import_report.notes()) for run in runs)
        try:
            strictly = read_document(name, value, strict=True)[0]
        except nt.LoadError:
            assert told or not runs
        else:
            assert not told and saved_text(strictly) == saved_text(runs)

    test()


@pytest.mark.parametrize("name", JSON)
def test_no_format_is_named_with_an_error_whatever_a_file_holds(name: str) -> None:
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated_documents(name))
    def test(value: Any) -> None:
        source = Source.of_bytes(to_bytes(name, value), name)
        for importer in importers().values():
            assert 0 <= importer.score(source.sample) <= 100

    test()


# Files that are cut, and bytes that are no text.

ALL_CASES = sorted(
    path.name
    for path in FIXTURES.iterdir()
    if next(nt.load_all(path)).import_report.format in set(FORMATS.values()) | {"aider"}
)


@pytest.mark.parametrize("name", ALL_CASES)
def test_a_file_that_is_cut_gives_what_is_left_and_says_so(name: str, tmp_path: Path) -> None:
    whole = (FIXTURES / name).read_bytes()
    path = tmp_path / name

    for part in range(1, 12):
        path.write_bytes(whole[: len(whole) * part // 12])
        try:
            runs = list(nt.load_all(path))
        except nt.LoadError as error:
            assert str(path) in str(error)
            continue
        for run in runs:
            assert_sound(run)
        cut_between_lines = whole[len(whole) * part // 12 - 1 :][:1] == b"\n" or name.endswith((".md", "l", "ndjson"))
        assert cut_between_lines or any(list(run.import_report.notes()) for run in runs)


@pytest.mark.parametrize("name", ALL_CASES)
def test_bytes_that_are_no_text_are_replaced_and_reported(name: str, tmp_path: Path) -> None:
    whole = (FIXTURES / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole.replace("°".encode(), b"\xff", 1).replace(b"Spider", b"Sp\xfeder", 1))

    runs = list(nt.load_all(path))

    assert sum(len(run.latest) for run in runs) >= sum(len(run.latest) for run in nt.load_all(FIXTURES / name))
    if path.read_bytes() != whole:
        assert any(list(run.import_report.notes()) for run in runs)
        with pytest.raises(nt.LoadError):
            list(nt.load_all(path, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["# aider chat started at 2026-11-02 09:00:00", "#### ", "#### say", "> ", ">", "> did", "", "text", "```", "# head", "\r", "####", "#### <blank>  "])))  # fmt: skip
def test_any_history_of_aiders_is_read_with_all_its_lines(rows: list[str]) -> None:
    text = "# aider chat started at 2026-11-02 08:00:00\n" + "\n".join(rows) + "\n"

    source = Source.of_bytes(text.encode())
    runs = [one for one in read_runs(source, "aider") if isinstance(one, nt.Run)]

    said = [block for run in runs for block in run.latest]
    count = sum(row.startswith("#### ") or row == "####" for row in rows)
    assert sum(len(block.text.split("\n")) for block in said if block.kind == "user") == count
    assert sum(block.text.count("did") for block in said if block.kind == "other") == rows.count("> did")
    assert sum(block.text.count("text") for block in said if block.kind == "llm_text") == rows.count("text")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(set(FORMATS.values()) | {"aider", "pinocchio"})))
def test_any_bytes_are_runs_or_a_load_error(content: bytes, format: str) -> None:
    try:
        for one in read_runs(Source.of_bytes(content, "some"), format):
            assert isinstance(one, (nt.Run, Note))
    except nt.LoadError:
        pass
