"""Run every benchmark, or those named, and print what was measured beside what is wanted."""

from __future__ import annotations

import sys

from . import asking, browser, decoding, frames, importing, loop, reading, starting

ALL = (
    *starting.ALL,
    *loop.ALL,
    *decoding.ALL,
    *reading.ALL,
    *frames.ALL,
    *importing.ALL,
    *browser.ALL,
    *asking.ALL,
)


def main(names: list[str]) -> None:
    print(f"{'what':56}{'measured':>16}  wanted")  # noqa: T201  # a table for a terminal
    for benchmark in ALL:
        if not names or benchmark.__name__ in names:
            for what, measured, wanted in benchmark():
                print(f"{what:64}{measured:>16}  {wanted}", flush=True)  # noqa: T201  # row by row, for those who wait


if __name__ == "__main__":
    main(sys.argv[1:])
