"""Tests of `nbturns/serialization`."""
