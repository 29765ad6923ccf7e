"""Codecs: layouts as data, the C interpreter of them, the plain Python reference, and the public decode and encode.

`load(protocol)` gives a Layout: decode and encode whole records, decode_fields and encode_fields for every wire field.
"""

from gateway.codecs.codec import CodecError, DecodedRecord, Layout, load
from gateway.codecs.reference import Decoded, Refused, Values
from gateway.codecs.rows import LayoutError

__all__ = ["CodecError", "Decoded", "DecodedRecord", "Layout", "LayoutError", "Refused", "Values", "load"]
