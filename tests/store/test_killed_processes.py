"""A store survives `kill -9` at any moment, and its sessions continue."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import nbturns as nt

from . import killed_process
from .killed_process import AT_PAUSE, CALLS, COMMITTING, IN_TOOL, STREAMING, Moments, engine, tools

KILLS = int(os.environ.get("NBTURNS_KILLS", "50"))
ACTIVITIES = (STREAMING, IN_TOOL, COMMITTING, AT_PAUSE)
WANTED_KILLS = 5  # at least, in each activity

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.killed_process"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        yield process
        assert process.stdin is not None
        process.stdin.close()


def kill_child(process: subprocess.Popen[str], database: Path, session_id: str, seed: int, activity: bytes) -> Moments:
    """Run a child and kill it at a random moment of an activity; one of four is killed soon after that moment."""
    assert process.stdin is not None
    assert process.stdout is not None
    chance = random.Random(seed)
    moments = Moments(database.with_name(f"{session_id}.moments"))
    count = chance.randrange(1, CALLS if activity != COMMITTING else 8 * CALLS)
    stay = 0 if seed % 16 > 11 else 1
    process.stdin.write("\t".join(map(str, (database, session_id, seed, activity.decode(), count, stay))) + "\n")
    process.stdin.flush()
    child = int(process.stdout.readline())
    line = process.stdout.readline()
    if line == "now\n":
        time.sleep(chance.random() * 0.005)
        with suppress(ProcessLookupError):  # it came to its end
            os.kill(child, signal.SIGKILL)
        line = process.stdout.readline()
    assert line == "dead\n"
    return moments


def finish(store: nt.TurnStore, session_id: str, effects: Path) -> nt.Session:
    """Resume the session and bring it to its end; calls that may have taken effect are decided by hand."""
    session = store.resume(session_id, engine, tools=tools(effects))
    for _ in range(10 * CALLS):
        execution = session.execution
        pause = execution.next().result(timeout=20) if execution is not None else None
        if execution is None or pause is None:
            break
        unknown_ids = [call.tool_call_id for call in pause.pending if call.metadata.get(nt.keys.INTERRUPTED)]
        assert bool(unknown_ids) is ("may have taken effect" in pause.reason)
        execution.step(mock=dict.fromkeys(unknown_ids, "it was done"), number=pause.number).result(timeout=20)
    return session


def test_a_process_is_killed_at_random_moments_and_its_sessions_continue(
    process: subprocess.Popen[str], tmp_path: Path
) -> None:
    database = tmp_path / "runs.db"
    killed_process.MOMENTS = Moments(tmp_path / "here.moments")
    counts: Counter[bytes] = Counter()
    resumed = 0
    for number in range(KILLS):
        session_id = f"session-{number}"
        moments = kill_child(process, database, session_id, number, ACTIVITIES[number % len(ACTIVITIES)])
        counts[moments.now] += 1

        store = nt.TurnStore(database)
        assert store.verify()
        if session_id not in store.ids():
            assert not moments.acknowledged
            continue
        stored = {snapshot.seq for snapshots in store.snapshots(session_id) for snapshot in snapshots}
        assert moments.acknowledged <= stored
        session = finish(store, session_id, database.with_name(f"{session_id}.effects"))
        resumed += session.execution is not None
        assert session.latest.text == "done"
        assert store.load(session_id) == session.run
        check_effects(session.latest, database.with_name(f"{session_id}.effects"))
    assert resumed > KILLS / 2
    if KILLS >= 50:
        assert all(counts[activity] >= WANTED_KILLS for activity in ACTIVITIES), counts


def check_effects(turn: nt.Turn, effects: Path) -> None:
    """Check that each call has one answer, and that no effectful tool ran twice."""
    calls = [call.tool_call_id for call in turn.of_kind("tool_call")]
    assert calls == [f"{name}-{number}" for number in range(CALLS) for name in ("charge", "look")]
    assert sorted(answer.tool_call_id for answer in turn.of_kind("tool_use")) == sorted(calls)
    lines = Counter(effects.read_text(encoding="utf-8").splitlines())
    for number in range(CALLS):
        (answer,) = [block for block in turn.of_kind("tool_use") if block.tool_call_id == f"charge-{number}"]
        assert lines[f"charge {number}"] == 1 or (answer.result == "it was done" and not lines[f"charge {number}"])
    assert all(lines[f"look {number}"] >= 1 for number in range(CALLS))
