"""A JupyterLab of our own, and a page in it, driven by its commands and read from its models.

Nothing of the user's Jupyter is read or written, nothing is asked of any other machine, and no
step goes by the position of a pixel, so a test passes the same way on every machine.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, WebSocket
from playwright.sync_api import TimeoutError as TooLateError

from tests.lab.kernels import HOME
from tests.lab.processes import group

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
LOOPBACK = "127.0.0.1"

BROWSER_FLAGS = (
    "--no-sandbox",  # root has no sandbox
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)

SERVER_FLAGS = (
    "--no-browser",
    "--allow-root",
    f"--ServerApp.ip={LOOPBACK}",
    "--ServerApp.port=0",
    "--ServerApp.terminals_enabled=False",
    # A server whose tests were killed ends by itself.
    "--ServerApp.shutdown_no_activity_timeout=900",
    "--MappingKernelManager.cull_idle_timeout=900",
    "--LabApp.expose_app_in_browser=True",
    "--JupyterNotebookApp.expose_app_in_browser=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)


@dataclass(frozen=True, slots=True)
class LabServer:
    """A JupyterLab that is up: the folder it serves, and where to reach it."""

    root: Path
    url: str
    token: str

    def write(self, name: str, cells: Sequence[str], kernel: str = "python3") -> None:
        """Write a notebook of code cells into the folder that is served."""
        notebook = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": kernel, "display_name": kernel}},
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell-{i}",
                    "metadata": {},
                    "source": source,
                    "outputs": [],
                    "execution_count": None,
                }
                for i, source in enumerate(cells)
            ],
        }
        (self.root / name).write_text(json.dumps(notebook))

    def end_sessions(self) -> None:
        """Shut down every kernel, so that one test does not slow the next."""
        for session in json.loads(self._call("GET", "api/sessions")):
            self._call("DELETE", f"api/sessions/{session['id']}")

    def _call(self, method: str, path: str) -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        with urlopen(Request(self.url + path, method=method, headers=headers)) as answer:
            body: bytes = answer.read()
        return body


@contextmanager
def serve(root: Path) -> Iterator[LabServer]:
    """Serve a folder from a JupyterLab with settings and a runtime folder of its own."""
    with TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / "settings").mkdir()
        (home / "settings" / "overrides.json").write_text(json.dumps(settings()))
        command = [sys.executable, "-m", "jupyterlab", *SERVER_FLAGS]
        command += [f"--ServerApp.root_dir={root}"]
        command += [f"--LabApp.app_settings_dir={home / 'settings'}"]
        with (
            (home / "log").open("w") as log,
            group(command, environment(home), log) as process,
        ):
            url, token = address(home, process)
            yield LabServer(root, url, token)


def settings() -> dict[str, Any]:
    """Give the settings of a first visit to Binder, but leave saving to the tests."""
    quiet = json.loads((ROOT / "binder" / "overrides.json").read_text())
    return {**quiet, "@jupyterlab/docmanager-extension:plugin": {"autosave": False}}


def environment(home: Path) -> dict[str, str]:
    """Give the variables that keep a JupyterLab away from its user's files."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER")}
    folders = {
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "user-settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    return {
        **ours,
        **{key: str(home / name) for key, name in folders.items()},
        "JUPYTER_PATH": str(HOME),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else every kernel of Python 3.11 warns
    }


def address(home: Path, process: Popen[bytes], seconds: float = 60.0) -> tuple[str, str]:
    """Wait for a server to tell its address and token, which it does once it listens."""
    late = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < late:
        for path in (home / "runtime").glob("jpserver-*.json"):
            if text := path.read_text():
                told = json.loads(text)
                return told["url"], told["token"]
        time.sleep(0.05)
    message = f"JupyterLab did not start:\n{(home / 'log').read_text()[-3000:]}"
    raise RuntimeError(message)


class Lab:
    """One browser tab with one notebook. Cells are counted from 0, times are in seconds.

    `frames` and `received` count the messages and bytes that came from the kernel, `errors` are
    the page's, and `strangers` the requests to any machine but this one: there must be none.
    JupyterLab takes four seconds to load and one to open a notebook, so a tab is used again.
    """

    def __init__(self, browser: Browser, server: LabServer) -> None:
        """Load JupyterLab in a tab of its own."""
        self.server = server
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.frames = 0
        self.received = 0
        self.page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.page.on("request", lambda request: self._saw(request.url))
        self.page.on("websocket", self._connected)
        self.page.on("console", self._said)
        self.page.on("pageerror", self._failed)
        self.load()

    def new(self, cells: Sequence[str], kernel: str = "python3") -> None:
        """Write a throw-away notebook of code cells and open it."""
        name = f"throw-away-{sum(1 for _ in self.server.root.iterdir())}.ipynb"
        self.server.write(name, cells, kernel)
        self.open(name)

    def open(self, path: str, *, fresh: bool = False) -> None:
        """Open a notebook of the served folder, alone, and wait for its kernel.

        With `fresh` the page is loaded anew, as by a reader who comes back the next day.
        """
        if fresh or self.page.locator(".jp-Dialog").count():
            self.load()
        self.close()
        self.ask("void app.commands.execute('docmanager:open', {path: arg})", path)
        self.until("panel?.context?.path === arg && panel.context.isReady", path)
        self.until_idle()

    def load(self) -> None:
        """Load JupyterLab with nothing open."""
        self.page.goto(f"{self.server.url}lab?reset&token={self.server.token}")
        self.until("app?.shell")
        self.ask("app.restored.then(() => true)")

    def close(self) -> None:
        """Close what is open without a question; its kernel lives on."""
        self.ask("[...app.shell.widgets('main')].forEach(widget => widget.dispose())")

    def clear(self) -> None:
        """Leave a tab as good as new to the next test."""
        self.close()
        self.theme("Light")
        self.server.end_sessions()
        self.errors, self.strangers, self.frames, self.received = [], [], 0, 0

    def run_all(self, *, wait: bool = True, seconds: float = 120.0) -> None:
        """Run all cells; with `wait`, until the last is done or one has failed."""
        self._run("notebook:run-all-cells", wait=wait, seconds=seconds)

    def run(self, i: int, *, wait: bool = True, seconds: float = 120.0) -> None:
        """Run one cell; with `wait`, until it is done."""
        self.ask("panel.content.activeCellIndex = arg, panel.content.deselectAll()", i)
        self._run("notebook:run-cell", wait=wait, seconds=seconds)

    def _run(self, command: str, *, wait: bool, seconds: float) -> None:
        self.ask(
            "window.running = (window.running ?? 0) + 1,"
            "void app.commands.execute(arg).finally(() => { window.running -= 1 })",
            command,
        )
        if wait:
            self.until("window.running === 0", seconds=seconds)

    def wait(self, i: int, seconds: float = 120.0) -> None:
        """Wait until one cell that was set running is done."""
        self.until(
            "cell(arg).executionCount !== null && cell(arg).executionState !== 'running'",
            i,
            seconds=seconds,
        )

    def outputs(self, i: int) -> list[dict[str, Any]]:
        """Give the outputs of a cell as the notebook file would hold them."""
        outputs: list[dict[str, Any]] = self.ask("cell(arg).sharedModel.toJSON().outputs", i)
        return outputs

    def text(self, i: int) -> str:
        """Give what a reader without a browser would see below a cell."""
        return "".join(plain(output) for output in self.outputs(i))

    def output(self, i: int) -> Locator:
        """Find the place below a cell, to look for elements in and to click on."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(i).locator(".jp-Cell-outputArea")

    def shut_down_kernel(self) -> None:
        """End the kernel, as happens to every notebook that is left for long enough."""
        self.ask("panel.sessionContext.shutdown()")

    def restart_kernel(self) -> None:
        """Begin with an empty kernel; the outputs stay."""
        self.ask("panel.sessionContext.restartKernel()")
        self.until_idle()

    def save(self) -> dict[str, Any]:
        """Save the notebook and give what its file now holds."""
        self.ask("panel.context.save()")
        path = self.ask("panel.context.path")
        notebook: dict[str, Any] = json.loads((self.server.root / path).read_text())
        return notebook

    def theme(self, name: Literal["Light", "Dark"]) -> None:
        """Change the theme of the whole page."""
        theme = f"JupyterLab {name}"
        self.ask("app.commands.execute('apputils:change-theme', {theme: arg})", theme)
        self.until("document.body.dataset.jpThemeName === arg", theme)

    def screenshot(self, name: str, i: int | None = None) -> Path:
        """Keep a picture of the page, or of what stands below a cell, for people to look at."""
        path = ARTIFACTS / f"{name}.png"
        (self.page if i is None else self.output(i)).screenshot(path=path)
        return path

    def until_idle(self) -> None:
        """Wait until there is a kernel and it has nothing to do."""
        kernel = "panel.sessionContext.session?.kernel"
        self.until(f"{kernel}?.connectionStatus === 'connected' && {kernel}.status === 'idle'")

    def ask(self, expression: str, arg: object = None) -> Any:  # noqa: ANN401 - JavaScript may answer anything
        """Evaluate JavaScript that may speak of `app`, `panel`, `cell(i)` and `arg`."""
        return self.page.evaluate(script(expression), arg)

    def until(self, expression: str, arg: object = None, *, seconds: float = 60.0) -> None:
        """Wait until such an expression is true; a failure tells how kernel and cells stood."""
        try:
            self.page.wait_for_function(script(expression), arg=arg, timeout=seconds * 1000)
        except TooLateError as error:
            error.add_note(f"the page stood at {self.ask(STAND)}")
            raise

    def _saw(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob", "about"} and parts.hostname != LOOPBACK:
            self.strangers.append(url)

    def _connected(self, socket: WebSocket) -> None:
        self._saw(socket.url)
        socket.on("framereceived", self._heard)

    def _heard(self, payload: bytes | str) -> None:
        self.frames += 1
        self.received += len(payload)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _failed(self, error: Error) -> None:
        self.errors.append(str(error))


STAND = """[
    panel?.context?.path,
    panel?.sessionContext?.session?.kernel?.connectionStatus,
    panel?.sessionContext?.session?.kernel?.status,
    ...(panel?.content?.widgets ?? []).map(({model}) => `${model.executionState} ${model.executionCount}`),
].join(', ')"""


def script(expression: str) -> str:
    """Give a JavaScript function for an expression, with short names for what it may ask."""
    return f"""arg => {{
        const app = window.jupyterapp, panel = app?.shell?.currentWidget;
        const cell = i => panel.content.widgets[i].model;
        return {expression}
    }}"""


def plain(output: dict[str, Any]) -> str:
    """Give one output as text."""
    match output:
        case {"output_type": "stream", "text": text}:
            return "".join(text)
        case {"output_type": "error", "ename": name, "evalue": value}:
            return f"{name}: {value}"
        case {"data": {"text/plain": text}}:
            return "".join(text)
    return ""
