"""Kernels of several ages: which thread a click arrives on changed three times between them.

A kernelspec's folder carries its own `ipykernel`, put before that of the environment by
PYTHONPATH; all else is shared, so a kernel costs a second and two megabytes.

ipykernel 7.0 to 7.3 may never hear a request that comes while it sends a reply (its issue 1554: the reply goes
past the stream that reads the same socket, and takes the stream's wake-up with it). One cell in a few hundred
hung for that and no fault of ours, so those releases are started with the remedy of 7.4.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

PINNED = {f"ipykernel-{release}": release for release in ("6.31.0", "7.0.1")}

KERNELS = {**PINNED, "python3": version("ipykernel")}
"""Name of a kernel → the release of ipykernel it runs."""

ROOT = Path(__file__).parents[2]

HOME = Path(sys.prefix)
"""Where JUPYTER_PATH must point for JupyterLab to find `kernels/<name>/kernel.json`."""


LAUNCH = """
from ipykernel.kernelapp import IPKernelApp, launch_new_instance
from ipykernel.subshell_manager import SubshellManager


def send(self, message):
    IPKernelApp.instance().kernel.shell_stream.send_multipart(message)


SubshellManager._send_on_shell_channel = send
launch_new_instance()
"""


def install(name: str, release: str) -> None:
    """Put one release of ipykernel and its kernelspec into a folder of the environment."""
    folder = HOME / "kernels" / name
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps", "--require-hashes"]
    lock = ROOT / "requirements" / f"ipykernel-{release}.txt"
    subprocess.run([*pip, "--target", str(folder), "--requirement", str(lock)], check=True)
    start = ["-m", "ipykernel_launcher"]
    if release.startswith("7.0."):
        launch = folder / "launch.py"
        launch.write_text(LAUNCH)
        start = [str(launch)]
    spec = {
        "argv": [sys.executable, *start, "-f", "{connection_file}"],
        "display_name": name,
        "language": "python",
        "env": {"PYTHONPATH": str(folder)},
    }
    (folder / "kernel.json").write_text(json.dumps(spec, indent=2))


if __name__ == "__main__":
    for name, release in PINNED.items():
        install(name, release)
