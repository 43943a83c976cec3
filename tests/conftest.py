"""Fixtures of all tests. A test that uses `lab` or `browser` is a browser test.

Browser tests run last, so that quick tests fail first and no other test meets Playwright's event loop. They are never
skipped: without a browser they fail, unless BROWSER=none excludes them.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, expect, sync_playwright

from nbturns.testing import serve as serve_exchanges
from nbturns.testing.server import Server
from tests.lab.browser import NOT_FOUND_MESSAGE, browser_tests_disabled, find_browser
from tests.lab.jupyterlab import BROWSER_FLAGS, ROOT, Lab, LabServer, serve
from tests.lab.kernels import KERNELS, KERNELS_PREFIX

LAB_TESTS = ROOT / "tests" / "lab"

# A slow machine is no failure. Here new examples are tried in every run; in CI the same ones, so that
# a change is judged by itself.
settings.register_profile(
    "ours", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")


def pytest_report_header() -> str | None:
    """Report that the browser tests are excluded."""
    return "BROWSER=none: the browser tests are skipped" if browser_tests_disabled() else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the browser tests and move them to the end, or exclude them."""
    browser_tests = [item for item in items if "browser" in getattr(item, "fixturenames", ())]
    other_tests = [item for item in items if item not in browser_tests]
    for item in browser_tests:
        if LAB_TESTS not in item.path.parents:
            raise pytest.UsageError(f"{item.nodeid} is a browser test; `make test` runs those in tests/lab")
        item.add_marker("browser")
    if browser_tests_disabled():
        config.hook.pytest_deselected(items=browser_tests)
        browser_tests = []
    items[:] = other_tests + browser_tests


def pytest_collection_finish() -> None:
    """Take the tests themselves out of the garbage collection, which walks through a million objects otherwise."""
    freeze_objects()
    gc.set_threshold(2_000, 20, 50)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Collect the garbage of a test file at its end, so that what it left open is reported there."""
    if nextitem is None or nextitem.path != item.path:
        freeze_objects()


def freeze_objects() -> None:
    """Collect the garbage, and take the objects that remain out of later collections."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data next to the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the recorded data, ../shared/data, is not on this machine")
    return folder


@pytest.fixture(scope="session")
def strict_warnings(pytestconfig: pytest.Config) -> list[str]:
    """The options with which another Python makes errors of warnings, but for those that -W of pytest ignores."""
    return ["-W", "error", *(f"-W{text}" for text in pytestconfig.getoption("pythonwarnings") or ())]


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that replays recorded exchanges."""
    with serve_exchanges() as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = find_browser()
    if path is None:
        pytest.fail(NOT_FOUND_MESSAGE, pytrace=False)
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)  # slow machines must pass, too
        chromium = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """A JupyterLab for all tests, which serves copies of the notebooks and fixtures."""
    root = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "fixtures"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name)
    previous_handler = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))
    with serve(root) as server:
        yield server
    signal.signal(signal.SIGTERM, previous_handler)


@pytest.fixture(scope="session")
def tab(browser: Browser, lab_server: LabServer) -> Lab:
    """A browser tab for all tests."""
    return Lab(browser, lab_server)


@pytest.fixture
def lab(tab: Lab) -> Iterator[Lab]:
    """A tab without open documents; it is reset after the test."""
    yield tab
    tab.clear()


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> str:
    """The name of a kernel; the test runs with each."""
    name: str = request.param
    if name != "python3" and not (KERNELS_PREFIX / "kernels" / name / "kernel.json").is_file():
        pytest.fail(f"no kernel {name}: `python -m tests.lab.kernels` installs it", pytrace=False)
    return name


def pytest_configure() -> None:
    """Restore the handler of SIGINT, which background processes ignore and would pass on to their children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
