"""Tests of `nbturns/widgets`."""
