"""What a lane tells the control plane (SEAM T6): bells, each for one connection, and acknowledgements of commands."""

from dataclasses import dataclass

from gateway.lane.native import lib
from gateway.lane.records import Inbound

FACTS: dict[int, str] = {
    getattr(lib, name): name.removeprefix("GW_FACT_").lower() for name in dir(lib) if name.startswith("GW_FACT_")
}


@dataclass(frozen=True, slots=True)
class Bell:
    """A connection's doorbell: what it is now, which facts are new, and the messages for control since the last one that is done.

    `lsn`: the newest of these messages (0 = none), which `commands.done` answers. `rx`, `tx`: GW_CLOSED …; `error`: why the socket is
    gone: 0, -1 = the peer closed it, else -errno. A barrier, if there is one, is the last message, whole and unmasked.
    `more`: messages beyond MESSAGES_MAX are left for the next bell.
    """

    conn: int
    epoch: int
    state_gen: int
    rx: int
    tx: int
    rx_next: int
    tx_next: int
    facts: int
    lsn: int
    error: int
    now_ns: int
    messages: tuple[Inbound, ...] = ()
    more: bool = False
    last_id: int = 0
    """Order API: the highest id this strategy has used."""
    stream_len: int = 0
    """Order API: the number of the newest report there is for it."""

    def __str__(self) -> str:
        names = " ".join(name for bit, name in FACTS.items() if self.facts & bit)
        return f"bell of {self.conn} epoch {self.epoch}: {names or 'no facts'}, {len(self.messages)} messages to {self.lsn}"


@dataclass(frozen=True, slots=True)
class Acked:
    """The batch `id` was applied at journal position `lsn`; one (result, code) for each part: GW_RESULT_*, GW_REFUSED_*."""

    id: int
    lsn: int
    now_ns: int
    results: tuple[tuple[int, int], ...]


Event = Bell | Acked
