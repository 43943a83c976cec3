"""Conversion of a Turn or a Run to the messages of a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engines.messages import Messages


class Spoken:
    """Mixed into the values that hold a conversation."""

    __slots__ = ()

    def to_messages(self, provider: str) -> Messages:
        """It as a list of "openai-chat", "openai", "anthropic" or "gemini" messages; a Run's latest Turn holds all.

        What came from that provider comes back word for word; `.body` has what stands beside the
        messages (a system prompt that is none). Raises EngineError for another provider.
        """
        from .engines.messages import to_messages

        conversation: Any = getattr(self, "latest", self)
        return to_messages(conversation, provider)
