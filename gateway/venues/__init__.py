"""Venues, one thin declarative file each: what a venue speaks and what it can do; no I/O, no state, no code of its own."""
