"""Session machines: their tables walked whole, their scripts, and pairs of them talking through memory."""
