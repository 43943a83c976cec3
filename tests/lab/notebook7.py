"""Jupyter Notebook 7 for tests."""

from __future__ import annotations

from tests.lab.jupyterlab import Lab


class Notebook(Lab):
    """A browser tab with one notebook in Notebook 7."""

    def load(self) -> None:
        """Load the file list, which has no open notebook."""
        self.page.goto(f"{self.server.url}tree?token={self.server.token}")
        self.wait_until("app?.shell")

    def open(self, path: str, *, fresh: bool = False) -> None:
        """Open a notebook of the served folder and wait for its kernel; the page is always reloaded."""
        self.close()
        self.page.goto(f"{self.server.url}notebooks/{path}?token={self.server.token}")
        self.wait_until("panel?.context?.path === arg && panel.context.isReady", path)
        self.wait_until_idle()
        self.errors.clear()  # errors of the file list

    def close(self) -> None:
        """Save the notebook, because leaving it unsaved opens a dialog, and leave it; the kernel keeps running."""
        if self.evaluate("!!panel?.context?.isReady"):
            self.evaluate("panel.context.save()")
        self.load()
