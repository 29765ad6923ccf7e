"""Runs session transcripts: files of given, when and then, as in tests/transcripts/fix44; `python -m tests.sessions.transcript FILE …`.

    given  role=acceptor logged_on next_in=5 next_out=3 now=12:00:00.000     (logged_on: the whole logon is played first, unseen)
    when   connect | < 35=0|34=2| | +30s | disconnect | logout TEXT | submit 35=8|37=1|
    then   > 35=5|58=…| | event SessionLost(reason=…) | inbox 35=D|… | close | nothing

A `when` (or several in a row) must cause exactly what the `then` lines after it say, each kind in order, nothing more. In messages
8, 9, 49, 52, 56 and 10 are filled in where the case does not give them, and those and 34, 122 are compared only where it does.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.sessions.actions import NEVER, SECOND, SecretRef, Tell
from gateway.sessions.fix import FixConfig, FixSession, Role, State
from gateway.sessions.fix_rim import FixRim
from gateway.sessions.fix_wire import frame, utc_ns, utc_timestamp

US, THEM = "GW", "PEER"
DAY = utc_ns("20261120-00:00:00")
assert DAY is not None
FILLED = ("8", "9", "10", "34", "49", "52", "56", "122")
Pairs = list[tuple[str, str]]


class TranscriptFailed(AssertionError):
    """What was expected and what came, with the line of the transcript."""


def pairs(text: str) -> Pairs:
    """ "35=0|34=2|" as pairs."""
    return [tuple(each.split("=", 1)) for each in text.strip().split("|") if each]  # type: ignore[misc]


def wire(case: Pairs, now_ns: int) -> bytes:
    """The bytes of one inbound message; what the case does not give is filled in rightly."""
    given = dict(case)
    head = [("35", given["35"]), ("49", THEM), ("56", US), ("34", given.get("34", "")), ("52", utc_timestamp(now_ns))]
    body = [(tag, given.get(tag, value)) for tag, value in head if given.get(tag, value)]
    body += [(tag, value) for tag, value in case if tag not in ("8", "9", "10", "34", "35", "49", "52", "56")]
    text = "".join(f"{tag}={value}\x01" for tag, value in body)
    start = f"8={given.get('8', 'FIX.4.4')}\x019={given.get('9', len(text))}\x01"
    return f"{start}{text}10={given.get('10', f'{sum((start + text).encode()) % 256:03d}')}\x01".encode()


@dataclass
class Seen:
    """What came out since the last look."""

    messages: list[Pairs] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    inbox: list[Pairs] = field(default_factory=list)
    closed: bool = False


def shown(tell: Tell) -> str:
    return f"{tell.event}(reason={tell.reason})" if tell.reason else str(tell.event)


class Case:
    """One transcript against one rim."""

    def __init__(self, options: dict[str, str], make: Callable[[Role, FixConfig], FixRim]) -> None:
        config = FixConfig(
            sender_comp_id=US,
            target_comp_id=THEM,
            allow_reset="allow_reset" in options,
            reset_seq_num_on_logon="reset_on_logon" in options,
            password=SecretRef("password") if "password" in options else None,
            reconcile="each" if "each" in options else "mass_status",
        )
        self.rim = make(Role(options["role"]), config)
        hours, minutes, seconds = options.get("now", "12:00:00.000").split(":")
        assert DAY is not None
        self.now_ns = DAY + (int(hours) * 3600 + int(minutes) * 60) * SECOND + int(seconds.replace(".", "")) * SECOND // 1000
        self.rim.next_rx, self.rim.next_tx = int(options.get("next_in", "1")), int(options.get("next_out", "1"))
        if "logged_on" in options:
            self._log_on(options.get("heart_bt_int", "30"))

    def _log_on(self, heart_bt_int: str) -> None:
        back = 1 if self.rim.fix.role is Role.ACCEPTOR else 3  # the messages a whole logon takes, each way
        self.rim.next_rx, self.rim.next_tx = self.rim.next_rx - back, self.rim.next_tx - back
        assert self.rim.next_rx > 0 and self.rim.next_tx > 0, f"logged_on needs next_in and next_out above {back}"
        seq = self.rim.next_rx
        self.rim.attach(self.now_ns)
        steps = [f"35=A|98=0|108={heart_bt_int}|"]
        if self.rim.fix.role is Role.INITIATOR:
            steps += ["35=0|112=FENCE-1|", "35=8|150=I|584=STATUS-1|911=0|912=Y|"]
        for ahead, step in enumerate(steps):
            self.rim.feed(wire([*pairs(step), ("34", str(seq + ahead))], self.now_ns), self.now_ns)
        assert self.rim.fix.state is State.OPEN, f"the played logon ends in {self.rim.fix.state}"
        self.look()

    def look(self) -> Seen:
        seen = Seen(closed=self.rim.closing is not None)
        out = self.rim.take_out()
        while out:
            found = frame(out)
            assert found.tags is not None, f"we sent garbled bytes, {found.fault}: {out!r}"
            seen.messages.append([(str(tag), value) for tag, value in found.tags])
            out = out[found.consumed :]
        seen.events = [shown(tell) for tell in self.rim.take_told()]
        seen.inbox = [[("35", m.type), *((str(tag), str(value)) for tag, value in m.fields)] for m in self.rim.take_inbox()]
        return seen

    def when(self, what: str) -> None:
        if what.startswith("<"):
            self.rim.feed(wire(pairs(what[1:]), self.now_ns), self.now_ns)
        elif what == "connect":
            self.rim.attach(self.now_ns)
        elif what == "disconnect":
            self.rim.detach("", self.now_ns)
        elif what.startswith("logout"):
            self.rim.logout(what[len("logout") :].strip(), self.now_ns)
        elif what.startswith("submit"):
            (_, type), *body = pairs(what[len("submit") :])
            self.rim.submit(type, tuple((int(tag), value) for tag, value in body), self.now_ns)
        elif moved := re.fullmatch(r"\+(\d+)(ms|s)", what):
            self._pass(int(moved[1]) * (SECOND if moved[2] == "s" else 1_000_000))
        else:
            raise TranscriptFailed(f"unknown step {what!r}")

    def _pass(self, duration_ns: int) -> None:
        end = self.now_ns + duration_ns
        while self.rim.deadline_ns <= end and self.rim.deadline_ns != NEVER:
            self.now_ns = max(self.now_ns, self.rim.deadline_ns)
            self.rim.tick(self.now_ns)
        self.now_ns = end


def compare(expected: list[str], seen: Seen) -> str:
    """ "" if what was seen is exactly what was expected, else what is different."""
    messages = [pairs(line[1:]) for line in expected if line.startswith(">")]
    for want, got in zip(messages, seen.messages, strict=False):
        optional = [tag for tag in FILLED if tag not in dict(want)]
        kept = [(tag, value) for tag, value in got if tag not in optional]
        if sorted(kept) != sorted(want):
            return f"expected message {want}, got {kept}"
    inbox = [pairs(line[len("inbox") :]) for line in expected if line.startswith("inbox")]
    events = [line[len("event") :].strip() for line in expected if line.startswith("event")]
    for name, want_all, got_all in (
        ("messages", len(messages), len(seen.messages)),
        ("events", events, seen.events),
        ("inbox", inbox, seen.inbox),
        ("close", "close" in expected, seen.closed),
    ):
        if want_all != got_all:
            return f"expected {name} {want_all}, got {got_all}; messages sent: {seen.messages}"
    return ""


def run(path: Path, make: Callable[[Role, FixConfig], FixRim]) -> None:
    """Run one transcript. Raises TranscriptFailed with file, line, what was expected and what came."""
    case: Case | None = None
    expected: list[str] = []
    whens = 0

    def settle(number: int) -> None:
        nonlocal expected, whens
        if case is not None and whens:
            if not expected:
                raise TranscriptFailed(f"{path.name}:{number}: a `when` without `then`")
            if wrong := compare(expected, case.look()):
                raise TranscriptFailed(f"{path.name}:{number}: {wrong}")
        expected, whens = [], 0

    for number, line in enumerate(path.read_text().splitlines(), 1):
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if not line.strip() or word == "#" or line.startswith("#"):
            continue
        if word == "given":
            settle(number - 1)
            case = Case(dict(each.split("=", 1) if "=" in each else (each, "") for each in rest.split()), make)
        elif word == "when":
            assert case is not None, f"{path.name}:{number}: `when` before `given`"
            if expected:
                settle(number - 1)
            case.when(rest)
            whens += 1
        elif word == "then":
            expected.append(rest)
        else:
            raise TranscriptFailed(f"{path.name}:{number}: lines begin with given, when, then or #, not {word!r}")
    settle(number)


def session_alone(role: Role, config: FixConfig) -> FixRim:
    return FixRim(FixSession(role, config), {"password": "swordfish"})


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(Path(name), session_alone)
        print("ok", name)
