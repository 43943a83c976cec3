"""The Responses API of OpenAI."""

from .request import PROVIDER as PROVIDER

__all__ = ["PROVIDER"]
