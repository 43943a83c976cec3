"""The guide to importers and the table of formats: the guide's code runs, and every importer has a row."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nbturns.importers import importers
from nbturns.plugins import entry_points, package_of

DOCS = Path(__file__).parents[2] / "docs"
TITLED_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
OUTPUT_BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def install_guide(folder: Path) -> str:
    """Write the files of the guide to a folder, declare their entry points, and return the output that it shows."""
    guide = (DOCS / "importers.md").read_text(encoding="utf-8")
    for name, content in TITLED_BLOCK.findall(guide):
        (folder / name).write_text(content, encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (output,) = OUTPUT_BLOCK.findall(guide)
    return str(output)


def execute(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_the_importer_of_the_guide_is_a_plugin_whose_output_is_that_of_the_guide(tmp_path: Path) -> None:
    output = install_guide(tmp_path)

    assert execute(tmp_path, "read.py") == output


def test_the_importer_of_the_guide_refuses_what_it_guesses_when_strict(tmp_path: Path) -> None:
    install_guide(tmp_path)
    script = "import nbturns as nt\ntry:\n    nt.load('may.json', strict=True)\nexcept nt.LoadError as error:\n    print(error)"

    assert execute(tmp_path, "-c", script) == "may.json: pages[1]: tool call without an id; 'pages[1].2' is used\n"


def first_cells(page: str) -> set[str]:
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    "name", [name for name, point in entry_points("nbturns.importers").items() if package_of(point) == "nbturns"]
)
def test_every_importer_has_a_row_in_the_table_of_formats(name: str) -> None:
    table = (DOCS / "formats.md").read_text(encoding="utf-8").split("## ")[0]

    assert {name, importers()[name].name} <= first_cells(table), f"add a row for `{name}` to docs/formats.md"


def test_every_format_is_named_by_the_page_of_one_family() -> None:
    families = [
        re.findall(r"`([^`]+)`", match)
        for page in DOCS.glob("importing-*.md")
        for match in re.findall(
            r"Formats of this family: (.*?)\n\n", page.read_text(encoding="utf-8") + "\n\n", re.DOTALL
        )
    ]

    assert sorted(name for names in families for name in names) == sorted(
        {importer.name for importer in importers().values()} | {"nbturns"}
    )


def test_every_row_of_the_table_of_formats_says_what_is_counted_priced_linked_and_tested() -> None:
    rows = re.findall(r"^\| (`.+) \|$", (DOCS / "formats.md").read_text(encoding="utf-8").split("## ")[0], re.MULTILINE)

    for row in rows:
        cells = row.split(" | ")
        assert len(cells) == 8 and all(cells), row
        assert ";" in cells[4], f"one model call; tokens: {row}"
        assert re.fullmatch(r"(yes|of its library|of another reader|no)( \(.+\))?", cells[7]), row
