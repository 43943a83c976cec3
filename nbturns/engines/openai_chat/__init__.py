"""Chat Completions of OpenAI, and of every server that imitates them."""

from .request import PROVIDER as PROVIDER

__all__ = ["PROVIDER"]
