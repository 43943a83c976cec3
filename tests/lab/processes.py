"""Processes that end with everything they started, so that no test run leaves one behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

PATIENCE = 10.0
"""Seconds a process may take to end politely; JupyterLab shuts its kernels down in them."""


@contextmanager
def group(
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    output: IO[str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as the head of its own process group, and end the group on leaving."""
    process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the head of a group to end, and its whole group too when it is over or late."""
    with suppress(subprocess.TimeoutExpired):
        process.terminate()
        process.wait(PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
