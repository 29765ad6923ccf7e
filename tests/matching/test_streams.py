"""Known results: the benchmark's order streams and edge cases, by the core and by the twin, report for report.

Provenance: order streams and hashes of a public matching-engine benchmark (MIT), found through PORTCULLIS_OUTSIDE/matching.
"""

import json
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
