"""Limits, files, keys and tracebacks: what protects the user from hostile content and from losses."""
