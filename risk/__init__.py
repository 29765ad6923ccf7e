"""What is allowed: controls, limits, exposure and the kill switch; this file imports nothing."""
