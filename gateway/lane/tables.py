"""The tables and sizes of a lane in its own memory, made from the plan, the instruments, the limits and the secrets.

What is made here is copied by gw_lane_init; layouts and dialects are pointed to, so that whoever owns the lane keeps `Tables` alive.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.codecs import fix
from gateway.codecs import layouts as codec_layouts
from gateway.config import Config, Session, SoupSession
from gateway.errors import ConfigError
from gateway.instruments import Instrument, Instruments
from gateway.lane.native import ffi, lib
from gateway.lane.plan import NOBODY, Family, Plan, Seat, VenueLink
from gateway.limits import REMEMBERED_IDS, RING_ENTRIES
from gateway.venues.spec import Messages, Token
from risk import limits as risk_limits

NO_VENUE = 0xFFFF
NO_MESSAGE = 0xFFFF
ACCOUNTS_MAX = 256  # bits of gw_strategy.accounts
BUFFER_BYTES = 64 * 1024  # read or written at once on a connection; longer than any frame, and one system call's worth
STREAM_MIN = 1 << 16  # reports that a strategy may leave unread, however few orders it may have open
STREAM_MAX = 1 << 21

FAMILIES = {Family.FIX: lib.GW_FAMILY_FIX, Family.SOUP: lib.GW_FAMILY_SOUP, Family.API: lib.GW_FAMILY_API}
LEVELS = {"async": lib.GW_LEVEL_ASYNC, "group": lib.GW_LEVEL_GROUP, "sync": lib.GW_LEVEL_SYNC}
TOKENS = {Token.TEXT: lib.GW_TOKEN_TEXT, Token.NUMBER: lib.GW_TOKEN_NUMBER}
API_MESSAGES = Messages(report="Report", cancel_reject="Report", heartbeat="ServerHeartbeat")
DOOR_MESSAGES = Messages(report="8", cancel_reject="9", heartbeat="0", reject="j")


def _power(at_least: int) -> int:
    return 1 << max(0, at_least - 1).bit_length()


def secret_name(session: str) -> str:
    """The name by which a session's password is sent: never the password."""
    return f"{session}.password"
