"""The fuzz entries of latch and risk, built with the sanitizers and run over sound inputs and changed copies of them."""

import os
import subprocess
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from risk import latch
from risk.core import delta, ffi, order_in
from risk.latch import Latch
from risk.model import (
    ACK,
    BUST,
    CANCEL_ACK,
    CORRECT,
    EXTERNAL_FILL,
    FILL,
    REPLACE_ACK,
    REPLACE_RESERVE,
    RESERVE,
    RESTATED,
    SELL,
    Delta,
    Order,
)
from tests.risk.twins import limits

pytestmark = pytest.mark.more

CSRC = Path(__file__).parents[2] / "csrc"
COUNT = 20_000 if os.environ.get("PORTCULLIS_TESTS") == "all" else 1_000
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
NOW = 1_795_000_000_000_000_000
EVENT_SHIFT = 38  # twice the number of kinds the entry takes: an even number that it takes for the same kind


def a_latch(path: Path) -> None:
    latch.create(path, 5, NOW, False, "who", "why")
    with Latch(path, writable=True) as mapped:
        for kind, name in (("account", "DEMO"), ("symbol", "AAPL"), ("venue", "nasdaq")):
            slot = mapped.engage(kind, name, "kill", NOW, "", "", 0)
        mapped.rearm(slot, mapped.generation(slot), NOW, "", "")


def a_history(path: Path) -> None:
    """A limits table for the entry's sizes, then orders (their first byte odd) and events (theirs even), 88 bytes each."""
    allowed = frozenset({(1, 1), (1, 2), (2, 1)})
    table = replace(limits(account={1: {"position": 100}}), venues=3, accounts=3, strategies=3, instruments=3, account_ok=allowed, instrument_ok=allowed)
    events = [
        Delta(RESERVE, qty=100, id=1), Delta(ACK), Delta(FILL, qty=30), Delta(REPLACE_RESERVE, leaves=120, id=2), Delta(FILL, qty=50),
        Delta(REPLACE_ACK, leaves=70, pend_leaves=90), Delta(BUST, qty=30), Delta(CORRECT, old_qty=50, qty=40), Delta(RESTATED, leaves=10),
        Delta(CANCEL_ACK), Delta(EXTERNAL_FILL, SELL, qty=7), Delta(RESERVE, SELL, qty=3, id_kind=1, id=9),
    ]  # fmt: skip
    body = b""
    for i, event in enumerate(events):
        raw = bytearray(ffi.buffer(delta(replace(event, slot=i // 10, venue=1, account=1, strategy=1, instrument=1, now_ns=NOW + i))))
        raw[0] += EVENT_SHIFT if raw[0] % 2 == 0 else EVENT_SHIFT // 2
        body += bytes(raw).ljust(88, b"\0")
        body += bytes(ffi.buffer(order_in(Order(kind="G", qty=50 + i, px=100, ref_px=100, slot=0, id=10 + i, now_ns=NOW + i))))
    path.write_bytes(table.to_bytes() + body)


@pytest.mark.parametrize(("entry", "sources", "seed_input"), [("fuzz_latch", (), a_latch), ("fuzz_risk", ("risk.c",), a_history)])
def test_changed_inputs_break_no_promise(tmp_path: Path, entry: str, sources: tuple[str, ...], seed_input: object) -> None:
    program, seed = tmp_path / entry, tmp_path / "seed"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    files = [str(CSRC / name) for name in ("fuzz/corpus.c", f"fuzz/{entry}.c", *sources)]
    subprocess.run([compiler, *FLAGS, f"-I{CSRC}", "-o", str(program), *files], check=True)
    assert callable(seed_input)
    seed_input(seed)
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    done = subprocess.run([str(program), "-r", "1", str(COUNT), str(seed)], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{COUNT + 1} inputs\n"
