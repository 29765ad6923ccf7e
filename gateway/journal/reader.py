"""Reads a journal record by record, live or dead, beside the gateway and at one's own pace: no lock, nothing but its segments."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.journal.errors import JournalDamaged, JournalError
from gateway.journal.record import FAULTS, HEAD, Head, Kind, ffi, lib
from gateway.journal.store import DirStore, Store, segment_name

CHUNK = 1 << 18
POINT_EVERY = 1 << 16
LONGEST = 1 << 26
LOOKS = 5  # at what may be a hole that a living writer is about to fill


class JournalReader:
    """The records of a state_dir, or of a folder of segments. One reader may have many cursors; they share what it learns of places."""

    def __init__(self, source: Path | Store) -> None:
        self.store: Store = DirStore(source) if isinstance(source, Path) else source
        self._heads: dict[int, Any] = {}
        self._lsns: list[int] = []  # rising, and where each lies
        self._places: list[tuple[int, int]] = []

    def cursor(self, lsn: int = 1) -> "Cursor":
        """A cursor whose first record is `lsn`."""
        return Cursor(self, lsn)

    def records(self, from_lsn: int = 1) -> Iterator[tuple[Head, bytes]]:
        """Every record from `from_lsn` to the end as it is now. Raises: JournalDamaged."""
        cursor = self.cursor(from_lsn)
        while found := cursor.read():
            yield from found

    def damage(self, pause: Callable[[], None]) -> str:
        """What is wrong where sound records lie behind the place at which the journal seems to end; "" if none do.

        Reading only stops there, as at a torn tail. A living writer may be about to fill the place: only what is still so after several
        looks is told, and `pause` is called between them.
        """
        said = self._hole()
        for _ in range(LOOKS - 1):
            if not said:
                break
            pause()
            said = said if self._hole() == said else ""
        return said

    def _hole(self) -> str:
        numbers = self.store.numbers()
        if not numbers:
            return ""
        number, pieces, scan = numbers[-1], list[bytes](), ffi.new("gw_scan *")
        try:
            # Read, not mapped: a gateway that begins shortens the last segment of the one before it.
            while piece := self.store.read(number, sum(map(len, pieces)), CHUNK << 6):
                pieces.append(piece)
        except FileNotFoundError:
            return ""  # the journal was begun anew meanwhile
        content = b"".join(pieces)
        if lib.gw_seg_scan(content, len(content), 0, ffi.NULL, 0, 1, scan) < 0 or not scan.behind:
            return ""
        return (
            f"segment {segment_name(number)}, offset {scan.end}: {FAULTS[scan.fault]} at lsn {scan.last_lsn + 1}, and sound bytes "
            f"(lsn {scan.behind_lsn}) lie behind it at offset {scan.behind}"
        )

    def locate(self, lsn: int) -> tuple[int, int]:
        """(segment, offset) of record `lsn`. Raises: JournalError if there is no such record."""
        cursor = self.cursor(lsn)
        number, offset = cursor.number, cursor.offset
        for head, _ in cursor.read(1):
            assert head.lsn == lsn, f"asked for {lsn}, got {head.lsn}"
            number, offset = cursor.number, cursor.offset - head.len
            return number, offset
        raise JournalError(f"lsn {lsn}: the journal has no such record, it ends before")

    def head(self, number: int) -> Any:
        """The gw_seg_head of a segment, None if there is none. Raises: JournalDamaged."""
        if number not in self._heads:
            head = self._head_now(number)
            if head is None:
                return None
            self._heads[number] = head
        return self._heads[number]

    def _head_now(self, number: int) -> Any:
        try:
            content = self.store.read(number, 0, lib.GW_SEG_DATA)
        except FileNotFoundError:
            return None
        head = ffi.new("gw_seg_head *")
        rc = lib.gw_seg_head_check(content, len(content), head)
        if rc < 0:
            raise JournalDamaged(f"segment {segment_name(number)}, offset 0: its head: {FAULTS[rc]}")
        return head

    def check_same_journal(self, number: int) -> None:
        """Raises: JournalError if the journal was begun anew since this segment was first read."""
        now = self._head_now(number)
        if number in self._heads and (now is None or bytes(ffi.buffer(now)) != bytes(ffi.buffer(self._heads[number]))):
            raise JournalError(f"segment {segment_name(number)} is no longer what it was: the journal was begun anew; read it from lsn 1")

    def nearest(self, lsn: int) -> tuple[int, int, int]:
        """(segment, offset, lsn of the record there): a good place to begin on the way to `lsn`."""
        numbers = self.store.numbers()
        if not numbers:
            return 1, lib.GW_SEG_DATA, 1
        number = numbers[0]
        for candidate in numbers:
            if (head := self.head(candidate)) is not None and head.first_lsn <= lsn:
                number = candidate
        at = bisect_right(self._lsns, lsn) - 1
        if at >= 0 and self._places[at][0] == number:
            return *self._places[at], self._lsns[at]
        first = self.head(number)
        return number, lib.GW_SEG_DATA, first.first_lsn if first is not None else 1

    def remember(self, lsn: int, number: int, offset: int) -> None:
        """A place a cursor came by."""
        at = bisect_right(self._lsns, lsn)
        before = self._places[at - 1] if at else (0, 0)
        if before[0] != number or offset - before[1] >= POINT_EVERY:
            self._lsns.insert(at, lsn)
            self._places.insert(at, (number, offset))


class Cursor:
    """A place in a journal, and bounded reads from it.

    number, offset: where the next record will be looked for. lsn: its lsn. synced_lsn: up to here the journal says that it is on the
    disk, as far as this cursor came; a follower that must never be ahead of what a power cut leaves stops there.
    """

    def __init__(self, reader: JournalReader, lsn: int) -> None:
        self._reader = reader
        self._wanted = max(lsn, 1)
        self.number, self.offset, self.lsn = reader.nearest(self._wanted)
        if self.lsn > self._wanted:
            raise JournalError(f"lsn {lsn}: the journal begins with lsn {self.lsn} (segment {segment_name(self.number)})")
        self.synced_lsn = 0

    def read(self, count: int = 1 << 30) -> list[tuple[Head, bytes]]:
        """The next records, head and payload, up to `count` of them and about 256 KiB; empty: there are no more at the moment.

        Raises: JournalDamaged naming segment and offset.
        """
        found: list[tuple[Head, bytes]] = []
        count = max(count, 1)
        while not found:
            if not self._take(count, found) and not found and not self._next_segment():
                break
        return found

    def _take(self, count: int, found: list[tuple[Head, bytes]]) -> bool:
        """Take records of this segment into `found`. True if at least one record or mark was passed."""
        head = self._reader.head(self.number)
        if head is None:
            return False
        chunk = self._chunk()
        view = ffi.from_buffer(chunk)
        at = 0
        while len(found) < count and (n := lib.gw_rec_check(view + at, len(chunk) - at, head.salt, self.lsn)) > 0:
            if chunk[at + 8] == Kind.SYNCED:
                self.synced_lsn = max(self.synced_lsn, HEAD.unpack_from(chunk, at)[9])
            else:
                if self.lsn >= self._wanted:
                    found.append((Head(*HEAD.unpack_from(chunk, at)), chunk[at + HEAD.size : at + n]))
                self._reader.remember(self.lsn, self.number, self.offset)
                self.lsn += 1
            at += n
            self.offset += n
        return at > 0

    def _chunk(self) -> bytes:
        """The bytes at the cursor: enough for the next record, however long it is."""
        store = self._reader.store
        try:
            chunk = store.read(self.number, self.offset, CHUNK)
            length = int.from_bytes(chunk[:4], "little")
            # A length that no segment can hold is damage, or bytes of an earlier use: no reason to read that much.
            return chunk if not len(chunk) < length <= LONGEST else store.read(self.number, self.offset, length)
        except FileNotFoundError:
            return b""

    def _next_segment(self) -> bool:
        """Go on behind the end of this segment. True if there is something to look at."""
        following = self._reader.head(self.number + 1)
        if following is None:
            self._reader.check_same_journal(self.number)
            return False
        if following.prev_end > self.offset and self._more_here():
            return True
        if following.prev_end != self.offset or following.first_lsn != self.lsn:
            raise JournalDamaged(
                f"segment {segment_name(self.number)}, offset {self.offset}: no sound record, but segment {segment_name(self.number + 1)} says "
                f"that {following.prev_end} bytes of it count, up to lsn {following.first_lsn - 1}"
            )
        self.number, self.offset = self.number + 1, lib.GW_SEG_DATA
        return True

    def _more_here(self) -> bool:
        """Between our look at the end and at the next segment the writer may have gone on: look once more, without moving."""
        head, chunk = self._reader.head(self.number), self._chunk()
        return bool(lib.gw_rec_check(chunk, len(chunk), head.salt, self.lsn) > 0)
