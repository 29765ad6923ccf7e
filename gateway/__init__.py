"""The execution gateway; this file imports nothing, so that every console script starts at once."""
