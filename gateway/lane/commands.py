"""What the control plane may ask of a lane (SEAM T5): parts, and the batches that carry them, in the bytes of lane.h.

A batch is applied in one step and is one journal record. Every part that touches a connection names the epoch it means; a part that
loosens a state names the state generation that was seen (SEAM R8b): a connection that has changed since is left alone.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.lane.native import ffi, lib

SUB = struct.Struct("<BBBBHHIIIIQQ")  # gw_sub: kind result code 0, conn 0, epoch state_gen, len dec_len, a b
assert SUB.size == ffi.sizeof("gw_sub"), f"gw_sub is {ffi.sizeof('gw_sub')} bytes, not {SUB.size}"
PAYLOAD_MAX: int = lib.GW_CMD_MAX
LIMITS_CHUNK = 2048
SECRET = 0x8000  # of a field's length: the value is the name of a secret

NAMES: dict[int, str] = {
    getattr(lib, name): name.removeprefix("GW_CMD_").lower() for name in dir(lib) if name.startswith("GW_CMD_") and name != "GW_CMD_MAX"
}


class CommandTooLong(Exception):
    """A batch that does not fit into an entry of the command ring; str() says how long it is."""


@dataclass(frozen=True, slots=True)
class At:
    """A connection as it was seen: what a part that touches it names."""

    conn: int
    epoch: int = 0
    state_gen: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One command; the meaning of a and b is its kind's, in lane.h."""

    kind: int
    at: At
    a: int = 0
    b: int = 0
    payload: bytes = b""

    def __str__(self) -> str:
        return f"{NAMES.get(self.kind, self.kind)}(conn {self.at.conn}, {self.a}, {self.b}{f', {len(self.payload)} bytes' if self.payload else ''})"


@dataclass(frozen=True, slots=True)
class Batch:
    """Parts that take effect together. `cause_lsn`: the journal record that is answered, 0 = time (TICK) or an operator."""

    id: int
    cause_lsn: int
    now_ns: int
    parts: tuple[Part, ...]

    def pack(self) -> bytes:
        """The payload of a gw_cmd. Raises: CommandTooLong."""
        out = bytearray()
        for part in self.parts:
            size = len(part.payload)
            at = part.at
            out += SUB.pack(part.kind, 0, 0, 0, at.conn, 0, at.epoch, at.state_gen, size, 0, part.a, part.b)
            out += part.payload + bytes(-size % 8)
        if len(out) > PAYLOAD_MAX:
            raise CommandTooLong(f"a batch of {len(self.parts)} commands has {len(out)} bytes; an entry holds {PAYLOAD_MAX}")
        return bytes(out)


LANE = At(0)


def attach(at: At, fd: int, tried_ns: int) -> Part:
    """The descriptor is the lane's from here on; `tried_ns`: when the connection was asked for."""
    return Part(lib.GW_CMD_ATTACH, at, fd, tried_ns)


def bind(provisional: At, conn: int) -> Part:
    """An accepted socket becomes the session `conn`: descriptor and unread bytes move."""
    return Part(lib.GW_CMD_BIND, provisional, conn)


def close(at: At, after_flush: bool, deadline_ns: int) -> Part:
    return Part(lib.GW_CMD_CLOSE, at, int(after_flush), deadline_ns)


def set_rx(at: At, state: int, through: int = 0) -> Part:
    return Part(lib.GW_CMD_SET_RX, at, state, through)


def set_tx(at: At, state: int) -> Part:
    return Part(lib.GW_CMD_SET_TX, at, state)


def send(at: At, message: int, body: bytes, seq: int = 0, poss_dup: bool = False) -> Part:
    """`message`: FIX MsgType as in gw_fix_msg, or the layout's message number; `body`: fields (see `field`)."""
    return Part(lib.GW_CMD_SEND, at, seq, int(poss_dup), struct.pack("<II", message, 0) + body)


def field(key: int, value: bytes | int, secret: bool = False) -> bytes:
    """One field of a body: `key` is a FIX tag or the number of a layout's field; an integer is a layout's number.

    With `secret` the value is the name of a secret, and its bytes never pass the ring or the journal.
    """
    octets = value.to_bytes(8, "little", signed=value < 0) if isinstance(value, int) else value
    return struct.pack("<HH", key, len(octets) | (SECRET if secret else 0)) + octets


def resend(at: At, first: int, last: int) -> Part:
    return Part(lib.GW_CMD_RESEND, at, first, last)


def set_next(at: At, which: int, n: int) -> Part:
    return Part(lib.GW_CMD_SET_NEXT, at, which, n)


def set_values(at: At, heartbeat_ns: int, silence_ns: int, values: bytes = b"") -> Part:
    """Heartbeat and silence of the session (0 = as they are), and the layout's session values as lines NAME=TEXT."""
    return Part(lib.GW_CMD_SET_VALUES, at, heartbeat_ns, silence_ns, values)


def done(at: At, lsn: int, facts: int) -> Part:
    """Gives the bell of this connection back: everything up to `lsn`, and these facts, are answered."""
    return Part(lib.GW_CMD_DONE, at, lsn, facts)


def evidence(at: At, what: int, n: int) -> Part:
    return Part(lib.GW_CMD_EVIDENCE, at, what, n)


def apply_report(at: At, lsn: int) -> Part:
    return Part(lib.GW_CMD_APPLY_REPORT, at, lsn)


def cancel_scope(kind: int, entity: int) -> Part:
    return Part(lib.GW_CMD_CANCEL_SCOPE, LANE, kind, entity)


def pause(kind: int, entity: int) -> Part:
    return Part(lib.GW_CMD_PAUSE, LANE, kind, entity)


def resume(kind: int, entity: int) -> Part:
    return Part(lib.GW_CMD_RESUME, LANE, kind, entity)


def ref_px(instrument: int, price: int) -> Part:
    """`price`: mantissa of the instrument's exponent."""
    return Part(lib.GW_CMD_REF_PX, LANE, instrument, price & 0xFFFF_FFFF_FFFF_FFFF)


def stop(how: int) -> Part:
    """GW_STOP_DENY: new orders are DENIED; GW_STOP_CANCEL: and open day orders cancelled; GW_STOP_NOW: the lane ends."""
    return Part(lib.GW_CMD_STOP, LANE, how)


def burnt(at: At, last_id: int) -> Part:
    """The strategy has used ids up to `last_id`: what a lost tail of the journal does not know of is refused for ever."""
    return Part(lib.GW_CMD_BURNT, at, last_id)


def stream(at: At, next_seq: int) -> Part:
    return Part(lib.GW_CMD_STREAM, at, next_seq)


def note(text: bytes) -> Part:
    """Words for the journal, such as who asked for the other parts of the batch; nothing changes."""
    return Part(lib.GW_CMD_NOTE, LANE, 0, 0, text)


def swap_limits(table: bytes) -> tuple[Part, ...]:
    """A limits table (risk.limits), in pieces that fit into a batch each; it is put in force as a whole with the last one."""
    return tuple(
        Part(lib.GW_CMD_SWAP_LIMITS, LANE, at, len(table), table[at : at + LIMITS_CHUNK]) for at in range(0, len(table), LIMITS_CHUNK)
    )


def unpack(payload: bytes, count: int) -> Iterable[tuple[Part, int, int]]:
    """The parts of a batch as journaled, each with its result and code (GW_RESULT_*, GW_REFUSED_*)."""
    at = 0
    for _ in range(count):
        kind, result, code, _, conn, _, epoch, state_gen, size, dec_len, a, b = SUB.unpack_from(payload, at)
        at += SUB.size
        yield Part(kind, At(conn, epoch, state_gen), a, b, payload[at : at + size]), result, code
        at += size + -size % 8 + dec_len
