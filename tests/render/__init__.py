"""Tests of `nbturns/render`."""
