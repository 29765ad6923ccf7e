"""How the gate stands, in the words of `killswitch status`: for the log, and for operators that ask."""

from pathlib import Path

from risk.latch import FIRM, Latch, LatchDamaged, LatchMissing
from risk.words import say_scope, utc

MADE_ANEW = "`killswitch engage` makes it anew, dropped; then `killswitch rearm`"


def gate(path: Path) -> str:
    """OPEN, or DROPPED: scope, since, by: reason; a latch file that is not whole drops the firm, and the text says what to do."""
    try:
        with Latch(path) as latch:
            dropped = list(dict.fromkeys(slot for slot in (FIRM, *latch.used()) if latch.dropped(slot) or latch.identity(slot) is None))
            if not dropped:
                return "OPEN"
            return "DROPPED: " + "; ".join(_told(latch, slot) for slot in dropped)
    except LatchMissing:
        return f"DROPPED: firm, since unknown, by unknown: {path} does not exist; {MADE_ANEW}"
    except LatchDamaged as error:
        return f"DROPPED: firm, since unknown, by unknown: {error}; {MADE_ANEW}"
    except OSError as error:
        return f"DROPPED: firm, since unknown, by unknown: {path}: {error.strerror}"


def _told(latch: Latch, slot: int) -> str:
    """scope, since, by: reason. A slot that cannot be read counts as the firm."""
    since_ns, by, reason = latch.note(slot)
    return f"{say_scope(latch.identity(slot) or ('firm', ''))}, since {utc(since_ns)}, by {by or 'unknown'}" + (f": {reason}" if reason else "")
