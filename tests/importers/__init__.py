"""Tests of `nbturns/importers`."""
