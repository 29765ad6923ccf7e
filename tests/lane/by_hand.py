"""The venue is the test itself: what it says to the lane, message by message, and what the lane sent to it."""

from pathlib import Path

import simplefix

from gateway.sessions.fix_wire import utc_timestamp
from tests.control.world import FixClient, World
from tests.simulators.stand import fix_venue


def opened(folder: Path) -> tuple[World, FixClient]:
    """A strategy and a session with a venue that rests every order, both logged on."""
    world = World(folder, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    return world, strategy


def take_over(world: World) -> int:
    """From here on the test is the venue; the number that its next message must have. What was sent before is not looked at."""
    world.lines.pop(1)
    world.lane.out(1)
    return world.lane.view(1).rx_next


def sent(world: World) -> list[dict[str, str]]:
    """The messages sent to the venue since the last look, each by tag."""
    return [dict(pair.split("=", 1) for pair in text.split("\x01") if "=" in pair) for text in world.lane.out(1).decode().split("8=FIX.4.4") if text]


def venue_says(world: World, seq: int, msg_type: str, body: str) -> bytes:
    """A message of the venue as bytes; body: TAG=VALUE|…"""
    message = simplefix.FixMessage()
    for tag, value in ((8, "FIX.4.4"), (35, msg_type), (49, "VENUE"), (56, "GW"), (34, seq), (52, utc_timestamp(world.now_ns))):
        message.append_pair(tag, value)
    for pair in body.strip("|").split("|"):
        tag, value = pair.split("=", 1)
        message.append_pair(int(tag), value)
    return bytes(message.encode())
