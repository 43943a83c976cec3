"""Queries: what is required, excluded and filtered, and how names and CJK texts are found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

import nbturns as nt
from nbturns.search.index import TABLES, Entry, add_entry, delete_entries, find_entries
from nbturns.search.query import parse_query
from nbturns.search.words import block_facets, block_time, name_parts, parse_time, searchable_text
from nbturns.values.metadata import metadata_from_dict


@pytest.fixture
def index() -> Any:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in TABLES.split(";\n"):
            connection.execute(statement)
        yield connection


def add(index: Any, *blocks: nt.Block, tool: str = "", run: int = 1, at: float | None = None) -> None:
    for block in blocks:
        text = searchable_text(block)
        facets = block_facets(block, tool or block.name)
        add_entry(index, Entry(run, 0, 0, None, "", block.kind, tool, "", at, facets, text), text)


def search(index: Any, query: str, runs: Any = None, limit: int = 100) -> list[str | None]:
    return [found.entry.text for found in find_entries(index, parse_query(query), runs, limit)]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("call get_user_name now", "user"),
        ("call get_user_name now", "get_user_name"),
        ("call getUserName now", "user"),
        ("call getUserName now", "getUserName"),
        ("HTTPServerError", "server"),
        ("see src/nbturns/store/schema.py", "store/schema.py"),
        ("see src/nbturns/store/schema.py", "schema"),
        ("東京の天気は晴れです", "天気"),
        ("東京の天気は晴れです", "東京の天気"),
        ("東京の天気は晴れです", "晴"),
        ("東京の天気は晴れです", "す"),
        ("한국어 문장입니다", "문장"),
        ("天気API is down", "天気api"),
        ("Größe der Datei", "grosse OR größe"),
        ("café", "cafe"),
        ("say hello world", '"hello world"'),
        ("say hello world", "hel*"),
        ("a URL https://example.org/x", "https://example.org"),
        ("it costs 12.50", "12.50"),
    ],
)
def test_a_text_is_found(index: Any, text: str, query: str) -> None:
    add(index, nt.user(text), nt.user("something else"))

    assert search(index, query) == [text]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("天は気まぐれ", "天気"),
        ("hello big world", '"hello world"'),
        ("user", "username"),
        ("hello world", "hello -world"),
    ],
)
def test_a_text_is_not_found(index: Any, text: str, query: str) -> None:
    add(index, nt.user(text))

    assert search(index, query) == []


def test_everything_in_a_block_is_found(index: Any) -> None:
    add(
        index,
        nt.tool_call("c1", "get_weather", {"city": "Paris", "deep": [{"note": "umbrella"}]}),
        nt.tool_use("c1", {"sky": ["cloudy"]}),
        nt.tool_use("c2", error="TimeoutError: too slow"),
        nt.reasoning("let me think about anchors"),
        nt.Block("a_new_kind", {"content": {"words": "peculiar"}}),
    )

    for query in ("weather", "city", "Paris", "umbrella", "cloudy", "TimeoutError", "anchors", "peculiar"):
        assert len(search(index, query)) == 1, query


def test_filters_of_blocks(index: Any) -> None:
    model = metadata_from_dict(
        {"geppetto.inference_result@v1": {"model": "claude-sonnet-4-5", "provider": "anthropic"}}
    )
    add(index, nt.user("paris please"))
    add(index, nt.Block("llm_text", {"text": "paris it is"}, metadata=model))
    add(index, nt.tool_call("c1", "weather", {"city": "paris"}))
    add(index, nt.tool_use("c1", "sunny in paris"), tool="weather")
    add(index, nt.tool_use("c2", error="paris timed out"), tool="mcp__maps__route")

    assert search(index, "paris kind:user") == ["paris please"]
    assert len(search(index, "paris tool:weather")) == 2
    assert search(index, "tool:weather sunny") == ["sunny in paris"]
    assert search(index, "tool:route") == search(index, "tool:mcp*") == ["paris timed out"]
    assert search(index, "tool:we") == []
    for name in ("claude", "sonnet", "claude-sonnet", "Claude-Sonnet-4-5", "4-5"):
        assert search(index, f"model:{name}") == ["paris it is"]
    assert search(index, "model:sonne") == ["paris it is"]
    assert search(index, "error:yes") == search(index, "error:timed") == ["paris timed out"]
    assert len(search(index, "paris -kind:tool_use")) == 3
    assert len(search(index, "-kind:tool_use")) == 3


def test_times_and_runs(index: Any) -> None:
    for day in range(1, 6):
        add(index, nt.user(f"day {day}"), run=day, at=parse_time(f"2026-01-0{day}T12:00:00Z"))

    assert search(index, "after:2026-01-04") == ["day 5", "day 4"]
    assert search(index, "day before:2026-01-02T13:00") == ["day 2", "day 1"]
    assert search(index, "after:2026 before:2026-02", limit=2) == ["day 5", "day 4"]
    assert search(index, "day", runs=[2, 4]) == ["day 4", "day 2"]
    assert search(index, "day", runs=[]) == []


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("session:alp", ["alpha"]),
        ("-session:alp rain", ["beta", "gamma"]),
        ("session:alpha OR session:beta", ["alpha", "beta"]),
        ("session:a session:g", ["gamma"]),
        ("-file:logs/ session:a", ["beta", "gamma"]),
        ("SESSION:Alpha File:LOGS", ["alpha"]),
    ],
)
def test_filters_of_sessions_and_files(query: str, allowed: list[str]) -> None:
    runs = {"alpha": "logs/a.yaml", "beta": "b.yaml", "gamma": "c.yaml"}
    parsed_query = parse_query(query)
    assert [session for session, file in runs.items() if parsed_query.allows(session, file)] == allowed


@pytest.mark.parametrize(
    "query", ["rain OR session:a", "session:a OR rain", "session:a OR file:b", "-before:2026", "rain OR after:2026"]
)
def test_what_a_filter_cannot_mean_is_refused(query: str) -> None:
    with pytest.raises(nt.MisuseError, match="OR|excluded"):
        parse_query(query)


def test_deleted_entries_leave_no_words(index: Any) -> None:
    add(index, nt.user("secret camelCaseName 天気"), run=1)
    add(index, nt.user("other"), run=2)
    delete_entries(index, 1)

    index.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    assert index.execute("SELECT count(*) FROM words WHERE words MATCH 'secret'").fetchone() == (0,)
    assert search(index, "other") == ["other"]


@pytest.mark.parametrize(
    "query", ["", "   ", "?!", "kind:", "before:yesterday", "after:2026-13-01", 'tool:""', None, 5, "AND"]
)
def test_odd_queries_are_refused_or_find_nothing(index: Any, query: Any) -> None:
    add(index, nt.user("a text"))
    if query == "AND":
        assert search(index, query) == []
        return
    with pytest.raises(nt.MisuseError):
        search(index, query)


@pytest.mark.parametrize(
    "query", ['"', '"open', "a'b", "a) OR (b", "NEAR(a b)", "text:a", "{a b}:c", "* x", "\0", "x^2", "-", "a:b:c"]
)
def test_the_syntax_of_the_index_is_not_reachable(index: Any, query: str) -> None:
    add(index, nt.user("some text"))
    try:
        assert search(index, query) == []
    except nt.MisuseError as error:
        assert "has no words" in str(error)


def test_the_pattern_marks_what_was_searched() -> None:
    pattern = parse_query('get_user "two words" 天気 tool:x -none').pattern

    assert pattern is not None
    assert [match[0] for match in pattern.finditer("GetUser two  words, 天気 none x")] == [
        "GetUser",
        "two  words",
        "天気",
    ]


def test_times_are_read_as_sources_write_them() -> None:
    assert parse_time("2026-01-01T00:00:00Z") == parse_time("2026-01-01") == parse_time(1767225600000) == 1767225600
    odd_values: list[Any] = ["soon", None, True, -5, float("nan"), {}]
    assert [parse_time(value) for value in odd_values] == [None] * 6
    assert block_time(nt.user("x").with_metadata(nt.keys.TIMESTAMP, "2026-01-01T00:00:00Z")) == 1767225600


def test_name_parts_are_only_what_the_index_does_not_split() -> None:
    assert name_parts("plain snake_case words") == ""
    assert name_parts("getHTTPResponseCode2") == "get HTTP Response Code 2"
