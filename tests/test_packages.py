"""Packages that are absent: what works without them, and the error that names the one that is missing."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import zipfile
import zlib
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers.kit.zip_archive import zstd_module
from nbturns.packages import DISTRIBUTIONS

OPTIONAL = [
    *("pandas", "pyarrow", "numpy", "polars", "dask", "matplotlib", "tqdm", "keyring", "dotenv"),
    *("openai", "anthropic", "httpx", "httpx2", "backports.zstd", "compression.zstd"),
]
NEEDED = ["yaml", "pydantic", "anywidget", "ipywidgets"]
ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if any(name == package or name.startswith(package + ".") for package in ABSENT):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import nbturns as nt
run = nt.Run((nt.turn("Which city?", system="Be brief.") + nt.assistant("Lyon."),))
"""


def python(options: list[str], script: str, absent: list[str], folder: Path) -> str:
    """Return what a script prints in a Python that cannot import the packages."""
    whole = f"ABSENT = {absent}\n{ABSENT}\n{script}"
    finished = subprocess.run(
        [sys.executable, *options, "-c", whole],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_load_view_save_and_sessions_work_without_any_optional_package(
    tmp_path: Path, strict_warnings: list[str]
) -> None:
    script = """
run = nt.example()
for suffix in (".yaml", ".json", ".jsonl", ".html", ".md"):
    nt.save(run, "run" + suffix)
loaded = [nt.load("run" + suffix) for suffix in (".yaml", ".json", ".jsonl")]
chat = nt.loads([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
comparison = nt.compare(run[0], run[-1])
tables = [value._repr_html_() for value in (run, run[0], run[0][0], comparison, chat)]
views = [nt.view(value) for value in (run, run[0], comparison)]
bundles = [view._repr_mimebundle_() for view in views]

def weather(city: str) -> dict:
    "Current weather in a city."
    return {"city": city, "celsius": 18}

script = nt.scripted(nt.tool_call("call", "weather", {"city": "Paris"}), "18 degrees.")
session = nt.Session(script, tools=[weather], step=True)
execution = session.ask("How is the weather?")
pause = execution.next().result(60)
execution.step(pause.turn.edit(-1, args={"city": "Lyon"})).result(60)
execution.resume()
print(loaded == [run] * 3, len(chat[0]), all(tables), all(bundles))
print(execution.result(60).text, session.turns[0].of_kind("tool_use")[0].result["city"])
print([name for name in ABSENT if sys.modules.get(name)])
"""
    assert python(strict_warnings, script, OPTIONAL, tmp_path).splitlines() == [
        "True 2 True True",
        "18 degrees. Lyon",
        "[]",
    ]


# Each expression, and the package that its error names with what to install.
FRAMES = (
    "blocks", "turns", "inferences", "tool_calls", "snapshots", "read", "runs", "problems", "context", "labels",
    "decisions",
)  # fmt: skip
PANDAS = {
    **{f"nt.frames.{name}(run)": ("pandas", "pandas") for name in FRAMES},
    "nt.frames.to_parquet(run, 'new')": ("pandas", "pandas"),
    "nt.frames.from_parquet('new')": ("pandas", "pandas"),
    "nt.frames.spread(None)": ("pandas", "pandas"),
    "nt.frames.blocks(run, backend='arrow')": ("pyarrow", "pyarrow"),
    "nt.frames.from_parquet('new', backend='arrow')": ("pyarrow", "pyarrow"),
    "nt.frames.blocks(run, backend='polars')": ("polars", "'nbturns[polars]'"),
    "nt.frames.read('*.yaml', backend='dask')": ("dask", "'nbturns[dask]'"),
    "nt.compare(run, run).to_df()": ("pandas", "pandas"),
    "nt.load('chat.json').import_report.to_df()": ("pandas", "pandas"),
    "nt.engines.recording('calls.jsonl')": ("httpx2", "'nbturns[httpx2]'"),
    "nt.engine('anthropic:claude-x', api_key='k')": ("anthropic", "'nbturns[anthropic]'"),
    "nt.engine('openai:gpt-x', api_key='k')": ("openai", "'nbturns[openai]'"),
    "nt.engine('openai-chat:gpt-x', api_key='k')": ("httpx2", "'nbturns[httpx2]'"),
    "nt.engine('openai-chat:x', base_url='http://127.0.0.1:9/v1')": ("httpx2", "'nbturns[httpx2]'"),
    "nt.engine('gemini:gemini-x', api_key='k')": ("httpx2", "'nbturns[gemini]'"),
    "nt.load_profiles({'p': {'engine': 'gemini:x', 'api_key': '${keyring:a/b}'}}, env_file=None)['p'].session()": (
        "keyring",
        "'nbturns[keyring]'",
    ),
}
ZSTD = {} if sys.version_info >= (3, 14) else {"nt.load('packed.eval')": ("backports.zstd", "backports.zstd")}
BARE = {
    "nt.view(run)": ("ipywidgets", "ipywidgets"),
    "nt.widgets": ("ipywidgets", "ipywidgets"),
    "nt.example()": ("yaml", "pyyaml"),
    "nt.load('run.yaml')": ("yaml", "pyyaml"),
    "run.to_yaml()": ("yaml", "pyyaml"),
    "nt.Tool(weather).parameters": ("pydantic", "pydantic"),
}
WEATHER = """
def weather(city: str) -> str:
    "Current weather in a city."
    return city

def outcome(expression):
    try:
        return repr(eval(expression))
    except Exception as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        cause = error if isinstance(error, nt.MissingPackageError) else error.__cause__
        return [names, str(error), getattr(cause, "package", None), getattr(cause, "command", None)]

import json
print(json.dumps({expression: outcome(expression) for expression in EXPRESSIONS}))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, strict_warnings: list[str]) -> dict[str, Any]:
    """The outcome of each expression: the classes of its error, its words, the package and the command."""
    folder = tmp_path_factory.mktemp("absent")
    (folder / "chat.json").write_text(json.dumps([{"role": "user", "content": "a"}]))
    (folder / "run.yaml").write_text("turns: []")
    packed_archive(folder / "packed.eval")
    found: dict[str, Any] = {}
    for expressions, absent in (({**PANDAS, **ZSTD}, OPTIONAL), (BARE, NEEDED)):
        found |= json.loads(python(strict_warnings, f"EXPRESSIONS = {[*expressions]}\n{WEATHER}", absent, folder))
    return found


@pytest.mark.parametrize("expression", [*PANDAS, *ZSTD, *BARE])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    outcomes: dict[str, Any], expression: str
) -> None:
    package, wanted = {**PANDAS, **ZSTD, **BARE}[expression]

    classes, message, named, command = outcomes[expression]

    assert (named, command) == (package, f"pip install {wanted}"), message
    assert "NbturnsError" in classes and f"the package {package} is not installed: {command}" in message
    assert {"ImportError", "EngineError", "ProfileError"} & set(classes)


def test_every_function_of_frames_is_among_them() -> None:
    functions = {name for name in nt.frames.__all__ if inspect.isfunction(getattr(nt.frames, name))}

    assert {name for name in functions if f"nt.frames.{name}(" not in " ".join(PANDAS)} == {"at", "to_turns"}


def packed_archive(path: Path, content: bytes = b"{}", *, size: int | None = None) -> None:
    """A zip with one sample that is packed by Zstandard and says that it holds `size` bytes."""
    with zipfile.ZipFile(path, "w") as made:
        for name in ("header.json", "samples/1_epoch_1.json"):
            info = zipfile.ZipInfo(name)
            made.writestr(info, zstd_module().compress(content))
            info.compress_type, info.CRC = 93, zlib.crc32(content)
            info.file_size = len(content) if size is None else size


@cache
def extras() -> dict[str, set[str]]:
    """The names of the packages that each extra brings."""
    from packaging.requirements import Requirement

    found: dict[str, set[str]] = {}
    for line in distribution("nbturns").requires or ():
        requirement = Requirement(line)
        for extra in distribution("nbturns").metadata.get_all("Provides-Extra") or ():
            if requirement.marker and requirement.marker.evaluate({"extra": extra}):
                found.setdefault(extra, set()).add(requirement.name)
    return found


@pytest.mark.parametrize(("package", "wanted"), [*DISTRIBUTIONS.items(), ("httpx2", "'nbturns[gemini]'")])
def test_an_extra_that_an_error_names_brings_the_package(package: str, wanted: str) -> None:
    plain = {"yaml": "pyyaml", "IPython": "ipython", "dotenv": "python-dotenv"}
    if package in plain:
        assert wanted == plain[package] and distribution(wanted)
        return

    assert package in extras()[wanted.removeprefix("'nbturns[").removesuffix("]'")]


def test_the_error_of_a_missing_package_can_be_caught_as_python_raises_it() -> None:
    error = nt.MissingPackageError("x", package="pyarrow", command="pip install pyarrow")

    assert isinstance(error, ModuleNotFoundError) and isinstance(error, nt.NbturnsError)
    assert error.name == "pyarrow"
