"""Measurements of time and memory on this machine: `make bench`."""
