"""Gemini, by Google's API and by Vertex."""

from .request import PROVIDER as PROVIDER

__all__ = ["PROVIDER"]
