"""A gateway that dies: at every border of its journal and its sends, by a kill or with the power, also while it recovers."""
