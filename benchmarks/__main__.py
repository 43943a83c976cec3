"""Run every benchmark, or those named, and print what was measured beside what is wanted."""

from __future__ import annotations

import sys

from . import (
    browser,
    chat_messages,
    frames,
    import_time,
    inspect_frames,
    live_views,
    model_calls,
    recorded_chats,
    reply_decoding,
    tool_loop,
    transcripts,
)

ALL = (
    *import_time.ALL,
    *tool_loop.ALL,
    *reply_decoding.ALL,
    *recorded_chats.ALL,
    *frames.ALL,
    *inspect_frames.ALL,
    *chat_messages.ALL,
    *transcripts.ALL,
    *browser.ALL,
    *live_views.ALL,
    *model_calls.ALL,
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
