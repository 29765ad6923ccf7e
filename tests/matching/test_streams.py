"""Known results: the benchmark's order streams and edge cases, by the core and by the twin, report for report.

Provenance: order streams and hashes of a public matching-engine benchmark (MIT), found through PORTCULLIS_OUTSIDE/matching.
"""

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulators.matching import Kind, Message, Side, Tif, open_exchange, pack_messages, stream
from simulators.matching.__main__ import main
from simulators.matching.profiles import STREAM
from tests.matching.plain import Record, plain

I64_MIN, I64_MAX, U64_MAX, U32_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1, (1 << 32) - 1
SCENARIOS = [(name, seed) for name in ("static", "normal", "swing-25", "swing-40", "flash-crash") for seed in (1, 7)]


@pytest.mark.parametrize("twin", [False, True], ids=["core", "twin"])
@pytest.mark.parametrize(("scenario", "number"), SCENARIOS)
def test_a_stream_gives_the_known_reports(
    outside: Path, capsys: pytest.CaptureFixture[str], scenario: str, number: int, twin: bool
) -> None:
    known = next(
        entry
        for entry in json.loads((outside / "matching/orders/manifest.json").read_text())
        if (entry["scenario"], entry["seed"]) == (scenario, number)
    )
    files = list((outside / "matching/orders").glob(f"orders_{scenario}_s{number}_*.bin.xz"))
    assert len(files) == 1, files
    assert main([str(files[0]), *(["--twin"] if twin else [])]) == 0
    assert capsys.readouterr().out == f"{known['messages']} {known['reports']} {known['sha256']}\n"


def edge_messages(case: dict[str, Any]) -> list[Message]:
    """The messages of a case; the one that is too long to be written out is given by its count, and its hash says if we agree."""
    kinds = (Kind.NEW, Kind.CANCEL, Kind.REPLACE)
    rows = case["messages"]
    if rows == "generated: 5001 msgs":  # one order takes five thousand at one price
        rows = [[0, 1, 0, 1, i, 100] for i in range(1, 5001)] + [[0, 0, 1, 5000, 5001, 100]]
    return [
        Message(
            kinds[t], side=side, tif=Tif.IOC if ioc else Tif.DAY, qty=qty, order_id=i, new_order_id=i, px=px, seq=seq
        )
        for seq, (t, side, ioc, qty, i, px) in enumerate(rows)
    ]


def test_every_edge_case_gives_the_known_reports(outside: Path) -> None:
    cases = json.loads((outside / "matching/edge_cases.json").read_text())
    assert len(cases) == 34
    for case in cases:
        for twin in (False, True):
            lines = stream.run(open_exchange(STREAM, twin=twin), pack_messages(edge_messages(case)))
            assert (len(lines), stream.digest(lines)) == (case["reports"], case["sha256"]), (case["case"], twin, lines)


def test_after_every_message_of_the_edge_cases_core_and_twin_show_the_same_book(outside: Path) -> None:
    for case in json.loads((outside / "matching/edge_cases.json").read_text()):
        core, twin = open_exchange(STREAM), open_exchange(STREAM, twin=True)
        for message in edge_messages(case):
            assert core.send(message) == twin.send(message), (case["case"], message)
            assert core.quote(0) == twin.quote(0), (case["case"], message)
            for side in Side:
                assert core.depth(0, side, 100) == twin.depth(0, side, 100), (case["case"], message)
            if message.order_id < 100:  # a hash walks the whole book; the long case is compared by its best prices
                assert core.state_hash() == twin.state_hash(), (case["case"], message)


def stream_file(path: Path, *records: tuple[int, ...], count: int | None = None) -> str:
    body = b"".join(stream.RECORD.pack(*record) for record in records)
    path.write_bytes(stream.HEADER.pack(stream.MAGIC, stream.VERSION, len(records) if count is None else count) + body)
    return str(path)


def test_the_command_prints_reports_in_canonical_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # type, side, ioc, pad, quantity, sequence, order id, price, reserved; the lines are written from the format's text
    records = (
        (0, 1, 0, 0, 10, 7, 1, -5, 0),
        (0, 0, 1, 0, 15, 3, 2, 4, 0),
        (2, 0, 0, 0, 5, 4, 1, 4, 0),
        (1, 0, 0, 0, 0, 5, 9, 4, 0),
    )
    want = "0,3,0,2,4,15\n1,3,-5,10,1,2\n2,3,0,2,4\n5,4,1\n4,5,9\n0,7,1,1,-5,10\n"
    for twin in ([], ["--twin"]):
        assert main([stream_file(tmp_path / "a.bin", *records), "--csv", *twin]) == 0
        assert capsys.readouterr().out == want
    assert main([stream_file(tmp_path / "none.bin")]) == 0
    assert capsys.readouterr().out == f"0 0 {hashlib.sha256(b'').hexdigest()}\n"


def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "short.bin").write_bytes(b"1234")
    (tmp_path / "not.bin.xz").write_bytes(b"1234")
    stream_file(tmp_path / "type.bin", (0, 0, 0, 0, 1, 1, 1, 1, 0), (3, 0, 0, 0, 1, 2, 2, 1, 0))
    stream_file(tmp_path / "count.bin", (0, 0, 0, 0, 1, 1, 1, 1, 0), count=2)
    stream_file(tmp_path / "side.bin", (0, 2, 0, 0, 1, 1, 1, 1, 0))
    whole = Path(stream_file(tmp_path / "cut.bin", (0, 0, 0, 0, 1, 1, 1, 1, 0))).read_bytes()
    (tmp_path / "cut.bin").write_bytes(whole[:-1])
    (tmp_path / "magic.bin").write_bytes((7).to_bytes(8, "little") + whole[8:])
    (tmp_path / "version.bin").write_bytes(whole[:8] + b"\2" + whole[9:])
    for name, says in (
        ("short.bin", "shorter than the header"),
        ("not.bin.xz", "not an xz file"),
        ("type.bin", "record 1: type 3 is not in 0…2"),
        ("count.bin", "the header says 2 records"),
        ("absent.bin", "No such file"),
        ("cut.bin", "the file has 39 bytes"),
        ("magic.bin", "magic 0x0000000000000007 version 1, not magic 0x4d4542575f303031 version 1"),
        ("version.bin", "version 2, not"),
        ("side.bin", "record 0: side 2 is not in 0…1"),
    ):
        assert main([str(tmp_path / name)]) == 1
        error = capsys.readouterr().err
        assert says in error and name in error, error


def around(rng: random.Random, count: int, ids: int, kinds: tuple[int, ...] = (0, 0, 1, 2)) -> list[Record]:
    """Few ids, so most of them alive, near one price; bytes that mean nothing are set."""
    return [
        (rng.choice(kinds), rng.getrandbits(1), rng.random() < 0.1, 255, rng.randrange(20), seq, rng.randrange(ids), rng.randrange(95, 106), -1)
        for seq in range(count)
    ]  # fmt: skip


def anywhere(rng: random.Random) -> list[Record]:
    """Ids anywhere in a u64, prices anywhere in an i64 and at its ends, quantities at the ends of a u32."""
    ends = (I64_MIN, I64_MIN + 1, -1, 0, 1, I64_MAX - 1, I64_MAX)
    ids = (0, 1, 1 << 32, 1 << 63, U64_MAX - 1, U64_MAX)
    return [
        (
            rng.choice((0, 0, 0, 1, 2, 2)), rng.getrandbits(1), rng.random() < 0.2, 0,
            rng.choice((0, 1, 2, U32_MAX, rng.randrange(100))), seq, rng.choice((*ids, rng.getrandbits(64))),
            rng.choice((*ends, rng.randint(I64_MIN, I64_MAX))), 0,
        )
        for seq in range(6_000)
    ]  # fmt: skip


def one_price(rng: random.Random) -> list[Record]:
    """A long queue at one price, holes made in it everywhere, then taken at once."""
    n = 4_000
    out: list[Record] = [(0, 1, 0, 0, 3, seq, seq, 100, 0) for seq in range(n)]
    out += [(rng.choice((1, 2)), 0, 1, 0, rng.randrange(5), n + i, rng.randrange(n), 100, 0) for i in range(n)]
    return [*out, (0, 0, 1, 0, U32_MAX, 2 * n, U64_MAX, 200, 0)]


def own_prices(rng: random.Random) -> list[Record]:
    """Every order at a price of its own, in no order, some taken out, then one order through them all that rests far beyond."""
    n = 4_000
    out: list[Record] = [(0, 1, 0, 0, 1, seq, seq, px, 0) for seq, px in enumerate(rng.sample(range(-(10**9), 10**9), n))]
    out += [(1, 0, 0, 0, 0, n + i, rng.randrange(n), 0, 0) for i in range(n // 4)]
    return [*out, (0, 0, 0, 0, n, 2 * n, U64_MAX, I64_MAX, 0), (2, 1, 1, 0, 7, 2 * n + 1, U64_MAX, I64_MIN, 0)]


def again_and_again(rng: random.Random) -> list[Record]:
    """Modifies to the same price, across the other side and away; sequences that repeat and go back."""
    records = around(rng, 200, 200, (0,)) + around(rng, 6_000, 200, (2, 2, 2, 1, 0))
    return [(*r[:5], rng.choice((seq, 7, U64_MAX, rng.getrandbits(64))), *r[6:]) for seq, r in enumerate(records)]


NASTY: dict[str, Callable[[random.Random], list[Record]]] = {
    "an id that is alive is used again": lambda rng: around(rng, 6_000, 30),
    "ids, prices and quantities anywhere": anywhere,
    "one price": one_price,
    "each order a price": own_prices,
    "modifies and sequences": again_and_again,
    "immediate or cancel against nothing": lambda rng: [(0, i & 1, 1, 0, i % 3, i, i, 0, 0) for i in range(100)],
}


@pytest.mark.parametrize("name", NASTY)
def test_core_twin_and_a_third_matcher_print_the_same(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = stream_file(tmp_path / "nasty.bin", *NASTY[name](random.Random(5)))
    want = plain(Path(file).read_bytes())
    for twin in ([], ["--twin"]):
        assert main([file, *twin]) == 0
        assert capsys.readouterr().out == want, twin


def test_a_result_that_would_not_be_the_streams_is_an_error() -> None:
    sent = pack_messages(Message(Kind.NEW, order_id=i, px=1, qty=1, seq=i) for i in range(3))
    with pytest.raises(ValueError, match="sequence 2: order 2 finds every place"):
        stream.run(open_exchange(STREAM, max_orders=2), sent)
