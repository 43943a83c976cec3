"""A JupyterLab server for tests, and a browser tab in it that is controlled through JupyterLab's commands.

The user's own Jupyter configuration is neither read nor written, no other machine is contacted, and no step depends
on pixel positions, so tests behave the same on every machine.
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
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.lab.kernels import KERNELS_PREFIX
from tests.lab.processes import process_group

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
LOOPBACK = "127.0.0.1"

BROWSER_FLAGS = (
    "--no-sandbox",  # required for root
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
    # Let the server stop by itself if the tests are killed.
    "--ServerApp.shutdown_no_activity_timeout=900",
    "--MappingKernelManager.cull_idle_timeout=900",
    "--LabApp.expose_app_in_browser=True",
    "--JupyterNotebookApp.expose_app_in_browser=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)


@dataclass(frozen=True, slots=True)
class LabServer:
    """A running JupyterLab server: the folder it serves, its URL and its token."""

    root: Path
    url: str
    token: str

    def write(self, name: str, cells: Sequence[str], kernel: str = "python3") -> None:
        """Write a notebook of code cells into the served folder."""
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
        """Shut down all kernels, so that one test does not slow down the next."""
        for session in json.loads(self._call("GET", "api/sessions")):
            self._call("DELETE", f"api/sessions/{session['id']}")

    def _call(self, method: str, path: str) -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        with urlopen(Request(self.url + path, method=method, headers=headers)) as response:
            body: bytes = response.read()
        return body


@contextmanager
def serve(root: Path) -> Iterator[LabServer]:
    """Serve a folder with a JupyterLab that has its own settings and runtime folder."""
    with TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / "settings").mkdir()
        (home / "settings" / "overrides.json").write_text(json.dumps(settings()))
        command = [sys.executable, "-m", "jupyterlab", *SERVER_FLAGS]
        command += [f"--ServerApp.root_dir={root}"]
        command += [f"--LabApp.app_settings_dir={home / 'settings'}"]
        with (
            (home / "log").open("w") as log,
            process_group(command, environment(home), log) as process,
        ):
            url, token = address(home, process)
            yield LabServer(root, url, token)


def settings() -> dict[str, Any]:
    """Return the settings used on Binder, without autosave."""
    binder_settings = json.loads((ROOT / "binder" / "overrides.json").read_text())
    return {**binder_settings, "@jupyterlab/docmanager-extension:plugin": {"autosave": False}}


def environment(home: Path) -> dict[str, str]:
    """Return environment variables that keep JupyterLab away from the user's files."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER")}
    folders = {
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "user-settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    return {
        **inherited,
        **{key: str(home / name) for key, name in folders.items()},
        "JUPYTER_PATH": str(KERNELS_PREFIX),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # avoids a warning of Python 3.11 kernels
    }


def address(home: Path, process: Popen[bytes], seconds: float = 60.0) -> tuple[str, str]:
    """Wait until the server has written its connection file; return its URL and token."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        for path in (home / "runtime").glob("jpserver-*.json"):
            if text := path.read_text():
                connection = json.loads(text)
                return connection["url"], connection["token"]
        time.sleep(0.05)
    message = f"JupyterLab did not start:\n{(home / 'log').read_text()[-3000:]}"
    raise RuntimeError(message)


class Lab:
    """A browser tab with one notebook. Cells are counted from 0, times are in seconds.

    `frames` and `received` count the messages and bytes from the kernel, `errors` are the page's errors, and
    `foreign_requests` the requests to other machines, which must be empty. Loading JupyterLab takes four seconds and
    opening a notebook one, so tabs are reused.
    """

    def __init__(self, browser: Browser, server: LabServer) -> None:
        """Load JupyterLab in a new tab."""
        self.server = server
        self.errors: list[str] = []
        self.foreign_requests: list[str] = []
        self.frames = 0
        self.received = 0
        self.page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.page.on("request", lambda request: self._on_request(request.url))
        self.page.on("websocket", self._on_websocket)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", self._on_page_error)
        self.load()

    def new(self, cells: Sequence[str], kernel: str = "python3") -> None:
        """Write a temporary notebook of code cells and open it."""
        name = f"throw-away-{sum(1 for _ in self.server.root.iterdir())}.ipynb"
        self.server.write(name, cells, kernel)
        self.open(name)

    def open(self, path: str, *, fresh: bool = False) -> None:
        """Open a notebook of the served folder and wait for its kernel; `fresh` reloads the page first."""
        if fresh or self.page.locator(".jp-Dialog").count():
            self.load()
        self.close()
        self.evaluate("void app.commands.execute('docmanager:open', {path: arg})", path)
        self.wait_until("panel?.context?.path === arg && panel.context.isReady", path)
        self.wait_until_idle()

    def load(self) -> None:
        """Load JupyterLab without an open notebook."""
        self.page.goto(f"{self.server.url}lab?reset&token={self.server.token}")
        self.wait_until("app?.shell")
        self.evaluate("app.restored.then(() => true)")

    def close(self) -> None:
        """Close all open documents without a dialog; the kernel keeps running."""
        self.evaluate("[...app.shell.widgets('main')].forEach(widget => widget.dispose())")

    def clear(self) -> None:
        """Reset the tab for the next test."""
        self.close()
        self.theme("Light")
        self.server.end_sessions()
        self.errors, self.foreign_requests, self.frames, self.received = [], [], 0, 0

    def run_all(self, *, wait: bool = True, seconds: float = 120.0) -> None:
        """Run all cells; with `wait`, until the last has finished or one has failed."""
        self._run("notebook:run-all-cells", wait=wait, seconds=seconds)

    def run(self, i: int, *, wait: bool = True, seconds: float = 120.0) -> None:
        """Run one cell; with `wait`, until it has finished."""
        self.evaluate("panel.content.activeCellIndex = arg, panel.content.deselectAll()", i)
        self._run("notebook:run-cell", wait=wait, seconds=seconds)

    def _run(self, command: str, *, wait: bool, seconds: float) -> None:
        self.evaluate(
            "window.running = (window.running ?? 0) + 1,"
            "void app.commands.execute(arg).finally(() => { window.running -= 1 })",
            command,
        )
        if wait:
            self.wait_until("window.running === 0", seconds=seconds)

    def wait(self, i: int, seconds: float = 120.0) -> None:
        """Wait until a running cell has finished."""
        self.wait_until(
            "cell(arg).executionCount !== null && cell(arg).executionState !== 'running'",
            i,
            seconds=seconds,
        )

    def outputs(self, i: int) -> list[dict[str, Any]]:
        """Return the outputs of a cell as in the notebook file."""
        outputs: list[dict[str, Any]] = self.evaluate("cell(arg).sharedModel.toJSON().outputs", i)
        return outputs

    def text(self, i: int) -> str:
        """Return the plain text of a cell's outputs."""
        return "".join(plain_text(output) for output in self.outputs(i))

    def output(self, i: int) -> Locator:
        """Return the output area of a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(i).locator(".jp-Cell-outputArea")

    def shut_down_kernel(self) -> None:
        """Shut down the kernel."""
        self.evaluate("panel.sessionContext.shutdown()")

    def restart_kernel(self) -> None:
        """Restart the kernel; the outputs are kept."""
        self.evaluate("panel.sessionContext.restartKernel()")
        self.wait_until_idle()

    def save(self) -> dict[str, Any]:
        """Save the notebook and return the content of its file."""
        self.evaluate("panel.context.save()")
        path = self.evaluate("panel.context.path")
        notebook: dict[str, Any] = json.loads((self.server.root / path).read_text())
        return notebook

    def theme(self, name: Literal["Light", "Dark"]) -> None:
        """Change the theme of JupyterLab."""
        theme = f"JupyterLab {name}"
        if self.evaluate("document.body.dataset.jpThemeName !== arg", theme):
            self.evaluate("app.commands.execute('apputils:change-theme', {theme: arg})", theme)
        self.wait_until("document.body.dataset.jpThemeName === arg", theme)

    def screenshot(self, name: str, i: int | None = None) -> Path:
        """Save a screenshot of the page, or of the output of a cell."""
        path = ARTIFACTS / f"{name}.png"
        (self.page if i is None else self.output(i)).screenshot(path=path)
        return path

    def wait_until_idle(self) -> None:
        """Wait until a kernel is connected and idle."""
        kernel = "panel.sessionContext.session?.kernel"
        self.wait_until(f"{kernel}?.connectionStatus === 'connected' && {kernel}.status === 'idle'")

    def evaluate(self, expression: str, arg: object = None) -> Any:  # noqa: ANN401 - JavaScript may answer anything
        """Evaluate JavaScript that may use `app`, `panel`, `cell(i)` and `arg`."""
        return self.page.evaluate(script(expression), arg)

    def wait_until(self, expression: str, arg: object = None, *, seconds: float = 60.0) -> None:
        """Wait until an expression is true; a failure reports the state of the kernel and the cells."""
        try:
            self.page.wait_for_function(script(expression), arg=arg, timeout=seconds * 1000, polling=20)
        except PlaywrightTimeout as error:
            error.add_note(f"state of the page: {self.evaluate(PAGE_STATE)}")
            raise

    def _on_request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob", "about"} and parts.hostname != LOOPBACK:
            self.foreign_requests.append(url)

    def _on_websocket(self, socket: WebSocket) -> None:
        self._on_request(socket.url)
        socket.on("framereceived", self._on_frame)

    def _on_frame(self, payload: bytes | str) -> None:
        self.frames += 1
        self.received += len(payload)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_page_error(self, error: Error) -> None:
        self.errors.append(str(error))


PAGE_STATE = """[
    panel?.context?.path,
    panel?.sessionContext?.session?.kernel?.connectionStatus,
    panel?.sessionContext?.session?.kernel?.status,
    ...(panel?.content?.widgets ?? []).map(({model}) => `${model.executionState} ${model.executionCount}`),
].join(', ')"""


def script(expression: str) -> str:
    """Return a JavaScript function for an expression, with short names for the objects it may use."""
    return f"""arg => {{
        const app = window.jupyterapp, panel = app?.shell?.currentWidget;
        const cell = i => panel.content.widgets[i].model;
        return {expression}
    }}"""


def plain_text(output: dict[str, Any]) -> str:
    """Return one output as text."""
    match output:
        case {"output_type": "stream", "text": text}:
            return "".join(text)
        case {"output_type": "error", "ename": name, "evalue": value}:
            return f"{name}: {value}"
        case {"data": {"text/plain": text}}:
            return "".join(text)
    return ""
