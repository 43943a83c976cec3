"""Tests of `nbturns/engines/openai_responses`."""
