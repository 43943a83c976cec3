"""The pages of the documentation: their code runs, their links lead somewhere, and every public name has an example."""

from __future__ import annotations

import importlib
import json
import re
import types
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml

import nbturns as nt
from nbturns.cli import argument_parser
from nbturns.testing import Server, serve
from nbturns.values.inference_settings import InferenceConfig

from .docs_pages import DOCS, PAGES, ROOT, page_blocks, page_code, run_page
from .engines.sdk_http import http_package

MODULES = "keys errors events frames engines middleware profiles tools widgets testing".split()
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
VARIABLE = re.compile(r"[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+")
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
NOT_RUN = {
    "importers.md"
}  # its importer is installed and run by tests/importers/test_guide.py; the other blocks are here


@pytest.fixture(scope="module")
def provider_server() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def provider_variables(provider_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every provider's requests to a local server, so that pages can ask models without an account."""
    for name, path in (("ANTHROPIC", ""), ("OPENAI", "/v1"), ("GOOGLE_GEMINI", "/v1beta")):
        monkeypatch.setenv(f"{name}_BASE_URL", provider_server.url + path)
    for name in ("ANTHROPIC", "OPENAI", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "not-a-key-of-anybody")


@pytest.mark.usefixtures("provider_variables")
@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in TEXTS[page]], ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert run_page(page, tmp_path, http_package("openai").__name__) > 0


def test_no_page_but_those_that_have_none_is_without_code() -> None:
    without_code = {page.stem for page in PAGES if "```python" not in TEXTS[page]}

    assert without_code <= {"architecture", "benchmarks", "environment", "formats", "geppetto", "cli"}


def commands() -> list[str]:
    lines = [line for text in TEXTS.values() for language, _, content in page_blocks(text) if language == "sh" for line in content.splitlines()]  # fmt: skip
    return [
        call
        for line in lines
        for call in re.findall(r"\bnbturns (?:[a-z]+|--\w+)[^|#;&)]*", line)
        if "import" not in line
    ]


@pytest.mark.parametrize("command", commands())
def test_a_command_of_a_page_is_one(command: str) -> None:
    argument_parser().parse_args([part.strip("\"'") for part in command.split()[1:]])


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as Markdown makes it."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())).strip("-")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in filter(None, (a or b for a, b in LINK.findall(re.sub(r"`[^`\n]*`", "", text)))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        if fragment:
            assert fragment in {anchor(heading) for heading in HEADING.findall(file.read_text(encoding="utf-8"))}, link


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    class Loader(yaml.SafeLoader):
        pass

    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506 - a SafeLoader
    listed = set(re.findall(r"[\w/-]+\.md", str(config["nav"])))

    assert {page.relative_to(DOCS).as_posix() for page in PAGES} == {name for name in listed if "/" not in name}


PROSE = "\n".join(map(page_code, TEXTS.values()))


@pytest.mark.parametrize("name", nt.__all__)
def test_every_public_name_has_an_example_on_a_page_of_prose(name: str) -> None:
    assert re.search(rf"\bnt\.{name}\b", PROSE)


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_public_module_has_an_example_on_a_page_of_prose(module: str) -> None:
    imported = set(re.findall(r"\w+", " ".join(re.findall(rf"from nbturns\.{module} import ([^\n]*)", PROSE))))
    names = set(importlib.import_module(f"nbturns.{module}").__all__)
    by_attribute = {name for name in names if re.search(rf"\bnt\.(?:{module}\.)?{name}\b", PROSE)}

    assert names - imported - by_attribute == set()


def reference_hook() -> types.ModuleType:
    spec = spec_from_file_location("reference_pages", DOCS / "site" / "reference_pages.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_public_name() -> None:
    pages = reference_hook().reference_pages()

    assert set(MODULES) == {Path(path).stem for path in pages} - {"index", "nbturns"}
    for name in set(nt.__all__) - set(MODULES):
        assert f"::: nbturns.{name}\n" in pages["reference/nbturns.md"], name
    for module in set(MODULES) - {"keys"}:
        for name in importlib.import_module(f"nbturns.{module}").__all__:
            assert f"::: nbturns.{module}.{name}\n" in pages[f"reference/{module}.md"], name


def test_every_environment_variable_is_listed() -> None:
    from nbturns.engines.dialects import DIALECTS

    listed = set(VARIABLE.findall((DOCS / "environment.md").read_text(encoding="utf-8")))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "nbturns").rglob("*.py"))
    constants = set(re.findall(r'"([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)"', sources))
    suffixes = ("_KEY", "_URL", "_TOKEN", "_HOST", "_HEADERS", "_REGION", "_ENDPOINT", "_PAT", "_HOME", "_DIR", "_PROXY", "_PROFILE", "_PROFILES", "_ORG_ID", "_PROJECT_ID")  # fmt: skip

    assert {name for name in constants if name.endswith(suffixes)} - {"CLAUDE_PREFIX"} <= listed
    assert {"NBTURNS_PROFILES", "NBTURNS_PROFILE"} <= listed
    for dialect in DIALECTS.values():
        assert {name for name in (dialect.key, dialect.bearer, *dialect.address) if name} <= listed, dialect.name


def test_the_page_of_hooks_has_an_example_of_every_event() -> None:
    from nbturns import events

    text = TEXTS[DOCS / "hooks.md"]
    names = [
        name
        for name in events.__all__
        if isinstance(getattr(events, name), type) and issubclass(getattr(events, name), events.Event)
    ]

    assert len(names) > 10
    for name in names:
        if name != "Event":
            assert f"case {name}(" in text, name
            assert f"| `{name}` |" in text, name


def test_the_decisions_about_geppetto_are_what_the_code_does() -> None:
    with pytest.raises(nt.LoadError, match="no format matches"):
        nt.loads('{"ID": "t", "Blocks": [{"ID": "b", "Kind": 1, "Payload": {"text": "hi"}}]}')
    with pytest.raises(nt.LoadError, match="a block needs a kind"):
        nt.Turn.from_yaml("blocks: [{payload: {text: x}}]")
    assert nt.Turn.from_yaml("blocks: [{kind: odd, a: 1}]")[0].kind == "odd"
    assert nt.Turn.from_yaml("blocks: [{kind: user, payload: {text: 2026-01-02}}]")[0].text == "2026-01-02"
    assert nt.ToolConfig.from_dict({"execution_timeout": "0s"}).execution_timeout is None
    plan = nt.load_profiles({"p": {"engine": "openai:x", "extensions": {"a.b@v0": {"x": 1}}}}, env_file=None).resolve(
        "p"
    )
    assert plan.extensions == {"a.b@v0": {"x": 1}}
    foreign = nt.Turn((nt.user("q"), nt.tool_call("call_1", "f", {}), nt.tool_use("call_1", 1)))
    assert "call_1" not in str(nt.engines.request("gemini:gemini-2.5-pro", foreign))
    assert "thoughtSignature" in str(nt.engines.request("gemini:gemini-3-pro-preview", foreign))
    thinking = nt.turn("x").with_data(nt.keys.INFERENCE_CONFIG, InferenceConfig(thinking_type="disabled"))
    assert nt.engines.request("anthropic:claude-sonnet-4-5", thinking)["thinking"] == {"type": "disabled"}


def test_the_start_page_links_every_notebook_and_none_is_long() -> None:
    notebooks = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    start = (ROOT / "notebooks" / "00_start.ipynb").read_text(encoding="utf-8")

    assert set(re.findall(r"\]\((\w+\.ipynb)\)", start)) == set(notebooks) - {"00_start.ipynb"}
    for name in notebooks:
        assert len(json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))["cells"]) <= 12, name
    assert [int(name[:2]) for name in notebooks] == list(range(len(notebooks)))
