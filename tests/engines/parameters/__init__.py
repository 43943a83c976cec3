"""Tests of `nbturns/engines/parameters`."""
