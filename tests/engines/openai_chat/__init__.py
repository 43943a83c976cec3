"""Tests of `nbturns/engines/openai_chat`."""
