"""Blocks, Turns and Runs, and the values they carry: frozen, without I/O and without threads."""
