"""The lane's journal records as people read them: named numbers, the frame as text, what was decided of which order; JSON types only."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.decimals import to_text
from gateway.journal.record import HEAD, Head, Kind
from gateway.lane import commands
from gateway.lane.effective import Effective
from gateway.lane.native import ffi, lib
from gateway.lane.plan import Plan
from gateway.lane.records import NotThisRecord, inbound
from gateway.lane.replay import start_payload
from gateway.model import Reason

STRUCTS = {
    Kind.IN: "gw_rec_in", Kind.OUT: "gw_rec_out", Kind.START: "gw_rec_start", Kind.DENY: "gw_rec_deny", Kind.COMMAND: "gw_rec_cmd", Kind.IO: "gw_rec_io",
    Kind.LATCH: "gw_rec_latch", Kind.RESTART: "gw_rec_restart", Kind.STOP: "gw_rec_stop", Kind.VOID: "gw_rec_num", Kind.DURABLE: "gw_rec_num",
    Kind.WATERMARK: "gw_rec_num", Kind.CLOCK: "gw_rec_num",
}  # fmt: skip
CLASSES, ACTIONS, SENT = ("gw_cls", "CLS_"), ("gw_act", "ACT_"), ("gw_ocls", "OUT_")
RESULTS = {lib.GW_RESULT_STALE: " stale", lib.GW_RESULT_REFUSED: " refused"}
SOH = "\x01"


def shown(head: Head, payload: bytes, plan: Plan | None) -> dict[str, object]:
    """What the record says behind its head. `plan`: of its journal, for the names of connections; None where it is not known."""
    record = HEAD.pack(*head) + payload
    memory = ffi.new("uint64_t[]", (len(record) + 7) // 8)
    ffi.memmove(memory, record, len(record))
    name = STRUCTS.get(Kind(head.kind)) if head.kind in list(Kind) else None
    if name is None or len(record) < ffi.sizeof(name):
        return {"payload": payload.hex()}
    of = {"connection": plan.name_of(head.conn)} if plan is not None and head.conn else {}
    more: dict[str, object] = _MORE.get(Kind(head.kind), _plain)(ffi.cast(f"const {name} *", memory), record, plan)
    return of | more


def plan_of(start: bytes) -> Plan | None:
    """The names of a journal whose first record these bytes are; None if they are another record, or say it in another way than this build."""
    from gateway.errors import ConfigError
    from gateway.lane import effective
    from gateway.lane.plan import plan

    try:
        begun: Effective = effective.from_bytes(start_payload(start))
        return plan(begun.config, begun.instruments)
    except ConfigError:
        return None


def _plain(r: Any, record: bytes, plan: Plan | None) -> dict[str, object]:
    return {"of" if name == "kind" else name: value for name, value in _numbers(r)}  # `kind` is the record's own


def _numbers(struct: Any) -> Iterator[tuple[str, object]]:
    """Numbers and text of a C struct that are not zero, by their names; no padding, no head."""
    for name, field in ffi.typeof(struct).item.fields if ffi.typeof(struct).kind == "pointer" else ffi.typeof(struct).fields:
        value = getattr(struct, name)
        if name == "h" or name.startswith("pad"):
            continue
        if field.type.kind == "primitive":
            shown = value.decode("latin-1").strip("\0") if isinstance(value, bytes) else int(value)
        elif field.type.cname.startswith("char["):
            shown = ffi.string(value, field.type.length).decode("latin-1")
        else:
            continue
        if shown:
            yield name, shown


def _named(family: tuple[str, str], number: int) -> str:
    kind, prefix = family
    name = ffi.typeof(f"enum {kind}").elements.get(number, str(number))
    return str(name).removeprefix(prefix)


def _frame(octets: bytes) -> str:
    """FIX with | for SOH; anything else in hexadecimal."""
    text = octets.decode("latin-1")
    return text.replace(SOH, "|") if text.startswith("8=FIX") else octets.hex()


def _decision(dec: Any, plan: Plan | None) -> dict[str, object]:
    """What was decided, in the words of the reports that tell it."""
    told = dec.told
    found: dict[str, object] = dict(_numbers(told))
    for name, exp in (("price", "px_exp"), ("stop_px", "px_exp"), ("last_px", "px_exp"), ("avg_px", "avg_px_exp"),
                      ("order_qty", "qty_exp"), ("last_qty", "qty_exp"), ("cum_qty", "qty_exp"), ("leaves_qty", "qty_exp")):  # fmt: skip
        if name in found:
            found[name] = to_text(int(getattr(told, name)), int(getattr(told, exp)))
    if plan is not None:
        for number, name, known in ((told.instrument, "instrument", plan.symbols), (told.account, "account", plan.accounts), (told.venue, "venue", plan.venues)):
            if 0 < number < len(known):
                found[name] = known[number]
    if told.reason:
        found["reason"] = next((reason.name.lower() for reason in Reason if reason == told.reason), int(told.reason))
    return {key: value for key, value in found.items() if not key.endswith("_exp")} | {"slot": int(dec.slot)}


def _in(r: Any, record: bytes, plan: Plan | None) -> dict[str, object]:
    shown: dict[str, object] = {"class": _named(CLASSES, r.cls), "action": _named(ACTIONS, r.act), "seq": int(r.seq), "consumed": bool(r.consumed)}
    if r.dec_len == ffi.sizeof("gw_dec"):
        shown["decision"] = _decision(ffi.cast("const gw_dec *", ffi.cast("const uint8_t *", r) + ffi.sizeof("gw_rec_in"))[0], plan)
    try:
        shown["frame"] = _frame(inbound(record).frame)
    except NotThisRecord as error:
        shown["frame"] = str(error)
    return shown


def _out(r: Any, record: bytes, plan: Plan | None) -> dict[str, object]:
    begin = ffi.sizeof("gw_rec_out")
    named = {name: value for name, value in _numbers(r) if name in ("cause", "seq", "token", "stream_pos")}
    return {"what": _named(SENT, r.what), **named, "frame": _frame(record[begin : begin + r.frame_len])}


def _start(r: Any, record: bytes, plan: Plan | None) -> dict[str, object]:
    """What began, but not the whole of it: layouts and instruments are in `gateway decode journal`."""
    from gateway.errors import ConfigError
    from gateway.lane import effective

    try:
        begun = effective.from_bytes(start_payload(record))
    except ConfigError as error:
        return {"configuration": str(error)}
    return {"build": begun.build, "configuration": begun.config.model_dump(mode="json"), "symbols": len(begun.instruments.symbols)}


def _command(r: Any, record: bytes, plan: Plan | None) -> dict[str, object]:
    parts = commands.unpack(record[ffi.sizeof("gw_rec_cmd") :], r.n_subs)
    said = [f"note: {part.payload.decode(errors='replace')}" if part.kind == lib.GW_CMD_NOTE else f"{part}{RESULTS.get(result, '')}" for part, result, _ in parts]
    return {"cause": int(r.cause), "parts": said}


def _deny(r: Any, record: bytes, plan: Plan | None) -> dict[str, object]:
    return {"decision": _decision(r.dec, plan)}


_MORE: Mapping[Kind, Any] = {Kind.IN: _in, Kind.OUT: _out, Kind.START: _start, Kind.COMMAND: _command, Kind.DENY: _deny}
