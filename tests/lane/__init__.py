"""Tests of the lane and of the seam."""
