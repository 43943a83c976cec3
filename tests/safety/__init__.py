"""Tests of `nbturns/safety`."""
