"""Stores and libraries: what a conversation costs on disk, how long a write, a list, a load and a search take."""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import nbturns as nt
from nbturns.events import Event, Snapshot

Row = tuple[str, str, str]  # what, measured, wanted
ITERATIONS = 1000
BLOCKS = int(os.environ.get("NBTURNS_BENCH_BLOCKS", "1000000"))  # of the search
LIBRARY_SIZE = int(os.environ.get("NBTURNS_BENCH_BYTES", "1000000000"))


def note(text: str) -> str:
    """Keep a text."""
    return f"noted {text}"


def words(count: int, source: random.Random) -> str:
    """Return a text whose words are as unequally common as those of a language."""
    return " ".join(f"word{min(int(source.paretovariate(0.6)), 50_000)}" for _ in range(count))


def calls(count: int) -> list[Any]:
    return [[nt.tool_call(f"c{number}", "note", {"text": f"text {number}"})] for number in range(count)]


def disk_sync(folder: Path) -> float:
    """Return the median of `fdatasync` after 16 kB, in seconds."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(16_384))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


class TimedStore:
    """A store that measures the time from each snapshot to its acknowledgement."""

    def __init__(self, store: nt.TurnStore) -> None:
        self.store = store
        self.times: list[float] = []
        self.call_times: list[float] = []

    def __call__(self, event: Event) -> Future[None] | None:
        began = time.perf_counter()
        write = self.store(event)
        self.call_times.append(time.perf_counter() - began)
        if write is not None and not isinstance(event, Snapshot):
            write.add_done_callback(lambda _: self.times.append(time.perf_counter() - began))
        return write


def best(act: Callable[[], object], times: int = 7) -> float:
    """Return the least processor time of an act, in seconds: other programs would stretch its wall-clock time."""
    found = []
    for _ in range(times):
        began = time.process_time()
        act()
        found.append(time.process_time() - began)
    return min(found)


def processor_time() -> float:
    """Return the processor time of this process and of those that it started and that have ended, in seconds."""
    used = [resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def one_long_conversation() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = TimedStore(nt.TurnStore(folder / "runs.db"))
        config = nt.ToolConfig(inline=True, max_iterations=ITERATIONS + 1)
        session = nt.Session(nt.scripted(*calls(ITERATIONS), "done"), tools=[note], store=store, tool_config=config)
        began = time.perf_counter()
        execution = session.ask("go")
        turn = execution.result(600)
        seconds = time.perf_counter() - began
        sync = disk_sync(folder)
        time.sleep(1)  # the journal is emptied soon after the end
        size = sum(file.stat().st_size for file in folder.glob("runs.db*")) - sum(
            len(str(block.payload)) for block in turn
        )
        first, last = statistics.median(store.times[:100]), statistics.median(store.times[-100:])
        yield f"store, {ITERATIONS:,} tool iterations, all snapshots", f"{seconds:.1f} s", ""
        yield "store, on disk beyond the text", f"{size / 1e6:.2f} MB", "2 MB"
        yield "store, fdatasync of this disk", f"{sync * 1e3:.2f} ms", ""
        yield "store, append and its acknowledgement", f"{statistics.median(store.times) / sync:.1f}× fdatasync", "3×"
        yield "store, append, last hundred to first hundred", f"{last / first:.2f}×", "1.5×"
        yield "store, on the thread of the loop", f"{statistics.median(store.call_times) * 1e6:.0f} µs", ""
        yield "store, list of all runs (processor time)", f"{best(store.store.summaries) * 1e3:.1f} ms", "10 ms"
        yield (
            "store, load of the last Turn (processor time)",
            f"{best(lambda: store.store.load(session.id)) * 1e3:.1f} ms",
            "10 ms",
        )
        count = len(execution.snapshots)
        yield (
            "store, load of one snapshot, slowest of ten (processor time)",
            f"{max(best(partial(store.store.snapshot, session.id, index)) for index in range(0, count, count // 10)) * 1e3:.1f} ms",
            "10 ms",
        )
        yield (
            "store, load of all snapshots (processor time)",
            f"{best(lambda: store.store.snapshots(session.id)) * 1e3:.0f} ms",
            "",
        )
        yield from frames_of_a_store(store.store)
        began = time.perf_counter()
        assert store.store.verify()
        yield "store, verify", f"{(time.perf_counter() - began) * 1e3:.0f} ms", ""


def frames_of_a_store(store: nt.TurnStore) -> Iterator[Row]:
    """Read frames of a store from its records, and by way of Turns, as a column of the user's needs them."""
    own_column = nt.frames.Column("own", lambda row: row.turn_index, "Int64")
    for name, columns in (
        ("turns", nt.frames.TURN),
        ("inferences", nt.frames.INFERENCE),
        ("tool_calls", nt.frames.TOOL_CALL),
        ("snapshots", nt.frames.SNAPSHOT),
    ):
        read: Callable[..., Any] = partial(getattr(nt.frames, name), store)
        by_records, by_turns = best(read), best(partial(read, columns=(*columns, own_column)))
        yield (
            f"store, frame {name} (processor time)",
            f"{by_records * 1e3:.0f} ms; by way of Turns {by_turns * 1e3:.0f} ms",
            "",
        )


def langgraph_saver() -> Iterator[Row]:
    """Keep the same conversation with LangGraph's SqliteSaver, which writes the whole state at each step."""
    try:
        from langgraph.checkpoint.sqlite import SqliteSaver
        from langgraph.graph import END, START, MessagesState, StateGraph
    except ImportError:
        yield "LangGraph's SqliteSaver", "not installed", ""
        return
    iterations = int(os.environ.get("NBTURNS_BENCH_PEER_ITERATIONS", "200"))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "runs.db"

        def model(state: MessagesState) -> dict[str, Any]:
            number = len(state["messages"]) // 2
            call = {"name": "note", "args": {"text": f"text {number}"}, "id": f"c{number}"}
            return {
                "messages": [{"role": "assistant", "content": "", "tool_calls": [call] if number < iterations else []}]
            }

        def tool(state: MessagesState) -> dict[str, Any]:
            call = state["messages"][-1].tool_calls[0]
            return {"messages": [{"role": "tool", "content": note(**call["args"]), "tool_call_id": call["id"]}]}

        graph = StateGraph(MessagesState)
        graph.add_node("model", model)
        graph.add_node("tool", tool)
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", lambda s: "tool" if s["messages"][-1].tool_calls else END)
        graph.add_edge("tool", "model")
        with SqliteSaver.from_conn_string(str(path)) as saver:
            config: Any = {"configurable": {"thread_id": "1"}, "recursion_limit": 10 * iterations}
            began = time.perf_counter()
            graph.compile(checkpointer=saver).invoke({"messages": [{"role": "user", "content": "go"}]}, config)
            seconds = time.perf_counter() - began
            began = time.perf_counter()
            count = sum(1 for _ in saver.list(config))
            listing = time.perf_counter() - began
        size = sum(file.stat().st_size for file in Path(name).glob("runs.db*"))
        yield f"LangGraph's SqliteSaver, {iterations} iterations", f"{seconds:.1f} s", ""
        yield "LangGraph's SqliteSaver, on disk", f"{size / 1e6:.1f} MB", ""
        yield f"LangGraph's SqliteSaver, list of {count} states", f"{listing * 1e3:.0f} ms", ""


def llm_log() -> Iterator[Row]:
    """Keep a conversation of as many prompts in llm's log, which has one row for each response."""
    try:
        import llm
        import sqlite_utils
        from llm.migrations import migrate
    except ImportError:
        yield "llm's log", "not installed", ""
        return

    class Echo(llm.Model):  # type: ignore[misc]
        model_id = "echo"

        def execute(self, prompt: Any, **_: Any) -> Iterator[str]:
            yield f"noted {prompt.prompt}"

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "logs.db"
        database = sqlite_utils.Database(str(path))
        migrate(database)
        conversation = llm.Conversation(model=Echo())
        began = time.perf_counter()
        for number in range(ITERATIONS):
            response = conversation.prompt(f"text {number}")
            response.text()
            response.log_to_db(database)
        seconds = time.perf_counter() - began
        yield f"llm's log, {ITERATIONS:,} responses", f"{seconds:.1f} s", ""
        yield "llm's log, on disk", f"{path.stat().st_size / 1e6:.2f} MB", ""


def search_of_many_blocks() -> Iterator[Row]:
    source = random.Random(1)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        store = nt.TurnStore(Path(name) / "runs.db")
        began = time.perf_counter()
        for number in range(BLOCKS // 1000):
            blocks = [nt.user(words(12, source)) if n % 2 else nt.assistant(words(12, source)) for n in range(1000)]
            store.add(nt.Run((nt.Turn(blocks),), id=f"run {number}"))
        yield f"search, {BLOCKS:,} blocks written", f"{time.perf_counter() - began:.0f} s", ""
        began = time.perf_counter()
        store.search("word1", limit=1)
        yield "search, first search, which makes the index", f"{time.perf_counter() - began:.0f} s", ""
        queries = [
            "word1",
            "word2",
            "word3",
            "word1 word2",
            "word1 kind:user",
        ]  # each in more than a tenth of the blocks
        queries += [f"word{source.randrange(10, 50_000)}" for _ in range(10)]
        queries += ['"word1 word4"', "word7*", "word5 -word1", "session:17 word2", "word11 OR word12"]
        times = []
        for query in queries:
            began = time.perf_counter()
            store.search(query, limit=50)
            times.append(time.perf_counter() - began)
        yield "search, first 50 hits, median of 20 queries", f"{statistics.median(times) * 1e3:.0f} ms", "100 ms"
        slowest = queries[times.index(max(times))]
        yield f"search, slowest query ({slowest})", f"{max(times) * 1e3:.0f} ms", ""


def claude_code_lines(number: int, size: int, source: random.Random) -> Iterator[str]:
    """Yield the lines of a session of a coding agent of about `size` bytes."""
    written = count = 0
    while written < size:
        kind = ("user", "assistant")[count % 2]
        text = words(150, source)
        content: Any = [{"type": "text", "text": text}]
        if kind == "assistant":
            content.append(
                {
                    "type": "tool_use",
                    "id": f"t{count}",
                    "name": "Bash",
                    "input": {"command": f"grep -n {words(3, source)} src"},
                }
            )
        elif count:
            content = [{"type": "tool_result", "tool_use_id": f"t{count - 1}", "content": words(300, source)}]
        message = {"role": kind, "content": content, "id": f"m{count}", "model": "claude-sonnet-4-5"}
        line = json.dumps({
            "type": kind, "uuid": f"{number}-{count}", "parentUuid": f"{number}-{count - 1}" if count else None,
            "sessionId": f"s{number}", "timestamp": f"2026-01-01T00:{count // 60 % 60:02}:{count % 60:02}Z",
            "version": "2.0.0", "cwd": "/work", "message": message,
        }) + "\n"  # fmt: skip
        written += len(line)
        count += 1
        yield line


def library_of_many_files() -> Iterator[Row]:
    source = random.Random(2)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "projects"
        folder.mkdir()
        file_size = 2_000_000
        for number in range(max(1, LIBRARY_SIZE // file_size)):
            with (folder / f"{number}.jsonl").open("w") as file:
                file.writelines(claude_code_lines(number, file_size, source))
        size = sum(path.stat().st_size for path in folder.iterdir())
        library = nt.library(folder, index=Path(name) / "index.db")
        began, processor_began = time.perf_counter(), processor_time()
        library.update(progress=False)
        seconds, processor_seconds = time.perf_counter() - began, processor_time() - processor_began
        yield f"library, index of {size / 1e6:,.0f} MB of sessions", f"{size / 1e6 / seconds:.0f} MB/s", "40 MB/s"
        yield (
            "library, the same by the processor time of all processes, on two processors",
            f"{2 * size / 1e6 / processor_seconds:.0f} MB/s",
            "40 MB/s",
        )
        index_size = sum(path.stat().st_size for path in Path(name).glob("index.db*"))
        yield "library, size of the index", f"{index_size / size:.2f}× the files", ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "many"
        folder.mkdir()
        for number in range(10_000):
            (folder / f"{number}.json").write_text(json.dumps([{"role": "user", "content": words(5, source)}]))
        library = nt.library(folder, index=Path(name) / "index.db")
        library.update(progress=False)
        began = time.perf_counter()
        library.update(progress=False)
        yield "library, second pass over 10,000 files", f"{time.perf_counter() - began:.2f} s", "1 s"


ALL = (one_long_conversation, langgraph_saver, llm_log, search_of_many_blocks, library_of_many_files)
