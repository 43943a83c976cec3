"""Frames of Inspect logs, compared with those that inspect_ai makes of the same files, in one run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from .frames import OURS, Row, best, measured
from .inspect_logs import write_log
from .peer_packages import BEST, MISSING, is_there, said

RUNS = (*OURS[:2], "nt.frames.runs(sys.argv[1])")
SUMMARIES = (*OURS[:2], "nt.frames.runs(sys.argv[1], summary=True)")
RUNS_PEER = ("from inspect_ai.analysis import samples_df", "", "samples_df(sys.argv[1], quiet=True)")
PEER = ("from inspect_ai.analysis import messages_df", "", "messages_df(sys.argv[1], quiet=True)")
MESSAGES = 20_400
LONG = 3_203

# Seconds for a log, and for one of twice its length: by turns, so that a busy moment meets both.
GROWTH = """
{best}
import nbturns as nt, pandas, pyarrow.compute
nt.frames.blocks(sys.argv[1])
found = [[best(lambda: nt.frames.blocks(path), 1) for path in sys.argv[1:]] for _ in range(15)]
print(*map(min, zip(*found)))
"""


def two_hundred_logs() -> Iterator[Row]:
    """200 logs of two samples with 51 messages each. inspect_ai makes a row per message, nbturns a row per block."""
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        for number in range(200):
            write_log(logs / f"log-{number:03}.eval", samples=2, messages=51)
        ours = min(measured(logs, OURS) for _ in range(5))
        yield f"200 Inspect logs, {MESSAGES:,} messages, blocks", f"{ours[1] / ours[0]:,.0f} rows/s", "≥ 40,000"
        yield "the same, in messages", f"{MESSAGES / ours[0]:,.0f}/s", "≥ 40,000"
        yield "the same, memory at the peak", f"{ours[2]:.0f} MB", "≤ 200"
        if not is_there("inspect_ai"):
            yield "the same logs by inspect_ai", "not installed", MISSING
            return
        theirs = measured(logs, PEER)
        yield "the same logs by inspect_ai, messages", f"{theirs[1] / theirs[0]:,.0f}/s", ""
        yield "its memory at the peak", f"{theirs[2]:.0f} MB", ""
        yield "messages/s, ours to theirs", f"{theirs[0] / ours[0]:.1f} : 1", ""


def one_long_log() -> Iterator[Row]:
    """One conversation, and how the time grows with it: ours is measured at its full length, where inspect_ai takes a minute."""
    with tempfile.TemporaryDirectory() as folder:
        logs = {
            length: write_log(Path(folder, f"{length}.eval"), 1, length) for length in (203, 403, 803, LONG, 2 * LONG)
        }
        ours = {length: min(measured(path, OURS) for _ in range(3)) for length, path in logs.items()}
        yield f"a log of {LONG:,} messages, blocks", f"{ours[LONG][0]:.3f} s", "≤ 0.2"
        yield "the same, memory at the peak", f"{ours[LONG][2]:.0f} MB", "≤ 200"
        grown = said(GROWTH.format(best=BEST), str(logs[LONG]), str(logs[2 * LONG]))
        yield "twice the messages, time", f"{grown[1] / grown[0]:.2f}×", "≤ 2.2"
        if not is_there("inspect_ai"):
            yield "the same logs by inspect_ai", "not installed", MISSING
            return
        before = 0.0
        for length in (203, 403, 803):
            theirs = measured(logs[length], PEER)
            grew = f", {theirs[0] / before:.1f}× of the half" if before else ""
            yield f"{length} messages by inspect_ai{grew}", f"{theirs[0]:.2f} s, {theirs[2]:.0f} MB", ""
            yield f"{length} messages, ours to theirs", f"1 : {theirs[0] / ours[length][0]:.0f}", ""
            before = theirs[0]


def a_thousand_logs_again() -> Iterator[Row]:
    """All frames of 1,000 logs, and the same with a cache: the first time, and when ten of them have changed."""
    import nbturns as nt

    with tempfile.TemporaryDirectory() as folder:
        logs = [write_log(Path(folder, f"log-{number:04}.eval"), samples=2, messages=11) for number in range(1_000)]
        cache = Path(folder, "cache")
        plain = best(lambda: nt.frames.read(logs), 2)
        yield "all frames of 1,000 Inspect logs", f"{plain:.2f} s", ""
        yield "the same into a cache", f"{best(lambda: nt.frames.read(logs, cache=cache), 1) / plain:.2f}×", ""
        again = best(lambda: nt.frames.read(logs, cache=cache), 3)
        yield "from the cache", f"{again:.2f} s, 1 : {plain / again:.0f}", ""
        for path in logs[::100]:
            write_log(path, samples=2, messages=13)
        changed = best(lambda: nt.frames.read(logs, cache=cache), 1)
        yield "from the cache, 10 logs changed", f"{changed:.2f} s, 1 : {plain / changed:.0f}", ""


def a_thousand_logs_as_runs() -> Iterator[Row]:
    """A row for each sample of 1,000 logs: from summaries, as inspect_ai's samples_df has it, and with all counts."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1_000):
            write_log(Path(folder, f"log-{number:04}.eval"), samples=2, messages=11)
        full = measured(Path(folder), RUNS)
        ours = min(measured(Path(folder), SUMMARIES) for _ in range(3))
        yield "runs of 1,000 Inspect logs", f"{full[0]:.2f} s", ""
        yield "the same from their summaries", f"{ours[0]:.2f} s", ""
        if not is_there("inspect_ai"):
            yield "samples_df of inspect_ai", "not installed", MISSING
            return
        theirs = measured(Path(folder), RUNS_PEER)
    yield "samples_df of inspect_ai", f"{theirs[0]:.2f} s", ""
    yield "runs, to samples_df", f"1 : {theirs[0] / full[0]:.1f}", ""
    yield "runs from summaries, to samples_df", f"1 : {theirs[0] / ours[0]:.1f}", "≥ 20"


def the_long_log_by_both() -> Iterator[Row]:
    """The full length by inspect_ai too: it takes a minute and 3 GB, so it runs only when it is named."""
    if not is_there("inspect_ai"):
        yield f"a log of {LONG:,} messages by inspect_ai", "not installed", MISSING
        return
    with tempfile.TemporaryDirectory() as folder:
        log = write_log(Path(folder, "long.eval"), 1, LONG)
        ours, theirs = min(measured(log, OURS) for _ in range(3)), measured(log, PEER)
    yield f"a log of {LONG:,} messages", f"{ours[0]:.3f} s, {ours[2]:.0f} MB", "≤ 0.2 s, ≤ 200 MB"
    yield "the same by inspect_ai", f"{theirs[0]:.1f} s, {theirs[2]:,.0f} MB", ""
    yield "time, ours to theirs", f"1 : {theirs[0] / ours[0]:.0f}", ""


ALL = (two_hundred_logs, one_long_log, a_thousand_logs_again, a_thousand_logs_as_runs)
NAMED = (the_long_log_by_both,)  # left out where nobody asks for it
