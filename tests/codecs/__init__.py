"""Tests of the codecs: the layouts' loader, the C interpreter against the plain Python reference, and the law book."""
