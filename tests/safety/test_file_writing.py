"""A kill, a full disk and a second writer lose nothing."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbturns as nt
from nbturns.safety.file_writing import append_line, write_file

TURN = nt.turn("private")


def run_script(script: str, folder: Path) -> str:
    code = textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def umask() -> Iterator[None]:
    old = os.umask(0o077)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("suffix", ["json", "yaml", "jsonl", "html", "md"])
def test_a_new_file_gets_the_umask(suffix: str, tmp_path: Path) -> None:
    assert mode(nt.save(TURN, tmp_path / f"a.{suffix}")) == 0o600


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o664, 0o755])
def test_an_old_file_keeps_its_permissions(permissions: int, tmp_path: Path) -> None:
    path = nt.save(TURN, tmp_path / "a.json")
    path.chmod(permissions)

    assert mode(nt.save(nt.turn("new"), path)) == permissions


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real = nt.save(TURN, tmp_path / "there" / "real.json")
    (tmp_path / "link.json").symlink_to("there/real.json")
    (tmp_path / "second.json").symlink_to("link.json")
    (tmp_path / "dangling.json").symlink_to("there/later.json")

    nt.save(nt.turn("new"), tmp_path / "second.json")
    nt.save(nt.turn("later"), tmp_path / "dangling.json")

    assert all((tmp_path / name).is_symlink() for name in ("link.json", "second.json", "dangling.json"))
    assert nt.load(real)[0][0].text == "new"
    assert nt.load(tmp_path / "there" / "later.json")[0][0].text == "later"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write all files")
def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path: Path) -> None:
    path = nt.save(TURN, tmp_path / "a.json")
    path.chmod(0o400)

    with pytest.raises(PermissionError):
        nt.save(nt.turn("new"), path)


@pytest.mark.parametrize("name", ["a\0b.json", "x" * 5000 + ".json", "a\ud800.json", "ä" * 130 + ".json"])
def test_a_name_that_no_file_can_have_is_an_error_of_ours(name: str, tmp_path: Path) -> None:
    with pytest.raises(nt.MisuseError, match="no file can have the name"):
        nt.save(TURN, tmp_path / name)


@pytest.mark.parametrize("length", [1, 200, 250])
def test_a_long_name_is_written(length: int, tmp_path: Path) -> None:
    assert nt.load(nt.save(TURN, tmp_path / ("x" * length + ".json")))[0] == TURN


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")

    with pytest.raises(OSError, match="not a file"):
        nt.save(TURN, tmp_path / "pipe.json")
    assert stat.S_ISFIFO((tmp_path / "pipe.json").stat().st_mode)


def test_the_next_save_removes_what_a_kill_left(tmp_path: Path) -> None:
    script = """
        import os, signal, nbturns as nt
        from nbturns.safety import file_writing
        file_writing.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        nt.save(nt.turn("half"), "a.json")
    """
    for _ in range(3):
        subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, timeout=60, check=False)
    left = [path.name for path in tmp_path.iterdir()]
    other = tmp_path / ".nbturns-other.tmp"
    other.touch()

    nt.save(TURN, tmp_path / "a.json")

    assert left
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", other.name}


def test_a_temporary_file_of_a_living_writer_is_kept(tmp_path: Path) -> None:
    script = """
        import os, time, nbturns as nt
        from nbturns.safety import file_writing
        file_writing.os.fsync = lambda descriptor: (print("writing", flush=True), time.sleep(100))
        nt.save(nt.turn("slow"), "a.json")
    """
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        nt.save(TURN, tmp_path / "a.json")
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        writer.kill()
        writer.communicate()


@pytest.mark.parametrize("suffix", ["json", "yaml", "html"])
def test_a_full_disk_is_a_clear_error_and_the_old_file_stays(suffix: str, tmp_path: Path) -> None:
    script = f"""
        import resource, nbturns as nt
        nt.save(nt.turn("old"), "a.{suffix}")
        old = open("a.{suffix}").read()
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            nt.save(nt.turn("x" * 100_000), "a.{suffix}")
        except nt.StoreError as error:
            print(error)
        print(open("a.{suffix}").read() == old)
    """
    error, unchanged = run_script(script, tmp_path).splitlines()

    assert "cannot be written: File too large" in error
    assert "the old content is unchanged" in error
    assert unchanged == "True"
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{suffix}"]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nt.save(TURN, tmp_path / "a.json")

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "fsync", interrupt)
        nt.save(nt.turn("new"), path)
    assert nt.load(path)[0] == TURN
    assert len(list(tmp_path.iterdir())) == 1


# Lines.


def test_half_a_line_is_removed_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2, "te')
    append_line(path, b'{"a": 3}')
    assert path.read_bytes() == b'{"a": 1}\n{"a": 3}\n'

    path.write_bytes(b'{"a": 1}\n{"a": 2}')
    append_line(path, b'{"a": 3}')
    assert path.read_bytes() == b'{"a": 1}\n{"a": 2}\n{"a": 3}\n'


def test_lines_of_several_processes_are_all_there(tmp_path: Path) -> None:
    script = """
        import json, sys
        from pathlib import Path
        from nbturns.safety.file_writing import append_line
        for number in range(40):
            append_line(Path("lines.jsonl"), json.dumps({"by": sys.argv[1], "number": number, "text": "x" * 20_000}).encode())
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    writers = [subprocess.Popen([*command, str(by)], cwd=tmp_path) for by in range(4)]
    assert [writer.wait(100) for writer in writers] == [0] * 4

    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert len({(line["by"], line["number"]) for line in lines}) == len(lines) == 160


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    script = """
        import resource, nbturns as nt
        from pathlib import Path
        from nbturns.safety.file_writing import append_line
        append_line(Path("lines.jsonl"), b'{"a": 1}')
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        try:
            append_line(Path("lines.jsonl"), b'{"a": "' + b"x" * 100 + b'"}')
        except nt.StoreError as error:
            print(error)
    """
    assert "cannot be written" in run_script(script, tmp_path)
    assert (tmp_path / "lines.jsonl").read_text() == '{"a": 1}\n'


def test_a_file_is_whole_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_file(path, b"0" * 100_000)
    script = """
        import itertools
        from pathlib import Path
        from nbturns.safety.file_writing import write_file
        for number in itertools.count():
            write_file(Path("a.bin"), str(number % 10).encode() * 100_000)
    """
    writers = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path) for _ in range(2)]
    time.sleep(1)
    try:
        for _ in range(200):
            content = path.read_bytes()
            assert len(content) == 100_000
            assert len(set(content)) == 1
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
