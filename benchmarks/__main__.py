"""Run every benchmark, or those named; print each result next to its target, and write docs/benchmarks.md."""

from __future__ import annotations

import sys

from . import (
    agent_sessions,
    browser,
    captures,
    chat_messages,
    debugger,
    frames,
    import_time,
    inspect_frames,
    live_views,
    model_calls,
    recorded_chats,
    reply_decoding,
    stores,
    tool_loop,
    transcripts,
)
from .report_page import current_load, section_of, write_page

ALL = (
    *import_time.ALL,
    *tool_loop.ALL,
    *reply_decoding.ALL,
    *recorded_chats.ALL,
    *frames.ALL,
    *agent_sessions.ALL,
    *inspect_frames.ALL,
    *chat_messages.ALL,
    *transcripts.ALL,
    *browser.ALL,
    *live_views.ALL,
    *debugger.ALL,
    *model_calls.ALL,
    *captures.ALL,
    *stores.ALL,
)
NAMED = inspect_frames.NAMED  # too long to be run unasked: `.venv/bin/python -m benchmarks the_long_log_by_both`


def main(names: list[str]) -> None:
    print(f"{'what':56}{'measured':>16}  target")  # noqa: T201  # a table for a terminal
    every = (*ALL, *NAMED)
    for benchmark in every:
        if benchmark.__name__ in names or (not names and benchmark in ALL):
            load, rows = current_load(), []
            for what, measured, target in benchmark():
                rows.append((what, measured, target))
                print(f"{what:64}{measured:>16}  {target}", flush=True)  # noqa: T201  # row by row, for those who wait
            write_page(every, {benchmark.__name__: section_of(benchmark, rows, max(load, current_load()))})


if __name__ == "__main__":
    main(sys.argv[1:])
