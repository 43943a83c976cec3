"""A library of transcripts on disk: listed, searched and loaded by their ids."""

from __future__ import annotations

from .transcript_library import TranscriptLibrary as TranscriptLibrary
from .transcript_library import library as library

__all__ = ["TranscriptLibrary", "library"]
