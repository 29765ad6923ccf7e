"""The faulty way out of a venue: pieces, delays and cuts keep the order of bytes, and the same seed does the same."""

import pytest

from gateway.seams import SeededRng
from simulators.faults import MS, Faults, Wire
from tests.simulators.stand import NOW

DATA = bytes(range(256)) * 4


def carried(faults: Faults, seed: int) -> tuple[list[bytes], Wire]:
    """What comes out of the wire, piece by piece, until nothing more does."""
    wire, pieces, now_ns = Wire(faults, SeededRng(seed)), [], NOW
    for at in range(0, len(DATA), 64):
        wire.push(DATA[at : at + 64], now_ns)
        while (piece := wire.pop(now_ns)) or (now_ns < wire.deadline_ns and not wire.empty):
            pieces.append(piece)
            now_ns = max(now_ns, wire.deadline_ns) if not wire.empty else now_ns
    return pieces, wire


def test_without_faults_bytes_pass_as_they_are() -> None:
    pieces, wire = carried(Faults(), 1)
    assert pieces == [DATA[at : at + 64] for at in range(0, len(DATA), 64)] and not wire.cut


def test_pieces_and_delays_keep_every_byte_in_order(seed: int) -> None:
    pieces, wire = carried(Faults(split=True, delay_ns=5 * MS), seed)
    assert b"".join(pieces) == DATA and max(map(len, pieces)) <= 40 and not wire.cut, f"seed {seed}"


def test_a_cut_ends_the_connection_behind_some_of_the_bytes(seed: int) -> None:
    pieces, wire = carried(Faults(split=True, cut_per_10k=3_000), seed)
    out = b"".join(pieces)
    assert wire.cut and DATA.startswith(out) and len(out) < len(DATA), f"seed {seed}"
    wire.push(b"more", NOW)
    assert wire.pop(NOW) == b"", "nothing follows a cut"


def test_the_same_seed_does_the_same() -> None:
    faults = Faults.parse("cut=20,split,delay_ms=5")
    assert faults == Faults(cut_per_10k=20, split=True, delay_ns=5 * MS)
    assert carried(faults, 4)[0] == carried(faults, 4)[0] != carried(faults, 5)[0]


@pytest.mark.parametrize("text", ["fire=1", "cut", "split=2", "delay_ms=soon", "cut=-1"])
def test_an_unknown_fault_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Faults.parse(text)
