"""Limits from the configuration to the table of the lane: what is wrong is named, what is right arrives, and a damaged table is refused."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from risk import generate
from risk.controls import controls
from risk.core import Core, Sizes, lib, sizes_of
from risk.limits import HEAD, LIMIT, Limit, LimitError, Limits, Names, load, parse_limit
from risk.model import Breach, Order
from tests.risk.twins import DUP_IDS, ORDERS, limits

NAMES = Names(venues=("nasdaq",), accounts=("DEMO", "A2"), strategies=("DEMO", "OTHER"), symbols=("AAPL", "MSFT"))
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("written", "limit"),
    [(0, (0, 0)), (10_000, (10_000, 0)), ("0.5", (5, -1)), ("10000", (10_000, 0)), ("1.50", (15, -1)), ("1.00", (1, 0)), ("0.000000000000000001", (1, -18)),
     (2**63 - 2, (2**63 - 2, 0))],
)  # fmt: skip
def test_a_limit_is_exact(written: int | str, limit: tuple[int, int]) -> None:
    assert parse_limit(written, decimal=True) == Limit(*limit)


@pytest.mark.parametrize(
    ("written", "decimal", "text"),
    [
        (-1, True, "-1 is not a limit; a number from 0 on, such as 0.5 or 10_000, is"),
        (0.5, True, '0.5 is not a limit; a whole number is; write "0.5" in quotes'),
        (0.5, False, "0.5 is not a limit; a whole number is"),
        (True, True, "True is not a limit; a whole number is"),
        (None, True, "None is not a limit"),
        ("1e3", True, "'1e3' is not a limit"),
        ("", True, "'' is not a limit"),
        (".5", True, "'.5' is not a limit"),
        ("5.", True, "'5.' is not a limit"),
        ("٣", True, "is not a limit"),
        ("0.5", False, "'0.5' has decimals; this limit is a whole number"),
        (2**63 - 1, True, "is too large"),
        ("0.0000000000000000001", True, "too fine"),
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused_with_what_would_be(written: Any, decimal: bool, text: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_limit(written, decimal)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("table", "key", "text"),
    [
        ({"desk": {}}, "limits.desk", "unknown scope; the scopes are firm, venue, account, strategy, symbol"),
        ({"firm": 3}, "limits.firm", "must be a table"),
        ({"firm": {"order_qyt": 1}}, "limits.firm.order_qyt", "no such limit; those of a firm are order_qty, notional"),
        ({"firm": {"duplicate_id": 1}}, "limits.firm.duplicate_id", "no such limit"),
        ({"account": {"ZZ": {"position": 1}}}, "limits.account.ZZ", "unknown account 'ZZ'; known: DEMO, A2"),
        ({"account": {"position": 1}}, "limits.account.position", "unknown account 'position'"),
        ({"account": {"A2": 1}}, "limits.account.A2", "must be a table; limits of one account are written [limits.account.NAME]"),
        ({"symbol": {"AAPL": {"open_orders": "0.5"}}}, "limits.symbol.AAPL.open_orders", "has decimals"),
        ({"firm": {"rate_per_s": 10**9 + 1}}, "limits.firm.rate_per_s", "at most 1000000000 messages a second"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_limits_is_named_with_its_key(table: dict[str, Any], key: str, text: str) -> None:
    with pytest.raises(LimitError) as error:
        load(table, NAMES, {}, 1)
    assert error.value.key == key and text in error.value.text and str(error.value).startswith(f"{key}: ")


def test_a_permission_for_a_name_that_is_not_there_is_named() -> None:
    for permission, key in (
        ({"NO": (["DEMO"], None)}, "strategies.NO"),
        ({"DEMO": (["NO"], None)}, "strategies.DEMO.accounts"),
        ({"DEMO": (["DEMO"], ["NO"])}, "strategies.DEMO.symbols"),
    ):
        with pytest.raises(LimitError) as error:
            load({}, NAMES, permission, 1)
        assert error.value.key == key


def test_what_the_configuration_says_is_what_the_lane_checks() -> None:
    """Names become numbers from 1 on; a strategy may use its accounts and, unless it says otherwise, every symbol."""
    wide = {"order_qty": 100, "notional": 10**9, "collar_bps": 500, "position": 1000, "open_orders": 10, "rate_per_s": 10}
    loaded = load(
        {"firm": wide, "account": {"A2": {"order_qty": "0.5"}}, "symbol": {"MSFT": {"position": 7}}, "venue": {"nasdaq": {"notional": 500}}},
        NAMES, {"DEMO": (["DEMO", "A2"], None), "OTHER": (["A2"], ["MSFT"])}, 42,
    )  # fmt: skip
    core = Core(sizes_of(loaded, ORDERS, DUP_IDS), loaded)
    assert lib.gw_risk_limits_version(core.risk) == 42
    order = {"qty": 5, "px": 100, "ref_px": 100}

    def said(**fields: int) -> list[tuple[str, str, int]]:
        return [(b.control, b.scope, b.entity) for b in core.check(Order(**{**order, **fields}))]  # type: ignore[arg-type]

    assert said(account=1, instrument=1) == []
    assert said(account=2, instrument=1) == [("order_qty", "account", 2)]
    assert said(account=1, instrument=2, qty=8) == [("notional", "venue", 1), ("position", "symbol", 2)]
    assert said(account=1, strategy=2, instrument=2) == [("permission", "account", 1)]
    assert said(account=2, strategy=2, instrument=1) == [("permission", "symbol", 1), ("order_qty", "account", 2)]


def test_a_swap_is_whole_or_not_at_all() -> None:
    first = limits(firm={"order_qty": 5}, version=1)
    core = Core(sizes_of(first, ORDERS, DUP_IDS), first)
    damaged = bytearray(limits(version=2).to_bytes())
    damaged[0] ^= 1
    before = core.hash
    with pytest.raises(ValueError, match="not a limits table"):
        core.swap_limits(bytes(damaged))
    assert core.hash == before and [b.control for b in core.check(Order(qty=6, px=1, ref_px=1))] == ["order_qty"]
    core.swap_limits(limits(version=2).to_bytes())
    assert core.hash != before, "the version is part of the state"
    assert core.check(Order(qty=6, px=1, ref_px=1)) == []


ROW = HEAD.size  # the firm's first limit, order_qty
RATE = HEAD.size + 5 * LIMIT.size


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t[:-1],
        lambda t: t + b"\0" * 8,
        lambda t: b"",
        lambda t: t[:8] + bytes(8) + t[16:],  # version 0 means none
        lambda t: t[:16] + b"\1" + t[17:],  # length
        lambda t: t[:24] + b"\4" + t[25:],  # one venue more
        lambda t: t[:ROW] + b"\xff" * 8 + t[ROW + 8 :],  # a limit below 0
        lambda t: t[:ROW] + b"\xff" * 7 + b"\x7f" + t[ROW + 8 :],  # the value that must breach every limit
        lambda t: t[: ROW + 8] + b"\x13" + t[ROW + 9 :],  # exponent 19
        lambda t: t[: ROW + 9] + b"\2" + t[ROW + 10 :],  # neither set nor unset
        lambda t: t[: ROW + 9] + b"\0" + t[ROW + 10 :],  # unset, with a value
        lambda t: t[: RATE + 8] + b"\xff" + t[RATE + 9 :],  # a rate with decimals
        lambda t: t[:RATE] + (10**9 + 1).to_bytes(8, "little") + t[RATE + 8 :],
    ],
)  # fmt: skip
def test_a_damaged_table_is_refused(damage: Callable[[bytes], bytes]) -> None:
    whole = limits().to_bytes()
    core = Core(sizes_of(limits(), ORDERS, DUP_IDS))
    core.swap_limits(whole)
    with pytest.raises(ValueError, match="not a limits table"):
        core.swap_limits(damage(whole))


def test_an_unset_limit_at_an_unknown_entity_covers_nothing() -> None:
    """Index 0 of a kind is nobody; a limit there is no limit of anybody."""
    table = limits(unset=("position",), account={0: {"position": 5}})
    core = Core(sizes_of(table, ORDERS, DUP_IDS), table)
    assert Breach("position", "firm", 0, "unset") in core.check(Order(qty=1, px=1, ref_px=1, account=0))


@pytest.mark.parametrize("sizes", [(0, 1, 1, 1, 1, 1), (1, 0, 1, 1, 1, 1), (1, 1, 1, 1, 0, 1), (1, 1, 1, 1, 1, 3), (1, 1, 1, 1, 1, 0), (70_000, 1, 1, 1, 1, 1),
                                   (1, 1, 1, 2**32 - 1, 1, 1)])  # fmt: skip
def test_sizes_that_cannot_be_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a count is 0 or too large"):
        Core(Sizes(*sizes))


def test_the_smallest_tables_there_can_be() -> None:
    tiny = Limits(version=1, venues=1, accounts=1, strategies=1, instruments=1)
    core = Core(sizes_of(tiny, 1, 1), tiny)
    assert {b.why for b in core.check(Order(qty=1, px=1, ref_px=1))} == {"unknown", "unset"}


# The controls themselves.


def test_the_header_is_what_the_controls_make() -> None:
    assert generate.HEADER.read_text() == generate.c_header(controls()), "run `python -m risk.generate`"
    assert subprocess.run([sys.executable, "-m", "risk.generate", "--check"], cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_the_controls_are_the_eight_of_the_design() -> None:
    table = controls()
    assert list(table.controls) == ["order_qty", "notional", "collar_bps", "position", "open_orders", "rate_per_s", "duplicate_id", "permission"]
    assert all(c.mandatory for c in table.limited) and len({c.code for c in table.controls.values()}) == 8
    assert all(c.source and c.compare and c.text for c in table.controls.values())


def test_the_numbers_of_reasons_are_those_of_the_header() -> None:
    header = (ROOT / "csrc" / "risk.h").read_text()
    for why in controls().whys.values():
        assert f"#define GW_BREACH_{why.key.upper()} {why.index} " in header
