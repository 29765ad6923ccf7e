"""Codecs: layouts as data, the C interpreter of them, the plain Python reference, and the public decode and encode."""
