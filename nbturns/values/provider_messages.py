"""The method `to_messages` of Turn and Run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..engines.messages import Messages


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
