"""Repeat the attack and count: `make attack`. A smaller part runs with the tests."""

from __future__ import annotations

import argparse
import gc
import random
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.runtime.step_controller import ends_within
from nbturns.testing import serve
from tests.interrupts import interrupt_in

MARK = "a77acked"
SCRIPTS = (
    "<script>{mark}()</script>", "<img src=x onerror={mark}()>", "</textarea><svg onload={mark}()>", "</script><script>{mark}()//", "<!--{mark}-->",
    "javascript:{mark}()", "[x](javascript:{mark}())", "![x](http://{mark}.test/p.png)", "$\\href{{javascript:{mark}()}}{{x}}$", "<iframe srcdoc='<b>{mark}'>",
    "\x1b]52;c;{mark}\x07", "\x9b31m{mark}", "\u202e{mark}\u2066", "{mark}\u200d\u200d\u200d", "&lt;script&gt;{mark}", "<style>@import'//{mark}'</style>",
)  # fmt: skip
WRAPS = (
    "{}", "\n{}", " {}", "`{}`", "```\n{}\n```", "**{}**", "# {}", "> {}", "- {}", "|{}|", "[{}](http://a.test)", "![{}](http://a.test)", '"{}"', "'{}'",
    "\\{}", "</pre>{}", "</td></table>{}", "]]>{}", "-->{}", "*/{}", "${}$", "{}\0", "\u200b{}", "a" * 3000 + "{}", "{0}{0}{0}", "</style></title>{}",
)  # fmt: skip
PAYLOADS = tuple(wrap.format(script.format(mark=MARK)) for wrap in WRAPS for script in SCRIPTS)
RAW_MARKUP = re.compile(
    rf"<(script|img|svg|iframe|style)\b[^>]*{MARK}|<script>{MARK}|<!--{MARK}|\x1b|\x9b|\u202e|\u200d\u200d",
    re.IGNORECASE,
)
BLOCKS: dict[str, Callable[[str], nt.Block]] = {
    "system": nt.system,
    "user": nt.user,
    "answer": nt.assistant,
    "reasoning": nt.reasoning,
    "tool name": lambda x: nt.tool_call("c", x, {}),
    "argument": lambda x: nt.tool_call("c", "f", {"a": x}),
    "argument name": lambda x: nt.tool_call("c", "f", {x: 1}),
    "call id": lambda x: nt.tool_call(x, "f", {}),
    "result": lambda x: nt.tool_use("c", x),
    "structured result": lambda x: nt.tool_use("c", {x: [x]}),
    "error": lambda x: nt.tool_use("c", None, x),
    "kind": lambda x: nt.Block(x, {"text": "t"}),
    "role": lambda x: nt.Block("other", {"text": "t"}, x),
    "id": lambda x: nt.Block("user", {"text": "t"}, "user", x),
    "payload": lambda x: nt.Block("other", {x: x}),
    "metadata": lambda x: nt.user("t").with_metadata(nt.Key("a.b@v1", str), x),
    "model": lambda x: nt.assistant("t").with_metadata(nt.keys.INFERENCE_RESULT, nt.InferenceResult(model=x, provider=x, stop_reason=x)),
    "image": lambda x: nt.user("t", images=[{"url": f"https://h.test/{x}"}]),
}  # fmt: skip
KEYS = (
    "Zq81vX30mTr47bWn", "sk-proj-aB3dE5fG7hJ9kL1mN3pQ5rS7", "AIzaSyD4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T", "hf_aBcDeFgHiJkLmNoP1234567890qrstuv",
    "ghp_0123456789abcdefABCDEF0123456789abcd", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "xai-Q1w2E3r4T5y6U7i8O9p0A1s2D3f4G5h6", "gsk_Z9y8X7w6V5u4T3s2R1q0P9o8N7m6",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl1a2b", "AKIA1234567890ABCDEF", "pplx-1a2b3c4d5e6f7g8h9i0j",
)  # fmt: skip
RESULT = nt.keys.INFERENCE_RESULT


def _with_result(**fields: Any) -> nt.Run:
    return _run_of(nt.assistant("t").with_metadata(RESULT, nt.InferenceResult(**fields)))


def _run_with(make_block: Callable[[str], nt.Block], text: str) -> nt.Run:
    return _run_of(make_block(text))


def _run_of(block: nt.Block) -> nt.Run:
    return nt.Run((nt.Turn((block, nt.tool_call("open", "f", {}))),))


TEXT_KEY = nt.Key("a.b@v1", str)
TURN = nt.turn("t")
FIELDS: dict[str, Callable[[str], nt.Run]] = {
    **{name: partial(_run_with, block) for name, block in BLOCKS.items()},
    "name of a Run": lambda x: nt.Run((TURN,), name=x),
    "id of a Run": lambda x: nt.Run((TURN,), id=x),
    "metadata of a Run": lambda x: nt.Run((TURN,), metadata={TEXT_KEY: x}),
    "fields of a Run": lambda x: nt.Run((TURN,), extra={"a": x}),
    "names of fields of a Run": lambda x: nt.Run((TURN,), extra={x: 1}),
    "id of a Turn": lambda x: nt.Run((nt.Turn(TURN.blocks, x),)),
    "metadata of a Turn": lambda x: nt.Run((TURN.with_metadata(TEXT_KEY, x),)),
    "data of a Turn": lambda x: nt.Run((TURN.with_data(TEXT_KEY, x),)),
    "fields of a Turn": lambda x: nt.Run((nt.Turn(TURN.blocks, extra={"a": x}),)),
    "fields of a block": lambda x: _run_of(nt.Block("user", {"text": "t"}, extra={"a": x})),
    "names of fields of a block": lambda x: _run_of(nt.Block("user", {"text": "t"}, extra={x: 1})),
    "arguments that are no object": lambda x: _run_of(nt.Block("tool_call", {"id": "c", "name": "f", "args_raw": x})),
    "summary": lambda x: _run_of(nt.Block("reasoning", {"summary": [{"type": "summary_text", "text": x}]})),
    "text that is a list": lambda x: _run_of(nt.Block("user", {"text": [x, {"a": x}]})),
    "stop reason": lambda x: _with_result(model="m", stop_reason=x),
    "provider": lambda x: _with_result(model="m", provider=x),
    "request id": lambda x: _with_result(model="m", request_id=x),
    "extra of a result": lambda x: _with_result(model="m", extra={"reason": x, x: 1}),
    "label": lambda x: _run_of(nt.label(nt.user("t"), x)),
    "image of a data address": lambda x: _run_of(nt.user("t", images=[{"media_type": "image/png", "data": x}])),
    "time": lambda x: _run_of(nt.user("t").with_metadata(nt.keys.TIMESTAMP, x)),
}  # fmt: skip
SINKS: dict[str, Callable[[nt.Run], str]] = {
    "table": lambda run: run._repr_html_(),
    "table of a Turn": lambda run: run[0]._repr_html_(),
    "page": lambda run: _saved(run, "html"),
    "Markdown": lambda run: re.sub(r"(?ms)^(`{3,})[a-z]*\n.*?^\1$", "", _saved(run, "md")).replace("\\<", "‹"),
    "print": lambda run: f"{run}\n{run!r}\n{run[0]}".replace("<", "‹"),
    "comparison": lambda run: nt.compare(run[0], nt.turn("t"))._repr_html_(),
}


def _saved(run: nt.Run, suffix: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return nt.save(run, Path(folder) / f"a.{suffix}").read_text(encoding="utf-8")


def payloads(share: float) -> tuple[int, list[str]]:
    """Put each payload in each field, and look for it as markup or as a control sequence in each sink."""
    count, failures = 0, []
    cases = [(payload, field) for payload in PAYLOADS for field in FIELDS]
    for payload, field in random.Random(1).sample(cases, int(len(cases) * share**2)) if share < 1 else cases:
        try:
            run = FIELDS[field](payload)
        except nt.NbturnsError:  # refused when the value is made
            count += 1
            continue
        for sink, show in SINKS.items():
            count += 1
            if RAW_MARKUP.search(show(run)):
                failures.append(f"{payload[-60:]!r} in {field} shown by {sink}")
    return count, failures


def keys(share: float) -> tuple[int, list[str]]:
    """Look for a key in all that an engine shows: for each place of a key and each mistake."""
    from tests.engines import test_secrets_stay_hidden as places

    count, failures = 0, []
    for secret in KEYS[: max(1, int(len(KEYS) * share))]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(places, "SECRET", secret)
            looks, found = _looks_for(secret, places, share)
        count += looks
        failures += [f"{secret[:4]}…: {failure}" for failure in found]
    return count, failures


def _with_key(value: Any, known: str, secret: str) -> Any:
    if isinstance(value, dict):
        return {name: _with_key(item, known, secret) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_key(item, known, secret) for item in value]
    return value.replace(known, secret) if isinstance(value, str) else value


def _looks_for(secret: str, places: Any, share: float) -> tuple[int, list[str]]:
    """Look for one key in the output of each mistake, and of a call with the key in each place."""
    frames_of, verbose = places.frames_of, places.verbose
    count, failures = 0, []
    for mistake, action in places.MISTAKES.items():
        try:
            action()
        except (nt.NbturnsError, TypeError) as error:
            for where, text in {
                "message": str(error),
                "traceback": verbose(error),
                "locals": repr(list(frames_of(error))),
            }.items():
                count += 1
                failures += [f"{mistake}: {where}"] * (secret in text)
    for name in places.NAMES[: max(1, int(len(places.NAMES) * share))]:
        for place, known_params in places.PLACES.items():
            params = _with_key(known_params, KEYS[0], secret)
            address = params.get("base_url", "http://{host}{base}").format(
                host="127.0.0.1:9", base=places.BASES[name.partition(":")[0]]
            )
            engine = nt.engine(
                name, **{"api_key": "k" * 9, **params, "base_url": address, "retries": 0, "connect_timeout": 2.0}
            )
            session = nt.Session(engine)
            try:
                session.ask("x").result(30)
            except nt.EngineError as error:
                shown = [str(error), verbose(error), repr(list(frames_of(error))), repr(vars(error))]
            else:
                shown = []
            shown += [repr(engine), repr(vars(engine)), repr(engine.describe()), str(session), session.run.to_yaml()]
            count += len(shown)
            failures += [f"{name}, {place}, output {number}" for number, text in enumerate(shown) if secret in text]
    return count, failures


def socket_faults(share: float) -> tuple[int, list[str]]:
    """Break and delay the connection at many places: each call answers or ends with an EngineError."""
    count, failures = 0, []
    names = {
        "openai:gpt-5.1": "/v1",
        "openai-chat:gpt-4o": "/v1",
        "anthropic:claude-sonnet-4-6": "",
        "gemini:gemini-2.5-flash": "",
    }
    faults = [f"cut={place}" for place in range(0, 1500, int(12.6 / share))] + [
        "status=500",
        "status=429,retry-after=0",
        "chunk=1",
        "stall=100",
    ]
    with serve() as server:
        for name, base in names.items():
            for fault in faults:
                count += 1
                address = f"{server.url}/_fault/{fault}{base}"
                engine = nt.engine(name, base_url=address, api_key="k" * 9, retries=0, timeout=1.0)
                session = nt.Session(engine)
                try:
                    session.ask("Say hello.").result(20)
                except nt.EngineError as error:
                    if error.turn is None:
                        failures.append(f"{name} {fault}: no Turn")
                except Exception as error:
                    failures.append(f"{name} {fault}: {type(error).__name__}")
    return count, failures


def interrupts(share: float) -> tuple[int, list[str]]:
    """Interrupt waits at random moments: each is heard, and the session can go on."""
    import asyncio

    async def slow(turn: nt.Turn, scope: Any) -> nt.Turn:
        await asyncio.sleep(5)
        return turn + nt.assistant("late")

    count, failures = 0, []
    for number in range(int(200 * share)):
        session = nt.Session(slow)
        execution = session.ask("x")
        with interrupt_in(ends_within, after=0.005 * (number % 10 + 1)) as sent:
            try:
                execution.result(10)
                failures.append(f"{number}: not heard")
            except KeyboardInterrupt:
                pass
        count += 1
        if time.monotonic() - sent[0] > 1:
            failures.append(f"{number}: heard after {time.monotonic() - sent[0]:.1f} s")
        if execution.next().result(5) is not None or execution.status != "stopped":
            failures.append(f"{number}: {execution.status}")
    return count, failures


def kills(share: float) -> tuple[int, list[str]]:
    """Kill processes while they save and record: each file is whole, and the next save leaves nothing else."""
    script = """
        import itertools, nbturns as nt
        tape = nt.cassette("c.yaml", record=True)
        print("begun", flush=True)
        for number in itertools.count():
            session = nt.Session(nt.scripted("answer " * 500), middleware=[tape])
            session.ask(f"{number % 20}").result(20)
            nt.save(session, "run.json")
    """
    count, failures = 0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(max(2, int(100 * share))):
            writer = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(script)], cwd=folder, stdout=subprocess.PIPE
            )
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05 + 0.01 * (number % 20))
            writer.kill()
            writer.communicate()
            count += 1
            try:
                if (folder / "run.json").exists():
                    nt.load(folder / "run.json")
                nt.cassette(folder / "c.yaml")
            except nt.NbturnsError as error:
                failures.append(f"kill {number}: {error}")
        nt.save(nt.turn("last"), folder / "run.json")
        nt.Session(nt.scripted("x"), middleware=[nt.cassette(folder / "c.yaml", record=True)]).ask("last").result(20)
        left = sorted(path.name for path in folder.iterdir())
        failures += [f"left: {left}"] * (left != ["c.yaml", "run.json"])
    return count, failures


STEPS = 20  # of one execution
MAX_GROWTH = 400_000  # bytes, however many steps, sessions and views there were


def note(text: str) -> str:
    "Keep a text."
    return text


def _step_through() -> None:
    """Step through an execution with its view, which ends after `STEPS` steps; then close both."""
    calls = [[nt.tool_call(f"c{number}", "note", {"text": "x"})] for number in range(STEPS // 2)]
    execution = nt.Session(nt.scripted(*calls, "done"), tools=[note]).ask("go", step=True, limit=STEPS)
    view = nt.view(execution)
    count = 0
    while execution.step().result(20) is not None:
        count += 1
    view.close()
    assert count >= STEPS - 1


def _open_and_close() -> None:
    session = nt.Session(nt.scripted("a"))
    session.ask("q").result(20)
    nt.view(session).close()


def growth(share: float) -> tuple[int, list[str]]:
    """Take 10,000 steps, and open and close 1,000 sessions and views: memory, threads and files stay flat."""
    count, failures = 0, []
    for work, times in ((_step_through, int(10_000 / STEPS * share**1.5)), (_open_and_close, int(1_000 * share))):
        for _ in range(10):
            work()
        tracemalloc.start()
        try:
            for _ in range(10):  # what is allocated once is there before the first measurement
                work()
            before = _used()
            for _ in range(times):
                work()
            grown = [after - start for start, after in zip(before, _used(), strict=True)]
        finally:
            tracemalloc.stop()
        count += times * (STEPS if work is _step_through else 1)
        if grown[0] > MAX_GROWTH or grown[1] > 1 or grown[2] > 3:
            failures.append(f"{work.__name__}: {grown[0]:,} bytes, {grown[1]} threads and {grown[2]} files more")
    return count, failures


def _used() -> tuple[int, int, int]:
    """Return the bytes of Python objects, the threads and the open files, when what has ended is let go."""
    used = (0, 0, 0)
    for _ in range(20):
        gc.collect()
        files = Path("/proc/self/fd")
        now = (
            tracemalloc.get_traced_memory()[0],
            threading.active_count(),
            len(list(files.iterdir())) if files.exists() else 0,
        )
        if used[0] and abs(now[0] - used[0]) < 5_000:
            break
        used = now
        time.sleep(0.05)
    return now


PARTS = {
    "payloads": payloads,
    "keys": keys,
    "socket faults": socket_faults,
    "interrupts": interrupts,
    "kills": kills,
    "growth": growth,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="the part of the attack, from 0.05 to 1")
    share = parser.parse_args().share
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs without it
    failed = False
    for name, attack in PARTS.items():
        started = time.monotonic()
        count, failures = attack(share)
        failed = failed or bool(failures)
        print(f"{name:15} {count:6,} tried, {len(failures)} failed, {time.monotonic() - started:.0f} s", flush=True)
        print(*failures[:20], sep="\n", end="\n" if failures else "")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
