"""Tests of `nbturns/engines/anthropic`."""
