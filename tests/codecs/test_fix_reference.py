"""The plain reading of FIX: what it takes and refuses, by the specification; and the C codec takes nothing that it reads otherwise."""

import pytest

from gateway.codecs import fix
from gateway.codecs.fix_reference import LENGTH_OF, Malformed, fields
from gateway.seams import SeededRng
from tests.codecs.fixtext import ORDER, sealed, soh, wire

HEAD = "35=B|34=1|49=A|52=20261120-08:00:00|56=B|"


def test_fields_come_in_the_order_of_the_wire() -> None:
    assert fields(wire("35=0|34=2|49=A|52=20261120-08:00:00|56=B|")) == (
        (8, b"FIX.4.4"), (9, b"41"), (35, b"0"), (34, b"2"), (49, b"A"), (52, b"20261120-08:00:00"), (56, b"B"), (10, b"125"),
    )  # fmt: skip


def test_a_data_field_may_hold_an_soh() -> None:
    """FIX 4.4 vol. 1: a field of type data is as long as the length field before it says."""
    assert dict(fields(wire(HEAD + "95=3|96=a|b|")))[96] == b"a\x01b"
    assert dict(fields(wire(HEAD + "93=3|89==|||")))[89] == b"=\x01\x01", "the length of Signature is the one whose tag is not one less"


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (wire(HEAD, length=9), "BodyLength is 9; "),
        (wire(HEAD)[:-4] + b"999\x01"[-4:], "CheckSum is 999; "),
        (sealed(soh("9=5|8=FIX.4.4|") + soh("35=0|")), "BeginString .8. is not where it must be"),
        (sealed(soh("8=FIX.4.4|35=0|9=5|")), "BodyLength .9. is not where it must be"),
        (wire("34=1|35=0|"), "MsgType .35. is not where it must be"),
        (wire(HEAD + "x=1|"), "does not begin with a tag"),
        (wire(HEAD + "011=1|"), "does not begin with a tag"),
        (wire(HEAD + "95=9|96=a|"), "95 says that 96 has 9 bytes, and it has not"),
        (wire(HEAD + "95=x|96=a|"), "95 says that 96 has x bytes, and it has not"),
        (wire(HEAD)[:-1], "10 has no end"),
        (b"", "BeginString .8. is not where it must be"),
    ],
)
def test_what_is_no_message_says_why(message: bytes, what: str) -> None:
    with pytest.raises(Malformed, match=what):
        fields(message)


def test_the_c_codec_reads_every_message_as_it_is_read_here(seed: int) -> None:
    """Fields changed, doubled, dropped and moved; messages that the C takes have the same fields here."""
    rng = SeededRng(seed)
    taken = 0
    pool = [field for field in ORDER.split("|") if field] + [f"{n}=2|{data}=a|" for data, n in sorted(LENGTH_OF.items())] + ["58=x=y", "6000=1", "1=", "95=1|96=|"]
    for _ in range(500):
        body = ["35=D", "34=7", "49=STRAT", "52=20261120-08:00:00.123", "56=GW"] + [pool[rng.below(len(pool))] for _ in range(rng.below(12))]
        if rng.below(4) == 0:
            body.insert(1 + rng.below(len(body) - 1), pool[rng.below(len(pool))])
        message = bytearray(wire("|".join(body) + "|"))
        if rng.below(8) == 0:
            message[rng.below(len(message))] = rng.below(256)
        try:
            seen = fix.scan(bytes(message)).fields
        except fix.FixFault:
            continue
        taken += 1
        if all(tag for tag, _ in seen):  # a tag that is no number is 0 there
            assert (*seen, (10, bytes(message[-4:-1]))) == fields(bytes(message)), bytes(message)
    assert taken > 50, f"seed {seed}: {taken} of 500 were taken"
