"""The pure-Python rim of a FIX session: what the lane does by SEAM T1 and T2, for simulators, acceptance servers and tests."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from gateway.limits import KEPT_MESSAGES
from gateway.sessions.actions import (
    NEVER,
    SECOND,
    Fault,
    Fields,
    Filled,
    GapClosed,
    GarbledLimit,
    HeaderFault,
    LocalProtocolError,
    Message,
    Rx,
    Send,
    SeqHigh,
    SeqLow,
    Silent,
    Tx,
)
from gateway.sessions.fix import BUSINESS, TEXTS, FixSession, Role, State
from gateway.sessions.fix_wire import Tags, encode, frame, utc_ns, utc_timestamp
from gateway.sessions.rim import Rim

BEGIN_STRING = "FIX.4.4"
HEADER = frozenset({8, 9, 34, 35, 43, 49, 52, 56, 97, 122, 10})
GARBLED_MAX = 10  # in a row; more is no FIX peer
LATENCY_NS = 120 * SECOND  # SendingTime accuracy, the customary two minutes
NOT_RESENT = frozenset({"0", "1", "2", "4", "5", "A"})  # gap-filled; of the session's own messages only a Reject is sent again
WHEN_CANCELS = frozenset({"F", "H", "q", "AF"})  # a venue session's business that leaves in tx = cancels


class Sent(NamedTuple):
    """One message of ours, kept for a resend."""

    type: str
    fields: Fields
    sending_time: str


class FixRim(Rim):
    """One FIX connection record. An acceptor re-sends its business messages; an initiator gap-fills its orders (R5d)."""

    def __init__(self, session: FixSession, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__(session, secrets)
        self.fix = session
        self.through = 0  # the last number of the open gap
        self.sent: dict[int, Sent] = {}
        self.waiting: deque[tuple[str, Fields]] = deque()
        self._kept: dict[int, tuple[Message, Tags]] = {}
        self._probe_count = 0
        self._probed = False

    def submit(self, type: str, fields: Fields, now_ns: int) -> bool:
        """An acceptor's reports wait for tx = open and are numbered when sent (R7); an initiator's orders are refused till then."""
        if self.fix.role is Role.ACCEPTOR:
            self.waiting.append((type, fields))
            self._pump(now_ns)
            return True
        if self.tx is Tx.OPEN or (self.tx is Tx.CANCELS and type in WHEN_CANCELS):
            self._send(Send(type, fields), now_ns)
            return True
        return False

    def refuse(self, message: Message, fault: Fault, now_ns: int) -> None:
        """The owner found a business message malformed: the session rejects it."""
        self._give(replace(message, fault=fault), now_ns)

    # ---------------------------------------------------------------------------------------------------------- inbound (T1)

    def _take_one(self, now_ns: int) -> bool:
        found = frame(self._buffer)
        if not found.consumed:
            return False
        raw = bytes(self._buffer[: found.consumed])
        del self._buffer[: found.consumed]
        if found.tags is not None:
            self.garbled_count = 0
            self._handle(decode(found.tags, self.next_rx, raw), found.tags, now_ns)
            self._after_gap(now_ns)
            return True
        self.garbled_count += 1
        if self.garbled_count > GARBLED_MAX or self.fix.state is State.AWAIT_LOGON:
            self._give(GarbledLimit(), now_ns)
        return True

    def _handle(self, message: Message, tags: Tags, now_ns: int) -> None:
        if fault := self._header_fault(message, tags, now_ns):
            if message.seq == self.next_rx and self.fix.state is not State.AWAIT_LOGON:
                self.next_rx += 1
            self._give(fault, now_ns)
        elif message.type == "A":
            # An acceptor's first message has no session yet: the session consumes it itself, if it lets it in.
            if message.seq == self.next_rx and self.fix.state is not State.AWAIT_LOGON:
                self.next_rx += 1
            self._give(message, now_ns)
        elif message.type == "5" or (message.type == "4" and message.text(123) != "Y"):
            if message.type == "5" and message.seq == self.next_rx:
                self.next_rx += 1
            self._give(message, now_ns)
        elif message.seq < self.next_rx:
            if not message.poss_dup:
                self._give(SeqLow(message.seq, self.next_rx), now_ns)
        elif message.seq > self.next_rx:
            self._too_high(message, tags, now_ns)
        else:
            self._in_sequence(message, now_ns)

    def _header_fault(self, message: Message, tags: Tags, now_ns: int) -> HeaderFault | None:
        config = self.fix.config
        sending_time = utc_ns(next((value for tag, value in tags if tag == 52), ""))
        if tags[0][1] != BEGIN_STRING:
            tag = 8
        elif message.sender != config.target_comp_id and message.type != "A":  # of a Logon the session judges the ids
            tag = 49
        elif message.target != config.sender_comp_id and message.type != "A":
            tag = 56
        elif sending_time is None or abs(now_ns - sending_time) > LATENCY_NS:
            tag = 52
        else:
            return None
        return HeaderFault(tag, message.seq, message.type)

    def _too_high(self, message: Message, tags: Tags, now_ns: int) -> None:
        if self.rx is Rx.ADMIN:
            self._give(SeqHigh(message.seq, message.expected), now_ns)
            return
        if message.type == "2":  # acted upon, not consumed (R6); the gap still stands
            self._answer_resend(message, now_ns)
        elif len(self._kept) < KEPT_MESSAGES:
            self._kept[message.seq] = (message, tags)
        else:
            self.through = max(self.through, message.seq)
        if self.rx is Rx.FLOW:
            self.rx = Rx.RECOVER
            self.through = message.seq if message.type == "2" else message.seq - 1
            self._send(Send("2", ((7, str(self.next_rx)), (16, str(self.through)))), now_ns)
            self._give(SeqHigh(message.seq, message.expected), now_ns)

    def _in_sequence(self, message: Message, now_ns: int) -> None:
        if self.rx is Rx.ADMIN:
            if self.fix.state is not State.AWAIT_LOGON:
                self.next_rx += 1
            self._give(message, now_ns)
            return
        self.next_rx += 1
        match message.type:
            case "0":
                self._probed = False
                if message.get(112) is not None and not message.text(112).startswith("PROBE-"):
                    self._give(message, now_ns)
            case "1":
                self._send(Send("0", ((112, message.text(112)),)), now_ns)
            case "2":
                self._answer_resend(message, now_ns)
            case "4" if (message.number(36) or 0) > message.seq:
                self.next_rx = message.number(36) or self.next_rx
                for seq in [seq for seq in self._kept if seq < self.next_rx]:
                    del self._kept[seq]
            case type if type in BUSINESS[self.fix.role] and not (type == "8" and message.text(150) == "I"):
                self._inbox.append(message)
            case _:
                self._give(message, now_ns)

    def _after_gap(self, now_ns: int) -> None:
        """Close the gap when its last number is taken, then the live messages kept meanwhile, in order."""
        if self.rx is Rx.RECOVER and self.next_rx > self.through:
            self._give(GapClosed(), now_ns)
        while self.closing is None and self.rx is Rx.FLOW and self._kept:
            first = min(self._kept)
            message, tags = self._kept.pop(first)
            self._handle(replace(message, expected=self.next_rx), tags, now_ns)

    def _set_rx(self, state: Rx, through: int | None, now_ns: int) -> None:
        self.rx = state
        if through is not None:
            self.through = through

    # --------------------------------------------------------------------------------------------------------- outbound (T2)

    def _send(self, send: Send, now_ns: int) -> None:
        if self.tx is Tx.CLOSED:
            raise LocalProtocolError(f"send of MsgType {send.type} while tx is closed")
        seq = self.next_tx if send.seq is None else send.seq
        sending_time = utc_timestamp(now_ns)
        self._write(send.type, send.fields, seq, sending_time, sending_time if send.poss_dup else None, now_ns)
        if send.seq is None:
            self.sent[seq] = Sent(send.type, send.fields, sending_time)
            self.next_tx += 1

    def _write(self, type: str, fields: Fields, seq: int, sending_time: str, orig: str | None, now_ns: int) -> None:
        """Append the bytes of one message; with `orig` (the first SendingTime) it is a possible duplicate."""
        config = self.fix.config
        head: Tags = ((8, BEGIN_STRING), (35, type), (49, config.sender_comp_id), (56, config.target_comp_id), (34, str(seq)), (52, sending_time))
        if orig is not None:
            head += ((43, "Y"), (122, orig))
        body = tuple((int(tag), str(self._reveal(value))) for tag, value in fields)
        self._out += encode((*head, *body))
        self.last_tx_ns = now_ns

    def _pump(self, now_ns: int) -> None:
        while self.waiting and self.tx is Tx.OPEN:
            self._send(Send(*self.waiting.popleft()), now_ns)

    def _set_next(self, which: str, n: int) -> None:
        super()._set_next(which, n)
        if which == "tx":
            self.sent = {seq: sent for seq, sent in self.sent.items() if seq < n}
        else:
            self._kept.clear()

    def _answer_resend(self, message: Message, now_ns: int) -> None:
        first, last = message.number(7), message.number(16)
        if not first or last is None or (last and last < first):
            self._give(replace(message, fault=Fault(5, 7 if not first else 16, TEXTS[5])), now_ns)
        else:
            self._resend(first, last, now_ns)

    def _resend(self, first: int, last: int, now_ns: int) -> None:
        """Answer a resend request: an acceptor's business again with PossDupFlag, everything else as one gap fill a run."""
        end = min(last or self.next_tx - 1, self.next_tx - 1)
        run = first
        for seq in range(first, end + 1):
            sent = self.sent.get(seq)
            if sent is None or sent.type in NOT_RESENT or self.fix.role is Role.INITIATOR:
                continue
            self._gap_fill(run, seq, now_ns)
            self._write(sent.type, sent.fields, seq, utc_timestamp(now_ns), sent.sending_time, now_ns)
            run = seq + 1
        self._gap_fill(run, end + 1, now_ns)
        if self.fix.role is Role.INITIATOR and first <= end:
            self._give(Filled(), now_ns)

    def _gap_fill(self, first: int, new_seq_no: int, now_ns: int) -> None:
        if first < new_seq_no:
            stamp = utc_timestamp(now_ns)
            self._write("4", ((123, "Y"), (36, str(new_seq_no))), first, stamp, stamp, now_ns)

    # ---------------------------------------------------------------------------------------------------------------- time

    def _timer_ns(self) -> int:
        if not self.heart_bt_int_ns or self.closing is not None:
            return NEVER
        silence = 24 if self._probed else 12  # tenths of HeartBtInt: a TestRequest, then the end
        return min(self.last_tx_ns + self.heart_bt_int_ns, self.last_rx_ns + self.heart_bt_int_ns * silence // 10)

    def _on_timer(self, now_ns: int) -> None:
        quiet_ns = now_ns - self.last_rx_ns
        if self._probed and quiet_ns >= self.heart_bt_int_ns * 24 // 10:
            self._give(Silent(), now_ns)
        elif not self._probed and quiet_ns >= self.heart_bt_int_ns * 12 // 10:
            self._probed = True
            self._probe_count += 1
            self._send(Send("1", ((112, f"PROBE-{self._probe_count}"),)), now_ns)
        elif now_ns - self.last_tx_ns >= self.heart_bt_int_ns:
            self._send(Send("0"), now_ns)

    def feed(self, data: bytes, now_ns: int) -> None:
        self._probed = False  # any bytes end a silence
        super().feed(data, now_ns)

    def attach(self, now_ns: int) -> None:
        self._kept.clear()
        self._probed = False
        self.through = 0
        super().attach(now_ns)


def decode(tags: Tags, expected: int, raw: bytes = b"") -> Message:
    """The message of checked tags; the header is taken out of its fields."""
    first = dict(reversed(tags))
    return Message(
        type=first[35],
        fields=tuple((tag, value) for tag, value in tags if tag not in HEADER),
        seq=int(first[34]),
        expected=expected,
        poss_dup=first.get(43) == "Y",
        sender=first.get(49, ""),
        target=first.get(56, ""),
        raw=raw,
    )
