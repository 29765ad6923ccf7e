"""Whose an accepted socket is: what a stranger says first, against the strategies of the configuration.

FIX names itself by its comp ids; the order API proves that it has the strategy's key by an HMAC over the nonce it was greeted with.
A stranger that is nobody's is shown nothing but the end of its connection (FIX) or one line (order API).
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.config import FixDoor
from gateway.lane.plan import Doorway, Family, Plan
from gateway.sessions.actions import Action, Message, Rx, Send, SetRx, SetTx, Tx

NONCE_BYTES = 32  # as long as the hash: none is ever given twice
Verify = Callable[[str, bytes, bytes], bool]
"""Strategy, nonce, HMAC → is it right? A replay of the control plane gives one that returns the recorded verdicts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`seat`: the connection it is bound to, None = nobody's; `text` says why, for the log; `answer` is sent before the end."""

    seat: int | None
    text: str = ""
    answer: Send | None = None


class Stranger(Protocol):
    """One accepted socket before it is somebody's."""

    def greet(self) -> list[Action]:
        """What it is told when it has come."""

    def judge(self, message: Message) -> Verdict:
        """Whose its first message shows it to be."""

    def refuse(self, text: str) -> Verdict:
        """Nobody's, for a reason that is not in its message."""


class FixStranger:
    """Judged by SenderCompID and TargetCompID of its Logon; password and numbers are the session's to judge."""

    def __init__(self, door: Doorway, plan: Plan) -> None:
        assert isinstance(door.config, FixDoor), f"door {door.name} does not speak FIX"
        self._sender = door.config.sender
        self._seats = {(seat.sender, seat.config.comp_id): seat for seat in plan.seats if seat.family is Family.FIX}

    def greet(self) -> list[Action]:
        return [SetRx(Rx.ADMIN), SetTx(Tx.ADMIN)]

    def judge(self, message: Message) -> Verdict:
        if message.type != "A":
            return Verdict(None, f"the first message is of type {message.type}, not a Logon")
        seat = self._seats.get((self._sender, message.sender))
        if seat is None or message.target != self._sender:
            return Verdict(None, f"nobody's comp ids: {message.sender} to {message.target}")
        return Verdict(seat.conn)

    def refuse(self, text: str) -> Verdict:
        return Verdict(None, text)  # FIX, session test case 1S: a second connection of the same ids is shown nothing


class ApiStranger:
    """Greeted with a nonce, judged by the HMAC-SHA256 over it with the strategy's key."""

    def __init__(self, plan: Plan, gateway: str, nonce: bytes, verify: Verify) -> None:
        self._seats = {seat.name: seat for seat in plan.seats if seat.family is Family.API}
        self._gateway = gateway
        self._nonce = nonce
        self._verify = verify

    def greet(self) -> list[Action]:
        return [SetRx(Rx.ADMIN), SetTx(Tx.ADMIN), Send("Hello", (("nonce", self._nonce), ("name", self._gateway)))]

    def judge(self, message: Message) -> Verdict:
        if message.type != "Login" or message.fault is not None:
            return self.refuse("the first frame is not a Login")
        strategy, mac = message.text("strategy"), message.get("mac")
        octets = bytes.fromhex(mac) if isinstance(mac, str) else mac if isinstance(mac, bytes) else b""
        # One answer for an unknown strategy and a wrong key: nobody learns which names exist.
        if not self._verify(strategy, self._nonce, octets) or strategy not in self._seats:
            return self.refuse("unknown strategy or wrong key")
        return Verdict(self._seats[strategy].conn)

    def refuse(self, text: str) -> Verdict:
        return Verdict(None, text, Send("LoginRejected", (("text", text),)))


def verifier(keys: dict[str, bytes]) -> Verify:
    """Judges by the strategies' keys, in a time that does not tell how much of an HMAC was right."""

    def verify(strategy: str, nonce: bytes, mac: bytes) -> bool:
        key = keys.get(strategy)
        right = hmac.digest(key or nonce, nonce, "sha256")
        return hmac.compare_digest(right, mac) and key is not None

    return verify
