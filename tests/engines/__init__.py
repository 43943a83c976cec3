"""Tests of `nbturns/engines`."""
