"""The lane's journal payloads as Python values (jrec.h): what came in, for control, replay and the views."""

from dataclasses import dataclass

from gateway.lane.commands import unpack
from gateway.lane.native import ffi, lib

HEAD_BYTES = int(lib.GW_REC_HEAD)


class NotThisRecord(ValueError):
    """The bytes are no record of the kind that was asked for; str() says what they are."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message that came in, as journaled (gw_rec_in), and the whole frame behind it; secrets are masked unless it came in a bell.

    `cls` and `act` are rows and cells of the seam's tables; `off`, `n`, `a` and `b` what the class says about them. `previous`: the
    message for control before this one on its connection, 0 = none.
    """

    lsn: int
    conn: int
    epoch: int
    t_ns: int
    flags: int
    cls: int
    act: int
    consumed: bool
    seq: int
    expected: int
    previous: int
    a: int
    b: int
    frame: bytes


def inbound(record: bytes) -> Inbound:
    """The IN record of these bytes. Raises: NotThisRecord."""
    if len(record) < ffi.sizeof("gw_rec_in"):
        raise NotThisRecord(f"{len(record)} bytes; an IN record has at least {ffi.sizeof('gw_rec_in')}")
    memory = ffi.from_buffer(record)
    r = ffi.cast("const gw_rec_in *", memory)
    if r.h.kind != lib.GW_REC_IN:
        raise NotThisRecord(f"record {r.h.lsn} is of kind {r.h.kind}; an IN record is of kind {lib.GW_REC_IN}")
    begin = ffi.sizeof("gw_rec_in") + r.dec_len + r.n_breaches * ffi.sizeof("gw_breach")
    if begin + r.frame_len > len(record):
        raise NotThisRecord(f"record {r.h.lsn}: its frame of {r.frame_len} bytes ends beyond its {len(record)} bytes")
    return Inbound(
        lsn=r.h.lsn,
        conn=r.h.conn,
        epoch=r.h.epoch,
        t_ns=r.h.t_ns,
        flags=r.h.flags,
        cls=r.cls,
        act=r.act,
        consumed=bool(r.consumed),
        seq=r.seq,
        expected=r.expected,
        previous=r.prev_ctl,
        a=r.a,
        b=r.b,
        frame=record[begin : begin + r.frame_len],
    )


def notes(record: bytes) -> list[bytes]:
    """The words that a COMMAND record brought into the journal (commands.note)."""
    r = ffi.cast("const gw_rec_cmd *", ffi.from_buffer(record))
    return [part.payload for part, _, _ in unpack(record[ffi.sizeof("gw_rec_cmd") :], r.n_subs) if part.kind == lib.GW_CMD_NOTE]


def pauses(record: bytes) -> list[tuple[int, int, bool]]:
    """(kind of scope, its number, paused or resumed) of each scope that a COMMAND record paused or resumed."""
    r = ffi.cast("const gw_rec_cmd *", ffi.from_buffer(record))
    return [
        (part.a, part.b, part.kind == lib.GW_CMD_PAUSE)
        for part, result, _ in unpack(record[ffi.sizeof("gw_rec_cmd") :], r.n_subs)
        if part.kind in (lib.GW_CMD_PAUSE, lib.GW_CMD_RESUME) and result == lib.GW_RESULT_OK
    ]


def session_values(record: bytes) -> list[tuple[int, dict[str, str]]]:
    """The session values that a COMMAND record set, by connection (commands.set_values)."""
    r = ffi.cast("const gw_rec_cmd *", ffi.from_buffer(record))
    found = []
    for part, result, _ in unpack(record[ffi.sizeof("gw_rec_cmd") :], r.n_subs):
        if part.kind == lib.GW_CMD_SET_VALUES and result == lib.GW_RESULT_OK and part.payload:
            lines = part.payload.decode().splitlines()
            found.append((part.at.conn, dict(line.split("=", 1) for line in lines)))
    return found
