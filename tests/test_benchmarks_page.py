"""`make bench` writes docs/benchmarks.md, a section for each benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.__main__ import ALL, NAMED
from benchmarks.report_page import PAGE, SECTION, section_of, write_page


def first() -> Iterator[tuple[str, str, str]]:
    """Measure the first thing."""
    yield "a|b", "3 ms", "5"


def second() -> Iterator[tuple[str, str, str]]:
    yield "c", "4 ms", ""


def test_a_measured_section_is_replaced_and_the_others_are_kept(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    write_page([first, second], {"first": section_of(first, first(), 0.1)}, page)
    write_page([first, second], {"second": section_of(second, second(), 99.0)}, page)

    text = page.read_text(encoding="utf-8")

    sections = {match[1]: match[0] for match in SECTION.finditer(text)}
    assert "Measure the first thing." in sections["first"] and r"| a\|b | 3 ms | 5 |" in sections["first"]
    assert "not loaded (load 0.1)" in sections["first"] and " loaded (load 99.0)" in sections["second"]
    assert "| c | 4 ms |  |" in sections["second"] and "Not measured" not in text


def test_the_page_has_no_section_of_a_benchmark_that_is_gone() -> None:
    sections = [match[1] for match in SECTION.finditer(PAGE.read_text(encoding="utf-8"))]

    assert len(sections) > 20
    assert set(sections) <= {benchmark.__name__ for benchmark in (*ALL, *NAMED)}
