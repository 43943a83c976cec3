"""Find a Chromium, or get one, so that `make test` needs nothing but Python beforehand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import sync_playwright

from tests.lab.processes import group

PLAYWRIGHT = (sys.executable, "-m", "playwright")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ON_A_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
PACKAGES = ("chromium", "libatomic1")

DOWNLOAD_SECONDS = 300.0
"""A network that drops what it forbids would keep Playwright waiting far longer."""

NONE_TO_BE_HAD = """\
no browser for the tests: none is installed, and neither Playwright nor apt-get could get one
install Chromium or Chrome (on Debian: apt-get install chromium libatomic1), or name it by
CHROMIUM=/path/to/it, or leave the tests in a browser out by BROWSER=none\
"""


def unwanted() -> bool:
    """Say whether the tests in a browser were asked to stay out."""
    return os.environ.get("BROWSER") == "none"


def find() -> str | None:
    """Path of the first browser here that starts, if that which drives it does too."""
    if not starts(*PLAYWRIGHT):
        return None
    return next((path for path in candidates() if starts(path)), None)


def candidates() -> Iterator[str]:
    """Where a browser may be, the one asked for first."""
    yield os.environ.get("CHROMIUM", "")
    for name in NAMES:
        yield shutil.which(name) or ""
    yield ON_A_MAC
    yield playwrights_own()


def playwrights_own() -> str:
    """Path where Playwright puts the browser it downloads."""
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def starts(*command: str) -> bool:
    """Say whether a program runs: on a bare system a downloaded one lacks libraries."""
    try:
        subprocess.run([*command, "--version"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def download() -> None:
    """Let Playwright fetch its Chromium; where it cannot, the next way is tried."""
    with group([*PLAYWRIGHT, "install", "chromium"]) as process:
        try:
            process.wait(DOWNLOAD_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"the download was not done after {DOWNLOAD_SECONDS:.0f} s")


def install() -> None:
    """Let Debian install Chromium, and a library Playwright needs, where apt-get may be used."""
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
    """Leave a browser on this machine that the tests will find, or say why there is none."""
    if unwanted():
        say("BROWSER=none: the tests in a browser are left out")
        return
    path = find()
    for get in (download, install):
        if path is None:
            get()
            path = find()
    if path is None:
        sys.exit(NONE_TO_BE_HAD)
    say(f"browser: {path}")


def say(line: str) -> None:
    """Tell whoever ran `make test`."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
