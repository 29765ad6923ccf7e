"""The pure-Python rim of a SoupBinTCP session that carries OUCH: what the lane does by SEAM T3, both sides, with the reference codec.

The server keeps what it has sequenced and replays it; a report gets its number when it is sent, so numbers stand still while nobody is
logged in. Packets are framed by their length: one that cannot be is fatal, one whose message is not understood is consumed and told.
"""

from collections import deque
from collections.abc import Mapping
from typing import Literal

from gateway.codecs.layout import Meaning
from gateway.codecs.reference import Refused, decode_fields, encode_fields, frame_length
from gateway.limits import MESSAGE_BYTES_MAX
from gateway.sessions.actions import Fault, Fields, GarbledLimit, LocalProtocolError, Message, Rx, Send, Silent, Tx
from gateway.sessions.rim import Rim
from gateway.sessions.soupbin import SILENCE_NS, SoupClient, SoupServer

HEARTBEATS = {"client": "ClientHeartbeat", "venue": "ServerHeartbeat"}
PASSED_OVER = frozenset({"ClientHeartbeat", "ServerHeartbeat", "Debug", "ServerUnsequencedData"})
SESSION = frozenset({"LoginRequest", "LoginAccepted", "LoginRejected", "LogoutRequest", "EndOfSession"})
FOR_CLIENT = frozenset({"AccountQueryResponse", "SystemEvent", "MassCancelResponse", "DisableOrderEntryResponse", "EnableOrderEntryResponse"})
WHEN_CANCELS = frozenset({"CancelOrder", "AccountQuery", "MassCancel", "DisableOrderEntry", "EnableOrderEntry"})


class SoupRim(Rim):
    """One SoupBinTCP connection record; `meaning` is the layout of the application, which carries the session's packets too."""

    def __init__(self, session: SoupClient | SoupServer, meaning: Meaning, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__(session, secrets)
        self.meaning = meaning
        self.next_token = 1
        self.sent: list[bytes] = []  # server: every sequenced packet, from number 1
        self.waiting: deque[tuple[str, Fields]] = deque()
        self._server = isinstance(session, SoupServer)
        self._us: Literal["client", "venue"] = "venue" if self._server else "client"
        self._peer: Literal["client", "venue"] = "client" if self._server else "venue"

    def submit(self, type: str, fields: Fields, now_ns: int) -> bool:
        """A server's reports wait for tx = open (R7); a client's orders are refused till then, its cancels from cancels on."""
        if self._server:
            self.waiting.append((type, fields))
            self._pump(now_ns)
            return True
        if self.tx is Tx.OPEN or (self.tx is Tx.CANCELS and type in WHEN_CANCELS):
            self._send(Send(type, fields), now_ns)
            return True
        return False

    # ---------------------------------------------------------------------------------------------------------- inbound (T3)

    def _take_one(self, now_ns: int) -> bool:
        try:
            total = frame_length(self.meaning, bytes(self._buffer[: MESSAGE_BYTES_MAX + 1]))
        except Refused:
            total = MESSAGE_BYTES_MAX + 1
        if total > MESSAGE_BYTES_MAX or (not total and len(self._buffer) > MESSAGE_BYTES_MAX):
            self._buffer.clear()
            self._give(GarbledLimit(), now_ns)
            return False
        if not total:
            return False
        raw = bytes(self._buffer[:total])
        del self._buffer[:total]
        try:
            decoded = decode_fields(self.meaning, raw, self._peer)
        except Refused as fault:
            self._refused(raw, fault, now_ns)
            return True
        assert decoded is not None, "frame_length found it whole"
        name = decoded.message.name
        if name in PASSED_OVER:
            return True
        message = Message(name, tuple(decoded.fields.items()), seq=self.next_rx, expected=self.next_rx, raw=raw)
        if decoded.message.inner and not self._server:
            self.next_rx += 1
        if self.rx is Rx.ADMIN or name in SESSION or name in FOR_CLIENT:
            self._give(message, now_ns)
        else:
            self._inbox.append(message)
        return True

    def _refused(self, raw: bytes, fault: Refused, now_ns: int) -> None:
        """Only a packet that carries application bytes is consumed with its fault; any other is the end."""
        carrier = self.meaning.frame.carriers[self._peer]
        if raw[self.meaning.frame.type_at] != carrier:
            self._give(GarbledLimit(), now_ns)
            return
        message = Message("", seq=self.next_rx, expected=self.next_rx, fault=Fault(0, None, str(fault)), raw=raw)
        if not self._server:
            self.next_rx += 1
        self._give(message, now_ns)

    def _set_rx(self, state: Rx, through: int | None, now_ns: int) -> None:
        self.rx = state

    # --------------------------------------------------------------------------------------------------------- outbound (T3)

    def _send(self, send: Send, now_ns: int) -> None:
        if self.tx is Tx.CLOSED:
            raise LocalProtocolError(f"send of {send.type} while tx is closed")
        packet = encode_fields(self.meaning, send.type, {str(name): self._reveal(value) for name, value in send.fields})
        if self._server and self.meaning.names[send.type].inner:
            self.sent.append(packet)
            self.next_tx += 1
        self._out += packet
        self.last_tx_ns = now_ns

    def _pump(self, now_ns: int) -> None:
        while self.waiting and self.tx is Tx.OPEN:
            self._send(Send(*self.waiting.popleft()), now_ns)

    def _resend(self, first: int, last: int, now_ns: int) -> None:
        for packet in self.sent[first - 1 : last]:
            self._out += packet
        self.last_tx_ns = now_ns

    def _set_next(self, which: str, n: int) -> None:
        if which == "token":
            self.next_token = max(self.next_token, n)
        else:
            super()._set_next(which, n)

    # ---------------------------------------------------------------------------------------------------------------- time

    def _timer_ns(self) -> int:
        if not self.heart_bt_int_ns or self.closing is not None:
            return super()._timer_ns()
        return min(self.last_tx_ns + self.heart_bt_int_ns, self.last_rx_ns + SILENCE_NS)

    def _on_timer(self, now_ns: int) -> None:
        if now_ns - self.last_rx_ns >= SILENCE_NS:
            self._give(Silent(), now_ns)
        elif now_ns - self.last_tx_ns >= self.heart_bt_int_ns:
            self._send(Send(HEARTBEATS[self._us]), now_ns)
