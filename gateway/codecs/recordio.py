"""Packs and unpacks whole records with one struct each: dictionaries of the fields given, absent fields left out.

Standard library only; `python -m gateway.codecs.generate` copies it whole into gateway/client/_records.py.
"""

import struct
from collections.abc import Mapping, Sequence

Value = int | str | bytes


class RecordFormat:
    """One record type: its wire format, its fields and their presence bits.

    `fields` are (name, code, size, has, bit) in wire order; code is a struct letter, 's' for text and char, 'b*' for raw bytes;
    bit -1 = has no presence bit. Times are ns since the epoch, prices and quantities integers with the record's own exponents.
    """

    def __init__(self, name: str, layout: str, fields: Sequence[tuple[str, str, int, str, int]]) -> None:
        self.name = name
        self.struct = struct.Struct(layout)
        self.size = self.struct.size
        self.fields = tuple(fields)
        self._by_name = {f[0]: f for f in fields}
        self._words = {f[0]: i for i, f in enumerate(fields) if f[0] in ("has", "has2")}

    def pack(self, values: Mapping[str, Value]) -> bytes:
        """The record with exactly the fields in `values`; all else is zero. Text is ASCII.

        Raises: ValueError for an unknown field, a value that does not fit, or text that is not printable ASCII.
        """
        out: list[Value] = [b"" if code in ("s", "b*") else 0 for _, code, _, _, _ in self.fields]
        words = dict.fromkeys(self._words, 0)
        given = 0
        for i, (name, code, size, has, bit) in enumerate(self.fields):
            if name not in values or name in self._words:
                continue
            given += 1
            out[i] = _packed(name, code, size, values[name])
            if bit >= 0:
                words[has] |= 1 << bit
        if given != len(values):
            unknown = sorted(set(values) - set(self._by_name) | (set(values) & set(self._words)))
            raise ValueError(f"{self.name} has no field {', '.join(unknown)}")
        for name, i in self._words.items():
            out[i] = words[name]
        try:
            return self.struct.pack(*out)
        except struct.error as error:
            raise ValueError(f"{self.name}: {error}") from error

    def unpack(self, record: bytes | bytearray | memoryview) -> dict[str, Value]:
        """The fields given in `record`. Raises: ValueError if it is shorter than the record or holds text that is not ASCII."""
        if len(record) < self.size:
            raise ValueError(f"{self.name} is {self.size} bytes, not {len(record)}")
        raw = self.struct.unpack_from(record)
        words = {name: raw[i] for name, i in self._words.items()}
        values: dict[str, Value] = {}
        for (name, code, _, has, bit), value in zip(self.fields, raw, strict=True):
            if name in words or (bit >= 0 and not words[has] >> bit & 1):
                continue
            values[name] = value.rstrip(b"\0").decode("ascii") if code == "s" else value
        return values


def _packed(name: str, code: str, size: int, value: Value) -> Value:
    if code == "b*":
        if not isinstance(value, bytes) or len(value) != size:
            raise ValueError(f"{name} must be {size} bytes, not {value!r}")
        return value
    if code == "s":
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text, not {value!r}")
        if len(value) > size or not value.isascii() or not value.isprintable():
            raise ValueError(f"{name} must be at most {size} printable ASCII characters, not {value!r}")
        return value.encode("ascii")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be an integer, not {value!r}")
    return value
