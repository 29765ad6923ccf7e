"""The unified order record: what is generated from its layout is current, and C and Python agree on every byte of it."""

import struct
from pathlib import Path

import cffi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import model, native
from gateway.client import _records
from gateway.codecs import generate, records
from gateway.codecs.rows import LAYOUTS, LayoutError, Source

ORDER = LAYOUTS / "house" / "order.toml"


def test_every_generated_file_is_current() -> None:
    for name, text in generate.generated().items():
        assert (generate.ROOT / name).read_text() == text, f"{name}: run `python -m gateway.codecs.generate`"


def test_every_reason_fits_whole_into_the_text_of_a_report() -> None:
    house = records.order()
    room = next(f.size for f in house.records["gw_report"].fields if f.name == "text")
    too_long = [value.text for value in house.enums["reason"].values if not 0 < len(value.text) <= room]
    assert not too_long, f"longer than {room}: {too_long}"


def test_the_c_structs_have_the_layout_of_the_rows() -> None:
    # cffi computes offsets by the C compiler's rules; a cdef is the header itself.
    ffi = cffi.FFI()
    ffi.cdef(native.cdef("csrc/records.h"))
    for record in records.order().records.values():
        assert ffi.sizeof(record.name) == record.size
        offsets = dict(ffi.typeof(record.name).fields)
        for field in record.fields:
            if field.primitive != "pad":
                assert (offsets[field.name].offset, ffi.sizeof(offsets[field.name].type)) == (field.offset, field.size), field.name


def test_sizes_that_others_rely_on() -> None:
    assert (_records.ORDER.size, _records.REPORT.size) == (440, 896)


def test_enums_carry_the_fix_characters() -> None:
    assert (model.Side.BUY, model.Side.SELL_SHORT, model.OrdType.LIMIT) == ("1", "5", "2")
    assert (model.ExecType.DENIED, model.ExecType.IN_DOUBT, model.ExecType.TRADE) == ("X", "U", "F")
    assert model.Reason.BAD_TICK.text == "the price is not a multiple of the instrument's tick"
    assert len(model.Reason) == 33


def test_absent_is_not_zero() -> None:
    given_zero = _records.ORDER.pack({"price": 0, "side": "1"})
    assert _records.ORDER.unpack(given_zero) == {"price": 0, "side": "1"}
    assert struct.unpack_from("<Q", given_zero)[0] == 1 << 8 | 1 << 23


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prise": 1}, "no field prise"),
        ({"price": 1.5}, "price must be an integer"),
        ({"price": 1 << 63}, "gw_order:"),
        ({"symbol": "SEVENTEEN_LETTERS"}, "at most 16"),
        ({"symbol": "A\n"}, "printable"),
        ({"has": 1}, "no field has"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(values: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _records.ORDER.pack(values)


def values_of(field: records.Field) -> st.SearchStrategy[int | str]:
    if field.primitive in ("text", "char"):
        return st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=field.size)
    bits = 8 * field.size
    return st.integers(0, (1 << bits) - 1) if field.primitive[0] == "u" else st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


REPORT_FIELDS = {f.name: values_of(f) for f in records.order().records["gw_report"].flat() if f.bit >= 0}


@given(st.fixed_dictionaries({}, optional=REPORT_FIELDS))
def test_pack_and_unpack_are_inverse(values: dict[str, int | str]) -> None:
    assert _records.REPORT.unpack(_records.REPORT.pack(values)) == values


GOOD = """
protocol = "x"
version = "1"
byte_order = "little"
[types]
side = "char enum side"
[enum.side]
1 = "buy"
[record.r]
rows = \"\"\"
offset len type name meaning
     0   8 u64  has
     8   8 i64  price  in ticks
    16   1 side side
    17   7 pad  pad
\"\"\"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("16   1 side side", "17   1 side side", r"x.toml:14: side is at 17, but the field before it ends at 16"),
        ("8   8 i64  price", "8   4 i64  price", r"x.toml:13: price has len 4; its type i64 has 8"),
        ("8   8 i64  price", "8   8 i46  price", r"x.toml:13: price: type 'i46' is not known"),
        ("17   7 pad  pad", "17   6 pad  pad", r"23 bytes long; pad it to a multiple of 8"),
        ("16   1 side side\n    17   7 pad  pad", "16   1 u8 n\n    17   8 u64 x", r"x at 17 is not aligned to its 8 bytes"),
        ('1 = "buy"', '1 = "buy"\n2 = "buy"', r"x.toml:7: \[enum.side\] name 'buy' is given twice"),
        ('1 = "buy"', '11 = "buy"', r"keys must be single characters"),
        ("char enum side", "char enum sides", r"x.toml:6: type 'side' must be"),
        ("offset len type", "offset size type", r"x.toml:11: the heading is"),
        ('byte_order = "little"', 'byte_order = "big"', r'x.toml:4: a record layout has byte_order = "little"'),
    ],
)
def test_an_error_in_a_record_layout_says_where_and_what(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(LayoutError, match=said):
        records.build(Source.parse(Path("x.toml"), GOOD.replace(old, new)))
