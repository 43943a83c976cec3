"""The command line: `nbturns profiles list | show | check`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import LoadError, NbturnsError, ProfileError
from .profiles import Plan, Profiles, load_profiles

SOURCES = "NBTURNS_PROFILES"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0 when all is well; 1 with a line on stderr when not."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        done: int = asked.run(asked)
    except NbturnsError as error:
        print(f"nbturns: {error}", file=sys.stderr)
        return 1
    return done


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nbturns", description="Look at, step and count conversations with models.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")
    profiles = commands.add_parser("profiles", help="which engine, prompt, tools and limits a conversation runs with")
    what = profiles.add_subparsers(title="commands", required=True, metavar="list | show | check")

    listing = what.add_parser("list", help="the profiles there are")
    listing.set_defaults(run=_list)
    showing = what.add_parser("show", help="what one comes to, and who said so")
    showing.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="an override, as YAML")
    showing.add_argument("--json", action="store_true", help="as JSON")
    showing.set_defaults(run=_show)
    checking = what.add_parser("check", help="resolve every profile, and say what is wrong")
    checking.set_defaults(run=_check)
    for command in (listing, showing, checking):
        kind = "a file, folder or database of profiles, the last one wins"
        kind += "; or the name of a profile (the default one if left out)" if command is showing else ""
        command.add_argument("names", metavar="SOURCE", nargs="*", help=f"{kind}; without one: ${SOURCES}")
    return parser


def _profiles(names: Sequence[str]) -> Profiles:
    """The profiles of the sources that are named, else of those in the environment."""
    named = list(names) or [part for part in os.environ.get(SOURCES, "").split(",") if part.strip()]
    try:
        return load_profiles(*named)
    except ProfileError as error:
        if named or error.key != "sources":
            raise
        raise ProfileError(f"no profiles: name a file, a folder or a database, or set {SOURCES}", key=SOURCES) from None


def _is_source(name: str) -> bool:
    path = Path(name.partition(":")[2] if name.startswith(("yaml:", "sqlite:")) else name)
    return path.exists() or path.suffix in (".yaml", ".yml", ".db", ".sqlite", ".sqlite3")


def _list(asked: argparse.Namespace) -> int:
    profiles = _profiles(asked.names)
    default = profiles.resolve().name
    rows = [(name, *_about(profiles, name)) for name in profiles]
    wide = [max(len(row[i]) for row in rows) for i in range(3)]
    for name, whole, engine, description in rows:
        mark = "*" if whole == default else " "
        print(f"{mark} {name:{wide[0]}}  {whole:{wide[1]}}  {engine:{wide[2]}}  {description}".rstrip())
    return 0


def _about(profiles: Profiles, name: str) -> tuple[str, str, str]:
    profile = profiles[name]
    try:
        return profile.name, profile.config.engine, profile.description
    except NbturnsError:
        return profile.name, "(cannot be resolved)", profile.description


def _show(asked: argparse.Namespace) -> int:
    from .yaml_text import load

    overrides = {}
    for text in asked.set:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise ProfileError(f"an override is KEY=VALUE, like --set temperature=0, not {key or text!r}", key=key)
        try:
            overrides[key] = load(value)
        except LoadError as error:
            raise ProfileError(f"--set {key}: {error.reason}", key=key) from None
    names = [name for name in asked.names if not _is_source(name)]
    if len(names) > 1:
        raise ProfileError(f"one profile at a time, not {', '.join(names)}", key=names[1])
    profiles = _profiles([name for name in asked.names if _is_source(name)])
    plan = profiles.resolve(names[0] if names else None, overrides=overrides)
    print(json.dumps(_plain(plan), indent=2, ensure_ascii=False, default=str) if asked.json else plan)
    return 0


def _plain(plan: Plan) -> dict[str, object]:
    fields = [{"name": one.name, "value": one.value, "source": one.source} for one in plan.fields]
    return {"profile": plan.name, "lineage": plan.lineage, "signature": plan.signature, "fields": fields}


def _check(asked: argparse.Namespace) -> int:
    profiles = _profiles(asked.names)
    wrong = 0
    for name in profiles:
        try:
            plan = profiles.resolve(profiles[name].name)
        except NbturnsError as error:
            wrong += 1
            print(f"{name}: {error}", file=sys.stderr)
        else:
            print(f"{name}: {plan.config.engine}, signature {plan.signature[:12]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
