"""A ring in plain memory, as the inline lane has one, and records to append to it."""

from typing import Any

from gateway.journal.record import HEAD, Head, Kind, ffi, lib

JOURNAL_ID = bytes(range(16))
BOOT_ID = bytes(range(16, 32))


def append_to(ring: Any, payload: bytes, kind: int = Kind.IN, flags: int = 0, lsn: int | None = None, reserve: int | None = None) -> int:
    """Append one record to a gw_ring; its lsn, 0 when there is no room, or the fault of commit (negative)."""
    length = lib.GW_REC_HEAD + len(payload)
    p = lib.gw_ring_reserve(ring, reserve or length)
    if p == ffi.NULL:
        return 0
    lsn = lib.gw_ring_next_lsn(ring) if lsn is None else lsn
    ffi.memmove(p, HEAD.pack(0, 0, kind, 1, flags, 0, 3, 9, 0, lsn, 1_000 + lsn) + payload, length)
    return int(lib.gw_ring_commit(ring, length) or lsn)


class Ring:
    """Owns the memory of a gw_ring; `append` is what the lane does for each record."""

    def __init__(self, size: int = 4096, index_count: int = 64, salt: int = 7, next_lsn: int = 1, rec_max: int = 0, after_loss: int = 0) -> None:
        bytes_needed = lib.gw_ring_bytes(size, index_count)
        assert bytes_needed, f"no ring can have size {size}, index {index_count}"
        self.memory = ffi.new("uint64_t[]", bytes_needed // 8)
        self.pointer = ffi.cast("gw_ring *", self.memory)
        cfg = ffi.new("gw_ring_cfg *", {"size": size, "index_count": index_count, "salt": salt, "next_lsn": next_lsn, "rec_max": rec_max})
        cfg.after_loss = after_loss
        ffi.memmove(cfg.journal_id, JOURNAL_ID, 16)
        ffi.memmove(cfg.boot_id, BOOT_ID, 16)
        assert lib.gw_ring_init(self.pointer, bytes_needed, cfg) == 0

    def append(self, payload: bytes, kind: int = Kind.IN, flags: int = 0, lsn: int | None = None, reserve: int | None = None) -> int:
        """As append_to."""
        return append_to(self.pointer, payload, kind, flags, lsn, reserve)

    def at(self, lsn: int) -> tuple[Head, bytes] | None:
        rec = lib.gw_ring_at(self.pointer, lsn)
        if rec == ffi.NULL:
            return None
        whole = bytes(ffi.buffer(rec, rec.len))
        return Head(*HEAD.unpack_from(whole)), whole[HEAD.size :]

    def forget(self) -> None:
        lib.gw_ring_forget(self.pointer)

    def content(self) -> list[tuple[int, bytes]]:
        """(lsn, payload) of every record between copied and head, each checked in full."""
        found, position = [], ffi.new("uint64_t *", self.pointer.copied)
        lsn = self.pointer.copied_lsn + 1
        while n := lib.gw_ring_peek(self.pointer, position, self.pointer.head):
            assert n > 0, f"fault {n} at position {position[0]}"
            p = lib.gw_ring_bytes_at(self.pointer, position[0])
            assert lib.gw_rec_check(p, n, self.pointer.salt, lsn) == n
            found.append((lsn, bytes(ffi.buffer(p, n))[HEAD.size :]))
            position[0] += n
            lsn += 1
        return found

    def image(self) -> bytes:
        return bytes(ffi.buffer(self.memory))
