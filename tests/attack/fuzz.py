"""Feed changed samples to everything that reads: `make fuzz`. What fails is kept in `corpus/`, which a test repeats.

A reader may refuse an input with an error of ours, and must not raise anything else or take more than `SLOW` seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbturns as nt
from nbturns.testing.exchanges import read_exchanges

CORPUS = Path(__file__).parent / "corpus"
FIXTURES = Path(__file__).parents[2] / "fixtures"
SHARED = Path(__file__).parents[3] / "shared" / "data"
LARGEST = 200_000  # bytes of a sample
SLOW = 10.0  # seconds of a processor
LONGEST_WAIT = 100.0  # seconds; a busy machine takes several times as long as its processor time
TOKENS = (
    b'""', b"null", b"{}", b"[]", b"-1", b"1e999", b"NaN", b"99999999999999999999999", b"true", b"\\ud83d", b"\x00", b"\xff\xfe", b"---\n", b"<<: *a",
    b"&a ", b"*a", b"!!binary ", b"${env:HOME}", b'{"$ref": "#"}', b"0x" + b"f" * 5000, b'"constructor"', b'"__proto__"', b"\x1b]0;x\x07", b"[" * 200,
)  # fmt: skip


def samples() -> list[bytes]:
    """Return the contents of the sample files, ours and, where they are, recorded ones."""
    files = [path for folder in (FIXTURES, SHARED) if folder.is_dir() for path in sorted(folder.rglob("*"))]
    contents = [path.read_bytes() for path in files if path.is_file() and path.stat().st_size <= LARGEST]
    return [*contents, *(path.read_bytes() for path in sorted(CORPUS.glob("*.bin")))]


def mutated(content: bytes, source: random.Random, others: list[bytes]) -> bytes:
    """Return the content with one to six changes: bits, cuts, repeats, tokens, and pieces of other samples."""
    data = bytearray(content)
    for _ in range(source.randint(1, 6)):
        start = source.randrange(len(data) + 1)
        end = min(len(data), start + source.choice((1, 4, 40, 400)))
        match source.randrange(7):
            case 0 if data:
                data[min(start, len(data) - 1)] ^= 1 << source.randrange(8)
            case 1:
                del data[start:end]
            case 2:
                data[start:start] = data[start:end] * source.choice((1, 3, 20))
            case 3:
                data[start:end] = source.choice(TOKENS)
            case 4:
                data[start:start] = source.choice(TOKENS)
            case 5:
                other = source.choice(others)
                place = source.randrange(len(other) + 1)
                data[start:end] = other[place : place + source.choice((10, 100, 1000))]
            case _:
                data = data[:start]
    return bytes(data[: 2 * LARGEST])


def _in_file(read: Callable[[Path], Any], suffix: str) -> Callable[[bytes], Any]:
    def target(content: bytes) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"input{suffix}"
            path.write_bytes(content)
            return read(path)

    return target


def _look(run: nt.Run) -> None:
    """Use a Run as a reader does: show, count and save it."""
    run._repr_html_()
    str(run)
    assert json.dumps(nt.Run.from_dict(run.to_dict()).to_dict()) == json.dumps(run.to_dict())  # as text: NaN is not NaN
    assert run.to_yaml() or True


def _look_at_all(path: Path) -> None:
    for run in nt.load_all(path):
        _look(run)


def _messages(content: bytes) -> None:
    """Send any text, and any JSON of it, to a view as its page could."""
    from nbturns.importers.kit.lenient_json import parse_beginning

    view: Any = VIEWS.setdefault("view", nt.view(nt.turn("x", system="y")))
    message = parse_beginning(content)
    view.set_state(message)
    view._on_page_message(view, message, [])


def _resolve_all(path: Path) -> None:
    profiles = nt.load_profiles(path, env_file=None)
    for name in profiles:
        str(profiles[name])


def _decode(name: str, content_type: str | None, content: bytes) -> None:
    nt.engines.decode(name, content, content_type)


VIEWS: dict[str, Any] = {}
PROVIDERS = ("openai", "openai-chat", "anthropic", "gemini")
TARGETS: dict[str, Callable[[bytes], Any]] = {
    "loads": lambda content: _look(nt.loads(content)),
    "load_all": _in_file(_look_at_all, ".jsonl"),
    "cassette": _in_file(nt.cassette, ".yaml"),
    "profiles": _in_file(_resolve_all, ".yaml"),
    "profile database": _in_file(lambda path: nt.load_profiles(path, env_file=None), ".db"),
    "store": _in_file(lambda path: list(nt.TurnStore(path).runs().index), ".db"),
    "recording": _in_file(lambda path: list(read_exchanges([path])), ".jsonl"),
    "page message": _messages,
    **{f"decode {name}": partial(_decode, name, None) for name in PROVIDERS},
    **{f"decode {name} stream": partial(_decode, name, "text/event-stream") for name in PROVIDERS},
}
ALLOWED = (nt.NbturnsError, OSError)


def failure_of(target: str, content: bytes) -> str:
    """Return what is wrong with reading `content`; "" if it is read or refused in time."""
    started, started_at = time.process_time(), time.monotonic()
    try:
        TARGETS[target](content)
    except ALLOWED:
        pass
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {error}"[:300]
    seconds, waited = time.process_time() - started, time.monotonic() - started_at
    return f"{seconds:.0f} s, waited {waited:.0f} s" if seconds > SLOW or waited > LONGEST_WAIT else ""


def findings(seconds: float, seed: int, targets: list[str]) -> Iterator[tuple[str, bytes, str]]:
    """Yield each new finding: target, input, description. The counts of inputs are in `COUNTS`."""
    source, contents, seen = random.Random(seed), samples(), set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        target = source.choice(targets)
        content = mutated(source.choice(contents), source, contents)
        COUNTS[target] += 1
        failure = failure_of(target, content)
        if failure and (key := (target, failure.partition(":")[0] + failure[:60])) not in seen:
            seen.add(key)
            yield target, content, failure


COUNTS: Counter[str] = Counter()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--target", choices=list(TARGETS), action="append")
    options = parser.parse_args()
    found = 0
    for target, content, failure in findings(options.seconds, options.seed, options.target or list(TARGETS)):
        found += 1
        digest = hashlib.sha256(content).hexdigest()[:12]
        (CORPUS / f"{target.replace(' ', '-')}_{digest}.bin").write_bytes(content)
        print(f"{target} {digest}: {failure}", flush=True)
    print(f"seed {options.seed}: {sum(COUNTS.values()):,} inputs, {found} findings; {dict(COUNTS)}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
