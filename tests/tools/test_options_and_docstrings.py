"""Options of single providers are checked, and docstrings describe arguments."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import pytest

import nbturns as nt


def search(text: str, limit: int = 10) -> str:
    """Search."""
    return text * limit


def bash(command: str, restart: bool = False) -> str:
    """Run a command."""
    return command


# Options.


def test_options_are_kept_by_provider_and_frozen() -> None:
    options: dict[str, Any] = {
        "claude": {"strict": True, "cache_control": {"type": "ephemeral"}},
        "openai-responses": {"strict": None},
    }
    tool = nt.Tool(search, options=options)

    assert tool.options == {
        "anthropic": {"strict": True, "cache_control": {"type": "ephemeral"}},
        "openai": {"strict": None},
    }
    with pytest.raises(nt.MisuseError, match="frozen"):
        tool.options["anthropic"]["strict"] = False
    assert nt.Tool(search).options == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anthropic": {"strickt": True}}, "unknown option 'strickt' of search for anthropic; did you mean 'strict'?"),
        ({"anthropic": {"cache_controll": {}}}, "did you mean 'cache_control'?"),
        ({"anthropic": {"defer-loading": True}}, "did you mean 'defer_loading'?"),
        ({"anthropic": {"input_example": []}}, "did you mean 'input_examples'?"),
        ({"openai": {"allowed_caller": []}}, "did you mean 'allowed_callers'?"),
        ({"openai-chat": {"stric": True}}, "did you mean 'strict'?"),
        ({"gemini": {"behaviour": "BLOCKING"}}, "did you mean 'behavior'?"),
        ({"anthropic": {"zzz": 1}}, "known: strict, cache_control"),
        ({"antropic": {"strict": True}}, "unknown provider 'antropic'; did you mean 'anthropic'?"),
        ({"zzz": {}}, "known: anthropic, openai"),
        ({"anthropic": {"strict": "yes"}}, "option strict of search for anthropic must be a bool, got 'yes'"),
        ({"anthropic": {"cache_control": "ephemeral"}}, "must be a dict"),
        ({"anthropic": {"input_examples": {"text": "a"}}}, "must be a list"),
        ({"anthropic": {"max_characters": True}}, "must be a int"),
        ({"anthropic": True}, "for anthropic must be a mapping"),
        ([("anthropic", {})], "options must be a mapping"),
        ({"anthropic": {1: 2}}, "unknown option 1"),
    ],
)
def test_options_that_are_misspelt_or_of_a_wrong_type_are_refused(options: Any, message: str) -> None:
    with pytest.raises(nt.MisuseError) as raised:
        nt.Tool(search, options=options)

    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"anthropic": {"type": "bash_20250124"}}, "bash"),
        ({"anthropic": {"type": "text_editor_20250728", "max_characters": 100}}, "str_replace_based_edit_tool"),
        ({"anthropic": {"type": "text_editor_20250124"}}, "str_replace_editor"),
        ({"anthropic": {"type": "memory_20250818"}}, "memory"),
        ({"anthropic": {"type": "computer_20251124", "display_width_px": 9, "display_height_px": 9}}, "computer"),
        ({"openai": {"type": "shell"}}, "shell"),
        ({"openai": {"type": "apply_patch"}}, "apply_patch"),
        ({"openai": {"type": "mcp", "server_label": "x", "server_url": "https://x"}}, "mcp_approval"),
        ({"openai": {"type": "custom"}}, "run"),
    ],
)
def test_the_function_of_a_providers_own_tool_has_the_name_of_that_tool(options: Any, name: str) -> None:
    def run(**arguments: Any) -> str:
        return "ok"

    tool = nt.Tool(run, options=options)

    assert tool.name == name
    assert tool.replace(timeout=3).name == name


def test_another_name_for_a_providers_own_tool_is_refused() -> None:
    with pytest.raises(nt.MisuseError, match="the model calls this tool 'bash', not 'shell'"):
        nt.Tool(bash, "shell", options={"anthropic": {"type": "bash_20250124"}})
    with pytest.raises(nt.MisuseError, match="make a Tool for each"):
        nt.Tool(bash, options={"anthropic": {"type": "bash_20250124"}, "openai": {"type": "shell"}})


# Docstrings.


def google(text: str, limit: int = 10, *, exact: bool = False) -> None:
    """Search the archive.

    It has all papers.

    Args:
        text: What to look for,
            in any language.
        limit (int, optional): How many: at most 100.
        exact: Only whole words.

    Returns:
        Titles.
    """


def numpy(text: str, limit: int = 10, *, exact: bool = False) -> None:
    """Search the archive.

    It has all papers.

    Parameters
    ----------
    text : str
        What to look for,
        in any language.
    limit : int, optional
        How many: at most 100.
    exact
        Only whole words.

    Returns
    -------
    list
        Titles.
    """


def sphinx(text: str, limit: int = 10, *, exact: bool = False) -> None:
    """Search the archive.

    It has all papers.

    :param text: What to look for,
        in any language.
    :param int limit: How many: at most 100.
    :type limit: int
    :param exact: Only whole words.
    :returns: Titles.
    """


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_sections_of_arguments_become_their_descriptions(function: Any) -> None:
    tool = nt.Tool(function)

    assert {name: schema["description"] for name, schema in tool.parameters["properties"].items()} == {
        "text": "What to look for, in any language.",
        "limit": "How many: at most 100.",
        "exact": "Only whole words.",
    }
    assert tool.description.startswith("Search the archive.\n\nIt has all papers.")
    assert "Titles." in tool.description
    assert not any(word in tool.description for word in ("Args", "Parameters", "What to look", ":param", ":type"))


@pytest.mark.parametrize(
    "text",
    [
        "Just a text: with a colon.",
        "Example:\n    text: not an argument section",
        "Args:\n    other: Not an argument of this function.",
        "Parameters\n----------\nother : str\n    Not of this function.",
        "",
    ],
)
def test_a_docstring_without_descriptions_of_its_arguments_stays_as_it_is(text: str) -> None:
    def look(text: str) -> None: ...

    look.__doc__ = text

    assert nt.Tool(look).description == inspect.cleandoc(text)
    assert nt.Tool(look).parameters["properties"]["text"] == {"type": "string"}


def test_a_description_at_the_argument_wins_over_the_docstring() -> None:
    def look(text: Annotated[str, "From the hint"], more: int = 1) -> None:
        """Look.

        Args:
            text: From the docstring.
            more: Extra.
        """

    assert nt.Tool(look).parameters["properties"]["text"]["description"] == "From the hint"
    assert nt.Tool(look, description="Mine").description == "Mine"
    assert nt.Tool(look, description="Mine").parameters["properties"]["more"]["description"] == "Extra."


def test_stars_of_collected_arguments_are_no_part_of_their_names() -> None:
    from typing import TypedDict, Unpack

    Options = TypedDict("Options", {"size": int})

    def look(**options: Unpack[Options]) -> None:
        """Look.

        Parameters
        ----------
        size, **rest : int
            The size.
        """

    look.__annotations__["options"] = Unpack[Options]
    assert nt.Tool(look).parameters["properties"]["size"] == {"type": "integer", "description": "The size."}
