"""Tests of `nbturns/engines/gemini`."""
