"""What every pure-Python rim shares: the doors an owner uses, and the carrying out of actions that mean the same everywhere.

A rim is what the lane is in production, for simulators and tests: it frames, numbers, encodes, heartbeats and recovers, and asks its
session machine about the rest. Bytes and `now_ns` in, bytes out: it runs on sockets, in memory or under a test, and does the same.
It outlives its connections, so the numbers and what was sent stay with it.

    rim.attach(now); rim.feed(data, now); rim.tick(now) at rim.deadline_ns; rim.submit(...); rim.detach(text, now)
    rim.take_out() → bytes to send     rim.take_inbox() → business messages, in order, each once     rim.take_told() → what was told
    rim.closing → set when the owner should close the socket, once out is sent
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from gateway.sessions.actions import (
    NEVER,
    Action,
    ApplyReport,
    Attached,
    Bind,
    Close,
    Closed,
    Done,
    Evidence,
    Fields,
    Input,
    LogoutWanted,
    Message,
    Resend,
    Rx,
    SecretRef,
    Send,
    Session,
    SetNext,
    SetRx,
    SetTx,
    SetValues,
    Tell,
    Tx,
    Value,
)


class Rim(ABC):
    """One session's connection record and its bytes."""

    def __init__(self, session: Session, secrets: Mapping[str, str] | None = None) -> None:
        self.session = session
        self.rx, self.tx = Rx.CLOSED, Tx.CLOSED
        self.next_rx, self.next_tx = 1, 1
        self.closing: Close | None = None
        self.evidence: list[Evidence] = []
        self.values: dict[str, str] = {}
        self.heart_bt_int_ns = 0  # 0: not logged on, the rim says nothing by itself
        self.last_rx_ns = self.last_tx_ns = 0
        self.garbled_count = 0
        self._secrets = dict(secrets or {})
        self._buffer = bytearray()
        self._out = bytearray()
        self._inbox: list[Message] = []
        self._told: list[Tell] = []

    # ------------------------------------------------------------------------------------------------------------ doors

    @property
    def deadline_ns(self) -> int:
        """When tick has work: the session's deadline, a heartbeat or a silence."""
        return min(self.session.deadline_ns, self._timer_ns())

    def attach(self, now_ns: int) -> None:
        """A new connection: nothing of the old one's bytes is kept."""
        assert self.rx is Rx.CLOSED, f"attach while rx is {self.rx}; detach first"
        self._buffer.clear()
        self._out.clear()
        self.closing = None
        self.heart_bt_int_ns = 0
        self.last_rx_ns = self.last_tx_ns = now_ns
        self.rx, self.tx = Rx.ADMIN, Tx.ADMIN
        self._give(Attached(self.next_rx, self.next_tx), now_ns)

    def feed(self, data: bytes, now_ns: int) -> None:
        """Bytes that arrived, in pieces of any size."""
        self.last_rx_ns = now_ns
        self._buffer += data
        while self.rx not in (Rx.CLOSED, Rx.HOLD) and self.closing is None and self._take_one(now_ns):
            pass

    def detach(self, text: str, now_ns: int) -> None:
        """The socket is gone."""
        self.rx, self.tx = Rx.CLOSED, Tx.CLOSED
        self.closing = None
        self.heart_bt_int_ns = 0
        self._buffer.clear()
        self._out.clear()
        self._give(Closed(text), now_ns)

    def tick(self, now_ns: int) -> None:
        """Heartbeats, silence and the session's deadline, as far as they are due."""
        if self.rx is not Rx.CLOSED and self.closing is None and now_ns >= self._timer_ns():
            self._on_timer(now_ns)
        self._carry(self.session.tick(now_ns), now_ns)

    def logout(self, text: str, now_ns: int) -> None:
        """End the session in order."""
        self._give(LogoutWanted(text), now_ns)

    @abstractmethod
    def submit(self, type: str, fields: Fields, now_ns: int) -> bool:
        """One business message to send. False: it may not leave now, and is not kept (SEAM T2)."""

    @property
    def out_bytes(self) -> int:
        """What waits to be taken; a peer that never reads lets it grow, and its owner must end that."""
        return len(self._out)

    def take_out(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    def take_inbox(self) -> list[Message]:
        inbox, self._inbox = self._inbox, []
        return inbox

    def take_told(self) -> list[Tell]:
        told, self._told = self._told, []
        return told

    # ---------------------------------------------------------------------------------------------------- for the protocols

    def _give(self, what: Input, now_ns: int) -> None:
        self._carry(self.session.receive(what, now_ns), now_ns)

    def _carry(self, actions: list[Action], now_ns: int) -> None:
        for action in actions:
            match action:
                case Send():
                    self._send(action, now_ns)
                case SetRx(state=state, through=through):
                    self._set_rx(state, through, now_ns)
                case SetTx(state=state):
                    self.tx = state
                    self._pump(now_ns)
                case SetNext(which=which, n=n):
                    self._set_next(which, n)
                case SetValues(heart_bt_int_s=heart_bt_int_s, values=values):
                    if heart_bt_int_s is not None:
                        self.heart_bt_int_ns = heart_bt_int_s * 1_000_000_000
                    self.values.update(values)
                case Resend(first=first, last=last):
                    self._resend(first, last, now_ns)
                case Evidence():
                    self.evidence.append(action)
                case ApplyReport(message=message):
                    self._inbox.append(message)
                case Tell():
                    self._told.append(action)
                case Close(after_flush=after_flush):
                    self.closing = action
                    self.rx, self.tx = Rx.CLOSED, Tx.CLOSED
                    if not after_flush:
                        self._out.clear()
                case Bind() | Done():
                    pass  # the owner has chosen the session before he attached it; inputs are answered at once here

    def _reveal(self, value: Value) -> object:
        return self._secrets[value.name] if isinstance(value, SecretRef) else value

    def _set_next(self, which: str, n: int) -> None:
        if which == "rx":
            self.next_rx = n
        else:
            self.next_tx = n

    def _timer_ns(self) -> int:
        return NEVER

    @abstractmethod
    def _take_one(self, now_ns: int) -> bool:
        """Frame and handle one message off the buffer; False when more bytes are needed."""

    @abstractmethod
    def _on_timer(self, now_ns: int) -> None: ...

    @abstractmethod
    def _send(self, send: Send, now_ns: int) -> None: ...

    @abstractmethod
    def _set_rx(self, state: Rx, through: int | None, now_ns: int) -> None: ...

    @abstractmethod
    def _pump(self, now_ns: int) -> None:
        """Send what waits for tx, if tx lets it."""

    @abstractmethod
    def _resend(self, first: int, last: int, now_ns: int) -> None: ...
