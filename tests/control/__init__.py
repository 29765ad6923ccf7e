"""Tests of the control plane, most of them with a whole gateway in memory on a virtual clock."""
