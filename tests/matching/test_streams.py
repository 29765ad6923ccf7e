"""Known results: the benchmark's order streams and edge cases, by the core and by the twin, report for report.

Provenance: order streams and hashes of a public matching-engine benchmark (MIT), found through PORTCULLIS_OUTSIDE/matching.
"""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from simulators.matching import Kind, Message, Side, Tif, open_exchange, pack_messages, stream
from simulators.matching.__main__ import main
from simulators.matching.profiles import STREAM

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
            events = open_exchange(STREAM, twin=twin).run(pack_messages(edge_messages(case)))
            lines = stream.canonical(events)
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
    path.write_bytes(stream.HEADER.pack(0, 1, len(records) if count is None else count) + body)
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
    for name, says in (
        ("short.bin", "shorter than the header"),
        ("not.bin.xz", "not an xz file"),
        ("type.bin", "record 1: type 3 is not in 0…2"),
        ("count.bin", "the header says 2 records"),
        ("absent.bin", "No such file"),
    ):
        assert main([str(tmp_path / name)]) == 1
        error = capsys.readouterr().err
        assert says in error and name in error, error


def test_a_sparse_stream_is_the_same_to_core_and_twin() -> None:
    """Prices anywhere in an int64, ids anywhere in a u64: every order a level of its own."""
    rng = random.Random(5)
    used: list[int] = []
    sent = []
    for seq in range(6_000):
        known = rng.choice(used) if used and rng.random() < 0.5 else None
        order_id = rng.getrandbits(64) if known is None else known
        used.append(order_id)
        kind = Kind.NEW if known is None else rng.choice((Kind.CANCEL, Kind.REPLACE))
        px = rng.randint(-(1 << 63), (1 << 63) - 1) >> rng.choice((0, 0, 20, 55))
        tif = Tif.IOC if rng.random() < 0.1 else Tif.DAY
        sent.append(
            Message(
                kind,
                side=rng.getrandbits(1),
                tif=tif,
                order_id=order_id,
                new_order_id=order_id,
                px=px,
                qty=rng.randint(1, 1 << 32),
                seq=seq,
            )
        )
    data = pack_messages(sent)
    core, twin = open_exchange(STREAM), open_exchange(STREAM, twin=True)
    assert core.run(data) == twin.run(data)
    assert core.state_hash() == twin.state_hash()
