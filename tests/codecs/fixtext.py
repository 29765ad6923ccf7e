"""FIX messages for tests, written as text with | for SOH; length and checksum are computed here, not by the code under test."""


def soh(text: str) -> bytes:
    """`text` with every | turned into SOH."""
    return text.replace("|", "\x01").encode("latin-1")


def sealed(frame: bytes) -> bytes:
    """`frame` (up to and with the SOH before the trailer) with its CheckSum: FIX 4.4 vol. 1, sum of all bytes modulo 256."""
    return frame + b"10=%03d\x01" % (sum(frame) % 256)


def wire(body: str, begin: str = "FIX.4.4", length: int | None = None) -> bytes:
    """A whole frame around `body`, which begins with 35=; BodyLength counts from there to the SOH before 10=."""
    content = soh(body)
    return sealed(soh(f"8={begin}|9={len(content) if length is None else length}|") + content)


HEADER = "35=D|34=7|49=STRAT|52=20261120-08:00:00.123|56=GW|"
ORDER = HEADER + "11=A1|55=MSFT|54=1|38=100|40=2|44=415.25|59=0|60=20261120-08:00:00|"
