"""How a gateway ends: new orders are DENIED and open ones cancelled, sessions log out, the lane writes its last record; each stage with its time."""

from enum import StrEnum

from gateway.control.inputs import Ended
from gateway.control.lines import Lines
from gateway.control.outbox import Outbox
from gateway.control.strangers import Strangers
from gateway.lane import commands
from gateway.lane.native import lib
from gateway.sessions.actions import NEVER, SECOND

CANCEL_NS = 5 * SECOND  # for the cancels of a shutdown to be answered
LEAVE_NS = 5 * SECOND  # for its Logouts; then the sockets are closed
STOP_NS = 2 * SECOND  # for the lane's last record


class Stage(StrEnum):
    """How far the end of the gateway has come."""

    RUNNING = "running"
    CANCELLING = "cancelling"  # new orders are DENIED, open day orders are being cancelled
    LEAVING = "leaving"  # the sessions log out
    STOPPING = "stopping"  # the lane writes its last record
    ENDED = "ended"


class Ending:
    """`cancels` is the configuration's on_shutdown, `failed_stop_ns` its journal's failed_stop_s."""

    def __init__(self, lines: Lines, strangers: Strangers, out: Outbox, cancels: bool, failed_stop_ns: int) -> None:
        self.stage = Stage.RUNNING
        self._lines = lines
        self._strangers = strangers
        self._out = out
        self._cancels = cancels
        self._failed_stop_ns = failed_stop_ns
        self._stage_ends_ns = NEVER
        self._drain_at_ns = NEVER

    @property
    def deadline_ns(self) -> int:
        return min(self._stage_ends_ns, self._drain_at_ns)

    def tick(self, now_ns: int) -> None:
        """A drain that is due; a stage whose time is over."""
        if self._drain_at_ns <= now_ns:
            self.drain(False, now_ns)
        if self._stage_ends_ns <= now_ns:
            self._end_stage(now_ns)

    def drain(self, at_once: bool, now_ns: int) -> None:
        """Begin to end, in order; or at once, and so when asked for the second time."""
        self._drain_at_ns = NEVER
        if at_once or self.stage is not Stage.RUNNING:
            self._stop(now_ns)
            return
        self._out.say("info", "drain", open=self._lines.connected)
        self.stage = Stage.CANCELLING
        self._strangers.open = False
        self._lines.give_up()
        self._out.push(0, now_ns, [commands.stop(lib.GW_STOP_CANCEL if self._cancels else lib.GW_STOP_DENY)])
        self._stage_ends_ns = now_ns + CANCEL_NS
        if not self._cancels:
            self._leave(now_ns)

    def journal_failed(self, now_ns: int) -> None:
        """Nobody new is let in; cancels still leave for a while, then the lane stops (R5f)."""
        if not self._strangers.old_only:
            self._strangers.old_only = True
            self._drain_at_ns = min(now_ns + self._failed_stop_ns, NEVER) if self.stage is Stage.RUNNING else NEVER

    def counted(self, cancelling: int, now_ns: int) -> None:
        """Orders whose cancel is under way: the sessions leave when there is none."""
        if self.stage is Stage.CANCELLING and not cancelling:
            self._leave(now_ns)

    def closed(self, now_ns: int) -> None:
        """A session's socket is gone: with the last one there is nobody to wait for."""
        if self.stage is Stage.LEAVING and not self._lines.connected:
            self._stop(now_ns)

    def lane_stopped(self) -> None:
        """Nothing will leave any more."""
        self.stage = Stage.ENDED
        self._stage_ends_ns = NEVER
        self._out.wish(Ended())

    def _leave(self, now_ns: int) -> None:
        self.stage = Stage.LEAVING
        self._stage_ends_ns = now_ns + LEAVE_NS
        self._lines.log_out(now_ns)
        self._strangers.send_away(now_ns)
        if not self._lines.connected:
            self._stop(now_ns)

    def _stop(self, now_ns: int) -> None:
        if self.stage not in (Stage.STOPPING, Stage.ENDED):
            self.stage = Stage.STOPPING
            self._stage_ends_ns = now_ns + STOP_NS
            self._strangers.open = False
            self._lines.give_up()
            self._out.push(0, now_ns, [commands.stop(lib.GW_STOP_NOW)])

    def _end_stage(self, now_ns: int) -> None:
        if self.stage is Stage.CANCELLING:
            self._out.say("warning", "drain.cancels_unanswered")
            self._leave(now_ns)
        elif self.stage is Stage.LEAVING:
            self._out.say("warning", "drain.logouts_unanswered", open=self._lines.connected)
            self._stop(now_ns)
        else:
            self._out.say("error", "drain.lane_does_not_stop")
            self.lane_stopped()
