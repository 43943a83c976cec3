"""Jupyter Notebook 7 beside JupyterLab: another shell around the same notebooks, a page for each."""

from __future__ import annotations

from tests.lab.jupyterlab import Lab


class Notebook(Lab):
    """One browser tab with one notebook, in Notebook 7."""

    def load(self) -> None:
        """Load the list of files, which has no notebook open."""
        self.page.goto(f"{self.server.url}tree?token={self.server.token}")
        self.until("app?.shell")

    def open(self, path: str, *, fresh: bool = False) -> None:
        """Open a notebook of the served folder and wait for its kernel; every page is a fresh one here."""
        self.close()
        self.page.goto(f"{self.server.url}notebooks/{path}?token={self.server.token}")
        self.until("panel?.context?.path === arg && panel.context.isReady", path)
        self.until_idle()
        self.errors.clear()  # of its list of files

    def close(self) -> None:
        """Leave the notebook, saved, because a page that is left without saving asks; its kernel lives on."""
        if self.ask("!!panel?.context?.isReady"):
            self.ask("panel.context.save()")
        self.load()
