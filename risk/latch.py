"""The latch file: how anyone stops orders without the gateway's help; csrc/latch.h has its layout and says why a word has two halves.

Standard library only, no clock and no randomness of its own: times and salts are arguments. Nothing here waits without a bound.
"""

import fcntl
import mmap
import os
import struct
from binascii import crc32
from collections.abc import Callable
from pathlib import Path

MAGIC = 0x484354414C575031
VERSION = 1
BYTES = 40960
WORDS = 128
WORDS_AT, SLOTS_AT, SEEN_AT = 1024, 2048, 36864
HEAD = struct.Struct("<QIIQII")  # magic, version, bytes, salt, pad, crc
SLOT = struct.Struct("<BBHIQ32s64s144s")  # kind, name_len, pad, id_crc, since_ns, name, by, reason
NAME_BYTES = 32

FIRM = 0  # the firm's slot
KINDS = ("firm", "venue", "account", "strategy", "symbol")
LEVELS = {"pause": 1, "reduce": 2, "cancel": 3, "kill": 4, "disconnect": 5}
REARMED = 10

LOCK_SHORT_NS = 50_000_000  # a scope that has a slot, as the firm always has, waits this long for the lock, then goes on without it
LOCK_NS = 2_000_000_000  # a scope that has no slot yet needs the lock; then it is refused
ATTEMPTS = 1000  # of an engage against writers that undo it; each takes microseconds


class LatchMissing(Exception):
    """There is no latch file; the lane takes that for a dropped firm."""


class LatchDamaged(Exception):
    """The latch file is not whole; the lane takes that for a dropped firm."""


class LatchBusy(Exception):
    """Another process holds the lock, and what was asked for cannot be done without it."""


class LatchFull(Exception):
    """Every slot is taken by a scope that is dropped."""


def half(salt: int, slot: int, rearm: bool, level: int, generation: int) -> int:
    """The one exact 32-bit half of a word, as gw_latch_half."""
    check = crc32(struct.pack("<QBBBH", salt, slot, ord("R" if rearm else "E"), level, generation))
    return check & 0xFFF00000 | level << 16 | generation


def first_generation(now_ns: int) -> int:
    """Where a word begins: the time in seconds, so that a file or slot made anew does not repeat a generation that orders were accepted under."""
    return now_ns // 1_000_000_000 & 0xFFFF


class Latch:
    """One mapping of a latch file. Close it, or use it in a `with`.

    Raises: LatchMissing, LatchDamaged (what is wrong with the header), OSError.
    """

    def __init__(self, path: Path, writable: bool = False) -> None:
        self.path = path
        try:
            fd = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        except FileNotFoundError:
            raise LatchMissing(str(path)) from None
        try:
            size = os.fstat(fd).st_size
            if size != BYTES:
                raise LatchDamaged(f"{path}: {size} bytes, must be {BYTES}")
            self.map = mmap.mmap(fd, BYTES, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        finally:
            os.close(fd)
        magic, version, length, self.salt, _, crc = HEAD.unpack_from(self.map, 0)
        wrong = "magic" if magic != MAGIC else "version" if version != VERSION else "length" if length != BYTES else ""
        if not wrong and crc != crc32(self.map[: HEAD.size - 4]):
            wrong = "checksum"
        if wrong:
            self.map.close()
            raise LatchDamaged(f"{path}: wrong {wrong} in the header")
        self._view = memoryview(self.map)
        # Casts to whole words, so that every load and store is one aligned access.
        self._words = self._view[WORDS_AT : WORDS_AT + 8 * WORDS].cast("Q")
        self._halves = self._view[WORDS_AT : WORDS_AT + 8 * WORDS].cast("I")
        self._seen = self._view[SEEN_AT : SEEN_AT + 64 + 8 * WORDS].cast("Q")

    def close(self) -> None:
        for view in (self._words, self._halves, self._seen, self._view):
            view.release()
        self.map.close()

    def __enter__(self) -> "Latch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Words.

    def word(self, slot: int) -> int:
        return self._words[slot]

    def is_exact(self, slot: int) -> bool:
        """True if the last engage can be read (so its generation can be rearmed)."""
        low = self._words[slot] & 0xFFFFFFFF
        level = low >> 16 & 15
        return level != 0 and low == half(self.salt, slot, False, level, low & 0xFFFF)

    def generation(self, slot: int) -> int:
        return self._words[slot] & 0xFFFF

    def level(self, slot: int) -> str:
        number = self._words[slot] >> 16 & 15
        return next((name for name, n in LEVELS.items() if n == number), "kill") if self.is_exact(slot) else "kill"

    def dropped(self, slot: int) -> bool:
        """As gw_latch_dropped: everything but an exact "open" is dropped; an unused slot is open, but not the firm's."""
        word = self._words[slot]
        if word == 0:
            return slot == FIRM
        return not self.is_exact(slot) or word >> 32 != half(self.salt, slot, True, REARMED, word & 0xFFFF)

    # Slots.

    def identity(self, slot: int) -> tuple[str, str] | None:
        """(kind, name) of a used slot, None if it cannot be read."""
        if slot == FIRM:
            return "firm", ""
        kind, length, _, crc, _, name, _, _ = SLOT.unpack_from(self.map, SLOTS_AT + SLOT.size * slot)
        if not (0 < kind < len(KINDS) and 0 < length <= NAME_BYTES) or crc != self._id_crc(slot, kind, length, name):
            return None
        return KINDS[kind], name[:length].decode(errors="replace")

    def note(self, slot: int) -> tuple[int, str, str]:
        """(since_ns, by, reason) of the last change; for people, so it is not checked."""
        _, _, _, _, since_ns, _, by, reason = SLOT.unpack_from(self.map, SLOTS_AT + SLOT.size * slot)
        return since_ns, _text(by), _text(reason)

    def used(self) -> list[int]:
        """The slots that say something, the firm's first."""
        return [slot for slot in range(WORDS) if slot == FIRM or self._words[slot]]

    def find(self, kind: str, name: str) -> int | None:
        """The slot of a scope, None if it never had one (then it is open)."""
        if kind == "firm":
            return FIRM
        return next((slot for slot in self.used() if self.identity(slot) == (kind, name)), None)

    def _id_crc(self, slot: int, kind: int, length: int, name: bytes) -> int:
        return crc32(struct.pack("<QBBB", self.salt, slot, kind, length) + name)

    # What the lane wrote back.

    def lane_pid(self) -> int:
        """The process whose lane maps this file, 0 if none ever did."""
        return self._seen[0] if self._seen[1] == self.salt else 0

    def seen(self, slot: int) -> int | None:
        """The word as the lane last acted on it, None if no lane ever mapped this file."""
        return self._seen[8 + slot] if self._seen[1] == self.salt else None

    # Changes. The slot is written first, its word last.

    def engage(self, kind: str, name: str, level: str, now_ns: int, by: str, reason: str, lock: int | None) -> int:
        """Drop a scope; return its slot. When it returns, the word reads dropped, with a generation that no order was accepted under.

        `lock`: what `take_lock` gave. Without it (None) only a scope that has a slot can be dropped: the firm always has.
        Raises: LatchBusy, LatchFull (the firm's never raises either).
        """
        for _ in range(ATTEMPTS):
            slot = self.find(kind, name)
            if slot is None:
                slot = self._claim(kind, name, lock)
            if not (self.dropped(slot) and self.is_exact(slot)):  # who dropped it first is what people ask for
                self._describe(slot, kind, name, now_ns, by, reason)
            generation = self.generation(slot) + 1 if self.word(slot) else first_generation(now_ns)
            self._halves[2 * slot] = half(self.salt, slot, False, LEVELS[level], generation & 0xFFFF)
            # Another writer may have undone it, or given the slot to another scope: look, and do it again.
            if self.dropped(slot) and self.identity(slot) == (kind, name):
                self._wake()
                return slot
        raise LatchBusy(f"{kind} {name}: another process keeps undoing it")

    def rearm(self, slot: int, generation: int, now_ns: int, by: str, reason: str) -> bool:
        """Open a scope again, if `generation` is still its last engage. False: it was dropped anew meanwhile and stays so."""
        if not self.is_exact(slot):  # a damaged word has no generation to rearm: write it whole, dropped, first
            self._halves[2 * slot] = half(self.salt, slot, False, LEVELS["kill"], generation)
        if self.generation(slot) == generation:
            kind, name = self.identity(slot) or ("firm", "")
            self._describe(slot, kind, name, now_ns, by, reason)
        self._halves[2 * slot + 1] = half(self.salt, slot, True, REARMED, generation)
        self._wake()
        return not self.dropped(slot)

    def clear_unreadable(self) -> list[int]:
        """Free the slots whose scope cannot be read, which drop the whole firm. Only with the firm dropped itself. Returns them."""
        assert self.dropped(FIRM), "the firm must be dropped before unreadable slots are freed"
        lost = [slot for slot in self.used() if self.identity(slot) is None]
        for slot in lost:
            self._words[slot] = 0
        return lost

    def _claim(self, kind: str, name: str, lock: int | None) -> int:
        """A slot for a scope that has none: an unused one, else the open one that has been so for longest. Its word is 0 until the identity stands."""
        if lock is None:
            raise LatchBusy("another process holds the lock of the latch")
        unused = [slot for slot in range(1, WORDS) if not self._words[slot]]
        open_ = sorted((slot for slot in self.used() if not self.dropped(slot) and slot != FIRM), key=lambda slot: self.note(slot)[0])
        if not unused and not open_:
            raise LatchFull(f"all {WORDS - 1} slots of the latch are dropped scopes")
        slot = (unused + open_)[0]
        self._words[slot] = 0
        self._describe(slot, kind, name, 0, "", "")
        return slot

    def _describe(self, slot: int, kind: str, name: str, now_ns: int, by: str, reason: str) -> None:
        raw = name.encode()
        assert len(raw) <= NAME_BYTES and (raw or slot == FIRM), f"a name has 1 to {NAME_BYTES} bytes: {name!r}"
        number, padded = KINDS.index(kind), raw.ljust(NAME_BYTES, b"\0")
        crc = self._id_crc(slot, number, len(raw), padded)
        SLOT.pack_into(self.map, SLOTS_AT + SLOT.size * slot, number, len(raw), 0, crc, now_ns, padded, _cut(by, 64), _cut(reason, 144))

    def _wake(self) -> None:
        """Touch the file: a lane that sleeps has an inotify watch on it. A store through a mapping alone wakes nobody."""
        try:
            os.utime(self.path)
        except OSError:
            pass  # a lane that cannot be woken looks by itself, a little later

    def flush(self) -> None:
        """To disk. May wait for a slow one: call it last."""
        self.map.flush()


def create(path: Path, salt: int, now_ns: int, dropped: bool, by: str, reason: str, replace: bool = False) -> bool:
    """Make a whole latch file appear at once, with the firm dropped or open. False if there already is one (kept, unless `replace`).

    Raises: OSError (no folder, no space, no permission); nothing is left behind then.
    """
    salt = salt or 1
    image = bytearray(BYTES)
    head = HEAD.pack(MAGIC, VERSION, BYTES, salt, 0, 0)[:-4]
    image[: HEAD.size] = head + struct.pack("<I", crc32(head))
    generation = first_generation(now_ns)
    high = half(salt, FIRM, True, REARMED, generation) if not dropped else 0
    struct.pack_into("<II", image, WORDS_AT, half(salt, FIRM, False, LEVELS["kill"], generation), high)
    SLOT.pack_into(image, SLOTS_AT, 0, 0, 0, crc32(struct.pack("<QBBB", salt, 0, 0, 0) + bytes(NAME_BYTES)), now_ns, b"", _cut(by, 64), _cut(reason, 144))
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{salt:x}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660)
        try:
            if os.write(fd, image) != BYTES:  # every block is allocated: a store through the mapping never meets a full disk
                raise OSError(f"{temporary}: short write")
            os.fsync(fd)
        finally:
            os.close(fd)
        if replace:
            os.rename(temporary, path)
            return True
        try:
            os.link(temporary, path)  # unlike rename it fails if another process was faster, whose latch may be dropped
        except FileExistsError:
            return False
        return True
    finally:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass


def ensure(path: Path, salt: int, now_ns: int, first_start: bool, by: str) -> bool:
    """For the gateway's start: make the latch file if there is none. Returns True if it was made.

    Only a state folder that never had a gateway (`first_start`: no journal) begins open; where a latch should be and is not, the firm is dropped.
    """
    return create(path, salt, now_ns, not first_start, by, "first start" if first_start else "the latch file was missing")


def take_lock(path: Path, wait_ns: int, monotonic_ns: Callable[[], int], sleep: Callable[[int], None]) -> int | None:
    """The lock for slots and for repairs, as a descriptor to close; None if it could not be had in `wait_ns`. `sleep` takes nanoseconds."""
    deadline_ns = monotonic_ns() + wait_ns
    try:
        fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o660)
    except OSError:
        return None
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError:
            if monotonic_ns() >= deadline_ns:
                os.close(fd)
                return None
            sleep(1_000_000)


def _cut(text: str, size: int) -> bytes:
    return text.encode(errors="replace")[:size]


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")
