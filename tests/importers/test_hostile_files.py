"""Files that cost more than they may: bombs, databases with code, pipes, devices, and loops of links."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers.kit.zip_archive import zstd_module
from nbturns.safety.regular_files import matching_paths

BASE, FACTOR = 200, 10  # MB, and bytes of memory per byte of a file

MEASURE = """
import resource, sys
import nbturns as nt
nt.example()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
try:
    for run in nt.load_all(sys.argv[1]):
        len(run)
    print("read")
except nt.NbturnsError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10) - before)
"""


def memory_of(path: Path) -> tuple[str, int]:
    """Return what reading a file says, and its memory in MB, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, timeout=100, check=True
    )
    *says, megabytes = done.stdout.splitlines()
    return "\n".join(says), int(megabytes)


def shared_blocks_bomb(factor: int = 2, turns: int = 26) -> bytes:
    block = {"blocks": [{"kind": "user", "payload": {"text": "x"}}]}
    later = [{"blocks": [{"shared_blocks": [0, factor**place]}] * factor} for place in range(turns)]
    return json.dumps({"version": 1, "turns": [block, *later]}).encode()


def merge_bomb() -> bytes:
    keys = ", ".join(f"k{number}: 0" for number in range(10_000))
    merges = "".join(f"    m{number}: {{<<: *a}}\n" for number in range(2_000))
    return f"blocks:\n- kind: user\n  payload: {{text: hi}}\n  metadata:\n    a: &a {{{keys}}}\n{merges}".encode()


def alias_bomb() -> bytes:
    levels = "".join(f"  l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]\n" for level in range(1, 12))
    return f"blocks:\n- kind: user\n  payload: {{text: hi}}\ndata:\n  l0: &l0 [1, 2]\n{levels}".encode()


def brackets(size: int) -> bytes:
    return b'{"blocks": [{"kind": "user", "payload": {"x": [' + b"[]," * (size // 3) + b"[]]}}]}"


def zipped(content: bytes, name: str = "conversations.json", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def line_of(size: int) -> bytes:
    return b'[{"role": "user", "content": "' + b"x" * size + b'"}]'


def repeated_frames(content: bytes, times: int) -> bytes:
    frame: bytes = zstd_module().compress(content)
    return frame * times


BOMBS: dict[str, Callable[[], bytes]] = {
    "shared_blocks.json": shared_blocks_bomb,
    "shared_blocks_by_ten.json": lambda: shared_blocks_bomb(10, 9),
    "merges.yaml": merge_bomb,
    "aliases.yaml": alias_bomb,
    "brackets.json": lambda: brackets(3_000_000),
    "flow.yaml": lambda: b"blocks: [" + b"a," * 1_000_000 + b"b]\n",
    "blanks.jsonl.gz": lambda: gzip.compress(b" " * 9_000_000, 1) * 33,
    "brackets.json.gz": lambda: gzip.compress(brackets(9_000_000)[:-9], 1) + gzip.compress(b"[]," * 3_000_000, 1) * 20,
    "text.jsonl.xz": lambda: (
        lzma.compress(line_of(9_000_000)[:-3], preset=0) + lzma.compress(b"x" * 9_000_000, preset=0) * 33
    ),
    "text.json.zst": lambda: repeated_frames(line_of(50_000_000), 1) + repeated_frames(b"x" * 50_000_000, 12),
    "export.zip": lambda: zipped(line_of(120_000_000)),
    "repeated.parquet": lambda: parquet([one_text(1 << 20)] * 10, row_count=100),
    "one_text.parquet": lambda: parquet([one_text(1 << 28)]),
    "numbers.parquet": lambda: parquet([[0] * 30_000_000]),
}


def one_text(size: int) -> dict[str, str]:
    return {"role": "user", "content": "x" * size}


def parquet(messages: list[Any], row_count: int = 1) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as parquet_format

    file = io.BytesIO()
    column = pa.array([messages]).take(pa.array([0] * row_count))
    parquet_format.write_table(pa.table({"messages": column}), file, compression="zstd")
    return file.getvalue()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_read_in_little_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name]())
    size = path.stat().st_size / 2**20

    says, megabytes = memory_of(path)

    assert megabytes < FACTOR * size + BASE, says
    assert "MemoryError" not in says


def test_the_error_names_the_limit_and_the_limit_can_be_raised() -> None:
    bomb = shared_blocks_bomb(2, 10)

    with pytest.raises(nt.LoadError, match=r"limits=nt\.Limits\(shared_blocks=…\)"):
        nt.loads(bomb, limits=nt.Limits(shared_blocks=1000))
    with pytest.raises(nt.LoadError, match="shared_blocks"), nt.Limits(shared_blocks=1000):
        nt.loads(bomb)
    assert len(nt.loads(bomb).latest) == 1024
    with pytest.raises(nt.MisuseError, match="merged_keys"):
        nt.Limits(merged_keys=-1)


@pytest.mark.parametrize("processes", [None, 1])
def test_frames_read_with_the_limits_of_the_caller_in_each_process(tmp_path: Path, processes: int | None) -> None:
    files = [tmp_path / f"{name}.json" for name in "ab"]
    for file in files:
        file.write_bytes(shared_blocks_bomb(turns=6))

    assert len(nt.frames.read(files, processes=processes).errors) == 0
    with nt.Limits(shared_blocks=10):
        errors = nt.frames.read(files, processes=processes).errors

    assert len(errors) == 2 and errors.reason.str.contains("shared_blocks").all()


def test_what_was_saved_is_read_with_the_default_limits(tmp_path: Path) -> None:
    turn = nt.Turn(tuple(nt.user(str(number)) for number in range(300)))
    turns = [turn]
    for number in range(120):
        turns.append(nt.Turn((nt.system(str(number)), *turns[-1].blocks[1:], nt.assistant(str(number)))))
    run = nt.Run(turns)

    for suffix in ("json", "jsonl", "yaml"):
        assert nt.load(nt.save(run, tmp_path / f"long.{suffix}")) == run


def test_an_ordinary_archive_is_read(tmp_path: Path) -> None:
    lines = "".join(
        json.dumps([{"role": "user", "content": f"question {number} " * 20}]) + "\n" for number in range(20_000)
    )
    path = tmp_path / "chats.jsonl.gz"
    path.write_bytes(gzip.compress(lines.encode()))

    assert sum(1 for _ in nt.load_all(path)) == 20_000


# Databases.


TABLES = """
CREATE TABLE turns (conv_id, session_id, turn_id, turn_created_at_ms, turn_metadata_json, turn_data_json);
CREATE TABLE blocks (block_id, content_hash, kind, role, payload_json, block_metadata_json);
CREATE TABLE turn_block_membership (conv_id, session_id, turn_id, phase, snapshot_created_at_ms, ordinal, block_id, content_hash);
"""
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"
SCHEMAS = {
    "a view": TABLES.replace(
        "CREATE TABLE blocks (block_id, content_hash, kind, role, payload_json, block_metadata_json)",
        f"CREATE VIEW blocks AS {ENDLESS} i AS block_id, 1 AS content_hash, 'user' AS kind, '' AS role, '' AS payload_json, '' AS block_metadata_json FROM n",
    ),
    "a view of turns": TABLES.replace(
        "CREATE TABLE turns (conv_id, session_id, turn_id, turn_created_at_ms, turn_metadata_json, turn_data_json)",
        f"CREATE VIEW turns AS {ENDLESS} 1 AS conv_id, 1 AS session_id, i AS turn_id, 1 AS turn_created_at_ms, '' AS a, '' AS b FROM n",
    ),
    "a computed column": TABLES.replace("payload_json,", "payload_json AS (hex(zeroblob(200000000))),"),
    "a stored computed column": TABLES.replace(
        "payload_json,", "payload_json TEXT GENERATED ALWAYS AS (hex(zeroblob(9))) STORED,"
    ),
    "a virtual table": TABLES.replace("CREATE TABLE turns (", "CREATE VIRTUAL TABLE turns USING fts5("),
}


def database(path: Path, schema: str = TABLES, *statements: str) -> Path:
    with sqlite3.connect(path) as connection:
        connection.executescript(schema)
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


@pytest.mark.parametrize("kind", SCHEMAS)
@pytest.mark.parametrize("read", ["file", "bytes"])
def test_only_plain_tables_of_a_database_are_read(kind: str, read: str, tmp_path: Path) -> None:
    path = database(tmp_path / "turns.db", SCHEMAS[kind])
    started = time.monotonic()

    with pytest.raises(nt.LoadError, match=r"view|computed column|virtual table"):
        nt.load(path) if read == "file" else nt.loads(path.read_bytes())
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "schema",
    [
        f"CREATE VIEW profile_registries AS {ENDLESS} 'a' || i AS slug, '{{}}' AS payload_json FROM n",
        "CREATE TABLE profile_registries (slug, payload_json AS (hex(zeroblob(200000000))))",
        "CREATE VIRTUAL TABLE profile_registries USING fts5(slug, payload_json)",
    ],
)
def test_a_database_of_profiles_runs_nothing(schema: str, tmp_path: Path) -> None:
    with pytest.raises(nt.ProfileError, match=r"view|computed column|virtual table"):
        nt.load_profiles(database(tmp_path / "profiles.db", schema))


@pytest.mark.parametrize("slug", ["5", "NULL", "x'ff'", "1.5"])
@pytest.mark.parametrize("payload", ["5", "NULL", "x'ff'", "'[]'", "'{'"])
def test_rows_of_profiles_that_are_no_text_are_errors_of_ours(slug: str, payload: str, tmp_path: Path) -> None:
    path = database(
        tmp_path / "profiles.db",
        "CREATE TABLE profile_registries (slug, payload_json)",
        f"INSERT INTO profile_registries VALUES ({slug}, {payload}), ('a', {payload})",
    )
    with pytest.raises(nt.ProfileError):
        nt.load_profiles(path)


def test_the_values_of_a_database_have_a_limit(tmp_path: Path) -> None:
    path = database(tmp_path / "turns.db", TABLES)
    with sqlite3.connect(path) as connection:  # rows that join more often than they are stored
        connection.execute("INSERT INTO turns VALUES ('1', '1', '1', 0, '', '')")
        member = "INSERT INTO turn_block_membership VALUES ('1', '1', '1', 'final', 0, ?, 'b', 'h')"
        connection.executemany(member, ((number,) for number in range(200)))
        block = "INSERT INTO blocks VALUES ('b', 'h', 'user', '', '{}', ?)"
        connection.executemany(block, ((str(number),) for number in range(200)))
    connection.close()

    with pytest.raises(nt.LoadError, match="database_bytes"):
        nt.load(path, limits=nt.Limits(database_bytes=2**20))
    assert len(nt.load(path).latest) == 40_000


def interrupted_after(seconds: float, action: Callable[[], Any]) -> float:
    """Return the seconds of processor time from an interrupt to the end of the action, on a busy machine as on an idle one.

    Python drops an interrupt that arrives in a finalizer; as a person would, a second one is sent then.
    """
    sent: list[float] = []
    ended = threading.Event()

    def interrupt() -> None:
        ended.wait(seconds)
        while not ended.is_set() and len(sent) < 3:
            sent.append(time.process_time())
            os.kill(os.getpid(), signal.SIGINT)
            ended.wait(0.3)

    is_running = True

    def raise_until_the_end(_signal: int, _frame: Any) -> None:
        if is_running:  # a late one would end pytest
            raise KeyboardInterrupt

    former_handler = signal.signal(signal.SIGINT, raise_until_the_end)
    thread = threading.Thread(target=interrupt)
    thread.start()
    was_interrupted = False
    try:
        action()
    except KeyboardInterrupt:
        is_running, was_interrupted = False, True
    finally:
        is_running = False
        ended.set()
        end = time.process_time()
        thread.join()
        signal.signal(signal.SIGINT, former_handler)
    assert was_interrupted
    return end - sent[0]


def test_an_interrupt_ends_a_query(tmp_path: Path) -> None:
    path = database(tmp_path / "turns.db", TABLES)
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO turn_block_membership VALUES ('1', '1', '1', 'final', 0, ?, ?, 'h')",
            ((n, n) for n in range(60_000)),
        )
        connection.executemany(
            "INSERT INTO blocks VALUES (?, 'g', 'user', '', '{}', '')", ((n,) for n in range(60_000))
        )
        connection.execute("INSERT INTO turns VALUES ('1', '1', '1', 0, '', '')")
    connection.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA automatic_index = 0")
    connection.close()

    assert interrupted_after(0.3, lambda: [list(nt.load_all(path)) for _ in range(100)]) < 0.5


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # between open and with
@pytest.mark.parametrize("name", ["merges.yaml", "blanks.jsonl.gz", "flow.yaml"])
def test_an_interrupt_ends_the_reading_of_a_bomb(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name]())

    def read() -> None:
        for _ in range(200):
            try:
                nt.load(path)
            except nt.LoadError:
                continue

    assert interrupted_after(0.4, read) < 0.5


# Files that are no files.


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    return path


READERS: dict[str, Callable[[Path], Any]] = {
    "load": nt.load,
    "load_all": lambda path: list(nt.load_all(path)),
    "load_all of a list": lambda path: list(nt.load_all([path])),
    "load_profiles": nt.load_profiles,
    "a cassette": lambda path: nt.Session(nt.scripted("x"), middleware=[nt.cassette(path)]).ask("q").result(60),
    "a recording cassette": lambda path: (
        nt.Session(nt.scripted("x"), middleware=[nt.cassette(path, record=True)]).ask("q").result(60)
    ),
    "image": nt.image,
    "replay": nt.replay,
    "frames": nt.frames.blocks,
}


@pytest.mark.parametrize("kind", ["pipe", "device", "named like a database"])
@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_or_a_device_is_an_error_at_once(reader: str, kind: str, pipe: Path, tmp_path: Path) -> None:
    path = pipe if kind == "pipe" else Path("/dev/zero")
    if kind == "named like a database":
        path = tmp_path / "pipe.db"
        os.mkfifo(path)
    started = time.monotonic()

    with pytest.raises((nt.NbturnsError, OSError)):
        READERS[reader](path)
    assert time.monotonic() - started < 4


def test_links_in_a_circle_are_entered_once(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        nt.save(nt.turn(name), tmp_path / name / "turn.yaml")
    for name in "ab":
        for other in "abcdefgh":
            (tmp_path / name / f"to_{other}").symlink_to(tmp_path / ("a" if other < "e" else "b"))
    started = time.monotonic()

    found = [path.name for path in matching_paths(str(tmp_path / "**" / "*.yaml"))]
    runs = list(nt.load_all(str(tmp_path / "**" / "*.yaml")))

    assert (len(found), len(runs)) == (2, 2)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "pattern",
    [
        "*.yaml",
        "**/*.yaml",
        "a/**",
        "?/*.y*ml",
        "[ab]/turn.yaml",
        "**",
        "a/turn.yaml",
        "**/b/*",
        "*/**/*.yaml",
        "../../*/a/*.nothing",
        ".*/*",
    ],
)
def test_patterns_match_as_those_of_the_standard_library(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import glob

    for name in ("a", "b", "a/c", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "turn.yaml").touch()
        (tmp_path / name / ".turn.yaml").touch()
    monkeypatch.chdir(tmp_path)

    for start in ("", f"{tmp_path}/"):
        expected = {Path(name) for name in glob.glob(start + pattern, recursive=True) if os.path.isfile(name)}
        assert {path for path in matching_paths(start + pattern) if path.is_file()} == expected


@pytest.mark.parametrize("name", ["a\0b.yaml", "x" * 5000 + ".yaml", "x" * 5000 + ".db", "a\ud800.yaml"])
def test_names_that_no_file_can_have_are_errors_of_ours(name: str, tmp_path: Path) -> None:
    for action in (
        nt.load,
        nt.load_profiles,
        nt.image,
        lambda path: list(nt.load_all(path)),
        lambda path: nt.save(nt.turn("x"), path),
        nt.replay,
    ):
        with pytest.raises((nt.NbturnsError, OSError)):
            action(str(tmp_path / name))


def test_a_special_file_and_a_link_to_nothing_are_named_as_what_they_are(pipe: Path, tmp_path: Path) -> None:
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nothing.yaml")
    for path, kind in (
        (pipe, "a pipe, not a file"),
        ("/dev/null", "a device"),
        (tmp_path / "link.yaml", "leads to no"),
    ):
        with pytest.raises(nt.LoadError, match=kind):
            nt.load(path)
