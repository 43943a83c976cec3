"""Tests of `nbturns/testing`."""
