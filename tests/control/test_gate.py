"""How the gate stands, as `gateway status` and the log say it: every dropped scope, since when, by whom and why, in words."""

from pathlib import Path

from gateway.control.gate import gate
from risk import latch
from risk.latch import Latch

AT_NS = 1_795_181_401_476_175_267  # 2026-11-20 13:30:01 UTC


def made(folder: Path) -> Path:
    path = folder / "latch"
    latch.create(path, 7, AT_NS, False, "test", "start")
    return path


def test_an_open_gate_is_one_word(tmp_path: Path) -> None:
    assert gate(made(tmp_path)) == "OPEN"


def test_every_dropped_scope_is_told_with_its_time_its_person_and_why(tmp_path: Path) -> None:
    path = made(tmp_path)
    lock = latch.take_lock(path, 0, lambda: 0, lambda ns: None)
    with Latch(path, writable=True) as mapped:
        mapped.engage("symbol", "AAPL", "kill", AT_NS, "ann@desk", "fat finger", lock)
        mapped.engage("account", "A2", "kill", AT_NS + 59_000_000_000, "bob@desk", "", lock)
    assert gate(path) == (
        "DROPPED: symbol AAPL, since 2026-11-20T13:30:01Z, by ann@desk: fat finger; account A2, since 2026-11-20T13:31:00Z, by bob@desk"
    )


def test_a_latch_that_is_not_there_or_not_whole_drops_the_firm_and_says_what_to_do(tmp_path: Path) -> None:
    assert gate(tmp_path / "latch") == (
        f"DROPPED: firm, since unknown, by unknown: {tmp_path}/latch does not exist; `killswitch engage` makes it anew, dropped; then `killswitch rearm`"
    )
    path = made(tmp_path)
    path.write_bytes(b"\0" * 100)
    assert gate(path).startswith("DROPPED: firm, since unknown, by unknown: ") and gate(path).endswith("then `killswitch rearm`")
