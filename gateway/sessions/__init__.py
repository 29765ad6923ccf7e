"""Session machines for both roles: pure functions of decoded messages and time; this file imports nothing."""
