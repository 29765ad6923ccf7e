"""The ring: what is committed is there, whole and in order; what does not fit is refused and changes nothing."""

import random

import pytest

from gateway.journal.record import HEAD, Kind, ffi, lib
from tests.journal.ring import Ring


def crc32c(content: bytes) -> int:
    """RFC 3720 appendix B.4, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def pad8(payload: bytes) -> bytes:
    return payload + bytes(-len(payload) % 8)


def test_a_record_is_found_whole_by_its_lsn() -> None:
    ring = Ring()
    assert ring.append(b"hello", kind=Kind.COMMAND, flags=3) == 1
    head, payload = ring.at(1) or pytest.fail("not found")
    assert (head.len, head.kind, head.ver, head.flags, head.conn, head.epoch, head.lsn, head.t_ns) == (48, Kind.COMMAND, 1, 3, 3, 9, 1, 1001)
    assert payload == pad8(b"hello"), "padding is zero"
    assert ring.at(0) is None and ring.at(2) is None and ring.at(2**64 - 1) is None


def test_nothing_is_visible_before_commit() -> None:
    ring = Ring()
    assert lib.gw_ring_reserve(ring.pointer, 100) != ffi.NULL
    assert ring.pointer.head == 0 and ring.content() == []
    assert ring.append(b"x") == 1, "asking again gives up what was reserved"


def test_a_commit_that_lies_is_refused_and_publishes_nothing() -> None:
    ring = Ring()
    assert lib.gw_ring_commit(ring.pointer, 40) == lib.GW_E_ARGUMENT, "nothing reserved"
    assert ring.append(b"x", lsn=2) == lib.GW_E_ORDER
    assert ring.append(b"x" * 100, reserve=80) == lib.GW_E_SPACE
    assert ring.pointer.head == 0 and ring.pointer.head_lsn == 0
    assert ring.append(b"x") == 1


def test_a_commit_does_not_lead_over_the_end_of_the_ring_into_what_was_given_up() -> None:
    ring = Ring(size=4096)
    for length in (1000, 1000, 1000, 1000):
        assert ring.append(bytes(length - lib.GW_REC_HEAD))
    ring.forget()
    assert lib.gw_ring_reserve(ring.pointer, 1000) == lib.gw_ring_bytes_at(ring.pointer, 4096), "it has no room before the end"
    p = lib.gw_ring_reserve(ring.pointer, 80)
    assert p == lib.gw_ring_bytes_at(ring.pointer, 4000)
    ffi.memmove(p, HEAD.pack(0, 0, Kind.IN, 1, 0, 0, 3, 9, 0, 5, 1), HEAD.size)
    assert lib.gw_ring_commit(ring.pointer, 104) == lib.GW_E_SPACE, "96 bytes are left"
    assert ring.pointer.head == 4000 and ring.pointer.head_lsn == 4
    assert lib.gw_ring_commit(ring.pointer, 80) == 0


@pytest.mark.parametrize("start", range(0, 4096, 8))
def test_wrap_at_every_alignment(start: int) -> None:
    """Records of every size cross the end of the ring with `start` bytes before it: none is torn, none is lost."""
    ring = Ring(size=4096, index_count=128)
    lsn = 0
    for length in (start // 2 // 8 * 8, start - start // 2 // 8 * 8):  # move the head to `start`, then forget
        while length >= 40:
            take = min(length, 1024) if length - min(length, 1024) in (0, *range(40, 5000)) else 512
            lsn += 1
            assert ring.append(b"f" * (take - 40)) == lsn
            length -= take
            ring.forget()
    rng = random.Random(start)
    for _ in range(12):
        payloads = []
        for _ in range(rng.randrange(1, 4)):
            payload = rng.randbytes(rng.randrange(0, 900))
            lsn += 1
            payloads.append((lsn, pad8(payload)))
            assert ring.append(payload) == lsn
        assert ring.content() == payloads
        for found_lsn, payload in payloads:
            assert (ring.at(found_lsn) or pytest.fail(f"lsn {found_lsn} not found"))[1] == payload
        ring.forget()


def test_full_means_null_and_the_next_that_fits_is_taken() -> None:
    ring = Ring(size=4096)
    while ring.append(b"p" * 216):  # 256 each
        pass
    assert ring.pointer.head_lsn == 16 and lib.gw_ring_room(ring.pointer, 1) == 0
    before = ring.content()
    assert ring.append(b"") == 0 and ring.content() == before
    ring.forget()
    assert lib.gw_ring_room(ring.pointer, 0) == 0, "what was last seen; asked for nothing, it looks nothing up"
    assert lib.gw_ring_room(ring.pointer, 4096) == 4096
    assert ring.append(b"") == 17


def test_two_n_free_bytes_surely_take_a_record_of_n() -> None:
    for seed in range(200):
        rng, ring = random.Random(seed), Ring(size=4096)
        for _ in range(60):
            n = rng.randrange(40, 1025)
            fits = lib.gw_ring_room(ring.pointer, 2 * n + 16) >= 2 * n + 16
            lsn = ring.append(b"x" * (n - 40))
            assert lsn or not fits, f"seed {seed}: {n} bytes did not fit into {lib.gw_ring_room(ring.pointer, 0)}"
            if rng.random() < 0.3:
                ring.forget()


def test_lengths_no_record_can_have() -> None:
    ring = Ring(size=4096, rec_max=512)
    for length in (0, 39, 513, 4096, 2**32 - 1):
        assert lib.gw_ring_reserve(ring.pointer, length) == ffi.NULL
    assert lib.gw_ring_reserve(ring.pointer, 512) != ffi.NULL


def test_an_overwritten_record_is_never_shown() -> None:
    """Also not one whose bytes a reservation that was given up has overwritten."""
    for seed in range(50):
        rng, ring, kept = random.Random(seed), Ring(size=4096, index_count=32), {}
        for _ in range(300):
            payload = rng.randbytes(rng.randrange(0, 1000))
            lsn = ring.append(payload)
            if not lsn:
                ring.forget()
                continue
            kept[lsn] = pad8(payload)
            if rng.random() < 0.2:
                p = lib.gw_ring_reserve(ring.pointer, 1024)
                if p != ffi.NULL:
                    ffi.memmove(p, b"\xff" * 1024, 1024)
            for back in range(min(40, lsn)):
                if (found := ring.at(lsn - back)) is not None:
                    assert found[1] == kept[lsn - back], f"seed {seed}, lsn {lsn - back}"
        assert ring.at(lsn or max(kept)) is not None


def test_the_bell_is_rung_once_and_only_when_wanted() -> None:
    ring = Ring(size=4096)
    ring.append(b"x")
    assert not lib.gw_ring_bell(ring.pointer, 1), "the writer is awake"
    ring.pointer.asleep = 1
    assert not lib.gw_ring_bell(ring.pointer, 0), "nothing is urgent and the ring is nearly empty"
    assert lib.gw_ring_bell(ring.pointer, 1) and not lib.gw_ring_bell(ring.pointer, 1)
    ring.pointer.asleep = 1
    while lib.gw_ring_room(ring.pointer, 4096) > 2048:
        ring.append(b"x" * 200)
    assert lib.gw_ring_bell(ring.pointer, 0)


@pytest.mark.parametrize(
    ("size", "index_count", "rec_max", "next_lsn", "fault"),
    [
        (4096, 64, 0, 1, 0),
        (4096, 512, 1024, 1, 0),
        (5000, 64, 0, 1, "GW_E_ARGUMENT"),
        (2048, 64, 0, 1, "GW_E_ARGUMENT"),
        (0, 64, 0, 1, "GW_E_ARGUMENT"),
        (4096, 0, 0, 1, "GW_E_ARGUMENT"),
        (4096, 1024, 0, 1, "GW_E_ARGUMENT"),
        (4096, 64, 1032, 1, "GW_E_ARGUMENT"),
        (4096, 64, 0, 0, "GW_E_ARGUMENT"),
        (16384, 64, 0, 1, "GW_E_SPACE"),
    ],
)
def test_sizes(size: int, index_count: int, rec_max: int, next_lsn: int, fault: str | int) -> None:
    bytes_there = 2 * lib.GW_BLOCK + 4096  # head and index of 512, in whole blocks, and the records
    memory = ffi.new("uint64_t[]", bytes_there // 8)
    cfg = ffi.new("gw_ring_cfg *", {"size": size, "index_count": index_count, "rec_max": rec_max, "next_lsn": next_lsn})
    assert lib.gw_ring_init(ffi.cast("gw_ring *", memory), bytes_there, cfg) == (getattr(lib, fault) if fault else 0)


def test_records_begin_at_a_block() -> None:
    for size, index_count in ((4096, 8), (4096, 64), (4096, 512), (65536, 512), (1 << 20, 1 << 14)):
        ring = Ring(size=size, index_count=index_count)
        assert ring.pointer.data % lib.GW_BLOCK == 0 and ring.pointer.data >= 256 + index_count * 8
        assert lib.gw_ring_bytes(size, index_count) == ring.pointer.data + size


def test_a_ring_of_a_build_before_blocks_is_still_found() -> None:
    """Its records begin right behind its index; what a dead process left there is not lost to the next build."""
    ring = Ring(index_count=64)
    r, old = ring.pointer, 256 + 64 * 8
    records = bytes(ffi.buffer(lib.gw_ring_bytes_at(r, 0), 4096))
    for data, sound in ((old, True), (old - 8, False), (old + 4, False), (r.data, True), (r.data + 8, False), (2**64 - 8, False)):
        image = bytearray(ring.image())
        image[64:72] = data.to_bytes(8, "little")
        image[92:96] = crc32c(bytes(image[:92])).to_bytes(4, "little")
        if sound:
            image[data : data + 4096] = records
        assert (lib.gw_ring_check(ffi.cast("gw_ring *", ffi.from_buffer(image)), len(image)) == 0) == sound, data


def test_attaching_to_damaged_memory_is_refused() -> None:
    """Each byte of what is written once, flipped, is noticed; positions out of range are."""
    ring = Ring()
    ring.append(b"x")
    size = len(ring.image())
    assert lib.gw_ring_check(ring.pointer, size) == 0
    raw = ffi.cast("uint8_t *", ring.memory)
    for offset in range(96):
        raw[offset] ^= 0x40
        assert lib.gw_ring_check(ring.pointer, size) < 0, f"byte {offset}"
        raw[offset] ^= 0x40
    for field, value in (("head", 4104), ("head", 7), ("copied", 56), ("copied", 1)):
        old = getattr(ring.pointer, field)
        setattr(ring.pointer, field, value)
        assert lib.gw_ring_check(ring.pointer, size) == lib.GW_E_RANGE
        setattr(ring.pointer, field, old)
    assert lib.gw_ring_check(ring.pointer, size - 1) == lib.GW_E_RANGE
    assert lib.gw_ring_check(ring.pointer, 100) == lib.GW_E_SHORT


def test_every_flipped_byte_of_a_record_is_noticed() -> None:
    ring = Ring(salt=0xDEADBEEF)
    ring.append(b"one record of the journal")
    whole = ffi.buffer(lib.gw_ring_at(ring.pointer, 1), 72)[:]
    assert lib.gw_rec_check(whole, 72, 0xDEADBEEF, 1) == 72
    assert lib.gw_rec_check(whole, 72, 0xDEADBEEE, 1) == lib.GW_E_CHECKSUM, "another salt"
    assert lib.gw_rec_check(whole, 72, 0xDEADBEEF, 2) == lib.GW_E_ORDER
    for length in range(72):
        assert lib.gw_rec_check(whole, length, 0xDEADBEEF, 1) in ((0,) if length < 4 else (lib.GW_E_FRAME,))
    for offset in range(72):
        for bit in range(8):
            wrong = bytearray(whole)
            wrong[offset] ^= 1 << bit
            assert lib.gw_rec_check(bytes(wrong), 72, 0xDEADBEEF, 1) < 0
    assert HEAD.unpack_from(whole)[0] == 72
