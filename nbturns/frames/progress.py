"""A progress bar for work that takes long; none for work that does not."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from ..packages import require

PATIENCE = 2.0  # seconds before there is a bar


class Progress:
    """A bar over `total` bytes: tqdm's, a widget in a notebook. It comes late and leaves nothing behind.

    `shown` is None where that is decided here: in notebooks and terminals, not in a log.
    """

    def __init__(self, total: int, shown: bool | None = None) -> None:
        self._total = total
        self._shown = shown
        self._began = time.monotonic()
        self._done = 0
        self._bar: Any = None
        self._place: Any = None  # in the page

    def advance(self, size: int) -> None:
        self._done += size
        if self._bar is not None:
            self._bar.update(size)
        elif self._shown is not False and time.monotonic() - self._began >= (0 if self._shown else PATIENCE):
            self._bar = self._made()

    def _made(self) -> Any:
        require("tqdm")
        from tqdm.auto import tqdm
        from tqdm.notebook import tqdm_notebook

        in_page = issubclass(tqdm, tqdm_notebook)
        options: dict[str, Any] = {"display": False} if in_page else {}
        wordless = None if self._shown is None and not in_page else False
        bar = tqdm(total=self._total or None, unit="B", unit_scale=True, leave=False, disable=wordless, **options)
        if not bar.disable:
            if in_page:
                from IPython import display as ipython

                show: Any = ipython.display
                bar.displayed, self._place = True, show(bar.container, display_id=True)
            bar.start_t -= time.monotonic() - self._began  # it began before it was shown
            bar.n = bar.last_print_n = self._done
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
        if self._place is not None:
            self._place.update({}, raw=True)  # nor does it stay in the file of the notebook
            self._place = None
