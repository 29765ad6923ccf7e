"""The order flow: the same for the same seed, plausible, and read from recorded streams of the benchmark's format."""

import json
from collections import Counter
from pathlib import Path

import pytest

from simulators.flow import Intent, Kind, Side, generate, recorded
from simulators.matching.stream import HEADER, MAGIC, RECORD, VERSION
from tests.simulators.stand import rows

ROWS = [row for venue in ("nasdaq", "generic_fix44") for row in rows(venue)]
AAPL = next(row for row in ROWS if row.symbol == "AAPL" and row.venue == "nasdaq")


def test_the_same_seed_gives_the_same_flow_and_another_another() -> None:
    first, again, other = (list(generate(seed, 500, ROWS)) for seed in (1, 1, 2))
    assert first == again and first != other
    assert list(generate(1, 100, ROWS)) == first[:100], "a longer flow begins like a shorter one"


def test_a_flow_is_plausible(seed: int) -> None:
    by_name = {(row.symbol, row.venue): row for row in ROWS}
    known: dict[int, Intent] = {}
    flow = list(generate(seed, 400, ROWS))
    assert [intent.id for intent in flow] == list(range(1, 401))
    for intent in flow:
        row = by_name[intent.symbol, intent.venue]
        if intent.kind is not Kind.CANCEL:
            assert intent.px % row.tick_at(intent.px) == 0 and intent.px_exp == row.px_exp, f"seed {seed}: {intent}"
            assert 1 <= intent.qty <= 300 and intent.qty % row.lot == 0
            assert row.ref_px is not None and abs(intent.px - row.ref_px) * 20 <= row.ref_px, f"seed {seed}: {intent} is five percent away"
        if intent.kind is not Kind.NEW:
            meant = known[intent.target]
            assert (meant.symbol, meant.venue, meant.side, meant.ioc) == (intent.symbol, intent.venue, intent.side, False)
        if intent.kind is not Kind.CANCEL:
            known[intent.id] = intent
    kinds = Counter(intent.kind for intent in flow)
    assert 230 < kinds[Kind.NEW] < 310 and kinds[Kind.CANCEL] > 30 and kinds[Kind.REPLACE] > 30, kinds
    assert {intent.venue for intent in flow} == {"nasdaq", "generic_fix44"} and len({intent.symbol for intent in flow}) > 5
    assert any(intent.ioc for intent in flow)


def stream(path: Path, *records: tuple[int, int, int, int, int, int]) -> Path:
    """A file of the format: type, side, ioc, quantity, order id, price in ticks."""
    body = b"".join(
        RECORD.pack(kind, side, ioc, 0, qty, seq, order_id, px, 0) for seq, (kind, side, ioc, qty, order_id, px) in enumerate(records)
    )
    path.write_bytes(HEADER.pack(MAGIC, VERSION, len(records)) + body)
    return path


def test_a_recorded_stream_is_put_around_the_symbols_price(tmp_path: Path) -> None:
    path = stream(tmp_path / "orders.bin", (0, 0, 0, 10, 900, 100), (0, 1, 1, 20, 901, 103), (2, 1, 0, 15, 900, 99), (1, 0, 0, 0, 900, 0), (1, 0, 0, 0, 77, 0), (0, 0, 0, 5, 902, 99))  # fmt: skip
    row = AAPL
    assert list(recorded(path, row)) == [
        Intent(Kind.NEW, 1, "AAPL", "nasdaq", Side.BUY, 10, 1_872_500, -4),
        Intent(Kind.NEW, 2, "AAPL", "nasdaq", Side.SELL, 20, 1_872_800, -4, ioc=True),
        Intent(Kind.REPLACE, 3, "AAPL", "nasdaq", Side.BUY, 15, 1_872_400, -4, target=1),
        Intent(Kind.CANCEL, 4, "AAPL", "nasdaq", Side.BUY, target=3),
        Intent(Kind.CANCEL, 5, "AAPL", "nasdaq", Side.BUY, target=0),
        Intent(Kind.NEW, 6, "AAPL", "nasdaq", Side.BUY, 5, 1_872_400, -4),
    ]


def test_a_file_that_is_no_stream_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.bin"
    short.write_bytes(HEADER.pack(MAGIC, VERSION, 1) + bytes(4))
    zeros = tmp_path / "zeros.bin"
    zeros.write_bytes(bytes(20))
    for path, said in (
        (short, "the header says 1 records"),
        (zeros, "not an order stream"),
        (stream(tmp_path / "kind.bin", (0, 0, 0, 1, 1, 1), (9, 0, 0, 1, 1, 1)), "record 1 has type 9"),
        (stream(tmp_path / "none.bin", (1, 0, 0, 1, 1, 1)), "no new order"),
    ):
        with pytest.raises(ValueError, match=said):
            list(recorded(path, AAPL))


def test_the_benchmarks_streams_become_intents(outside: Path) -> None:
    manifest = json.loads((outside / "matching" / "orders" / "manifest.json").read_text())
    for entry in manifest:
        path = outside / "matching" / "orders" / f"orders_{entry['scenario']}_s{entry['seed']}_n{entry['count']}.bin.xz"
        intents = list(recorded(path, AAPL))
        assert len(intents) == entry["messages"], path
        assert all(intent.px > 0 and intent.px % 100 == 0 for intent in intents if intent.kind is not Kind.CANCEL), path
