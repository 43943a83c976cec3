"""Find a Chromium, or install one, so that `make test` needs only Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import sync_playwright

from tests.lab.processes import process_group

PLAYWRIGHT = (sys.executable, "-m", "playwright")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MAC_PATH = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
PACKAGES = ("chromium", "libatomic1")

DOWNLOAD_SECONDS = 300.0
"""Limit for networks that silently drop requests, where Playwright waits much longer."""

NOT_FOUND_MESSAGE = """\
no browser for the tests: none is installed, and neither Playwright nor apt-get could install one
install Chromium or Chrome (on Debian: apt-get install chromium libatomic1), or set
CHROMIUM=/path/to/it, or skip the browser tests with BROWSER=none\
"""


def browser_tests_disabled() -> bool:
    """Return whether BROWSER=none disables the browser tests."""
    return os.environ.get("BROWSER") == "none"


def find_browser() -> str | None:
    """Return the path of the first browser that starts, or None if there is none or Playwright does not run."""
    if not starts(*PLAYWRIGHT):
        return None
    return next((path for path in candidates() if starts(path)), None)


def candidates() -> Iterator[str]:
    """Yield possible paths of a browser, preferred ones first."""
    yield os.environ.get("CHROMIUM", "")
    for name in NAMES:
        yield shutil.which(name) or ""
    yield MAC_PATH
    yield playwright_browser()


def playwright_browser() -> str:
    """Return the path where Playwright installs its browser."""
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def starts(*command: str) -> bool:
    """Return whether a program runs; on a minimal system a downloaded browser may lack libraries."""
    try:
        subprocess.run([*command, "--version"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def download() -> None:
    """Let Playwright download its Chromium; a failure is ignored because there is another way."""
    with process_group([*PLAYWRIGHT, "install", "chromium"]) as process:
        try:
            process.wait(DOWNLOAD_SECONDS)
        except subprocess.TimeoutExpired:
            report(f"the download did not finish within {DOWNLOAD_SECONDS:.0f} s")


def install() -> None:
    """Install Chromium and a library for Playwright with apt-get, if it is available."""
    if shutil.which("apt-get") is None:
        return
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2", "--yes"]
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            return
        apt = ["sudo", "--non-interactive", *apt]
    subprocess.run([*apt, "update"], check=False)
    subprocess.run([*apt, "install", "--no-install-recommends", *PACKAGES], check=False)


def main() -> None:
    """Make sure that the tests will find a browser, or exit with an explanation."""
    if browser_tests_disabled():
        report("BROWSER=none: the browser tests are skipped")
        return
    path = find_browser()
    for acquire in (download, install):
        if path is None:
            acquire()
            path = find_browser()
    if path is None:
        sys.exit(NOT_FOUND_MESSAGE)
    report(f"browser: {path}")


def report(line: str) -> None:
    """Print a line for the user of `make test`."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
