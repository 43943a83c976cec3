"""Readers that fill the frame of blocks from plain records without a value for each."""
