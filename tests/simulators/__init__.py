"""Simulated venues, against messages that others made."""
