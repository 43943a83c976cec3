"""The plugin of pytest, which loads it by an entry point.

Fixtures: `scripted_engine`, `turn_snapshot`, `turn_cassette`, `no_network`, `nbturns_engine` and `nbturns_tools`.
Options: `--update-turn-snapshots` and `--record-cassettes`. Settings: `nbturns_block_network` and `nbturns_fixtures`.
A test that fails prints the block table of its error and of the Turns, Runs and sessions in its variables.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

UPDATE_OPTION = "--update-turn-snapshots"

if TYPE_CHECKING:
    from ..engines import Cassette, Scripted
    from .network_guard import NetworkGuard
    from .turn_snapshots import TurnSnapshot

RECORD_OPTION = "--record-cassettes"
RECORD_MODES: dict[str, Any] = {"never": False, "new": True, "again": "again"}
ALLOW_NETWORK = "allow_network"
FAILED: pytest.StashKey[bool] = pytest.StashKey()  # of a test whose call failed


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and the settings."""
    group = parser.getgroup("nbturns")
    group.addoption(
        UPDATE_OPTION, action="store_true", help="write the snapshots of turn_snapshot instead of comparing"
    )
    group.addoption(
        RECORD_OPTION,
        choices=sorted(RECORD_MODES),
        nargs="?",
        const="new",
        default="never",
        help="record missing calls of turn_cassette (new, the value without one), or all of them (again)",
    )
    parser.addini("nbturns_block_network", "refuse connections to other machines in every test", "bool", default=False)
    parser.addini("nbturns_fixtures", "globs of geppetto's fixture documents that run as tests", "args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of tests that may use the network."""
    config.addinivalue_line("markers", f"{ALLOW_NETWORK}: the test may connect to other machines")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the block tables to the report of a failed test."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    if call.excinfo is not None and report.failed:
        from .turn_tables import failure_tables

        tables = failure_tables(call.excinfo.value, str(item.path))
        report.sections += [(f"Turn of {title}", table) for title, table in tables]
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show two Turns, or two Runs, that should be equal by the blocks that differ."""
    from ..values.turns import Run, Turn

    for kind in (Turn, Run):
        if op == "==" and isinstance(left, kind) and isinstance(right, kind):
            from .turn_tables import difference_lines

            lines = difference_lines(right, left)
            return [f"{left!r} == {right!r}", *(lines or ["the blocks are equal; ids or metadata differ"])]
    return None


@pytest.fixture
def scripted_engine(request: pytest.FixtureRequest) -> Iterator[Callable[..., Scripted]]:
    """A function like `nt.scripted`; the test fails if an answer of its engines is left at the end."""
    from ..engines import scripted
    from .fixture_documents import check_exhausted

    engines: list[Scripted] = []

    def make_engine(*answers: Any, pace: float = 0.0) -> Scripted:
        engines.append(scripted(*answers, pace=pace))
        return engines[-1]

    yield make_engine
    if not request.node.stash.get(FAILED, False):
        for engine in engines:
            check_exhausted(engine)


@pytest.fixture
def turn_snapshot(request: pytest.FixtureRequest) -> TurnSnapshot:
    """A function that compares a conversation with its file in `snapshots/`, next to the file of the test."""
    from .turn_snapshots import TurnSnapshot

    folder = request.path.parent / "snapshots" / request.path.stem
    return TurnSnapshot(folder, _file_name(request), update=bool(request.config.getoption(UPDATE_OPTION)))


@pytest.fixture
def turn_cassette(request: pytest.FixtureRequest) -> Cassette:
    """A middleware that answers from the test's file in `cassettes/`; `--record-cassettes` calls the model."""
    from ..engines import cassette

    path = request.path.parent / "cassettes" / request.path.stem / f"{_file_name(request)}.yaml"
    record = RECORD_MODES[request.config.getoption(RECORD_OPTION)]
    if record:
        path.parent.mkdir(parents=True, exist_ok=True)
    return cassette(path, record=record)


def _file_name(request: pytest.FixtureRequest) -> str:
    """Return the name of a test, with its parameters, as the name of a file."""
    return re.sub(r"[^\w.\-]+", "-", request.node.name).strip("-")


@pytest.fixture
def no_network(request: pytest.FixtureRequest) -> Iterator[NetworkGuard]:
    """A guard that refuses connections to other machines; the test fails if there was one, even if it was caught."""
    from .network_guard import NetworkGuard

    with NetworkGuard() as guard:
        yield guard
    if guard.attempts and not request.node.stash.get(FAILED, False):
        pytest.fail(f"the test tried to reach {', '.join(dict.fromkeys(guard.attempts))}", pytrace=False)


@pytest.fixture(autouse=True)
def _nbturns_network(request: pytest.FixtureRequest) -> None:
    """Use `no_network` in every test when `nbturns_block_network` is set, unless the test is marked."""
    if request.config.getini("nbturns_block_network") and not request.node.get_closest_marker(ALLOW_NETWORK):
        request.getfixturevalue("no_network")


@pytest.fixture
def nbturns_engine() -> Any:
    """The engine of fixture documents: None for their own answers; override it in conftest.py."""
    return None


@pytest.fixture
def nbturns_tools() -> tuple[Any, ...]:
    """The tools of fixture documents; override it in conftest.py."""
    return ()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect the documents that the setting `nbturns_fixtures` names."""
    from .fixture_documents import RECORDING_SUFFIX

    patterns = parent.config.getini("nbturns_fixtures")
    if not patterns or file_path.suffix not in (".yaml", ".yml") or file_path.name.endswith(RECORDING_SUFFIX):
        return None
    root = parent.config.rootpath
    relative = file_path.relative_to(root) if file_path.is_relative_to(root) else file_path
    if any(relative.match(pattern) for pattern in patterns):
        module: pytest.Module = DocumentModule.from_parent(parent, path=file_path)
        return module
    return None


class DocumentModule(pytest.Module):
    """A fixture document as a module of one test, which can use the fixtures of conftest.py."""

    def _getobj(self) -> types.ModuleType:
        path = self.path

        def test_document(nbturns_engine: Any, nbturns_tools: Any, turn_snapshot: TurnSnapshot) -> None:
            from .fixture_documents import fixture_document
            from .turn_assertions import assert_turn

            run = fixture_document(path).run(nbturns_engine, tools=nbturns_tools)
            for turn in run:
                assert_turn(turn).is_complete()
            if turn_snapshot.update or turn_snapshot.path().exists():
                turn_snapshot(run)

        module = types.ModuleType(path.stem)
        module.test_document = test_document  # type: ignore[attr-defined]  # a module of one test
        return module

    def istestfunction(self, obj: object, name: str) -> bool:  # noqa: ARG002 - pytest passes the function
        return name == "test_document"
