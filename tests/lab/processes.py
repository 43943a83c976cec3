"""Run processes that are terminated together with all their children."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

TERMINATE_SECONDS = 10.0
"""Time a process has to terminate by itself; JupyterLab needs it to shut down its kernels."""


@contextmanager
def process_group(
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    output: IO[str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as the leader of its own process group, and terminate the group on exit."""
    process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate the leader of a group, then kill what remains of the group."""
    with suppress(subprocess.TimeoutExpired):
        process.terminate()
        process.wait(TERMINATE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
