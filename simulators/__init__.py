"""Venues to trade against; this file imports nothing."""
