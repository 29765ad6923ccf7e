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

class Kind(IntEnum):
    """Kinds of record (SEAM T7). SYNCED is the writer's own and has no lsn of its own; readers never give it out."""

    START = 1
    IN = 2
    OUT = 3
    VOID = 4
    COMMAND = 5
    TIMER = 6
    IO = 7
    LATCH = 8
    DURABLE = 9
    WATERMARK = 10
    CLOCK = 11
    REFPX = 12
    FETCHED = 13
    TABLE = 14
    NOTE = 15
    STOP = 16
    SNAPSHOT = 17
    DENY = 18
    RESTART = 19
    SYNCED = 255


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
    digest: int
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
