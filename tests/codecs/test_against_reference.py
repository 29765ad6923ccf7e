"""The C interpreter against the plain Python codec, on records, values and bytes that nobody chose."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import codecs
from gateway.codecs import loader, records, reference
from gateway.codecs.layout import Message
from tests.codecs import laws
from tests.codecs.support import PROTOCOLS, REPORT_OR_ORDER, examples

pytestmark = pytest.mark.more

OUCH = codecs.load("ouch50")
HOUSE = records.order()
BOUND = [(p, m.name) for p in ("ouch50", "order_api") for m in loader.load(p).messages if any(f.binding.field or f.type.base[:3] == "gw_" for f in m.all_fields)]


def values_of(field: records.Field) -> st.SearchStrategy[Any]:
    """Values of a record's field, those that wires can carry more often than others."""
    if field.enum:
        values = [v.value for v in HOUSE.enums[field.enum].values]
        return st.sampled_from([chr(v) if field.primitive == "char" else v for v in values])
    if field.primitive == "text":
        short = st.text(st.characters(min_codepoint=48, max_codepoint=57), min_size=1, max_size=min(20, field.size))
        return st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=field.size) | short | st.sampled_from(["A", "AAPL", "A "])
    if field.name in ("px_exp", "qty_exp"):
        return st.sampled_from([-8, -4, -4, -2, 0, 0, 3, -128, 127])
    bits = 8 * field.size
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if field.primitive[0] == "i" else (0, (1 << bits) - 1)
    round_numbers = st.integers(0, 2_000_000).map(lambda n: min(n * 10_000, high)) if bits == 64 else st.integers(low, high)
    return st.integers(max(low, 0), min(high, 1_000_000)) | st.integers(low, high) | round_numbers | st.sampled_from([0, min(high, 0x7FFFFFFF), min(high, 2_000_000_000)])


def record_of(m: Message) -> st.SearchStrategy[dict[str, Any]]:
    """Records that `m` can mostly say: its fields always or often, what it implies rightly or wrongly, others seldom."""
    fields = {f.name: f for f in HOUSE.records["gw_order" if m.sender != "venue" else "gw_report"].flat() if f.bit >= 0}
    whole = any(f.type.base.startswith("gw_") for f in m.fields)
    required = {f.binding.field.name for f in m.all_fields if f.binding.field and f.binding.mark == "!"} | {"px_exp", "qty_exp"}
    sayable = set(fields) if whole else {f.binding.field.name for f in m.all_fields if f.binding.field} | {"ord_type", "account", "cl_ord_num"}
    implied = {im.field.name: st.just(chr(im.value)) for im in m.implies if im.condition is None}
    usual = st.fixed_dictionaries(
        {n: values_of(fields[n]) for n in sorted(required & set(fields))} | implied,
        optional={n: values_of(fields[n]) for n in sorted(sayable - required - set(implied))},
    )
    any_at_all = st.fixed_dictionaries(implied if whole else {}, optional={n: values_of(f) for n, f in fields.items() if not whole or n not in implied})
    return usual | usual | usual | any_at_all


SESSION = st.builds(
    codecs.Values,
    session=st.fixed_dictionaries(
        {}, optional={"display": st.sampled_from(["Y", "N", "A"]), "capacity": st.just("A"), "mpid": st.sampled_from(["DEMO", "TOO LONG", "X"]), "midnight": st.integers(-(1 << 62), 1 << 62)}
    ),
    instrument=st.fixed_dictionaries({}, optional={"symbol": st.sampled_from(["MSFT", "BRK.A", "MUCHTOOLONG"])}),
)


def encoded(layout: codecs.Layout, name: str, record: dict[str, Any], values: codecs.Values, sender: str) -> tuple[Any, Any]:
    """What C and what the reference make of a record: bytes, or the fault."""
    try:
        mine: Any = layout.encode(name, REPORT_OR_ORDER[sender].pack(record), values)
    except codecs.CodecError as error:
        mine = error.code
    try:
        other: Any = reference.from_record(layout.meaning, name, record, values)
    except codecs.Refused as refused:
        other = refused.code
    return mine, other


@pytest.mark.parametrize(("protocol", "name"), BOUND, ids=lambda v: v)
def test_any_record_is_encoded_or_refused_alike(protocol: str, name: str) -> None:
    layout = codecs.load(protocol)
    m = layout.meaning.names[name]
    sender = laws.sender_of(m)

    @examples(40)
    @given(record_of(m), SESSION)
    def alike(record: dict[str, Any], values: codecs.Values) -> None:
        values = values if protocol == "ouch50" else codecs.Values()
        mine, other = encoded(layout, name, record, values, sender)
        assert mine == other
        if not isinstance(mine, bytes):
            return
        # And what was encoded is understood, alike, and means the same when it is said again.
        verdict = laws.by_c(layout, mine, sender, values)
        assert verdict == laws.by_reference(layout, mine, sender, values)
        if verdict is not None and verdict[0] == "record":
            again, _ = encoded(layout, name, verdict[1][2], values, sender)
            assert laws.by_c(layout, again, sender, values) == verdict

    alike()


@examples(200)
@given(st.sampled_from(PROTOCOLS), st.sampled_from(["client", "venue"]), st.binary(max_size=200))
def test_any_bytes_get_the_same_verdict(protocol: str, sender: str, data: bytes) -> None:
    laws.same_verdict(codecs.load(protocol), data, sender)


@examples(200)
@given(st.data())
def test_any_damage_to_a_frame_gets_the_same_verdict(data: st.DataObject) -> None:
    layout = codecs.load(data.draw(st.sampled_from(["ouch50", "soupbintcp"])))
    m = data.draw(st.sampled_from(layout.meaning.messages))
    frame = bytearray(data.draw(st.sampled_from(laws.frames(layout, m))))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(frame) - 1), st.integers(0, 255)), max_size=4)):
        frame[at] = value
    laws.same_verdict(layout, bytes(frame[: data.draw(st.integers(0, len(frame)))]), laws.sender_of(m))
    laws.same_verdict(layout, bytes(frame), laws.sender_of(m))
