"""The debugger: forks, comparisons, the slider of 4,000 snapshots, Run edited, and what remains after 50 branches."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import nbturns as nt
from nbturns.runtime.background_loop import background_loop
from nbturns.widgets import Stepper

from .page_timing import Row, lab

FORKED_BLOCKS = 20_000
COMPARED_BLOCKS = 2_000
SNAPSHOTS = 4_000
BRANCHES = 50

LONG_RUN = f"""
import nbturns as nt
def same(x: int) -> int:
    return x
calls = [nt.tool_call(f"c{{n}}", "same", {{"x": n}}) for n in range({SNAPSHOTS} // 3)]
execution = nt.Session(nt.scripted(*calls, "done"), tools=[same], tool_config=nt.ToolConfig(max_iterations=9_999)).ask("?")
execution.result()
nt.view(execution)
"""
SLIDE = """async (target) => {
    const track = document.querySelector(".nbt-track");
    const panel = document.querySelector(".nbt-alert.nbt-as-info h4");
    const frame = () => new Promise(requestAnimationFrame);
    const box = track.getBoundingClientRect();
    const at = { bubbles: true, clientX: box.left + box.width * target, clientY: box.top + 20, button: 0, pointerId: 1 };
    track.setPointerCapture = () => undefined;
    const before = panel.textContent;
    const began = performance.now();
    track.dispatchEvent(new PointerEvent("pointerdown", at));
    track.dispatchEvent(new PointerEvent("pointerup", at));
    while (panel.textContent === before) await frame();
    await frame();
    return performance.now() - began;
}"""


async def _echo(turn: nt.Turn, _: nt.Scope) -> nt.Turn:
    await asyncio.sleep(0.01)
    return turn + nt.assistant("You said it.")


def fork() -> Iterator[Row]:
    """A fork of a conversation of 20,000 blocks."""
    session = nt.Session(_echo, run=nt.Run((nt.Turn([nt.user(str(n)) for n in range(FORKED_BLOCKS)]),)))
    seconds = []
    for _ in range(50):
        start = time.process_time()
        session.fork()
        seconds.append(time.process_time() - start)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [session.fork() for _ in range(100)]
    size = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    tracemalloc.stop()
    yield f"fork of {FORKED_BLOCKS:,} blocks", f"{median(seconds) * 1000:.2f} ms", "≤ 1 ms"
    yield f"fork of {FORKED_BLOCKS:,} blocks: memory", f"{size / 1000:.1f} KB", "≤ 10 KB"


def comparison() -> Iterator[Row]:
    """Two Turns of 2,000 blocks that share no object."""

    def turn(changed: int) -> nt.Turn:
        texts = [f"{n} It was below seven degrees for five of the eight hours. " * 3 for n in range(COMPARED_BLOCKS)]
        return nt.Turn([nt.user(text + "!" * (n % changed == 0)) for n, text in enumerate(texts)])

    nt.compare(nt.turn("a"), nt.turn("b")).rows  # noqa: B018  # imports
    seconds = []
    for changed in (7, 8, 9):
        a, b = turn(1_000_000), turn(changed * 10)
        start = time.process_time()
        nt.compare(a, b).rows  # noqa: B018
        seconds.append(time.process_time() - start)
    yield f"compare two Turns of {COMPARED_BLOCKS:,} blocks, cold", f"{median(seconds) * 1000:.0f} ms", "≤ 50 ms"


def run_edited() -> Iterator[Row]:
    """The time from the message of the button to the state of the next pause, in the kernel."""

    def write(path: str, text: str) -> str:
        return f"{path} {text}"

    calls = [nt.tool_call(f"c{n}", "write", {"path": "a", "text": "x" * 2_000}) for n in range(40)]
    session = nt.Session(
        nt.scripted(*calls, "done"), tools=[write], step=True, tool_config=nt.ToolConfig(max_iterations=99)
    )
    execution = session.ask("go")
    execution.next().result(20)
    view: Any = Stepper(execution)
    seconds = []
    for _ in range(20):
        _wait_for(view, lambda state: state.get("cards"))
        number, (card,) = view.debug["pause"], view.debug["cards"]["items"]
        decision = {card["id"]: {"do": "run", "fields": {"text": "y"}}}
        start = time.perf_counter()
        view._on_page_message(view, {"do": "decide", "pause": number, "calls": decision, "then": "one"}, [])
        _wait_for(view, _is_after(number))
        seconds.append(time.perf_counter() - start)
        execution.step().result(20)
    execution.stop()
    yield "Run edited → the state of the next pause", f"{median(seconds) * 1000:.1f} ms", "≤ 150 ms beyond the tool"


def branches() -> Iterator[Row]:
    """Threads, open files and tasks that remain after 50 parallel branches."""
    nt.fan_out(nt.turn("?"), engines=[_echo], n=2).result(20)
    before = _open_things()
    nt.fan_out(nt.turn("?"), engines=[_echo], n=BRANCHES, limit=BRANCHES).result(60)
    gc.collect()
    after = _open_things()
    left = ", ".join(f"{count - before[name]} {name}" for name, count in after.items())
    yield f"{BRANCHES} branches leave behind", left, "0 of each"


def _open_things() -> dict[str, int]:
    tasks = asyncio.run_coroutine_threadsafe(_task_count(), background_loop()).result(10)
    handles = Path("/proc/self/fd")
    files = len(list(handles.iterdir())) if handles.is_dir() else 0
    return {"threads": threading.active_count(), "files": files, "tasks": tasks}


async def _task_count() -> int:
    await asyncio.sleep(0.2)
    return len(asyncio.all_tasks())


def _is_after(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda state: state["pause"] > number


def _wait_for(view: Any, condition: Callable[[dict[str, Any]], object]) -> None:
    while not condition(view.debug):
        time.sleep(0.0005)


def slider() -> Iterator[Row]:
    """The time from releasing the slider to the painted snapshot, among 4,000: of an execution, and of a session."""
    for view, code in {
        "execution": LONG_RUN,
        "session": LONG_RUN.replace("(execution)", "(execution.session)"),
    }.items():
        with lab() as tab:
            tab.new([code])
            tab.run(0)
            tab.output(0).locator(".nbt-track").wait_for()
            tab.wait_until_idle()
            tab.page.wait_for_timeout(1_000)
            times = [tab.page.evaluate(SLIDE, share) for share in (0.5, 0.1, 0.9, 0.3, 0.7, 0.02, 0.6)]
        row = f"slider to any of {SNAPSHOTS:,} snapshots, view of the {view}"
        yield row, f"{median(times):.0f} ms", "≤ 100 ms"
        yield f"{row}: the slowest", f"{max(times):.0f} ms", ""


ALL = (fork, comparison, run_edited, branches, slider)
