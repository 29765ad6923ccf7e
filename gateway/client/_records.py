"""The order records for strategies, standard library only. Generated from gateway/codecs/layouts/house/order.toml and gateway/codecs/recordio.py."""

import struct
from collections.abc import Mapping, Sequence

Value = int | str | bytes


class RecordFormat:
    """One record type: its wire format, its fields and their presence bits.

    `fields` are (name, code, size, has, bit) in wire order; code is a struct letter, 's' for text and char, 'b*' for raw bytes;
    bit -1 = has no presence bit. Times are ns since the epoch, prices and quantities integers with the record's own exponents.
    """

    def __init__(self, name: str, layout: str, fields: Sequence[tuple[str, str, int, str, int]]) -> None:
        self.name = name
        self.struct = struct.Struct(layout)
        self.size = self.struct.size
        self.fields = tuple(fields)
        self._by_name = {f[0]: f for f in fields}
        self._words = {f[0]: i for i, f in enumerate(fields) if f[0] in ("has", "has2")}

    def pack(self, values: Mapping[str, Value]) -> bytes:
        """The record with exactly the fields in `values`; all else is zero. Text is ASCII.

        Raises: ValueError for an unknown field, a value that does not fit, or text that is not printable ASCII.
        """
        out: list[Value] = [b"" if code in ("s", "b*") else 0 for _, code, _, _, _ in self.fields]
        words = dict.fromkeys(self._words, 0)
        given = 0
        for i, (name, code, size, has, bit) in enumerate(self.fields):
            if name not in values or name in self._words:
                continue
            given += 1
            out[i] = _packed(name, code, size, values[name])
            if bit >= 0:
                words[has] |= 1 << bit
        if given != len(values):
            unknown = sorted(set(values) - set(self._by_name) | (set(values) & set(self._words)))
            raise ValueError(f"{self.name} has no field {', '.join(unknown)}")
        for name, i in self._words.items():
            out[i] = words[name]
        try:
            return self.struct.pack(*out)
        except struct.error as error:
            raise ValueError(f"{self.name}: {error}") from error

    def unpack(self, record: bytes | bytearray | memoryview) -> dict[str, Value]:
        """The fields given in `record`. Raises: ValueError if it is shorter than the record or holds text that is not ASCII."""
        if len(record) < self.size:
            raise ValueError(f"{self.name} is {self.size} bytes, not {len(record)}")
        raw = self.struct.unpack_from(record)
        words = {name: raw[i] for name, i in self._words.items()}
        values: dict[str, Value] = {}
        for (name, code, _, has, bit), value in zip(self.fields, raw, strict=True):
            if name in words or (bit >= 0 and not words[has] >> bit & 1):
                continue
            values[name] = value.rstrip(b"\0").decode("ascii") if code == "s" else value
        return values


def _packed(name: str, code: str, size: int, value: Value) -> Value:
    if code == "b*":
        if not isinstance(value, bytes) or len(value) != size:
            raise ValueError(f"{name} must be {size} bytes, not {value!r}")
        return value
    if code == "s":
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text, not {value!r}")
        if len(value) > size or not value.isascii() or not value.isprintable():
            raise ValueError(f"{name} must be at most {size} printable ASCII characters, not {value!r}")
        return value.encode("ascii")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be an integer, not {value!r}")
    return value


ORDER = RecordFormat(
    "gw_order",
    "<QQQQQQqqqqqqqqqqqqqqIbb1s1s1s1s1s1s1s1sBBBBBB4x24s24s16s16s16s8s16s24s16s8s8s8s32s40s",
    (
        ("has", "Q", 8, "", -1),
        ("cl_ord_num", "Q", 8, "has", 0),
        ("orig_cl_ord_num", "Q", 8, "has", 1),
        ("token", "Q", 8, "has", 2),
        ("orig_token", "Q", 8, "has", 3),
        ("msg_seq_num", "Q", 8, "has", 4),
        ("sending_time", "q", 8, "has", 5),
        ("transact_time", "q", 8, "has", 6),
        ("expire_time", "q", 8, "has", 7),
        ("price", "q", 8, "has", 8),
        ("stop_px", "q", 8, "has", 9),
        ("order_qty", "q", 8, "has", 10),
        ("min_qty", "q", 8, "has", 11),
        ("max_floor", "q", 8, "has", 12),
        ("peg_offset", "q", 8, "has", 13),
        ("security_id", "q", 8, "has", 14),
        ("account_id", "q", 8, "has", 15),
        ("self_match_id", "q", 8, "has", 16),
        ("decision_algo_id", "q", 8, "has", 17),
        ("execution_algo_id", "q", 8, "has", 18),
        ("expire_date", "I", 4, "has", 19),
        ("px_exp", "b", 1, "has", 20),
        ("qty_exp", "b", 1, "has", 21),
        ("kind", "s", 1, "has", 22),
        ("side", "s", 1, "has", 23),
        ("ord_type", "s", 1, "has", 24),
        ("time_in_force", "s", 1, "has", 25),
        ("order_capacity", "s", 1, "has", 26),
        ("position_effect", "s", 1, "has", 27),
        ("self_match_mode", "s", 1, "has", 28),
        ("mass_scope", "s", 1, "has", 29),
        ("post_only", "B", 1, "has", 30),
        ("reduce_only", "B", 1, "has", 31),
        ("manual", "B", 1, "has", 32),
        ("locate_reqd", "B", 1, "has", 33),
        ("display", "B", 1, "has", 34),
        ("intermarket_sweep", "B", 1, "has", 35),
        ("cl_ord_id", "s", 24, "has", 36),
        ("orig_cl_ord_id", "s", 24, "has", 37),
        ("symbol", "s", 16, "has", 38),
        ("venue", "s", 16, "has", 39),
        ("account", "s", 16, "has", 40),
        ("firm", "s", 8, "has", 41),
        ("strategy", "s", 16, "has", 42),
        ("trader_id", "s", 24, "has", 43),
        ("clearing_account", "s", 16, "has", 44),
        ("clearing_firm", "s", 8, "has", 45),
        ("mpid", "s", 8, "has", 46),
        ("locate_broker", "s", 8, "has", 47),
        ("venue_options", "s", 32, "has", 48),
        ("memo", "s", 40, "has", 49),
    ),
)

REPORT = RecordFormat(
    "gw_report",
    "<QQQQQQqqqqqqqqqqqqqqIbb1s1s1s1s1s1s1s1sBBBBBB4x24s24s16s16s16s8s16s24s16s8s8s8s32s40sQqqqqqqqqQQQQQIIIIHHHHHb1s1s1s1s1sBBB5x40s64s64s64s16s24s24s4s4x",
    (
        ("has", "Q", 8, "", -1),
        ("cl_ord_num", "Q", 8, "has", 0),
        ("orig_cl_ord_num", "Q", 8, "has", 1),
        ("token", "Q", 8, "has", 2),
        ("orig_token", "Q", 8, "has", 3),
        ("msg_seq_num", "Q", 8, "has", 4),
        ("sending_time", "q", 8, "has", 5),
        ("transact_time", "q", 8, "has", 6),
        ("expire_time", "q", 8, "has", 7),
        ("price", "q", 8, "has", 8),
        ("stop_px", "q", 8, "has", 9),
        ("order_qty", "q", 8, "has", 10),
        ("min_qty", "q", 8, "has", 11),
        ("max_floor", "q", 8, "has", 12),
        ("peg_offset", "q", 8, "has", 13),
        ("security_id", "q", 8, "has", 14),
        ("account_id", "q", 8, "has", 15),
        ("self_match_id", "q", 8, "has", 16),
        ("decision_algo_id", "q", 8, "has", 17),
        ("execution_algo_id", "q", 8, "has", 18),
        ("expire_date", "I", 4, "has", 19),
        ("px_exp", "b", 1, "has", 20),
        ("qty_exp", "b", 1, "has", 21),
        ("kind", "s", 1, "has", 22),
        ("side", "s", 1, "has", 23),
        ("ord_type", "s", 1, "has", 24),
        ("time_in_force", "s", 1, "has", 25),
        ("order_capacity", "s", 1, "has", 26),
        ("position_effect", "s", 1, "has", 27),
        ("self_match_mode", "s", 1, "has", 28),
        ("mass_scope", "s", 1, "has", 29),
        ("post_only", "B", 1, "has", 30),
        ("reduce_only", "B", 1, "has", 31),
        ("manual", "B", 1, "has", 32),
        ("locate_reqd", "B", 1, "has", 33),
        ("display", "B", 1, "has", 34),
        ("intermarket_sweep", "B", 1, "has", 35),
        ("cl_ord_id", "s", 24, "has", 36),
        ("orig_cl_ord_id", "s", 24, "has", 37),
        ("symbol", "s", 16, "has", 38),
        ("venue", "s", 16, "has", 39),
        ("account", "s", 16, "has", 40),
        ("firm", "s", 8, "has", 41),
        ("strategy", "s", 16, "has", 42),
        ("trader_id", "s", 24, "has", 43),
        ("clearing_account", "s", 16, "has", 44),
        ("clearing_firm", "s", 8, "has", 45),
        ("mpid", "s", 8, "has", 46),
        ("locate_broker", "s", 8, "has", 47),
        ("venue_options", "s", 32, "has", 48),
        ("memo", "s", 40, "has", 49),
        ("has2", "Q", 8, "", -1),
        ("last_px", "q", 8, "has2", 0),
        ("last_qty", "q", 8, "has2", 1),
        ("cum_qty", "q", 8, "has2", 2),
        ("leaves_qty", "q", 8, "has2", 3),
        ("avg_px", "q", 8, "has2", 4),
        ("working_px", "q", 8, "has2", 5),
        ("denied_value", "q", 8, "has2", 6),
        ("denied_limit", "q", 8, "has2", 7),
        ("trade_date", "Q", 8, "has2", 8),
        ("match_id", "Q", 8, "has2", 9),
        ("lsn", "Q", 8, "has2", 10),
        ("stream_seq", "Q", 8, "has2", 11),
        ("t_in_ns", "Q", 8, "has2", 12),
        ("epoch", "I", 4, "has2", 13),
        ("reason", "I", 4, "has2", 14),
        ("ref_seq_num", "I", 4, "has2", 15),
        ("next_token", "I", 4, "has2", 16),
        ("lane", "H", 2, "has2", 17),
        ("ord_rej_reason", "H", 2, "has2", 18),
        ("cxl_rej_reason", "H", 2, "has2", 19),
        ("business_reject_reason", "H", 2, "has2", 20),
        ("session_reject_reason", "H", 2, "has2", 21),
        ("avg_px_exp", "b", 1, "has2", 22),
        ("exec_type", "s", 1, "has2", 23),
        ("ord_status", "s", 1, "has2", 24),
        ("last_liquidity", "s", 1, "has2", 25),
        ("cxl_rej_response_to", "s", 1, "has2", 26),
        ("level", "s", 1, "has2", 27),
        ("poss_dup", "B", 1, "has2", 28),
        ("last_fragment", "B", 1, "has2", 29),
        ("in_doubt", "B", 1, "has2", 30),
        ("order_id", "s", 40, "has2", 31),
        ("exec_id", "s", 64, "has2", 32),
        ("exec_ref_id", "s", 64, "has2", 33),
        ("text", "s", 64, "has2", 34),
        ("control", "s", 16, "has2", 35),
        ("scope", "s", 24, "has2", 36),
        ("status_req_id", "s", 24, "has2", 37),
        ("ref_msg_type", "s", 4, "has2", 38),
    ),
)

# Enum values by name: {enum: {name: value as in a record}}.
ENUMS: dict[str, dict[str, str | int]] = {
    "kind": {
        "new_order": "D",
        "cancel": "F",
        "replace": "G",
        "status": "H",
        "mass_cancel": "q",
        "execution_report": "8",
        "cancel_reject": "9",
        "mass_cancel_report": "r",
        "reject": "3",
        "business_reject": "j",
    },
    "side": {
        "buy": "1",
        "sell": "2",
        "sell_short": "5",
        "sell_short_exempt": "6",
    },
    "ord_type": {
        "market": "1",
        "limit": "2",
        "stop": "3",
        "stop_limit": "4",
        "market_if_touched": "J",
        "market_to_limit": "K",
        "pegged": "P",
    },
    "time_in_force": {
        "day": "0",
        "good_till_cancel": "1",
        "at_the_opening": "2",
        "immediate_or_cancel": "3",
        "fill_or_kill": "4",
        "good_till_crossing": "5",
        "good_till_date": "6",
        "at_the_close": "7",
    },
    "order_capacity": {
        "agency": "A",
        "proprietary": "G",
        "individual": "I",
        "principal": "P",
        "riskless_principal": "R",
        "agent_for_other_member": "W",
    },
    "position_effect": {
        "open": "O",
        "close": "C",
        "rolled": "R",
        "fifo": "F",
    },
    "self_match_mode": {
        "cancel_newest": "N",
        "cancel_oldest": "O",
        "cancel_both": "B",
        "decrement": "D",
    },
    "mass_scope": {
        "security": "1",
        "all": "7",
    },
    "exec_type": {
        "new": "0",
        "done_for_day": "3",
        "canceled": "4",
        "replaced": "5",
        "pending_cancel": "6",
        "stopped": "7",
        "rejected": "8",
        "suspended": "9",
        "pending_new": "A",
        "calculated": "B",
        "expired": "C",
        "restated": "D",
        "pending_replace": "E",
        "trade": "F",
        "trade_correct": "G",
        "trade_cancel": "H",
        "order_status": "I",
        "denied": "X",
        "in_doubt": "U",
    },
    "ord_status": {
        "new": "0",
        "partially_filled": "1",
        "filled": "2",
        "done_for_day": "3",
        "canceled": "4",
        "replaced": "5",
        "pending_cancel": "6",
        "stopped": "7",
        "rejected": "8",
        "suspended": "9",
        "pending_new": "A",
        "calculated": "B",
        "expired": "C",
        "pending_replace": "E",
    },
    "last_liquidity": {
        "added": "1",
        "removed": "2",
        "routed_out": "3",
        "auction": "4",
    },
    "cxl_rej_response_to": {
        "cancel": "1",
        "replace": "2",
    },
    "level": {
        "firm": "F",
        "venue": "V",
        "account": "A",
        "strategy": "S",
        "symbol": "Y",
    },
    "flag": {
        "no": 0,
        "yes": 1,
    },
    "reason": {
        "none": 0,
        "venue_down": 1,
        "recovering": 2,
        "killed": 3,
        "restart": 4,
        "queue_ttl": 5,
        "duplicate_id": 6,
        "unknown_symbol": 7,
        "unknown_account": 8,
        "unknown_venue": 9,
        "unknown_order": 10,
        "bad_tick": 11,
        "bad_lot": 12,
        "bad_qty": 13,
        "bad_price": 14,
        "not_expressible": 15,
        "malformed": 16,
        "limit": 17,
        "table_full": 18,
        "journal_full": 19,
        "journal_failed": 20,
        "halted": 21,
        "too_late": 22,
        "pending_replace": 23,
        "voided": 24,
        "not_permitted": 25,
        "throttled": 26,
        "connection_closed": 27,
        "shutdown": 28,
        "orphan": 29,
        "other": 30,
        "paused": 31,
        "operator": 32,
    },
}

REASON_TEXT = {
    0: "no reason given",
    1: "the venue's session is not connected",
    2: "the venue's session is recovering; send again when it is open",
    3: "the kill switch is engaged for a scope of this order",
    4: "the gateway restarted before the order was sent",
    5: "the order waited longer than queue_ttl for the venue to take it",
    6: "the order id was used before or does not rise",
    7: "the symbol is not in the instrument file",
    8: "the account is not configured for this strategy",
    9: "the venue is not configured, or has no row for the symbol",
    10: "there is no such order",
    11: "the price is not a multiple of the instrument's tick",
    12: "the quantity is not a multiple of the instrument's lot",
    13: "the quantity is missing, zero, negative or too large",
    14: "the price is missing, out of range, or not for this order type",
    15: "the venue's protocol cannot say this",
    16: "the message is not well formed",
    17: "a risk control was breached; control and scope name it",
    18: "a table of the gateway is full",
    19: "the journal's ring is nearly full",
    20: "the journal could not be written to disk",
    21: "the instrument is halted",
    22: "the order is already final",
    23: "the order already has a cancel or replace under way",
    24: "no byte of the message left before its connection closed",
    25: "this strategy may not do this",
    26: "the message rate allowed was exceeded",
    27: "the connection closed",
    28: "the gateway is shutting down",
    29: "a report about an order that the gateway does not know",
    30: "another reason; the text says which",
    31: "an operator has paused new orders of a scope of this order",
    32: "an operator has cancelled it",
}
