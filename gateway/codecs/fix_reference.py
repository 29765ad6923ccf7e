"""FIX tag=value by the text of its specification, in plain Python and without the C codec; `gateway decode` and tests hold the two together."""

SOH = b"\x01"
# Fields of type data, whose value may hold an SOH: the field that gives the length of each (FIX 4.4 vol. 6, "data").
LENGTH_OF = {
    89: 93, 91: 90, 96: 95, 213: 212, 349: 348, 351: 350, 353: 352, 355: 354, 357: 356, 359: 358, 361: 360, 363: 362, 365: 364, 446: 445, 619: 618, 622: 621,
}  # fmt: skip
TRAILER_BYTES = 7  # 10=nnn and an SOH


class Malformed(Exception):
    """Bytes that are no message; `offset` is the byte that is wrong."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.offset = offset


def fields(message: bytes) -> tuple[tuple[int, bytes], ...]:
    """(tag, value) of every field of one whole message, in wire order.

    Raises: Malformed where BeginString, BodyLength and CheckSum are not the first, second and last field, or are wrong (FIX 4.4 vol. 2,
    "message format"), a field is none, or the length of a data field lies.
    """
    found: list[tuple[int, bytes]] = []
    at = body = 0
    while at < len(message):
        tag, value, end = _field(message, at, found[-1] if found else None)
        found.append((tag, value))
        at = end
        if len(found) == 2:
            body = at
    tags = [tag for tag, _ in found]
    for place, tag, name in ((0, 8, "BeginString"), (1, 9, "BodyLength"), (2, 35, "MsgType"), (-1, 10, "CheckSum")):
        if len(tags) < 4 or tags[place] != tag:
            raise Malformed(f"{name} ({tag}) is not where it must be", 0)
    trailer = len(message) - TRAILER_BYTES
    if not found[1][1].isdigit() or int(found[1][1]) != trailer - body:
        raise Malformed(f"BodyLength is {found[1][1].decode('latin-1')}; {trailer - body} bytes follow it up to CheckSum", body)
    if found[-1][1] != b"%03d" % (sum(message[:trailer]) % 256):
        raise Malformed(f"CheckSum is {found[-1][1].decode('latin-1')}; {sum(message[:trailer]) % 256:03} is right", trailer)
    return tuple(found)


def _field(message: bytes, at: int, before: tuple[int, bytes] | None) -> tuple[int, bytes, int]:
    """The field that begins at `at`, and where the next one does."""
    equals = message.find(b"=", at)
    text = message[at:equals] if equals >= 0 else b""
    if not text.isdigit() or text.startswith(b"0"):
        raise Malformed(f"{message[at : at + 8]!r} does not begin with a tag", at)
    tag, begin = int(text), equals + 1
    end = message.find(SOH, begin)
    if tag in LENGTH_OF and before is not None and before[0] == LENGTH_OF[tag]:
        end = begin + int(before[1]) if before[1].isdigit() else -1
        if message[end : end + 1] != SOH:
            raise Malformed(f"{before[0]} says that {tag} has {before[1].decode('latin-1')} bytes, and it has not", begin)
    if end < 0:
        raise Malformed(f"{tag} has no end", begin)
    return tag, message[begin:end], end + 1
