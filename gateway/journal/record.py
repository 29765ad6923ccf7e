"""The record of the journal as Python sees it: its head, its kinds and flags, and what a fault of the C is called."""

import struct
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

from gateway.native import load

native = load("gateway.journal._journal")
ffi: Any = native.ffi
lib: Any = native.lib

HEAD = struct.Struct("<IIBBHHHIIQQ")
assert HEAD.size == lib.GW_REC_HEAD

Kind = IntEnum(  # type: ignore[misc]  # the names are those of journal.h
    "Kind",
    {name[len("GW_REC_") :]: getattr(lib, name) for name in dir(lib) if name.startswith("GW_REC_")
     and name not in ("GW_REC_HEAD", "GW_REC_SKIP", "GW_REC_STEP_FIRST", "GW_REC_TO_CONTROL", "GW_REC_MASKED", "GW_REC_REPLAYED")},
)  # fmt: skip


class Flag(IntFlag):
    """Flags of a record (SEAM T7)."""

    STEP_FIRST = 1
    TO_CONTROL = 2
    MASKED = 4
    REPLAYED = 8


class Head(NamedTuple):
    """The head of a record, as journal.h has it; `len` counts head, payload and padding."""

    len: int
    crc: int
    kind: int
    ver: int
    flags: int
    lane: int
    conn: int
    epoch: int
    pad: int
    lsn: int
    t_ns: int


FAULTS: dict[int, str] = {
    lib.GW_E_FRAME: "a length that no record can have here",
    lib.GW_E_CHECKSUM: "the checksum is wrong",
    lib.GW_E_ORDER: "the lsn is not the next one",
    lib.GW_E_SHORT: "shorter than its head",
    lib.GW_E_CONSTANT: "not of this kind of file: the magic number is missing",
    lib.GW_E_VERSION: "a format version that this build does not read",
    lib.GW_E_RANGE: "a size or position out of range",
    lib.GW_E_ARGUMENT: "a size that cannot be",
    lib.GW_E_SPACE: "not enough room",
    0: "the log ends",
}
