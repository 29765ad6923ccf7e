"""The meaning of a protocol's layout: frame, messages, wire fields, and what each field is bound to.

A layout is one TOML file. Its rows have five columns, `offset len type name binding`; offsets count from the first byte of the
message's own layer (the frame's header is put in front). The binding column says what a field is to the house:

    -                        not used; encodes its absent value, else padding
    = X                      X when encoded, not looked at when decoded         == X   must be X in both directions
    @length after N          the frame's length, counted after byte N           @type  what tells the message
    price !                  the record's field; ! = must be given              price = X   X when it is not given
    cl_ord_id ?              for information: left blank where the value does not fit, never a reason to refuse
    mpid else session.mpid   the record's field, else the session's value       session.x = X   the session's value, else X
    instrument.symbol        the instrument's value, else the record's field of that name, which decoding fills
    transact_time since session.midnight    ns since the session's value
    … secret                 (last word) masked in the journal

`implies = {kind = "new_order", "ord_type if price" = "limit"}` are values off the wire: decoding sets them, encoding refuses others.
"""

from dataclasses import dataclass
from typing import Any, Literal

from gateway.codecs.records import PRIMITIVES, Field

# alpha: ASCII padded with spaces; text: ASCII padded with NUL; digits: a number as ASCII digits, right-justified;
# rest: all bytes to the end of the frame (so is text of len *); a record's name: the house's record itself.
TEXTUAL = ("alpha", "text")
Sender = Literal["client", "venue", "either"]
# Slots of gw_values.instrument, in csrc/layout.h as GW_INSTRUMENT_….
INSTRUMENT_VALUES = ("symbol", "security_id")


@dataclass(frozen=True)
class WireType:
    """How a value lies on the wire. `absent` are the wire values that mean "not given", the first is the one to write."""

    base: str
    decimals: int | None = None
    absent: tuple[int, ...] = ()
    low: int | None = None
    high: int | None = None
    enum: str | None = None
    right: bool = False

    @property
    def signed(self) -> bool:
        return self.base[0] == "i"

    @property
    def is_number(self) -> bool:
        return self.base in PRIMITIVES and self.base != "char"


@dataclass(frozen=True)
class WireEnum:
    """Codes of one wire field: `both` ways, `decode_only` (a second code of one meaning), `unmapped` (known, but nothing to us)."""

    name: str
    both: dict[int, str]
    decode_only: dict[int, str]
    unmapped: dict[int, str]


@dataclass(frozen=True)
class Binding:
    """What a wire field is to the house; see the module's first lines."""

    kind: Literal["none", "constant", "check", "length", "type", "field"] = "none"
    field: Field | None = None
    mark: str = ""  # "!" must be given, "?" for information
    value: int | bytes | None = None  # of a constant or default, as on the wire
    session: str | None = None
    instrument: str | None = None
    since: bool = False  # the session's value is added to the wire's
    after: int = 0


@dataclass(frozen=True)
class WireField:
    """One field of a message, or one option of its tags (then `offset` is the tag)."""

    index: int
    name: str
    offset: int
    size: int
    type: WireType
    binding: Binding
    secret: bool
    line: int

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True)
class Imply:
    """A value that is off the wire: `field` is `value` in the message (if `condition` is given; unless, with `sense` False)."""

    field: Field
    value: int
    condition: Field | None
    sense: bool


@dataclass(frozen=True)
class TagFormat:
    """The appendage: a length of the whole, then elements of a length (counting `counted` bytes more than the value), tag, value."""

    total: int
    length: int
    tag: int
    counted: int
    name: str  # of the whole; its length is the field NAME_length


@dataclass(frozen=True)
class Message:
    """One message as a whole frame; `fields` lie in the first `block` bytes, of which a sender may leave out all after `minimum`."""

    index: int
    name: str
    title: str
    sender: Sender
    key: int
    inner: bool  # carried inside a packet of the session layer
    fields: tuple[WireField, ...]
    block: int
    minimum: int
    rest: WireField | None
    tags: tuple[WireField, ...]
    tags_always: bool
    implies: tuple[Imply, ...]
    accepts: frozenset[str]
    line: int

    @property
    def all_fields(self) -> tuple[WireField, ...]:
        """Block fields, the rest, then the tags: the position in this tuple is the field's index."""
        return self.fields + ((self.rest,) if self.rest else ()) + self.tags


@dataclass(frozen=True)
class Frame:
    """How a message is cut from the stream: its length from a field, or `fixed` bytes where there is none."""

    length_at: int
    length_width: int
    after: int
    fixed: int
    least: int
    most: int
    multiple: int
    type_at: int
    type_width: int
    carriers: dict[str, int]  # sender → key of the packet that carries messages
    inner_at: int
    inner_width: int


@dataclass(frozen=True)
class Meaning:
    """A checked layout."""

    protocol: str
    version: str
    document: str
    big: bool
    frame: Frame
    messages: tuple[Message, ...]
    enums: dict[str, WireEnum]
    tag_format: TagFormat | None
    session_values: tuple[str, ...]
    token: dict[str, Any]
    throttle: dict[str, Any]
    px_exp: int
    qty_exp: int
    digest: str
    names: dict[str, Message]


def limits(kind: WireType) -> tuple[int, int]:
    """The least and the greatest value that the primitive of `kind` can hold."""
    bits = 8 * PRIMITIVES[kind.base]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.signed else (0, (1 << bits) - 1)


def pad(kind: WireType, value: bytes, size: int) -> bytes:
    """`value` as text of `kind`, padded to `size` on its side."""
    filler = b" " if kind.base in ("alpha", "digits") else b"\0"
    return value.rjust(size, filler) if kind.right or kind.base == "digits" else value.ljust(size, filler)
