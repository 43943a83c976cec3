"""The command line of `nbturns`: profiles, and the commands of `transcript_commands`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import TextIO

from .environment_check import installed_version
from .errors import LoadError, NbturnsError, ProfileError
from .profiles import Plan, Profiles, load_profiles
from .safety.visible_text import visible
from .shell_completion import SHELLS, completion_script
from .terminal_text import colored_transcript
from .transcript_commands import Answer, add_commands

SOURCES_VARIABLE = "NBTURNS_PROFILES"


def _print(value: object, file: TextIO | None = None) -> None:
    """Print a value without characters that control the terminal."""
    print(visible(str(value)), file=file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: after an error, which is printed to stderr, 2 (1 for profiles)."""
    parser = argument_parser()
    options = parser.parse_args(arguments)
    try:
        answer: Answer | int = options.run(options)
    except (NbturnsError, OSError) as error:
        _print(f"nbturns: {error}", file=sys.stderr)
        return 1 if options.command == "profiles" else 2
    if isinstance(answer, int):
        return answer
    with suppress(BrokenPipeError):  # the reader of a pipe, like head, has read enough
        _print_answer(answer)
    return answer.status


def _print_answer(answer: Answer) -> None:
    """Print the text of an answer, and its pieces at their pace."""
    if answer.colored:
        print(colored_transcript(answer.text))
    elif answer.text:
        _print(answer.text)
    for piece in answer.pieces:
        print(piece, end="", flush=True)
        if answer.pace > 0:
            sleep(answer.pace)


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="nbturns", description="Look at, step and count conversations with models.")
    parser.add_argument("--version", action="version", version=f"nbturns {installed_version('nbturns')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command", dest="command")
    add_commands(commands)
    completion = commands.add_parser("completion", help="print a script that completes commands in a shell")
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(run=lambda options: Answer(completion_script(options.shell, parser)))
    profiles = commands.add_parser("profiles", help="named configurations of engine, prompt, tools and limits")
    profile_commands = profiles.add_subparsers(title="commands", required=True, metavar="list | show | check")

    list_command = profile_commands.add_parser("list", help="list all profiles")
    list_command.set_defaults(run=_list)
    show_command = profile_commands.add_parser("show", help="show the settings of a profile and their sources")
    show_command.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="an override, as YAML")
    show_command.set_defaults(run=_show)
    check_command = profile_commands.add_parser("check", help="resolve every profile and report errors")
    check_command.set_defaults(run=_check)
    for command in (list_command, show_command, check_command):
        command.add_argument("--json", action="store_true", help="as JSON")
        help_text = "a file, folder or database of profiles; later ones take precedence"
        help_text += "; or the name of a profile (default: the default profile)" if command is show_command else ""
        command.add_argument("names", metavar="SOURCE", nargs="*", help=f"{help_text}; default: ${SOURCES_VARIABLE}")
    return parser


def _load_profiles(names: Sequence[str]) -> Profiles:
    """Load the profiles from the named sources, or else from those in the environment variable."""
    sources = list(names) or [part for part in os.environ.get(SOURCES_VARIABLE, "").split(",") if part.strip()]
    try:
        return load_profiles(*sources)
    except ProfileError as error:
        if sources or error.key != "sources":
            raise
        raise ProfileError(
            f"no profiles; pass a file, a folder or a database, or set {SOURCES_VARIABLE}", key=SOURCES_VARIABLE
        ) from None


def _is_source(name: str) -> bool:
    path = Path(name.partition(":")[2] if name.startswith(("yaml:", "sqlite:")) else name)
    return path.exists() or path.suffix in (".yaml", ".yml", ".db", ".sqlite", ".sqlite3")


def _list(options: argparse.Namespace) -> int:
    """Print all profiles with their engines."""
    profiles = _load_profiles(options.names)
    default = profiles.resolve().name
    rows = [(name, *_engine_and_description(profiles, name)) for name in profiles]
    if options.json:
        names = ("slug", "profile", "engine", "description")
        _print_json([dict(zip(names, row, strict=True)) | {"default": row[1] == default} for row in rows])
        return 0
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for name, full_name, engine, description in rows:
        marker = "*" if full_name == default else " "
        _print(f"{marker} {name:{widths[0]}}  {full_name:{widths[1]}}  {engine:{widths[2]}}  {description}".rstrip())
    return 0


def _engine_and_description(profiles: Profiles, name: str) -> tuple[str, str, str]:
    profile = profiles[name]
    try:
        return profile.name, profile.config.engine, profile.description
    except NbturnsError:
        return profile.name, "(cannot be resolved)", profile.description


def _show(options: argparse.Namespace) -> int:
    """Print the plan of one profile."""
    from .serialization.yaml_text import load_yaml

    overrides = {}
    for assignment in options.set:
        key, separator, value = assignment.partition("=")
        if not (key and separator):
            raise ProfileError(f"--set needs KEY=VALUE, like --set temperature=0, not {key or assignment!r}", key=key)
        try:
            overrides[key] = load_yaml(value)
        except LoadError as error:
            raise ProfileError(f"--set {key}: {error.reason}", key=key) from None
    names = [name for name in options.names if not _is_source(name)]
    if len(names) > 1:
        raise ProfileError(f"show takes one profile, not {', '.join(names)}", key=names[1])
    profiles = _load_profiles([name for name in options.names if _is_source(name)])
    plan = profiles.resolve(names[0] if names else None, overrides=overrides)
    if options.json:
        _print_json(_plan_to_dict(plan))
    else:
        _print(plan)
    return 0


def _plan_to_dict(plan: Plan) -> dict[str, object]:
    fields = [{"name": field.name, "value": field.value, "source": field.source} for field in plan.fields]
    return {"profile": plan.name, "lineage": plan.lineage, "signature": plan.signature, "fields": fields}


def _check(options: argparse.Namespace) -> int:
    """Resolve all profiles and print errors; return 1 if there are any."""
    profiles = _load_profiles(options.names)
    results: list[dict[str, object]] = []
    for name in profiles:
        try:
            plan = profiles.resolve(profiles[name].name)
        except NbturnsError as error:
            results.append({"slug": name, "engine": None, "signature": None, "error": str(error)})
        else:
            results.append({"slug": name, "engine": plan.config.engine, "signature": plan.signature, "error": None})
    if options.json:
        _print_json(results)
    else:
        for result in results:
            _print_check(result)
    return int(any(result["error"] for result in results))


def _print_check(result: dict[str, object]) -> None:
    if result["error"]:
        _print(f"{result['slug']}: {result['error']}", file=sys.stderr)
    else:
        _print(f"{result['slug']}: {result['engine']}, signature {result['signature']:.12}")


def _print_json(value: object) -> None:
    _print(json.dumps(value, indent=2, default=str))


if __name__ == "__main__":
    sys.exit(main())
