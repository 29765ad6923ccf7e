"""`gateway demo`: a strategy trades through a gateway with two simulated venues, and at the end all three must have counted the same."""
