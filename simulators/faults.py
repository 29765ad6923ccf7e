"""What can go wrong on the way out of a venue, seeded: bytes in odd pieces, late, or cut off in the middle with the connection."""

from collections import deque
from dataclasses import dataclass

from gateway.seams import SeededRng
from gateway.sessions.actions import NEVER

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Faults:
    """How often, and how badly. All off by default."""

    cut_per_10k: int = 0  # chance that the connection ends within a piece of output
    split: bool = False  # pieces of 1 to 40 bytes, so that every frame is split somewhere
    delay_ns: int = 0  # each piece waits from 0 to this long; order is kept

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """From "cut=20,split,delay_ms=5". Raises ValueError naming the word that is wrong."""
        values: dict[str, int] = {}
        for word in filter(None, text.split(",")):
            name, _, number = word.partition("=")
            if (
                name not in ("cut", "split", "delay_ms")
                or (number == "") != (name == "split")
                or (number and not number.isdigit())
            ):
                raise ValueError(f"fault {word!r} is none of cut=N (of 10,000 pieces), split, delay_ms=N")
            values[name] = int(number or 1)
        return cls(values.get("cut", 0), "split" in values, values.get("delay_ms", 0) * MS)


NO_FAULTS = Faults()


class Wire:
    """The outgoing half of one connection."""

    def __init__(self, faults: Faults, rng: SeededRng) -> None:
        self.cut = False  # the connection ends behind what pop has given
        self._faults = faults
        self._rng = rng
        self._pieces: deque[tuple[int, bytes]] = deque()

    @property
    def deadline_ns(self) -> int:
        return self._pieces[0][0] if self._pieces else NEVER

    def push(self, data: bytes, now_ns: int) -> None:
        """Bytes that leave the venue now."""
        at = 0
        while at < len(data) and not self.cut:
            size = 1 + self._rng.below(40) if self._faults.split else len(data)
            piece = data[at : at + size]
            at += size
            if self._faults.cut_per_10k and self._rng.below(10_000) < self._faults.cut_per_10k:
                piece = piece[: self._rng.below(len(piece))]
                self.cut = True
            due = now_ns + (self._rng.below(self._faults.delay_ns + 1) if self._faults.delay_ns else 0)
            self._pieces.append((max(due, self._pieces[-1][0] if self._pieces else 0), piece))

    def pop(self, now_ns: int) -> bytes:
        """What has arrived at the other end by now, one piece at a time where pieces are wanted."""
        out = bytearray()
        while self._pieces and self._pieces[0][0] <= now_ns:
            out += self._pieces.popleft()[1]
            if self._faults.split:
                break
        return bytes(out)

    @property
    def empty(self) -> bool:
        return not self._pieces
