"""How the gate stands, in the words of `killswitch status`: for the log, and for operators that ask."""

from pathlib import Path

from risk.latch import FIRM, Latch, LatchDamaged, LatchMissing

MADE_ANEW = "`killswitch engage` makes it anew, dropped; then `killswitch rearm`"


def gate(path: Path) -> str:
    """OPEN, or DROPPED: scope, since, by: reason; a latch file that is not whole drops the firm, and the text says what to do."""
    try:
        with Latch(path) as latch:
            dropped = list(dict.fromkeys(slot for slot in (FIRM, *latch.used()) if latch.dropped(slot) or latch.identity(slot) is None))
            if not dropped:
                return "OPEN"
            kind, name = latch.identity(dropped[0]) or ("firm", "")
            since_ns, by, reason = latch.note(dropped[0])
            more = f" and {len(dropped) - 1} more" if len(dropped) > 1 else ""
            return f"DROPPED: {kind}{' ' + name if name else ''}{more}, since {since_ns}, by {by}: {reason}"
    except LatchMissing:
        return f"DROPPED: firm, since unknown, by unknown: {path} does not exist; {MADE_ANEW}"
    except LatchDamaged as error:
        return f"DROPPED: firm, since unknown, by unknown: {error}; {MADE_ANEW}"
    except OSError as error:
        return f"DROPPED: firm, since unknown, by unknown: {path}: {error.strerror}"
