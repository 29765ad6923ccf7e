"""The journal from Python: lock, restart, writer's start, reader, export, a simulated disk; this file imports nothing."""
