"""Whose a connection is: strategies by the comp ids of a FIX Logon, or by the proof of an order API Login that they know their key."""

from collections.abc import Callable, Mapping

from gateway.sessions.actions import Message
from gateway.sessions.order_api import proves

Verify = Callable[[Message, bytes], bool]
"""An order API Login and the nonce it answers → is its proof right? A replay of the control plane gives recorded verdicts."""


def verifier(keys: Mapping[str, bytes]) -> Verify:
    """Judges by the strategies' keys. An unknown strategy takes as long as a wrong key, so that nobody learns which names exist."""

    def verify(login: Message, nonce: bytes) -> bool:
        key = keys.get(login.text("strategy"))
        return proves(login, key or nonce, nonce) and key is not None

    return verify
