"""Instruments: exact decimals, ticks by price, routes, and every wrong cell told with its line and column."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import instruments
from gateway.decimals import INT64_MAX, to_mantissa, to_text
from gateway.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent / "examples" / "instruments.csv"
HEADER = ",".join(instruments.COLUMNS)
ROW = "AAPL,nasdaq,AAPL,-4,0,us_equity,1,1,USD,active,nasdaq,187.25"


def load(folder: Path, *rows: str, header: str = HEADER) -> instruments.Instruments:
    file = folder / "i.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return instruments.load(file)


def problems_of(folder: Path, *rows: str, header: str = HEADER) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, *rows, header=header)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


# --- decimals ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "exponent", "mantissa"),
    [
        ("187.25", -4, 1872500),
        ("187.2500000", -4, 1872500),
        ("-0.01", -2, -1),
        ("-0", -2, 0),
        ("0.0001", -4, 1),
        ("1200", 2, 12),
        ("007", 0, 7),
        ("9223372036854775807", 0, INT64_MAX),
        ("922337203685477.5807", -4, INT64_MAX),
    ],
)
def test_a_decimal_is_exact(text: str, exponent: int, mantissa: int) -> None:
    assert to_mantissa(text, exponent) == mantissa


@pytest.mark.parametrize(
    ("text", "exponent", "why"),
    [
        ("187.25001", -4, "187.25001 is finer than 10^-4"),
        ("1250", 2, "1250 is finer than 10^2"),
        ("9223372036854775808", 0, "does not fit in 64 bits"),
        ("1" * 31, 0, "is not a decimal number"),
        *((text, -4, "is not a decimal number such as 187.25") for text in ("", ".5", "5.", "+1", "1e3", "1_0", " 1", "1,5", "nan", "inf", "--1", "１")),
    ],
)
def test_what_is_not_an_exact_decimal_is_refused(text: str, exponent: int, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        to_mantissa(text, exponent)
    assert why in str(caught.value)


def test_a_float_is_told_what_to_write() -> None:
    with pytest.raises(TypeError, match='187.25 is a float; write it as text, "187.25"'):
        to_mantissa(187.25, -4)  # type: ignore[arg-type]


@given(st.integers(-INT64_MAX, INT64_MAX), st.integers(-9, 9))
def test_text_and_mantissa_are_inverse(mantissa: int, exponent: int) -> None:
    assert to_mantissa(to_text(mantissa, exponent), exponent) == mantissa


def test_text_is_the_shortest() -> None:
    assert [to_text(1872500, -4), to_text(-1, -2), to_text(0, -4), to_text(0, 3), to_text(12, 2), to_text(1870000, -4)] == [
        "187.25", "-0.01", "0", "0", "1200", "187",
    ]  # fmt: skip


# --- the table ---------------------------------------------------------------------------------------------------------------


def test_the_example_table() -> None:
    table = instruments.load(EXAMPLE)
    assert len(table.symbols) == 12 and [row.index for row in table.rows] == list(range(len(table.rows)))
    aapl, msft = table.find("AAPL"), table.find("MSFT", "nasdaq")
    assert aapl and aapl.venue == "nasdaq" and aapl.ref_px == 187_2500
    assert msft and msft.ref_px == 415_2500 and table.find("MSFT", "generic_fix44") is not msft
    assert msft.symbol_index == table.rows[2].symbol_index != aapl.symbol_index
    assert table.find("MSFT", "nyse") is None and table.find("NONE") is None
    assert table.from_venue("nasdaq", "MSFT") is msft and table.from_venue("nyse", "MSFT") is None


def test_the_tick_follows_the_price(tmp_path: Path) -> None:
    (row,) = load(tmp_path, ROW).rows
    ticks = [(price, row.tick_at(to_mantissa(price, -4))) for price in ("-1", "0", "0.9999", "1", "187.25")]
    assert ticks == [("-1", 1), ("0", 1), ("0.9999", 1), ("1", 100), ("187.25", 100)]


def test_an_unknown_reference_price_is_none(tmp_path: Path) -> None:
    assert load(tmp_path, ROW.removesuffix("187.25")).rows[0].ref_px is None
    assert load(tmp_path, ROW.replace("187.25", "0")).rows[0].ref_px == 0


def test_columns_may_stand_in_any_order_and_comments_between(tmp_path: Path) -> None:
    turned = ",".join(reversed(ROW.split(",")))
    table = load(tmp_path, "# a comment", "", turned, header=",".join(reversed(instruments.COLUMNS)))
    assert table.rows == load(tmp_path, ROW).rows


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("AAPL,nasdaq", "AA PL,nasdaq", "i.csv:2:1: symbol: 'AA PL' is not a name; 1 to 16 printable ASCII"),
        ("AAPL,nasdaq", ",nasdaq", "i.csv:2:1: symbol: '' is not a name"),
        ("AAPL,nasdaq", "A" * 17 + ",nasdaq", "i.csv:2:1: symbol: 'AAAAAAAAAAAAAAAAA' is not a name"),
        ("-4", "4.5", "i.csv:2:18: px_exp: '4.5' is not an exponent; a whole number from -9 to 9"),
        ("-4", "-2", "i.csv:2:23: tick_table: 0.0001 is finer than 10^-2"),
        (",0,", ",ten,", "i.csv:2:21: qty_exp: 'ten' is not an exponent"),
        ("us_equity", "us_eq", "i.csv:2:23: tick_table: 'us_eq' is unknown; one of us_equity, cent, quarter"),
        (",1,1,", ",0,1,", "i.csv:2:33: lot: 0 is not above zero"),
        (",1,1,", ",1.5,1,", "i.csv:2:33: lot: 1.5 is finer than 10^0"),
        (",1,1,", ",1,0.1,", "i.csv:2:35: multiplier: 0.1 is finer than 10^0"),
        ("USD", "usd", "i.csv:2:37: ccy: 'usd' is not a currency; three capital letters"),
        ("active", "on", "i.csv:2:41: status: 'on' is unknown; one of active, halted"),
        ("active,nasdaq", "active,nyse", "i.csv:2:48: default_route: AAPL has no row at nyse; name one of its venues"),
        ("187.25", "187.25001", "i.csv:2:55: ref_px: 187.25001 is finer than 10^-4"),
        ("187.25", '"187.25"', "i.csv:2:55: ref_px: '\"187.25\"' is not a decimal number"),
        (",187.25", "", "i.csv:2: 11 cells; the header has 12 columns"),
    ],
)
def test_a_wrong_cell_is_told_with_line_and_column(tmp_path: Path, right: str, wrong: str, problem: str) -> None:
    assert right in ROW
    found = problems_of(tmp_path, ROW.replace(right, wrong, 1))
    assert any(line.startswith(problem) for line in found), found


def test_every_wrong_cell_is_told(tmp_path: Path) -> None:
    found = problems_of(tmp_path, ROW.replace("USD", "?"), ROW.replace("active", "?").replace("-4", "?"))
    assert [problem.split(" ")[0] for problem in found] == ["i.csv:2:37:", "i.csv:3:18:", "i.csv:3:40:"]


def test_rows_must_agree_about_their_symbol(tmp_path: Path) -> None:
    other = ROW.replace("AAPL,nasdaq,AAPL", "AAPL,nyse,AAPL")
    assert len(load(tmp_path, ROW, other).rows) == 2
    for right, wrong, key in [("187.25", "187.26", "ref_px"), ("USD", "EUR", "ccy"), (",1,1,", ",1,2,", "multiplier"), ("-4", "-5", "px_exp")]:
        found = problems_of(tmp_path, ROW, other.replace(right, wrong))
        assert any(f": {key}: differs from the other row of AAPL" in problem and problem.startswith("i.csv:3:") for problem in found), found


def test_rows_must_not_collide(tmp_path: Path) -> None:
    assert problems_of(tmp_path, ROW, ROW) == ["i.csv:3:1: symbol: AAPL at nasdaq stands twice; one row for each symbol and venue"]
    other = ROW.replace("AAPL,nasdaq", "APPL,nasdaq", 1)
    assert problems_of(tmp_path, ROW, other) == ["i.csv:3:13: venue_symbol: AAPL at nasdaq is already AAPL; one symbol each"]


def test_a_header_must_name_every_column(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, ROW, header=HEADER.replace("ccy", "currency"))
    assert problem.startswith("i.csv:1: the header is wrong about ['ccy', 'currency']; it must name symbol,venue,")
    (problem,) = problems_of(tmp_path, ROW, header=HEADER + ",ccy")
    assert "a column twice" in problem


def test_a_file_without_rows_or_not_there(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == ["i.csv:1: 0 rows; at least one, at most 1048576"]
    with pytest.raises(ConfigError, match="none.csv:1: cannot be read: No such file"):
        instruments.load(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match="not ASCII text"):
        instruments.load(tmp_path / "latin.csv")


# --- TOML --------------------------------------------------------------------------------------------------------------------

TOML = """\
[tick_tables]
bund = [["-10", "0.005"], ["100", "0.01"]]
[[instrument]]
symbol = "FGBL"
venue = "eurex"
venue_symbol = 5578
px_exp = -3
qty_exp = 0
tick_table = "bund"
lot = 1
multiplier = 1000
ccy = "EUR"
status = "active"
default_route = "eurex"
ref_px = "-1.125"
"""


def toml_problems(folder: Path, text: str) -> list[str]:
    file = folder / "i.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        instruments.load(file)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_instruments_from_toml_with_a_tick_table_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "i.toml").write_text(TOML)
    (row,) = instruments.load(tmp_path / "i.toml").rows
    assert (row.venue_symbol, row.ticks, row.multiplier, row.ref_px) == ("5578", ((-10_000, 5), (100_000, 10)), 1000, -1125)


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ('ref_px = "-1.125"', "ref_px = -1.125", "i.toml:15: ref_px: -1.125 must be text, ref_px = \"-1.125\", so that it stays exact"),
        ('ccy = "EUR"', 'cyc = "EUR"', "i.toml:12: cyc: unknown key; the keys are symbol, venue,"),
        ('ccy = "EUR"', "", "i.toml:3: ccy: is missing; add it"),
        ('"bund"', '"bnd"', "i.toml:9: tick_table: 'bnd' is unknown; one of us_equity, cent, quarter, bund"),
        ('"100", "0.01"', '"-11", "0.01"', "i.toml:9: tick_table: the prices of a tick table must rise"),
        ('"100", "0.01"', '"100", 0.01', 'i.toml:2: tick_tables.bund: write [["0", "0.0001"], ["1", "0.01"]], prices as text'),
        ("[[instrument]]", "[instrument]", "i.toml:3: instrument: must be tables, each begun by [[instrument]]"),
        ("[[instrument]]", "[[instruments]]", "i.toml:3: instruments: unknown key; [[instrument]] or [tick_tables]"),
        ("[tick_tables]\nbund", "tick_tables = 3\n[x]\nbund", "i.toml:1: tick_tables: must be a table"),
    ],
)
def test_a_mistake_in_the_toml_is_told_with_its_line(tmp_path: Path, right: str, wrong: str, problem: str) -> None:
    assert right in TOML
    found = toml_problems(tmp_path, TOML.replace(right, wrong, 1))
    assert any(line.startswith(problem) for line in found), found
