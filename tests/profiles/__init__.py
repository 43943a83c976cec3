"""Tests of `nbturns/profiles`."""
