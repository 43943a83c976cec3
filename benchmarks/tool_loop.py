"""The tool loop: one tool, all snapshots kept."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Iterator

import nbturns as nt
from nbturns.runtime.engine_protocol import Engine, Scope

Row = tuple[str, str, str]  # what, measured, wanted


def same(x: int = 0) -> int:
    """The same number."""
    return x


def plain_engine(iterations: int) -> Engine:
    async def engine(turn: nt.Turn, scope: Scope) -> nt.Turn:
        if scope.iteration < iterations - 1:
            return turn + nt.tool_call(f"c{scope.iteration}", "same", {"x": 1})
        return turn + nt.assistant("done")

    return engine


def scripted_engine(iterations: int) -> Engine:
    calls = [nt.tool_call(f"c{number}", "same", {"x": 1}) for number in range(iterations - 1)]
    return nt.scripted(*calls, "done")


def run(engine: Engine, iterations: int, *, inline: bool = True) -> tuple[float, nt.Execution]:
    """Microseconds of CPU time an iteration, and the execution with its snapshots."""
    config = nt.ToolConfig(inline=inline, max_iterations=iterations)
    session = nt.Session(engine, tools=[same], tool_config=config)
    began = time.process_time()
    execution = session.ask("go")
    execution.result(300)
    return (time.process_time() - began) / iterations * 1e6, execution


def best(iterations: int, *, inline: bool = True, times: int = 5) -> float:
    found = []
    for _ in range(times):
        gc.collect()
        found.append(run(plain_engine(iterations), iterations, inline=inline)[0])
    return min(found)


def tool_loop() -> Iterator[Row]:
    run(plain_engine(50), 50)  # imports and schemas are made once
    short, middle, long = best(50, times=20), best(1000), best(4000, times=3)
    yield "loop, 50 iterations, inline", f"{short:.0f} µs each", ""
    yield "loop, 1,000 iterations, inline", f"{middle:.0f} µs each", "25"
    yield "loop, 4,000 iterations, inline", f"{long:.0f} µs each", ""
    yield "loop, growth from 50 to 4,000", f"{long / short:.2f}×", "1.3"


def scripted_loop() -> Iterator[Row]:
    found = min(run(scripted_engine(1000), 1000)[0] for _ in range(5))
    yield "loop, 1,000 iterations, scripted engine", f"{found:.0f} µs each", "25"


def worker_loop() -> Iterator[Row]:
    yield "loop, 1,000 iterations, workers", f"{best(1000, inline=False):.0f} µs each", "200"


def loop_memory() -> Iterator[Row]:
    run(plain_engine(50), 50)
    gc.collect()
    tracemalloc.start()
    _, execution = run(plain_engine(1000), 1000)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    yield f"loop, memory of {len(execution.snapshots):,} snapshots", f"{kept / 1e6:.1f} MB", "5"


ALL = (tool_loop, scripted_loop, worker_loop, loop_memory)
