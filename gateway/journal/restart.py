"""What a journal holds when a gateway starts: the ring drained into segments, every record checked, damage told from a torn tail.

A tail is *torn* where nothing sound that counts lies behind it: it is cut. It is *damage*, and refused, where something does; except
after a loss of power (another boot id), where a disk may have written later blocks and not earlier ones: then what lies behind was
never durable unless a SYNCED mark or the watermark file says that it was; and except where the ring still has all of it: a direct write
that the disk refused may have brought its later blocks and not its earlier ones. A segment with another one behind it must be sound to the
byte where the next one says that it ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.journal.errors import JournalDamaged
from gateway.journal.record import FAULTS, HEAD, Head, Kind, ffi, lib
from gateway.journal.store import Store, segment_name

POINTS = 64


class RingMemory:
    """Memory that may hold a gw_ring: of this process, of a dead one (shared memory), or an image of one.

    `keep` is what owns the memory and must live as long.
    """

    def __init__(self, pointer: Any, length: int, keep: object = None) -> None:
        self.pointer = ffi.cast("gw_ring *", pointer)
        self.length = length
        self._keep = keep

    @classmethod
    def of(cls, image: bytes) -> "RingMemory":
        """A copy of `image`."""
        memory = ffi.new("uint64_t[]", (len(image) + 7) // 8)
        ffi.memmove(memory, image, len(image))
        return cls(memory, len(image), memory)


@dataclass(frozen=True)
class Segment:
    """One segment of a sound journal. end: bytes that count. points: (lsn, offset), some of its records, rising."""

    number: int
    first_lsn: int
    last_lsn: int
    end: int
    last_crc: int
    salt: int
    boot_id: bytes
    epoch: int
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Found:
    """What a restart found; the journal goes on at next_lsn.

    ring_survived: nothing that was appended is missing (SEAM T8): same boot, the ring present, its salt and lsns fit. Only then is
        an order without OUT proven unsent.
    drained: records that were in the ring only. cut: what was cut off and why, for people; empty if nothing was.
    watermarks: (conn, kind, unit) → numbers below this may have been used.
    """

    store: Store
    journal_id: bytes
    next_lsn: int
    last_crc: int
    segments: tuple[Segment, ...]
    ring_survived: bool
    drained: int
    cut: str
    watermarks: dict[tuple[int, int, int], int] = field(default_factory=dict)
    watermark_seq: int = 1
    watermark_slot: int = 0

    def raw(self, from_lsn: int = 1) -> Iterator[memoryview]:
        """Every record from `from_lsn` on, head and payload, in order. A view is valid until the next one is taken."""
        for segment in self.segments:
            if segment.last_lsn < max(from_lsn, segment.first_lsn):
                continue
            content = self.store.whole(segment.number)
            with memoryview(content) as view:
                offset = max((o for lsn, o in segment.points if lsn <= from_lsn), default=lib.GW_SEG_DATA)
                while offset < segment.end:
                    length, kind, lsn = (int.from_bytes(view[offset + at : offset + at + n], "little") for at, n in ((0, 4), (8, 1), (24, 8)))
                    if kind != Kind.SYNCED and lsn >= from_lsn:
                        yield view[offset : offset + length]
                    offset += length

    def records(self, from_lsn: int = 1) -> Iterator[tuple[Head, bytes]]:
        """The same, head decoded and payload copied."""
        for raw in self.raw(from_lsn):
            yield Head(*HEAD.unpack_from(raw)), bytes(raw[HEAD.size :])


def restart(store: Store, ring: RingMemory | None, boot_id: bytes) -> Found:
    """Check everything, drain the ring into a segment of its own, and say what there is. Run again after a death within it, it finds the same.

    boot_id: of the running kernel, 16 bytes.
    Raises: JournalDamaged naming segment and offset. OSError from the store.
    """
    segments, cut = _segments(store, ring, boot_id)
    before_drain = segments
    last_lsn = segments[-1].last_lsn if segments else 0
    journal_id = _journal_id(store, segments)
    survived, drained = not segments or _stopped(store, segments), 0
    if ring is not None and _belongs(ring, journal_id, boot_id):
        image, ring_cut = _undrained(ring, segments, last_lsn)
        cut = cut + ring_cut
        if len(image) > lib.GW_SEG_DATA:
            number = len(segments) + 1
            store.create(number, image)
            segments = [*segments, _scan(store.whole(number), number, 0, ring, boot_id)[0]]
            drained = segments[-1].last_lsn - last_lsn
        survived = not ring_cut and _ring_fits(ring, before_drain, last_lsn)
        if survived and ring.pointer.after_loss:
            survived = _restart_was_written(store, segments, ring.pointer.first_lsn)
        journal_id = bytes(ffi.buffer(ring.pointer.journal_id))
    if survived:
        cut = ""  # nothing is missing: there stands what the file held before, or a part of what the ring has whole
    if before_drain:
        store.sync(before_drain[-1].number)
    marks, head, slot = _watermarks(store, journal_id, bool(segments))
    last = segments[-1] if segments else None
    if last is not None and head is not None and head.durable_lsn > last.last_lsn:
        raise JournalDamaged(
            f"segment {segment_name(last.number)}, offset {last.end}: the journal ends at lsn {last.last_lsn}, but it was on the disk up to "
            f"lsn {head.durable_lsn} (watermark file); a segment is missing or its end was lost; restore the folder, or begin anew"
        )
    return Found(
        store=store,
        journal_id=journal_id,
        next_lsn=last.last_lsn + 1 if last else 1,
        last_crc=last.last_crc if last else 0,
        segments=tuple(segments),
        ring_survived=survived,
        drained=drained,
        cut=cut,
        watermarks=marks,
        watermark_seq=head.seq if head is not None else 1,
        watermark_slot=slot,
    )


def _damaged(number: int, offset: int, what: str) -> JournalDamaged:
    return JournalDamaged(f"segment {segment_name(number)}, offset {offset}: {what}; restore the file, or begin a journal anew")


def _head(content: Any, number: int) -> Any:
    head = ffi.new("gw_seg_head *")
    with memoryview(content) as view:
        rc = lib.gw_seg_head_check(ffi.from_buffer(view), len(view), head) if len(view) else lib.GW_E_SHORT
    if rc < 0:
        raise _damaged(number, 0, f"its head: {FAULTS[rc]}")
    if head.number != number:
        raise _damaged(number, 0, f"its head says that it is segment {segment_name(head.number)}: the file was renamed")
    return head


def _scan(content: Any, number: int, limit: int, ring: RingMemory | None, boot_id: bytes) -> tuple[Segment, str]:
    """One segment and what was cut from it. limit: where the next segment says that it ends; 0 for the last one."""
    head = _head(content, number)
    scan, points = ffi.new("gw_scan *"), ffi.new("gw_point[]", POINTS)
    with memoryview(content) as view:
        lib.gw_seg_scan(ffi.from_buffer(view), len(view), limit, points, POINTS, max(len(view) // POINTS, 1), scan)
    why = FAULTS[scan.fault]
    if limit and scan.end != limit:
        raise _damaged(number, scan.end, f"{why}, but segment {segment_name(number + 1)} says that {limit} bytes of it count")
    cut = ""
    if not limit and scan.behind:
        behind = f"sound bytes (lsn {scan.behind_lsn}) lie behind it at offset {scan.behind}"
        if _was_being_written(ring, head, scan, boot_id):
            never = "a write that failed; the ring has what it was to bring"
        elif bytes(ffi.buffer(head.boot_id)) == boot_id:
            raise _damaged(number, scan.end, f"{why} at lsn {scan.last_lsn + 1}, and {behind}")
        elif scan.behind_synced:
            raise _damaged(number, scan.end, f"{why} at lsn {scan.last_lsn + 1}, which was on the disk: {behind}")
        else:
            never = "none of it ever durable"
        cut = f"segment {segment_name(number)}, offset {scan.end}: {why}; {behind}, {never}"
    elif not limit and scan.fault:
        cut = f"segment {segment_name(number)}, offset {scan.end}: {why}, and nothing sound lies behind it"
    segment = Segment(
        number=number,
        first_lsn=head.first_lsn,
        last_lsn=scan.last_lsn,
        end=scan.end,
        last_crc=scan.last_crc,
        salt=head.salt,
        boot_id=bytes(ffi.buffer(head.boot_id)),
        epoch=head.epoch,
        points=tuple((points[i].lsn, points[i].offset) for i in range(scan.points)),
    )
    return segment, cut


def _was_being_written(ring: RingMemory | None, head: Any, scan: Any, boot_id: bytes) -> bool:
    """Is what lies behind the end in this segment's own ring too, and all that lies between: written, but never said to be?"""
    if ring is None or not _belongs(ring, bytes(ffi.buffer(head.journal_id)), boot_id) or ring.pointer.salt != head.salt:
        return False
    return bool(ring.pointer.copied_lsn <= scan.last_lsn and scan.behind_lsn <= ring.pointer.head_lsn and scan.behind_synced <= scan.last_lsn)


def _segments(store: Store, ring: RingMemory | None, boot_id: bytes) -> tuple[list[Segment], str]:
    """All segments, the chain between them checked."""
    numbers = store.numbers()
    for expected, number in enumerate(numbers, 1):
        if number != expected:
            raise JournalDamaged(f"segment {segment_name(expected)} is missing: the next one is {segment_name(number)}; restore the file")
    segments: list[Segment] = []
    cut, journal_id, last_lsn, last_crc = "", b"", 0, 0
    content: Any = store.whole(1) if numbers else b""
    for number in numbers:
        following: Any = store.whole(number + 1) if number < len(numbers) else b""
        limit = _head(following, number + 1).prev_end if number < len(numbers) else 0
        if number < len(numbers) and not lib.GW_SEG_DATA <= limit <= len(content):
            raise _damaged(number + 1, 0, f"its head says that {limit} bytes of the {len(content)} of the segment before it count")
        head = _head(content, number)
        if number == 1:
            journal_id = bytes(ffi.buffer(head.journal_id))
        if bytes(ffi.buffer(head.journal_id)) != journal_id:
            raise _damaged(number, 0, "its head names another journal than the segments before it")
        if head.first_lsn != last_lsn + 1 or head.prev_crc != last_crc:
            before = f"segment {segment_name(number - 1)} ends with lsn {last_lsn}" if number > 1 else "a journal begins with lsn 1"
            raise _damaged(number, 0, f"it goes on from lsn {head.first_lsn}, crc {head.prev_crc:08x}; {before}, crc {last_crc:08x}")
        segment, cut = _scan(content, number, limit, ring, boot_id)
        segments.append(segment)
        last_lsn, last_crc, content = segment.last_lsn, segment.last_crc, following
    return segments, cut


def _journal_id(store: Store, segments: list[Segment]) -> bytes:
    if not segments:
        return b""
    head = _head(store.whole(1), 1)  # held by a name: its array is a view that does not keep it alive
    return bytes(ffi.buffer(head.journal_id))


def _belongs(ring: RingMemory, journal_id: bytes, boot_id: bytes) -> bool:
    """A ring of this boot, and of this journal if there is one."""
    if lib.gw_ring_check(ring.pointer, ring.length) < 0 or bytes(ffi.buffer(ring.pointer.boot_id)) != boot_id:
        return False
    return not journal_id or bytes(ffi.buffer(ring.pointer.journal_id)) == journal_id


def _ring_fits(ring: RingMemory, segments: list[Segment], last_lsn: int) -> bool:
    """Did the last segment before the drain take its records from this ring, or has the ring no record yet?"""
    r = ring.pointer
    return r.first_lsn == last_lsn + 1 or (bool(segments) and segments[-1].salt == r.salt)


def _undrained(ring: RingMemory, segments: list[Segment], last_lsn: int) -> tuple[bytes, str]:
    """A segment of what is in the ring and in no segment, and what of it was cut.

    Raises: JournalDamaged if records between the segments' end and the ring's beginning are missing, or the ring has damage in its middle.
    """
    r = ring.pointer
    if r.copied_lsn > last_lsn:
        where = f"segment {segment_name(segments[-1].number)}, offset {segments[-1].end}" if segments else "no segment is left"
        raise JournalDamaged(
            f"{where}: the segments end at lsn {last_lsn}, but the ring says that lsn {r.copied_lsn} was copied; a segment is missing or "
            "shortened: restore the folder; if it was removed on purpose, remove its ring too, the file portcullis-... of /dev/shm"
        )
    image = bytearray(lib.GW_SEG_DATA)
    position, head = ffi.new("uint64_t *", r.copied), r.head
    lsn = 0
    while (n := lib.gw_ring_peek(r, position, head)) > 0:
        record = bytes(ffi.buffer(lib.gw_ring_bytes_at(r, position[0]), n))
        if not lsn:
            lsn = HEAD.unpack_from(record)[Head._fields.index("lsn")]
            if lsn > last_lsn + 1 and lib.gw_rec_check(record, n, r.salt, lsn) == n:
                raise JournalDamaged(f"the segments end at lsn {last_lsn}, the ring begins at lsn {lsn}: what lies between is missing")
        if lsn > last_lsn or lib.gw_rec_check(record, n, r.salt, lsn) != n:
            image += record
        lsn += 1
        position[0] += n
    if n < 0:  # no length can be trusted from here on: take the bytes as they lie, and let the scan look
        wrap = min(head, position[0] + r.size - position[0] % r.size)
        for begin, end in ((position[0], wrap), (wrap, head)):
            image += bytes(ffi.buffer(lib.gw_ring_bytes_at(r, begin), end - begin)) if end > begin else b""
    if len(image) == lib.GW_SEG_DATA:
        return bytes(image), ""
    return _as_segment(ring, segments, last_lsn, image)


def _as_segment(ring: RingMemory, segments: list[Segment], last_lsn: int, image: bytearray) -> tuple[bytes, str]:
    """Give the drained records their head, and cut what is torn."""
    r = ring.pointer
    last = segments[-1] if segments else None
    head = ffi.new(
        "gw_seg_head *",
        {
            "salt": r.salt,
            "number": len(segments) + 1,
            "first_lsn": last_lsn + 1,
            "prev_end": last.end if last else 0,
            "prev_crc": last.last_crc if last else 0,
            "epoch": last.epoch if last else 0,
        },
    )
    ffi.memmove(head.journal_id, r.journal_id, 16)
    ffi.memmove(head.boot_id, r.boot_id, 16)
    lib.gw_seg_head_seal(head)
    image[: ffi.sizeof("gw_seg_head")] = bytes(ffi.buffer(head))
    scan = ffi.new("gw_scan *")
    rc = lib.gw_seg_scan(ffi.from_buffer(image), len(image), 0, ffi.NULL, 0, 1, scan)
    assert rc == lib.GW_SEG_DATA, f"the head just made is refused: {rc}"
    end = scan.end
    if scan.behind:
        raise JournalDamaged(
            f"ring, lsn {scan.last_lsn + 1} ({end - lib.GW_SEG_DATA} bytes behind what was copied): {FAULTS[scan.fault]}, and sound bytes (lsn "
            f"{scan.behind_lsn}) lie behind it: memory was damaged; remove the ring to go on as after a loss of power"
        )
    cut = "" if end == len(image) else f"ring, lsn {scan.last_lsn + 1}: {FAULTS[scan.fault]}, and nothing sound lies behind it"
    return bytes(image[:end]), cut


def _stopped(store: Store, segments: list[Segment]) -> bool:
    """Is the last record STOP? Nothing is ever appended behind it, so nothing is missing, ring or not."""
    found = Found(store, b"", 0, 0, tuple(segments), False, 0, "")
    return any(raw[8] == Kind.STOP for raw in found.raw(segments[-1].last_lsn))


def _restart_was_written(store: Store, segments: list[Segment], first_lsn: int) -> bool:
    """Did the gateway that made the ring after a loss live long enough to write down what its restart concluded?"""
    found = Found(store, b"", 0, 0, tuple(segments), False, 0, "")
    return any(raw[8] == Kind.RESTART for raw in found.raw(first_lsn))


def _watermarks(store: Store, journal_id: bytes, any_segment: bool) -> tuple[dict[tuple[int, int, int], int], Any, int]:
    """What was granted, the head of the slot it is from (None: a journal that is not begun), and which slot."""
    content = store.watermarks()
    head, entries, slot = ffi.new("gw_watermark_head *"), ffi.new("gw_watermark[]", lib.GW_WATERMARKS), ffi.new("uint32_t *")
    rc = lib.gw_watermarks_decode(content, len(content), head, entries, slot)
    if not any_segment and (rc <= 0 or not head.count):
        return {}, None, 0
    if rc == 0:
        raise JournalDamaged("file watermarks: it is missing or empty; numbers may have been used that nobody knows of; restore it")
    if rc < 0:
        raise JournalDamaged(f"file watermarks: neither of its two slots is sound ({FAULTS[rc]}); numbers may have been used that nobody knows of; restore it")
    if bytes(ffi.buffer(head.journal_id)) != journal_id:
        raise JournalDamaged("file watermarks: it belongs to another journal than the segments; restore the folder as a whole")
    return {(e.conn, e.kind, e.unit): e.value for e in entries[0 : head.count]}, head, slot[0]


def no_watermarks(journal_id: bytes) -> bytes:
    """The watermark file of a journal that begins: it exists from the first day, so that its absence is damage."""
    head, out = ffi.new("gw_watermark_head *", {"seq": 1}), ffi.new("uint8_t[]", lib.GW_WATERMARK_SLOT)
    ffi.memmove(head.journal_id, journal_id, 16)
    length = lib.gw_watermarks_encode(out, lib.GW_WATERMARK_SLOT, head, ffi.NULL, 0)
    slot = bytes(ffi.buffer(out, length))
    return slot.ljust(lib.GW_WATERMARK_SLOT, b"\0") + slot
