"""Between a session machine and a lane: journaled frames become the machine's inputs, its messages become fields of a command.

A tongue knows one protocol and no connection. It judges nothing: the lane has classed what came, the machine decides.
"""

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from gateway.codecs import fix
from gateway.codecs.layout import Meaning
from gateway.codecs.reference import Refused, decode_fields
from gateway.lane import commands
from gateway.lane.native import lib
from gateway.lane.records import Inbound
from gateway.sessions.actions import Fault, Fields, HeaderFault, Input, Key, Message, SecretRef, SeqHigh, SeqLow, Value
from gateway.sessions.fix_rim import HEADER


class Tongue(Protocol):
    """One protocol."""

    def hear(self, inbound: Inbound) -> Input:
        """What the session machine is told about this message."""

    def say(self, type: str, fields: Fields) -> tuple[int, bytes]:
        """Number of the message and its body, for commands.send. Raises: KeyError where the protocol has no such message or field."""


def _octets(value: Value) -> tuple[bytes | int, bool]:
    match value:
        case SecretRef(name=name):
            return name.encode(), True
        case int() | bytes():
            return value, False
        case str():
            return value.encode("latin-1"), False
    raise TypeError(f"a group of fields cannot be sent by a session: {value!r}")


# ----------------------------------------------------------------------------------------------------------------------- FIX

# What is odd in a message that is not garbled → SessionRejectReason(373) and its words.
ODD = {
    lib.GW_FIX_ODD_TAG: (0, "Invalid tag number"),
    lib.GW_FIX_ODD_EMPTY: (4, "Tag specified without a value"),
    lib.GW_FIX_ODD_REPEATED: (13, "Tag appears more than once"),
    lib.GW_FIX_ODD_LATE: (14, "Tag specified out of required order"),
    lib.GW_FIX_ODD_VALUE: (6, "Incorrect data format for value"),
}
# The codec's fault of a message that is known but cannot be read → the same.
FAULTS = {
    lib.GW_E_MISSING: (1, "Required tag missing"),
    lib.GW_E_EMPTY: (4, "Tag specified without a value"),
    lib.GW_E_VALUE: (5, "Value is incorrect (out of range) for this tag"),
    lib.GW_E_RANGE: (5, "Value is incorrect (out of range) for this tag"),
    lib.GW_E_SCALE: (5, "Value is incorrect (out of range) for this tag"),
    lib.GW_E_FORMAT: (6, "Incorrect data format for value"),
    lib.GW_E_TEXT: (6, "Incorrect data format for value"),
    lib.GW_E_TAG: (13, "Tag appears more than once"),
}
OTHER = (99, "Message cannot be read")


class FixTongue:
    """FIX: fields by their tags, text in latin-1."""

    def __init__(self, codec: fix.FixCodec) -> None:
        self._codec = codec

    def hear(self, inbound: Inbound) -> Input:
        message = self.message(inbound)
        if inbound.cls == lib.CLS_HEADER_FAULT:
            return HeaderFault(inbound.a, message.seq, message.type)
        if inbound.cls == lib.CLS_SEQ_LOW:
            return SeqLow(inbound.seq, inbound.expected)
        if inbound.cls == lib.CLS_SEQ_HIGH:
            return SeqHigh(inbound.seq, inbound.expected)
        return message

    def message(self, inbound: Inbound) -> Message:
        """The message as decoded, whatever its class; a masked frame is read all the same."""
        try:
            scanned = fix.scan(inbound.frame)
        except fix.FixFault as error:
            return Message("", seq=inbound.seq, expected=inbound.expected, fault=Fault(OTHER[0], error.tag, OTHER[1]), lsn=inbound.lsn, raw=inbound.frame)
        return Message(
            type=scanned.msg_type,
            fields=tuple((tag, value.decode("latin-1")) for tag, value in scanned.fields if tag not in HEADER),
            seq=scanned.msg_seq_num,
            expected=inbound.expected,
            poss_dup=scanned.poss_dup,
            sender=scanned.sender_comp_id,
            target=scanned.target_comp_id,
            fault=self._fault(inbound, scanned),
            lsn=inbound.lsn,
            raw=inbound.frame,
        )

    def _fault(self, inbound: Inbound, scanned: fix.Scanned) -> Fault | None:
        """Why a message that the lane called malformed is so: its form, its session fields, or its business fields."""
        if scanned.odd and scanned.odd_field is not None:
            reason, text = next(words for bit, words in ODD.items() if scanned.odd & bit)
            return Fault(reason, scanned.fields[scanned.odd_field][0] or None, text)
        if inbound.cls != lib.CLS_MALFORMED:
            return None
        tags = dict(reversed(scanned.fields))
        if scanned.msg_type == "2":
            return Fault(5, 7 if not tags.get(7, b"").isdigit() or not int(tags[7]) else 16, FAULTS[lib.GW_E_RANGE][1])
        if scanned.msg_type == "1":
            return Fault(5, 112, FAULTS[lib.GW_E_RANGE][1]) if tags.get(112) else Fault(1, 112, FAULTS[lib.GW_E_MISSING][1])
        if scanned.msg_type == "4":
            return None  # the machine looks at NewSeqNo itself
        try:
            self._codec.decode(inbound.frame)
        except fix.FixFault as error:
            if error.code == lib.GW_E_TYPE:
                return None  # not a message of this dialect: the machine answers that its type is unsupported
            reason, text = FAULTS.get(error.code, OTHER)
            return Fault(reason, error.tag or self._tag_of(scanned.msg_type, error.field), text)
        return Fault(OTHER[0], None, OTHER[1])

    def _tag_of(self, msg_type: str, field: str | None) -> int | None:
        """The tag that a field of the record has in messages of this type."""
        rows = (row for message in self._codec.dialect.messages.values() if message.type == msg_type for row in message.rows)
        return next((row.tag for row in rows if field is not None and row.field is not None and row.field.name == field), None)

    def say(self, type: str, fields: Fields) -> tuple[int, bytes]:
        body = b"".join(commands.field(int(tag), *_octets(value)) for tag, value in fields)
        return int.from_bytes(type.encode(), "little"), body


# ------------------------------------------------------------------------------------------------------------------- layouts


class LayoutTongue:
    """A binary protocol: messages and fields by the names of its layout.

    hears: who sends what is heard, "venue" or "client". seq_at: where a frame has a number of its own, 8 bytes little-endian, that
    counts for its sender (order API); None: the lane's count is its number.
    """

    def __init__(self, meaning: Meaning, hears: str, seq_at: int | None = None) -> None:
        self._meaning = meaning
        self._hears = hears
        self._seq_at = seq_at
        self._fields: dict[str, Mapping[str, int]] = {
            message.name: {field.name: index for index, field in enumerate(message.all_fields)} for message in meaning.messages
        }

    def hear(self, inbound: Inbound) -> Input:
        frame = inbound.frame
        seq = inbound.seq if self._seq_at is None else int.from_bytes(frame[self._seq_at : self._seq_at + 8], "little")
        heard = Message("", seq=seq, expected=inbound.expected, lsn=inbound.lsn, raw=frame)
        try:
            decoded = decode_fields(self._meaning, frame, self._hears)
        except Refused as error:
            return replace(heard, fault=Fault(OTHER[0], None, str(error)))
        if decoded is None:
            return replace(heard, fault=Fault(OTHER[0], None, "the frame is cut off"))
        fields: list[tuple[Key, Value]] = [(name, value) for name, value in decoded.fields.items() if isinstance(value, str | int)]
        return replace(heard, type=decoded.message.name, fields=tuple(fields))

    def say(self, type: str, fields: Fields) -> tuple[int, bytes]:
        known = self._fields[type]
        return self._meaning.names[type].index, b"".join(commands.field(known[str(name)], *_octets(value)) for name, value in fields)


def fix_type(type: str) -> int:
    """MsgType as gw_fix_msg has it: its characters, the first in the lowest byte."""
    return struct.unpack("<I", type.encode().ljust(4, b"\0"))[0]  # type: ignore[no-any-return]
