"""Run every benchmark, or those named, and print what was measured beside what is wanted."""

from __future__ import annotations

import sys

from . import asking, browser, chat_messages, decoding, frames, importing, inspect_frames, live, loop, reading, starting

ALL = (
    *starting.ALL,
    *loop.ALL,
    *decoding.ALL,
    *reading.ALL,
    *frames.ALL,
    *inspect_frames.ALL,
    *chat_messages.ALL,
    *importing.ALL,
    *browser.ALL,
    *live.ALL,
    *asking.ALL,
)
NAMED = inspect_frames.NAMED  # too long to be run unasked: `.venv/bin/python -m benchmarks the_long_log_by_both`


def main(names: list[str]) -> None:
    print(f"{'what':56}{'measured':>16}  wanted")  # noqa: T201  # a table for a terminal
    for benchmark in (*ALL, *NAMED):
        if benchmark.__name__ in names or (not names and benchmark in ALL):
            for what, measured, wanted in benchmark():
                print(f"{what:64}{measured:>16}  {wanted}", flush=True)  # noqa: T201  # row by row, for those who wait


if __name__ == "__main__":
    main(sys.argv[1:])
