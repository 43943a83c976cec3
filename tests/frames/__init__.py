"""Tests of `nbturns/frames`."""
