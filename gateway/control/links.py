"""Connects to venues: a task for each try, which hands over the descriptor or says why there is none."""

import os

import trio

from gateway.control.carrier import Carrier
from gateway.control.inputs import Connect, Connected, NotConnected
from gateway.seams import Net

CONNECT_S = 5.0  # a host that does not answer within this is down; trying again costs less than waiting


async def connect(wish: Connect, net: Net, carrier: Carrier) -> None:
    """Try once."""
    try:
        with trio.fail_after(CONNECT_S):
            descriptor = await net.connect(wish.host, wish.port)
    except trio.TooSlowError:
        carrier.give(NotConnected(wish.conn, f"{wish.host}:{wish.port} did not answer within {CONNECT_S:g} s"))
    except OSError as error:
        # Of several addresses the last error is as good as any; trio hides them behind a sentence of its own.
        cause = error.__cause__
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[-1]
        why = cause if isinstance(cause, OSError) else error
        # The number's own words, which name no address twice; a name that is not found has a number of its own kind.
        words = os.strerror(why.errno) if why.errno and why.errno > 0 else why.strerror or str(why)
        carrier.give(NotConnected(wish.conn, f"{wish.host}:{wish.port}: {words}"))
    else:
        carrier.give(Connected(wish.conn, descriptor))
