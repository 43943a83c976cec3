"""Tests of `nbturns/engines/transports`."""
