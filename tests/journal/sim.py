"""A simulated journal for tests: small, with records of known content."""

import random
from typing import Any

from gateway.journal.journal import JournalConfig
from gateway.journal.record import HEAD, Kind, lib
from gateway.journal.restart import Found
from gateway.journal.simdisk import SimJournal
from tests.journal.ring import append_to

BOOT, NEXT_BOOT = bytes([1] * 16), bytes([2] * 16)
MS = 1_000_000


def config(level: str = "async", **changes: Any) -> JournalConfig:
    return JournalConfig(**{"level": level, "ring_bytes": 4096, "segment_bytes": 8192, "index_count": 64, **changes})


def content(lsn: int) -> bytes:
    """The payload of record `lsn` in these tests: from 0 to 330 bytes, a function of the lsn alone."""
    rng = random.Random(lsn)
    return rng.randbytes(rng.randrange(42) * 8)


def append(journal: SimJournal, count: int = 1, kind: int = Kind.IN) -> list[int]:
    """Append records with the content of their lsn, each the first of its step; as many of `count` as there is room for."""
    lsns = []
    for _ in range(count):
        lsn = lib.gw_ring_next_lsn(journal.ring.pointer)
        if not append_to(journal.ring.pointer, content(lsn), kind=kind, flags=1):
            break
        lsns.append(lsn)
    return lsns


def assert_sound(found: Found, at_least: int, at_most: int, why: str) -> None:
    """What was found is a gapless beginning of what was appended, byte for byte, and has at least what was durable."""
    lsn = 0
    for lsn, raw in enumerate(found.raw(), 1):
        assert bytes(raw[HEAD.size :]) == content(lsn), f"{why}: lsn {lsn} is not what was appended"
    assert at_least <= lsn <= at_most, f"{why}: ends at {lsn}, durable {at_least}, appended {at_most}"
    assert found.next_lsn == lsn + 1, why
