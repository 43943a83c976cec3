"""Clients that carry requests and replies."""
