"""Tests of what is allowed: checks, exposure, limits, latch and kill switch."""
