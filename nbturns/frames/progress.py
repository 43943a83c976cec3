"""A progress bar for long work."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from ..packages import require

DELAY = 2.0  # seconds before the bar appears


class Progress:
    """A bar over `total` bytes: tqdm's, a widget in a notebook. It appears late and is removed at the end.

    `visible` is None to show it in notebooks and terminals, but not in a log.
    """

    def __init__(self, total: int, visible: bool | None = None) -> None:
        self._total = total
        self._visible = visible
        self._start = time.monotonic()
        self._bytes = 0
        self._bar: Any = None
        self._page_display: Any = None  # IPython's handle of the displayed bar

    def advance(self, size: int) -> None:
        """Add `size` bytes; show the bar if the work takes longer than DELAY."""
        self._bytes += size
        if self._bar is not None:
            self._bar.update(size)
        elif self._visible is not False and time.monotonic() - self._start >= (0 if self._visible else DELAY):
            self._bar = self._new_bar()

    def _new_bar(self) -> Any:
        require("tqdm")
        from tqdm.auto import tqdm
        from tqdm.notebook import tqdm_notebook

        in_notebook = issubclass(tqdm, tqdm_notebook)
        options: dict[str, Any] = {"display": False} if in_notebook else {}
        disabled = None if self._visible is None and not in_notebook else False
        bar = tqdm(total=self._total or None, unit="B", unit_scale=True, leave=False, disable=disabled, **options)
        if not bar.disable:
            if in_notebook:
                from IPython import display as ipython

                show: Any = ipython.display
                bar.displayed, self._page_display = True, show(bar.container, display_id=True)
            bar.start_t -= time.monotonic() - self._start  # the work began before the bar appeared
            bar.n = bar.last_print_n = self._bytes
            bar.refresh()
        return bar

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._page_display is not None:
            self._page_display.update({}, raw=True)  # so that it is not saved in the notebook file
            self._page_display = None
