"""Search in stores and libraries: queries, the index, and hits."""

from __future__ import annotations

from .hits import Hit as Hit
from .hits import Hits as Hits

__all__ = ["Hit", "Hits"]
