"""Tests of `nbturns/runtime`."""
