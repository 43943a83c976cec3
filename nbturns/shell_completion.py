"""Completion of the shell: scripts for bash, zsh and fish, made from the parser of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

SHELLS = ("bash", "zsh", "fish")


def completion_script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Return the script that completes commands and options of `nbturns` in a shell, and files otherwise."""
    words = dict(_words(parser))
    return _fish_script(words) if shell == "fish" else _bash_script(words, zsh=shell == "zsh")


def _words(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield the options, subcommands and choices of a parser and of its subcommands, by the names that lead there."""
    names: list[str] = []
    for action in parser._actions:
        names += [option for option in action.option_strings if option.startswith("--")]
        if isinstance(action, argparse._SubParsersAction):
            names += list(action.choices)
            for name, command in action.choices.items():
                yield from _words(command, (*path, name))
        elif action.choices is not None and not action.option_strings:
            names += list(map(str, action.choices))
    yield path, names


def _bash_script(words: dict[tuple[str, ...], list[str]], *, zsh: bool) -> str:
    cases = [f'    "{" ".join(path)}") words="{" ".join(names)}" ;;' for path, names in words.items()]
    lines = [
        *(["autoload -U +X bashcompinit && bashcompinit"] if zsh else []),
        "_nbturns() {",
        '  local word path="" words=""',
        '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '    case "$word" in -*) ;; *) case " $_nbturns_commands " in *" ${path:+$path.}$word "*) path="${path:+$path.}$word" ;; esac ;; esac',
        "  done",
        '  case "${path//./ }" in',
        *cases,
        "  esac",
        '  COMPREPLY=( $(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}") )',
        "}",
        f'_nbturns_commands="{" ".join(".".join(path) for path in words if path)}"',
        "complete -o default -F _nbturns nbturns",
    ]
    return "\n".join(lines)


def _fish_script(words: dict[tuple[str, ...], list[str]]) -> str:
    lines = []
    for path, names in words.items():
        path_condition = "; and ".join(f"__fish_seen_subcommand_from {name}" for name in path)
        condition = f' -n "{path_condition}"' if path_condition else ' -n "__fish_use_subcommand"'
        options = " ".join(name for name in names if not name.startswith("--"))
        if options:
            lines.append(f'complete -c nbturns{condition} -a "{options}"')
        lines += [f"complete -c nbturns{condition} -l {name[2:]}" for name in names if name.startswith("--")]
    return "\n".join(lines)
