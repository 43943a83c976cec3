"""Anthropic Messages."""

from .request import PROVIDER as PROVIDER

__all__ = ["PROVIDER"]
