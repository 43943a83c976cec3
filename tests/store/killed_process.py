"""A process that runs sessions with a store and is killed.

It forks a child for each line of its input, so that a child starts in milliseconds. What the child does at each
moment is in a shared map, which survives it. At the moment that the line names, the child says so and stays there for a
while, to be killed.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import nbturns as nt
from nbturns.events import Delta, Event, Snapshot
from nbturns.store.writer import StoreWriter

STREAMING, IN_TOOL, AT_PAUSE, COMMITTING = b"s", b"t", b"p", b"c"
CALLS = 4  # of one session
MAP_SIZE = 4096
ACTIVITY, COMMIT, FIRST_SEQ = 0, 1, 16  # places in the map: what the loop does, a commit, and a byte for each snapshot


class Moments:
    """The shared map of one session."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(MAP_SIZE))
        with path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), MAP_SIZE)
        self.last_activity, self.last_count, self.stay = b"", 0, 0.0

    @property
    def now(self) -> bytes:
        return COMMITTING if self.map[COMMIT] else self.map[ACTIVITY : ACTIVITY + 1]

    def begin(self, activity: bytes) -> None:
        if activity == COMMITTING:
            self.map[COMMIT] = 1
        else:
            self.map[ACTIVITY : ACTIVITY + 1] = activity
        if activity == self.last_activity:
            self.last_count -= 1
            if not self.last_count:
                os.write(1, b"now\n")
                time.sleep(self.stay)

    @property
    def acknowledged(self) -> set[int]:
        return {seq for seq in range(MAP_SIZE - FIRST_SEQ) if self.map[FIRST_SEQ + seq]}


def tools(effects: Path) -> list[nt.Tool]:
    """Return an effectful and a pure tool, which write a line each time they run."""

    def run(name: str, number: int) -> str:
        with effects.open("a", encoding="utf-8") as file:
            file.write(f"{name} {number}\n")
        return f"{name} {number} done"

    def charge(number: int) -> str:
        "Charge an account."
        MOMENTS.begin(IN_TOOL)
        outcome = run("charge", number)
        pause(0.002)
        MOMENTS.begin(b" ")
        return outcome

    def look(number: int) -> str:
        "Look at an account."
        return run("look", number)

    return [nt.Tool(charge, effect="effectful"), nt.Tool(look, effect="pure")]


def pause(seconds: float) -> None:
    time.sleep(seconds * RANDOM.random() * 2)


async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
    """Call a tool for each answer so far, with a text that arrives in pieces."""
    MOMENTS.begin(STREAMING)
    number = len(turn.of_kind("tool_use")) // 2
    for piece in range(3):
        scope.emit(Delta(scope.inference_id, 0, "llm_text", f"piece {piece} "))
        await asyncio.sleep(0.001 * RANDOM.random())
    MOMENTS.begin(b" ")
    if number >= CALLS:
        return turn + nt.assistant("done")
    call_ids = f"charge-{number}", f"look-{number}"
    return (
        turn
        + [nt.assistant(f"step {number}")]
        + [nt.tool_call(id, id.partition("-")[0], {"number": number}) for id in call_ids]
    )


class AcknowledgedStore:
    """A store whose acknowledged snapshots are in the map."""

    def __init__(self, store: nt.TurnStore) -> None:
        self.store = store

    def __call__(self, event: Event) -> Any:
        write = self.store(event)
        if isinstance(event, Snapshot) and write is not None:
            write.add_done_callback(lambda future: self.acknowledge(event.seq) if not future.exception() else None)
        return write

    def acknowledge(self, seq: int) -> None:
        MOMENTS.map[FIRST_SEQ + seq] = 1


def run_child(database: Path, session_id: str) -> None:
    write, write_event = StoreWriter.write, StoreWriter._write_event

    def recorded_write(writer: StoreWriter, operations: Any) -> None:
        write(writer, operations)
        MOMENTS.map[COMMIT] = 0

    def recorded_write_event(writer: StoreWriter, event: Event) -> None:
        write_event(writer, event)
        MOMENTS.begin(COMMITTING)

    StoreWriter._write_event = recorded_write_event  # type: ignore[method-assign, assignment]
    StoreWriter.write = recorded_write  # type: ignore[method-assign, assignment]
    session = nt.Session(
        engine, tools=tools(database.with_name(f"{session_id}.effects")), id=session_id,
        store=AcknowledgedStore(nt.TurnStore(database)),
    )  # fmt: skip
    for stop in session.ask("go", step=True, limit=CALLS + 2):
        MOMENTS.begin(AT_PAUSE)
        pause(0.002)
        del stop
        MOMENTS.begin(b" ")


MOMENTS: Moments
RANDOM = random.Random(0)


def main() -> None:
    global MOMENTS  # noqa: PLW0603  # the tools and the engine of the one session of a child
    for line in sys.stdin:
        name, session_id, seed, activity, count, stay = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            MOMENTS = Moments(Path(name).with_name(f"{session_id}.moments"))
            MOMENTS.last_activity, MOMENTS.last_count, MOMENTS.stay = activity.encode(), int(count), float(stay)
            RANDOM.seed(int(seed))
            try:
                run_child(Path(name), session_id)
            finally:
                os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)


if __name__ == "__main__":
    main()
