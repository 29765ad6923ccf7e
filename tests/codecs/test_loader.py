"""A layout that is not sound is refused, with file, line, what is wrong and what would be right."""

from pathlib import Path

import pytest

from gateway import codecs
from gateway.codecs import loader
from gateway.codecs.rows import LayoutError, Source
from gateway.codecs.tables import compile_table

GOOD = '''# A protocol with one of everything, for planting errors in.
protocol = "good"
version = "1"
byte_order = "big"

[frame]
rows = """
offset len type name          binding
     0   2 u16  length        @length after 2
     2   1 char kind          @type
"""

[token]
scope = "day"

[types]
price = "u64 decimals 4 absent 0x7FFFFFFF max 1000000"
side = "char enum side"
code = "char enum code"

[enum.side]
B = "buy"
S = "sell"

[enum.code]
X = "something of the venue's"

[tags]
name = "extra"
total = "u16"
length = "u8"
tag = "u8"
counts_tag = true
rows = """
tag len type  name   binding
  1   4 u32   floor  max_floor
  2   4 alpha firm   mpid else session.mpid
"""

[message.Enter]
from = "client"
type = "O"
implies = { kind = "new_order", "ord_type if price" = "limit" }
accepts = "display"
tags = "1 2"
rows = """
offset len type   name    binding
     3   4 u32    number  token !
     7   1 side   side    side !
     8   8 price  price   price
    16   8 alpha  symbol  instrument.symbol !
    24   1 char   free    = N
"""

[message.Done]
from = "venue"
type = "D"
rows = """
offset len type   name    binding
     3   4 u32    number  token !
     7   1 code   why     text
     8   * rest   more    -
"""
'''

# What is replaced by what, and what must be said: at least twenty ways to get a layout wrong.
PLANTED = {
    "not toml": ('protocol = "good"', 'protocol = "good', r"not valid TOML: .*line 2"),
    "no version": ('version = "1"', "", r"version = \"…\" is missing"),
    "unknown section": ("[token]", "[tokens]", r"good.toml:13: layout: 'tokens' is not known; known are byte_order, document"),
    "byte order": ('"big"', '"middle"', r'good.toml:4: byte_order must be "big" or "little"'),
    "gap": ("8   8 price  price ", "9   8 price  price ", r"good.toml:50: price at 9 leaves a gap: the field before it ends at 8"),
    "overlap": ("8   8 price  price ", "7   8 price  price ", r"good.toml:50: price at 7 overlaps the field before it, which ends at 8"),
    "width of a number": ("3   4 u32    number  token !\n     7   1 side", "3   3 u32    number  token !\n     6   1 side", r"good.toml:48: number: len 3, but u32 has 4"),
    "no such type": ("8   8 price  price", "8   8 prise  price", r"good.toml:50: price: type 'prise' is not known"),
    "no such field": ("price   price\n", "price   prize\n", r"good.toml:50: price: an order has no field 'prize'"),
    "name twice": ("free    = N", "price   = N", r"good.toml:52: \[message.Enter\]: price is there twice"),
    "report's field in a request": ("price   price\n", "price   last_px\n", r"'last_px' is a report's field; a client's message binds an order's fields only"),
    "enum without a house name": ('S = "sell"', 'S = "sold"', r"good.toml:49: \[enum.side\] S = 'sold': side has no such value; it has buy, sell"),
    "two codes of one meaning": ('S = "sell"', 'S = "buy"', r"two codes mean 'buy'; name the one that is only read in 'decode only'"),
    "no such enum": ('"char enum code"', '"char enum cods"', r"good.toml:19: type 'code': there is no \[enum.cods\]"),
    "code too long": ('X = "something', 'XYZ = "something', r"code 'XYZ' must be one character, SP for a space, or a number"),
    "enum in a number": ("price   price\n", "price   side\n", r"'side' is an enum; give its codes"),
    "absent too large": ("absent 0x7FFFFFFF", "absent 0x1FFFFFFFFFFFFFFFF", r"good.toml:17: type 'price': \d+ does not fit u64"),
    "decimals on a counter": ("number  token !\n     7   1 side", "number  token !\n     7   1 side", None),
    "unknown word in a type": ("decimals 4", "decimal 4", r"good.toml:17: type 'price': 'decimal' is not known here"),
    "unknown word in a binding": ("token !\n     7   1 side", "token mostly\n     7   1 side", r"good.toml:48: number: 'mostly' is not understood in the binding"),
    "no binding": ("free    = N", "free", r"good.toml:52: free: no binding; write - if it is not used"),
    "unknown @": ("= N", "@checksum", r"good.toml:52: free: '@checksum' is not known"),
    "constant too long": ("= N", "= NO", r"good.toml:52: free: code 'NO' must be one character"),
    "session value misnamed": ("session.mpid", "session.", r"'session.' must be session.NAME"),
    "instrument value unknown": ("instrument.symbol", "instrument.tick", r"an instrument has no 'tick'; it has symbol, security_id"),
    "tag twice": ("  2   4 alpha firm", "  1   4 alpha firm", r"good.toml:37: tag 1 is there twice"),
    "tag too large": ("  2   4 alpha firm", "300   4 alpha firm", r"good.toml:37: firm: tag must be a number that fits u8"),
    "tag of nothing": ('tags = "1 2"', 'tags = "1 3"', r"good.toml:40: \[message.Enter\] tags: there is no tag 3 in \[tags\]"),
    "same type twice": ('type = "D"', 'type = "D"\n[message.Other]\nfrom = "venue"\ntype = "D"', r"good.toml:58: \[message.Other\] has the type of Done, and both are from the venue"),
    "no sender": ('from = "venue"', 'from = "server"', r'good.toml:55: \[message.Done\] from must be "client", "venue" or "either"'),
    "type too wide": ('type = "D"', "type = 300", r"good.toml:55: \[message.Done\] type 300 does not fit kind"),
    "rest in the middle": ("3   4 u32    number  token !\n     7   1 code", "3   * rest   number  -\n     7   1 code", r"what goes to the end of the frame must be the last field"),
    "rest with a length": ("8   * rest", "8   4 rest", r"good.toml:62: more: the len of rest is \*"),
    "no length": ("@length after 2", "-", r"good.toml:6: \[frame\] needs either one field bound to '@length after N' or fixed = N"),
    "no type": ("@type", "-", r"good.toml:6: \[frame\] needs one field of one or two bytes bound to @type"),
    "implied nonsense": ('kind = "new_order"', 'kind = "new"', r"good.toml:40: \[message.Enter\] implies: kind has no value 'new'"),
    "implied number": ('kind = "new_order"', 'price = "1"', r"implies: 'price' must be ENUM_FIELD"),
    "accepts nonsense": ('accepts = "display"', 'accepts = "dispaly"', r"accepts: an order has no field 'dispaly'"),
    "heading": ("offset len type   name    binding\n     3   4 u32    number  token !\n     7   1 side", "offset size type   name    binding\n     3   4 u32    number  token !\n     7   1 side", r"good.toml:47: the heading is"),
    "unknown key of a message": ('accepts = "display"', 'accept = "display"', r"good.toml:40: \[message.Enter\]: 'accept' is not known; known are accepts"),
    "? on a number": ("token !\n     7   1 side", "token ?\n     7   1 side", r"\? is for text only"),
    "text too wide": ("16   8 alpha  symbol  instrument.symbol !\n    24", "16  40 alpha  symbol  instrument.symbol !\n    56", r"40 characters do not fit 'symbol', which has 16"),
    "scope of tokens": ('scope = "day"', 'scope = "week"', r'good.toml:13: \[token\] scope must be "live", "day" or "ever"'),
    "rest with tags": ('from = "venue"\ntype = "D"', 'from = "venue"\ntype = "D"\ntags = "1"', r"tags needs a \[tags\] section, and no field of type rest"),
}  # fmt: skip
del PLANTED["decimals on a counter"]


def parse(text: str) -> Source:
    return Source.parse(Path("good.toml"), text)


def test_the_layout_that_errors_are_planted_in_is_sound() -> None:
    layout = codecs.Layout(loader.build(parse(GOOD)))
    assert [m.name for m in layout.meaning.messages] == ["Enter", "Done"]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_caught_and_named(name: str) -> None:
    old, new, said = PLANTED[name]
    assert old in GOOD
    with pytest.raises(LayoutError, match=said):
        loader.build(parse(GOOD.replace(old, new, 1)))


def test_decimals_belong_to_prices_and_quantities() -> None:
    with pytest.raises(LayoutError, match=r"'security_id' is neither a price nor a quantity"):
        loader.build(parse(GOOD.replace("price   price\n", "price   security_id\n")))


def test_what_cannot_be_left_out_on_the_wire_must_be_given() -> None:
    # A code without an absent value, left out, would be sent as padding that nobody can read back.
    meaning = loader.build(parse(GOOD.replace("side !", "side")))
    assert next(f for f in meaning.names["Enter"].fields if f.name == "side").binding.mark == "!"


def test_an_unknown_protocol_names_those_there_are() -> None:
    with pytest.raises(LayoutError, match=r"no layout 'ouch51'; there are .*order_api, ouch50, soupbintcp"):
        loader.load("ouch51")


def test_a_carried_layout_needs_its_carriers() -> None:
    path = loader.LAYOUTS / "venues" / "ouch50.toml"
    text = path.read_text().replace('venue = "SequencedData"', 'venue = "ServerHeartbeat"')
    with pytest.raises(LayoutError, match=r"\[frame\] venue must name a message of soupbintcp from the venue that ends in rest"):
        loader.build(Source.parse(path, text))


def test_compiling_is_repeatable() -> None:
    meaning = loader.load("ouch50")
    assert compile_table(meaning) == compile_table(meaning)
