"""The methods that convert a Turn or a Run: to text, HTML, YAML, plain data, and the messages of a provider.

They import the higher packages that do the work when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..safety.visible_text import printable

if TYPE_CHECKING:
    from ..engines.messages import Messages
    from .turns import Run, Turn


class ProviderMessages:
    """A value that holds a conversation."""

    __slots__ = ()

    def to_messages(self, provider: str) -> Messages:
        """Return the conversation as messages of a provider, like "openai-chat", "openai", "anthropic" or "gemini".

        Blocks that came from that provider come back verbatim; `.body` adds the system prompt where
        it is not a message. A Run gives its latest Turn. Raises EngineError for an unknown provider.
        """
        from ..engines.messages import to_messages

        conversation: Any = getattr(self, "latest", self)
        return to_messages(conversation, provider)


def plain_output(value: Any, printer: Any, cycle: bool) -> None:
    """Print the text of a value that is the output of a cell, for exports to PDF and LaTeX; its repr stays one line.

    It is the `_repr_pretty_` of a class, which IPython looks up in the class that has the `__repr__`.
    """
    from ..render.text import conversation_outline

    is_alone = not cycle and len(printer.stack) <= 1  # not an item of a list
    printer.text(conversation_outline(value) if is_alone else repr(value))


class TurnConversions(ProviderMessages):
    """The conversions of a Turn."""

    __slots__ = ()

    @printable
    def __str__(self) -> str:
        from ..render.text import transcript

        turn: Any = self
        return transcript(turn)

    def _repr_html_(self) -> str:
        from ..render.html import turn_html

        turn: Any = self
        return turn_html(turn)

    def to_yaml(self, omit_data: bool = False) -> str:
        """Return the Turn as YAML, as geppetto writes it; without its `data` if `omit_data`."""
        from ..serialization.serde import turn_to_yaml

        turn: Any = self
        return turn_to_yaml(turn, omit_data=omit_data)

    @classmethod
    def from_yaml(cls, text: str | bytes) -> Turn:
        """Return the Turn of a YAML text. Raises LoadError, with the line, for any other text."""
        from ..serialization.serde import turn_from_yaml

        return turn_from_yaml(text)

    def to_dict(self) -> dict[str, Any]:
        """Return the Turn as dicts and lists that JSON can hold."""
        from ..serialization.serde import turn_to_dict

        turn: Any = self
        return turn_to_dict(turn)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Turn:
        """Return the Turn of a dict that `to_dict` made. Raises LoadError, with the position, for any other dict."""
        from ..serialization.serde import turn_from_dict

        return turn_from_dict(data)


class RunConversions(ProviderMessages):
    """The conversions of a Run."""

    __slots__ = ()

    @printable
    def __str__(self) -> str:
        from ..render.text import transcript

        run: Any = self
        return transcript(run.latest)

    def _repr_html_(self) -> str:
        from ..render.html import run_html

        run: Any = self
        return run_html(run)

    def to_yaml(self) -> str:
        """Return the Run as YAML, with each block once."""
        from ..serialization.serde import run_to_yaml

        run: Any = self
        return run_to_yaml(run)

    @classmethod
    def from_yaml(cls, text: str | bytes) -> Run:
        """Return the Run of a YAML text. Raises LoadError, with the line, for any other text."""
        from ..serialization.serde import run_from_yaml

        return run_from_yaml(text)

    def to_dict(self) -> dict[str, Any]:
        """Return the Run as dicts and lists that JSON can hold, with each block once."""
        from ..serialization.serde import run_to_dict

        run: Any = self
        return run_to_dict(run)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Run:
        """Return the Run of a dict that `to_dict` made. Raises LoadError, with the position, for any other dict."""
        from ..serialization.serde import run_from_dict

        return run_from_dict(data)
