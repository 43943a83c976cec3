"""Tests of `nbturns/middleware`."""
