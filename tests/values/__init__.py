"""Tests of `nbturns/values`."""
