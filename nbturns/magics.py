"""Magics of IPython: `%load_ext nbturns` defines `%%ask`, `%view`, `%turns` and `%cost`.

A session is a variable of the notebook: `%%ask --session s` asks the Session in `s`, and without the option the one in
`session`. A magic is a short way to write what `session.ask`, `nt.view` and `nt.frames` do, and returns the same.
"""

from __future__ import annotations

from typing import Any

from .errors import MisuseError
from .runtime.execution import Execution
from .session import Session

DEFAULT_SESSION = "session"  # the variable that a magic uses when none is named
COST_COLUMNS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "duration_ms", "cost")


class Magics:
    """The functions of the magics, for one shell of IPython."""

    def __init__(self, shell: Any) -> None:
        from IPython.core import magic_arguments

        self.shell = shell
        parser_class: Any = magic_arguments.MagicArgumentParser
        self.parser: Any = parser_class("%%ask")
        self.parser.add_argument("--session", "-s", default=DEFAULT_SESSION)
        self.parser.add_argument("--step", action="store_true")
        self.parser.add_argument("--engine", "-e", default="")

    def ask(self, line: str, cell: str) -> Execution:
        """Ask the session with the text of the cell, and return the execution, which is shown live.

        `%%ask [--session s] [--step] [--engine e]`: `--session` names the variable with the session (default
        `session`), `--step` pauses before each tool call and after the tools, and `--engine` makes a new session with
        the engine in a variable, or with one named like `openai:gpt-5`.
        """
        arguments = self.parser.parse_argstring(line)
        session = session_of(self.shell.user_ns, arguments.session, arguments.engine)
        return session.ask(cell.strip("\n"), step=True if arguments.step else None)

    def view(self, line: str) -> Any:
        """Return the live view of a value: `%view run`, `%view log.eval`; without one, of `session`."""
        from .widgets import view

        return view(self.value_of(line))

    def turns(self, line: str) -> Any:
        """Return a DataFrame with a row for each Turn of a value; without one, of `session`."""
        from .frames import turns

        return turns(self.value_of(line))

    def cost(self, line: str) -> Any:
        """Return a DataFrame with the calls, tokens and cost (USD) by model; without a value, of `session`."""
        return cost_by_model(self.value_of(line))

    def value_of(self, line: str) -> Any:
        """Return the value of an expression, else the text itself, which may be a path."""
        text = line.strip() or DEFAULT_SESSION
        try:
            return self.shell.ev(text)
        except (NameError, SyntaxError):
            if text == DEFAULT_SESSION:
                raise MisuseError(
                    f"there is no variable {text!r}; make one with session = nt.Session(engine), or name a value"
                ) from None
            return text


def register_magics(shell: Any) -> None:
    """Define the magics in a shell of IPython."""
    magics = Magics(shell)
    shell.register_magic_function(magics.ask, "cell", "ask")
    for name in ("view", "turns", "cost"):
        shell.register_magic_function(getattr(magics, name), "line", name)


def session_of(variables: dict[str, Any], name: str, engine: str = "") -> Session:
    """Return the session in a variable; a new one if no session has that name and an engine is named.

    Raises MisuseError for a variable that holds something else, and without an engine.
    """
    session = variables.get(name)
    if session is None:
        if not engine:
            raise MisuseError(
                f"there is no session in {name!r}; make one, or name an engine: %%ask --engine openai:gpt-5"
            )
        variables[name] = session = Session(_engine_of(variables, engine))
    elif not isinstance(session, Session):
        raise MisuseError(f"{name!r} is a {type(session).__name__}, not a Session; name another with --session")
    elif engine:
        raise MisuseError(
            f"the session in {name!r} has an engine; leave out --engine, or name a new one with --session"
        )
    return session


def _engine_of(variables: dict[str, Any], engine: str) -> Any:
    from .engines import engine as make_engine

    return variables[engine] if engine in variables else make_engine(engine)


def cost_by_model(x: Any) -> Any:
    """Return a DataFrame with a row for each model: `calls`, tokens, milliseconds and `cost` in USD, NA when unknown."""
    from .frames import inferences

    calls = inferences(x)
    columns = [name for name in COST_COLUMNS if name in calls]
    by_model = calls.groupby("model", dropna=False, observed=True)
    sums = by_model[columns].sum(min_count=1)
    sums.insert(0, "calls", by_model.size())
    return sums
