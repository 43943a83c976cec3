"""What the tests share. A test that asks for `lab` is a test in a browser, and says no more.

Those come last, so the quick ones fail first, and no other test meets Playwright's event loop.
They are never skipped: without a browser they fail, unless BROWSER=none leaves them out.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, expect, sync_playwright

from nbturns.testing import serve as play
from nbturns.testing.server import Server
from tests.lab.browser import NONE_TO_BE_HAD, find, unwanted
from tests.lab.jupyterlab import BROWSER_FLAGS, ROOT, Lab, LabServer, serve
from tests.lab.kernels import HOME, KERNELS

# A slow machine is no failure. Here new examples are tried in every run; in CI the same ones, so that
# a change is judged by itself.
settings.register_profile(
    "ours", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")


def pytest_report_header() -> str | None:
    """Say it when the tests in a browser were asked to stay out."""
    return "BROWSER=none: the tests in a browser are left out" if unwanted() else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests in a browser and put them last, or leave them out."""
    inside = [item for item in items if "browser" in getattr(item, "fixturenames", ())]
    outside = [item for item in items if item not in inside]
    for item in inside:
        item.add_marker("browser")
    if unwanted():
        config.hook.pytest_deselected(items=inside)
        inside = []
    items[:] = outside + inside


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of recorded data that lies beside the repository, not in it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the recorded data, ../shared/data, is not on this machine")
    return folder


@pytest.fixture
def server() -> Iterator[Server]:
    """The server of ours that plays providers."""
    with play() as made:
        yield made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = find()
    if path is None:
        pytest.fail(NONE_TO_BE_HAD, pytrace=False)
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)  # how slow a machine is decides nothing
        chromium = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """One JupyterLab for all tests, which serves copies of our notebooks and fixtures."""
    root = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "fixtures"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name)
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))
    with serve(root) as server:
        yield server
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def tab(browser: Browser, lab_server: LabServer) -> Lab:
    """One tab for all tests."""
    return Lab(browser, lab_server)


@pytest.fixture
def lab(tab: Lab) -> Iterator[Lab]:
    """Give a tab with nothing open; what a test opens, and its kernels, end with it."""
    yield tab
    tab.clear()


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> str:
    """Name of a kernel: the test runs once on each."""
    name: str = request.param
    if name != "python3" and not (HOME / "kernels" / name / "kernel.json").is_file():
        pytest.fail(f"no kernel {name}: `python -m tests.lab.kernels` installs it", pytrace=False)
    return name


def pytest_configure() -> None:
    """A run in the background ignores the keyboard's interrupt, and so would every process it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
