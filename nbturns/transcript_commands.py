"""The commands of the shell that read transcripts; each returns what is printed, and the exit status."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from . import environment_check
from .errors import MisuseError
from .packages import require
from .shell_notebook import write_notebook
from .terminal_text import replayed_text, wants_color
from .values.turns import Run

FOUND, NOTHING_FOUND = 0, 1  # exit statuses, as those of grep and diff; 2 is an error
FRAMES = ("blocks", "turns", "inferences", "tool_calls", "snapshots", "runs", "problems", "labels", "decisions")
COST_COLUMNS = ("model", "calls", "input_tokens", "output_tokens", "cost")


class Answer(NamedTuple):
    """The answer of a command."""

    text: str
    status: int = FOUND
    pieces: Iterable[str] = ()  # printed one after the other, `pace` seconds apart
    pace: float = 0.0
    colored: bool = False  # a transcript that is coloured by kind


def add_commands(commands: Any) -> None:
    """Add the commands to the parser of `nbturns`."""

    def add(
        name: str, run: Callable[[argparse.Namespace], Answer], help_text: str, *names: str
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(
            name, help=help_text, description=help_text.capitalize() + "."
        )
        for argument in names:
            command.add_argument(
                argument.rstrip("+"),
                metavar=argument.upper().rstrip("+"),
                nargs="+" if argument.endswith("+") else None,
            )
        command.add_argument("--json", action="store_true", help="as JSON")
        command.set_defaults(run=run)
        return command

    show = add("show", _show, "print a transcript; - reads it from a pipe", "path")
    show.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="default: on a terminal")
    add("runs", _runs, "list the Runs of files, folders or globs", "paths+")
    convert = add("convert", _convert, "write a transcript in another format, chosen by the suffix", "path", "target")
    convert.add_argument("--redact", action="store_true", help="replace keys, addresses and home folders")
    convert.add_argument("--format", metavar="NAME", help="that of another tool, like atif; default: by the suffix")
    html = add("html", _convert, "write a transcript as a page for a browser", "path", "target")
    html.add_argument("--redact", action="store_true", help="replace keys, addresses and home folders")
    html.set_defaults(format=None)
    frames = add("frames", _frames, "print or write a frame as CSV, or as Parquet by the suffix", "frame", "paths+")
    frames.add_argument("-o", "--output", metavar="FILE", help="a .csv or .parquet file; default: CSV to the shell")
    search = add("search", _search, "search the transcripts of a folder, an agent, or a store", "query")
    search.add_argument("path", nargs="?", metavar="PATH", help="a folder, or a store (.db)")
    search.add_argument("--agent", help="those of a coding agent, like claude-code")
    search.add_argument("--limit", type=int, default=20, help="the number of hits (default: 20)")
    add("diff", _diff, "compare two transcripts", "first", "second")
    add("cost", _cost, "sum tokens and cost by model", "paths+")
    add("problems", _problems, "list failed calls, cut replies and the like", "paths+")
    replay = add("replay", _replay, "print a recorded conversation as it happened", "path")
    replay.add_argument("--pace", type=float, default=0.02, metavar="SECONDS", help="between two words (default: 0.02)")
    lab = add("lab", _lab, "open JupyterLab, with a notebook that shows a transcript")
    lab.add_argument("path", nargs="?", metavar="PATH", help="a transcript, a folder of them, or a store (.db)")
    lab.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="arguments of JupyterLab, after --")
    add("doctor", _doctor, "check the installation: versions, the kernel, the widgets, and the command that mends each")


def _source(names: Iterable[str]) -> Any:
    """Return what `nt.frames` reads: paths, a store, or the Runs of a pipe."""
    from .files import loads

    names = list(names)
    if names == ["-"]:
        return loads(sys.stdin.buffer.read())
    if len(names) == 1 and _is_store(names[0]):
        from .store import TurnStore

        return TurnStore(names[0])
    return names


def _is_store(name: str) -> bool:
    from .store.schema import is_store

    return is_store(Path(name))


def _load(name: str) -> Run:
    from .files import load, loads

    return loads(sys.stdin.buffer.read()) if name == "-" else load(name)


def _show(options: argparse.Namespace) -> Answer:
    run = _load(options.path)
    if options.json:
        return Answer(_json(run.to_dict()))
    return Answer(str(run), colored=wants_color(options.color, sys.stdout))


def _convert(options: argparse.Namespace) -> Answer:
    from .files import save

    if options.target == "-":
        raise MisuseError("the target needs a suffix that names the format, like run.yaml")
    path = save(_load(options.path), options.target, redact=options.redact, format=options.format)
    return Answer(_json({"path": str(path)}) if options.json else str(path))


def _rows(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame as plain data; unknown values are None."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso"))
    return rows


def _table(rows: list[dict[str, Any]], columns: Iterable[str]) -> str:
    """Return rows as aligned text."""
    names = list(columns)
    cells = [names] + [
        [("" if (value := row.get(name)) is None else str(value))[:60] for name in names] for row in rows
    ]
    widths = [max(len(line[index]) for line in cells) for index in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _runs(options: argparse.Namespace) -> Answer:
    from .frames import runs

    rows = _rows(runs(_source(options.paths), progress=False))
    columns = ("run_id", "format", "turns", "blocks", "models", "total_tokens", "cost", "status")
    return Answer(_json(rows) if options.json else _table(rows, columns), FOUND if rows else NOTHING_FOUND)


def _frames(options: argparse.Namespace) -> Answer:
    from . import frames

    if options.frame not in FRAMES:
        raise MisuseError(f"unknown frame {options.frame!r}; use one of {', '.join(FRAMES)}")
    frame = getattr(frames, options.frame)(_source(options.paths))
    if options.output is None:
        return Answer(_json(_rows(frame)) if options.json else frame.to_csv(index=False).rstrip("\n"))
    target = Path(options.output)
    if target.suffix not in (".csv", ".parquet"):
        raise MisuseError(f"{target.name}: use a .csv or a .parquet file")
    frame.to_parquet(target, index=False) if target.suffix == ".parquet" else frame.to_csv(target, index=False)
    return Answer(
        _json({"path": str(target), "rows": len(frame)}) if options.json else f"{target}: {len(frame):,} rows"
    )


def _search(options: argparse.Namespace) -> Answer:
    from .libraries import library

    if options.path is not None and _is_store(options.path):
        hits = _source([options.path]).search(options.query, limit=options.limit)
    else:
        hits = library(options.path, agent=options.agent).search(options.query, limit=options.limit)
    text = _json([hit.row() for hit in hits]) if options.json else str(hits)
    return Answer(text, FOUND if len(hits) else NOTHING_FOUND)


def _diff(options: argparse.Namespace) -> Answer:
    from .render.comparison import compare

    comparison = compare(_load(options.first), _load(options.second))
    rows = _rows(comparison.to_df())
    text = _json(rows) if options.json else str(comparison)
    return Answer(text, NOTHING_FOUND if len(comparison.changes) else FOUND)


def _cost(options: argparse.Namespace) -> Answer:
    from .frames import inferences

    frame = inferences(_source(options.paths), progress=False)
    totals = frame.groupby("model", observed=True, dropna=False).agg(
        calls=("model", "size"), input_tokens=("input_tokens", "sum"), output_tokens=("output_tokens", "sum"),
        cost=("cost", lambda costs: costs.sum(skipna=False)),
    )  # fmt: skip
    rows = _rows(totals.reset_index())
    return Answer(_json(rows) if options.json else _table(rows, COST_COLUMNS))


def _problems(options: argparse.Namespace) -> Answer:
    from .frames import problems

    rows = _rows(problems(_source(options.paths), progress=False))
    columns = ("kind", "run_id", "turn_index", "block_index", "message")
    return Answer(_json(rows) if options.json else _table(rows, columns), NOTHING_FOUND if rows else FOUND)


def _doctor(options: argparse.Namespace) -> Answer:
    found = environment_check.problems()
    status = NOTHING_FOUND if found else FOUND
    if not options.json:
        return Answer(environment_check.report_text(), status)
    data = {
        "versions": environment_check.versions(),
        "extras": environment_check.extras(),
        "problems": [asdict(problem) for problem in found],
    }
    return Answer(_json(data), status)


def _replay(options: argparse.Namespace) -> Answer:
    run = _load(options.path)
    if options.json:
        return Answer(_json(run.to_dict()))
    return Answer("", pieces=replayed_text(run), pace=options.pace)


def _lab(options: argparse.Namespace) -> Answer:
    require("jupyterlab")
    command = [sys.executable, "-m", "jupyterlab"]
    if options.path is not None:
        notebook = write_notebook(Path(options.path))
        command += [f"--ServerApp.root_dir={notebook.parent}", f"--LabApp.default_url=/lab/tree/{quote(notebook.name)}"]
    finished = subprocess.run([*command, *options.arguments], check=False)  # noqa: S603 - the user's own arguments
    return Answer("", finished.returncode)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
