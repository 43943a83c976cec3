"""The check of `nbturns doctor`: versions, the kernel, the widget manager, extras, and what mends each."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = ("ipython", "ipykernel", "ipywidgets", "jupyterlab-widgets", "anywidget", "jupyterlab", "notebook", "pandas", "pyarrow", "pydantic")  # fmt: skip
EXTRAS = {"anthropic": "anthropic", "openai": "openai", "gemini": "httpx2", "polars": "polars", "dask": "dask",
          "figures": "matplotlib", "mcp": "mcp", "prices": "genai-prices", "urls": "fsspec",
          "otel": "opentelemetry-sdk", "keyring": "keyring"}  # fmt: skip
REQUIRED = ("ipython", "ipywidgets", "anywidget", "pandas", "pyarrow", "pydantic")
MANAGER_OF_WIDGETS = {7: 1, 8: 3}  # major version of ipywidgets → of jupyterlab-widgets
FAULTY_KERNELS = ("7.0.", "7.1.", "7.2.", "7.3.")  # they lose a request now and then
FRONT_ENDS = (("jupyterlab-widgets", "@jupyter-widgets/jupyterlab-manager"), ("anywidget", "anywidget"))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with an installation, and the command that fixes it."""

    what: str
    command: str


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None when it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Return the versions of Python, nbturns and the packages it works with; None for a missing one."""
    found: dict[str, str | None] = {
        "nbturns": installed_version("nbturns"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    return found | {name: installed_version(name) for name in PACKAGES}


def extras() -> dict[str, str | None]:
    """Return the version of the package of each extra; None for a missing one."""
    return {extra: installed_version(package) for extra, package in EXTRAS.items()}


def problems() -> list[Problem]:
    """Return what is wrong with this installation: packages, the kernel, the widget manager."""
    return [*_package_problems(), *_kernel_problems(), *_widget_problems()]


def _package_problems() -> Iterator[Problem]:
    for package in REQUIRED:
        if installed_version(package) is None:
            yield Problem(f"{package} is missing", f"pip install {package}")


def _kernel_problems() -> Iterator[Problem]:
    version = installed_version("ipykernel")
    if version is not None and version.startswith(FAULTY_KERNELS):
        yield Problem(f"ipykernel {version} sometimes loses a cell or a click", "pip install 'ipykernel>=7.4'")
    for name, command in _kernel_commands().items():
        if not Path(command).exists():
            mend = f"{sys.executable} -m ipykernel install --sys-prefix --name {name}"
            yield Problem(f"the kernel {name} starts {command}, which does not exist", mend)


def _kernel_commands() -> dict[str, str]:
    """Return the program of each Jupyter kernel of this environment, where it is a path."""
    commands = {}
    for file in sorted(Path(sys.prefix).glob("share/jupyter/kernels/*/kernel.json")):
        try:
            program = json.loads(file.read_text(encoding="utf-8"))["argv"][0]
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            continue
        if isinstance(program, str) and Path(program).is_absolute():
            commands[file.parent.name] = program
    return commands


def _widget_problems() -> Iterator[Problem]:
    widgets, manager = installed_version("ipywidgets"), installed_version("jupyterlab-widgets")
    if widgets is not None and manager is not None:
        expected = MANAGER_OF_WIDGETS.get(_major(widgets))
        if expected is not None and _major(manager) != expected:
            yield Problem(
                f"ipywidgets {widgets} and jupyterlab-widgets {manager} do not fit",
                f"pip install 'jupyterlab-widgets=={expected}.*'",
            )
    if installed_version("jupyterlab") is None:
        return  # the server is elsewhere: its front ends cannot be seen from here
    folder = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
    for package, extension in FRONT_ENDS:
        if not any((root / extension).is_dir() for root in (folder, *_user_folders())):
            yield Problem(f"JupyterLab has no front end of {package}", f"pip install --force-reinstall {package}")


def _user_folders() -> Iterator[Path]:
    """Yield the further folders of front ends: of the environment that this one looks into, and the user's."""
    for entry in sys.path:
        path = Path(entry)
        if path.name == "site-packages":
            yield path.parents[2] / "share" / "jupyter" / "labextensions"
    yield Path.home() / ".local" / "share" / "jupyter" / "labextensions"


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdigit() else 0


def report_text() -> str:
    """Return the whole check as text, a line for each package."""
    lines = [f"{name:20} {version or 'missing'}" for name, version in versions().items()]
    lines += ["", "extras"]
    for extra, version in extras().items():
        missing = f"missing: pip install 'nbturns[{extra}]'"  # some shells expand brackets without quotes
        lines.append(f"{extra:20} {version or missing}")
    found = problems()
    lines += ["", *(f"problem: {problem.what}\n    {problem.command}" for problem in found)]
    return "\n".join([*lines, *([] if found else ["no problems found"])])
