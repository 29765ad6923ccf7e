"""`killswitch engage · status · rearm`: drop the gate, see it, open it again, by the latch file alone; the gateway need not answer, or even run.

Standard library only, and started in well under 100 ms. Exit codes are in EXIT_CODES and in --help.
"""

import argparse
import io
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from risk import latch
from risk.deployment import NOT_SET, Config, Stop, parse_scopes
from risk.latch import Latch
from risk.words import Scope, say_scope, utc

OK, USAGE, DISK_ONLY, NOT_AUTHORISED, REFUSED = 0, 1, 3, 4, 6  # 5 and 7 are deployment's
EXIT_CODES = """exit codes:
  0  done, and the gateway's lane has seen it (status: the state could be told)
  1  the command line is wrong; nothing was done
  3  the latch is set on disk only: no gateway is running, or it has not confirmed yet
  4  not authorised to open the gate (the latch file is not writable for you)
  5  no such scope; nothing was done
  6  refused: not confirmed at the prompt, no terminal and no --yes, or dropped anew meanwhile
  7  the latch could NOT be set or read: no configuration found, no folder, no permission, no space
"""
WAIT_DEFAULT = "2"
GRACE_NS = 100_000_000  # a gateway that seems dead may be in another pid namespace, or just starting: look this long all the same


# --- the person ------------------------------------------------------------------------------------------------------------------


def ask(verb: str, scopes: list[Scope], yes: bool) -> None:
    """On a terminal the scope's word must be typed. Raises: Stop(REFUSED)."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Stop(REFUSED, f"REFUSED, nothing changed: not a terminal. `killswitch {verb} … --yes` does not ask.")
    word = ",".join(name or kind for kind, name in scopes)
    print(f"{verb} {', '.join(map(say_scope, scopes))}: type {word} to confirm: ", end="", file=sys.stderr, flush=True)
    try:
        typed = sys.stdin.readline().strip()
    except KeyboardInterrupt:
        typed = ""
    if typed != word:
        raise Stop(REFUSED, f"REFUSED, nothing changed: {typed!r} is not {word!r}.")


def who() -> str:
    """user@host pid (tty), with the one behind sudo: what people look for first."""
    import pwd

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    if sudo := os.environ.get("SUDO_USER"):
        user = f"{sudo} as {user}"
    try:
        terminal = os.ttyname(0).removeprefix("/dev/")
    except OSError:
        terminal = "no tty"
    return f"{user}@{os.uname().nodename} {terminal}"


def sleep_ns(wait_ns: int) -> None:
    time.sleep(wait_ns / 1_000_000_000)


def new_salt() -> int:
    return int.from_bytes(os.urandom(8), "little")


# --- the lane's confirmation -------------------------------------------------------------------------------------------------


def process_state(pid: int) -> str:
    """"" if there is no such process, else its letter in /proc (T: stopped), or "?"."""
    if pid <= 0:
        return ""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "?"


def running(pid: int) -> bool:
    return process_state(pid) not in ("", "Z", "X")


def wait_for_lane(mapped: Latch, slots: list[int], wait_ns: int, new_file: bool = False) -> bool:
    """True once the lane has acted on the words as they are. Ends early if no gateway is there to do so; of a `new_file` nobody knows."""
    begin_ns = time.monotonic_ns()
    while True:
        # The words are new, so whoever has seen them is alive, also where its pid is of another namespace.
        if all(mapped.seen(slot) == mapped.word(slot) for slot in slots):
            return True
        waited_ns = time.monotonic_ns() - begin_ns
        if waited_ns >= wait_ns or (waited_ns >= GRACE_NS and not new_file and not running(mapped.lane_pid())):
            return False
        try:
            sleep_ns(1_000_000 if waited_ns < GRACE_NS else 5_000_000)
        except KeyboardInterrupt:
            return False  # the latch is set; only the waiting ends


def say_unconfirmed(mapped: Latch, wait: str, verb: str) -> str:
    pid = mapped.lane_pid()
    state = process_state(pid)
    if not running(pid):
        last = f" (the last one had pid {pid})" if pid else ""
        return f"ON DISK ONLY: no gateway is running{last}. One that starts will find the latch as it is now."
    stopped = " It is stopped (SIGSTOP or a debugger)." if state in ("T", "t") else ""
    certain = f" If you must be certain now: kill -9 {pid}, and call the venue." if verb == "engage" else ""
    return f"NOT CONFIRMED: the gateway, pid {pid}, has not looked for {wait} s.{stopped} The latch is set and holds as soon as it takes a step.{certain}"


# --- commands ----------------------------------------------------------------------------------------------------------------


def open_for_engage(config: Config, by: str, reason: str, notes: list[str]) -> tuple[Latch, bool]:
    """The latch file, and whether it was made, with the firm dropped, because it was missing or damaged: both count as dropped, and stay so."""
    path, made = config.latch, False
    for _ in range(3):
        try:
            return Latch(path, writable=True), made
        except latch.LatchMissing:
            made = True
            if latch.create(path, new_salt(), time.time_ns(), True, by, f"latch file was missing; {reason}"):
                notes.append("The latch file was missing, which counts as dropped: it was made anew with the FIRM dropped.")
        except latch.LatchDamaged as error:
            made = True
            aside = path.with_name(f"latch.damaged.{time.time_ns()}")
            try:
                os.link(path, aside)
            except OSError:
                pass  # evidence is nice to have; dropping the gate is not optional
            latch.create(path, new_salt(), time.time_ns(), True, by, f"latch file was damaged; {reason}", replace=True)
            notes.append(f"The latch file was damaged ({error}), which counts as dropped: it was made anew with the FIRM dropped, the old one is {aside.name}.")
    raise OSError(f"{path}: comes and goes")


def engage(args: argparse.Namespace) -> int:
    config = Config(args.config)
    have_slots = False
    try:
        with Latch(config.latch) as known:
            scopes = parse_scopes(args.scope, config, known)
            have_slots = all(known.find(*scope) is not None for scope in scopes)
    except (latch.LatchMissing, latch.LatchDamaged, OSError):
        scopes = parse_scopes(args.scope, config, None)
    firm_only = scopes == [("firm", "")]
    ask("engage", scopes, args.yes)
    by, reason, notes = who(), args.reason or "", [f"{config.path} is not TOML ({config.broken}); only its state_dir was used."] if config.broken else []
    lock: int | None = None
    try:
        wait_ns = latch.LOCK_SHORT_NS if firm_only or have_slots else latch.LOCK_NS
        lock = latch.take_lock(config.latch, wait_ns, time.monotonic_ns, sleep_ns)
        mapped, made = open_for_engage(config, by, reason, notes)
    except OSError as error:
        raise Stop(NOT_SET, _not_set(config, error)) from None
    with mapped:
        try:
            slots = [mapped.engage(kind, name, "kill", time.time_ns(), by, reason, lock) for kind, name in scopes]
        except (latch.LatchBusy, latch.LatchFull) as error:
            raise Stop(NOT_SET, f"NOT SET: {error}. `killswitch engage` without --scope needs no slot and no lock, and drops the firm.") from None
        if firm_only and (lost := mapped.clear_unreadable()):
            notes.append(f"{len(lost)} scope(s) in the latch could not be read and were freed; if one of them must stay dropped, engage it again BEFORE rearm.")
        if lock is not None:
            os.close(lock)
        begin_ns = time.monotonic_ns()
        confirmed = wait_for_lane(mapped, slots, args.wait[1], made)
        took_us = (time.monotonic_ns() - begin_ns) // 1000
        lines = [_state_line(mapped, slot) for slot in slots]
        if confirmed:
            lines.append(f"CONFIRMED by the gateway, pid {mapped.lane_pid()}, in {took_us} µs: no new order leaves; cancels flow.")
        else:
            lines.append(say_unconfirmed(mapped, args.wait[0], "engage"))
        code = OK if confirmed else DISK_ONLY
        tell(args, "engage", code, mapped, config, slots, lines + notes)
        mapped.flush()  # for a power loss; may wait for the disk, so everything has been told before
    return code


def rearm(args: argparse.Namespace) -> int:
    if not args.reason.strip():
        raise Stop(USAGE, "NOTHING DONE: --reason must say why the gate may open.")
    config = Config(args.config)
    lock = latch.take_lock(config.latch, latch.LOCK_NS, time.monotonic_ns, sleep_ns)
    if lock is None:
        raise Stop(NOT_SET, f"NOT REARMED: another killswitch holds {config.latch}.lock, or it cannot be written. Try again.")
    try:
        mapped = Latch(config.latch, writable=True)
    except PermissionError:
        raise Stop(NOT_AUTHORISED, f"NOT REARMED: {config.latch} is not writable for you.") from None
    except latch.LatchMissing:
        raise Stop(NOT_SET, f"NOT REARMED: {config.latch} does not exist, which counts as dropped. `killswitch engage` makes it, dropped; then rearm.") from None
    except latch.LatchDamaged as error:
        raise Stop(NOT_SET, f"NOT REARMED: {error}, which counts as dropped. `killswitch engage` makes it anew, dropped; then rearm.") from None
    except OSError as error:
        raise Stop(NOT_SET, f"NOT REARMED: {config.latch}: {error.strerror}.") from None
    with mapped:
        scopes = parse_scopes(args.scope, config, mapped)
        if unreadable := [slot for slot in mapped.used() if mapped.identity(slot) is None]:
            numbers = ", ".join(map(str, unreadable))
            raise Stop(REFUSED, f"REFUSED, nothing changed: slot {numbers} of the latch cannot be read, so the firm is dropped. `killswitch engage` repairs it.")
        found = [(scope, mapped.find(*scope)) for scope in scopes]
        slots = [slot for _, slot in found if slot is not None and mapped.dropped(slot)]
        if not slots:
            tell(args, "rearm", OK, mapped, config, [], [f"OPEN already: {say_scope(scope)}" for scope in scopes] + _still_dropped(mapped))
            return OK
        generations = [mapped.generation(slot) for slot in slots]
        for slot in slots:
            print(_state_line(mapped, slot), file=sys.stderr)
        ask("rearm", scopes, args.yes)
        now_ns, by = time.time_ns(), who()
        opened = [mapped.rearm(slot, generation, now_ns, by, args.reason) for slot, generation in zip(slots, generations, strict=True)]
        os.close(lock)
        if not all(opened):
            again = ", ".join(_state_line(mapped, slot) for slot, ok in zip(slots, opened, strict=True) if not ok)
            raise Stop(REFUSED, f"REFUSED: dropped anew meanwhile, and stays so. {again}")
        confirmed = wait_for_lane(mapped, slots, args.wait[1])
        lines = [_state_line(mapped, slot) for slot in slots]
        lines.append(f"CONFIRMED by the gateway, pid {mapped.lane_pid()}." if confirmed else say_unconfirmed(mapped, args.wait[0], "rearm"))
        lines += _still_dropped(mapped)
        code = OK if confirmed else DISK_ONLY
        tell(args, "rearm", code, mapped, config, slots, lines)
        mapped.flush()
    return code


def status(args: argparse.Namespace) -> int:
    config = Config(args.config)
    try:
        mapped = Latch(config.latch)
    except (latch.LatchMissing, latch.LatchDamaged) as error:
        what = "does not exist" if isinstance(error, latch.LatchMissing) else f"is damaged ({error})"
        never = "" if (config.state_dir / "journal").exists() else "; where no gateway has ever run, as it seems here, the first one makes it, open"
        lines = ["DROPPED: firm, unknown, unknown", f"The latch file {config.latch} {what}, which counts as dropped. `killswitch engage` makes it anew, dropped{never}."]
        tell(args, "status", OK, None, config, [], lines)
        return OK
    except OSError as error:
        raise Stop(NOT_SET, f"UNKNOWN: {config.latch}: {error.strerror}.") from None
    with mapped:
        used = mapped.used()
        dropped = [slot for slot in used if mapped.dropped(slot) or mapped.identity(slot) is None]
        lines = [_state_line(mapped, slot) for slot in dropped] or ["OPEN"]
        if any(mapped.identity(slot) is None for slot in dropped) and not mapped.dropped(latch.FIRM):
            lines.insert(0, "DROPPED: firm, unknown, unknown")
        for slot in dropped:
            if reason := mapped.note(slot)[2]:
                lines.append(f"reason of {say_scope(mapped.identity(slot) or ('slot', str(slot)))}: {reason}")
        pid = mapped.lane_pid()
        unseen = [slot for slot in used if mapped.seen(slot) != mapped.word(slot)]
        if not running(pid):
            lines.append("gateway: not running" + (f" (the last one had pid {pid})" if pid else ""))
        elif unseen:
            names = ", ".join(say_scope(mapped.identity(slot) or ("slot", str(slot))) for slot in unseen)
            lines.append(f"gateway: pid {pid}{' is STOPPED and' if process_state(pid) in ('T', 't') else ''} has NOT seen the present state of {names}")
        else:
            lines.append(f"gateway: pid {pid} has seen this state")
        tell(args, "status", OK, mapped, config, used, lines)
    return OK


def _state_line(mapped: Latch, slot: int) -> str:
    since_ns, by, _ = mapped.note(slot)
    scope = mapped.identity(slot)
    if scope is None:
        return f"DROPPED: slot {slot}, unknown, unknown (cannot be read: counts as the firm)"
    state = "DROPPED" if mapped.dropped(slot) else "OPEN"
    return f"{state}: {say_scope(scope)}, {utc(since_ns)}, {by or 'unknown'}"


def _still_dropped(mapped: Latch) -> list[str]:
    """What a rearm has not opened, each with the line that does."""
    lines = []
    for slot in mapped.used():
        if mapped.dropped(slot):
            kind, name = mapped.identity(slot) or ("firm", "")
            lines.append(f"Still {_state_line(mapped, slot)}; killswitch rearm {f'--scope {kind}={name} ' if name else ''}--reason … opens it")
    return lines


def _not_set(config: Config, error: OSError) -> str:
    what = f"{error.filename or config.latch}: {error.strerror or error}"
    if not config.state_dir.is_dir():
        what = f"there is no folder {config.state_dir}, the state_dir of {config.path} (wrong configuration, or never started)"
    pid = 0
    try:
        with Latch(config.latch) as mapped:
            pid = mapped.lane_pid()
    except (latch.LatchMissing, latch.LatchDamaged, OSError):
        pass
    instead = f" Stop the gateway itself: kill -9 {pid}, and call the venue." if running(pid) else ""
    return f"NOT SET: {what}. The gate is as it was.{instead}"


def tell(args: argparse.Namespace, verb: str, code: int, mapped: Latch | None, config: Config, slots: list[int], lines: list[str]) -> None:
    """The lines for people, or one JSON object."""
    if not args.json:
        print("\n".join(lines), flush=True)
        return
    import json

    scopes = []
    for slot in slots if mapped is not None else ():
        assert mapped is not None
        kind, name = mapped.identity(slot) or ("unreadable", str(slot))
        since_ns, by, reason = mapped.note(slot)
        scopes.append({
            "scope": kind, "name": name, "state": "DROPPED" if mapped.dropped(slot) else "OPEN", "level": mapped.level(slot),
            "generation": mapped.generation(slot), "since_ns": since_ns, "by": by, "reason": reason, "seen_by_lane": mapped.seen(slot) == mapped.word(slot),
        })  # fmt: skip
    pid = mapped.lane_pid() if mapped is not None else 0
    state = lines[0].partition(":")[0].partition(" ")[0]
    print(json.dumps({
        "command": verb, "exit": code, "state": state, "pid": pid, "running": running(pid), "latch": str(config.latch), "scopes": scopes, "lines": lines,
    }), flush=True)  # fmt: skip


# --- the command line --------------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"NOTHING DONE: {message}", file=sys.stderr)
        raise SystemExit(USAGE)


def seconds(text: str) -> tuple[str, int]:
    """"2" or "0.5" → the text and nanoseconds."""
    whole, _, decimals = text.partition(".")
    if not (whole + decimals).isdecimal() or not (whole + decimals).isascii() or len(whole) > 6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, such as 2 or 0.5")
    return text, int(whole or "0") * 1_000_000_000 + int(decimals[:9].ljust(9, "0"))


def parser() -> Parser:
    top = Parser(
        prog="killswitch", description="Drop the gate, see it, open it again.", epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="engage | status | rearm")
    for verb, run, text in (
        ("engage", engage, "stop new orders of a scope at once and have its open ones cancelled; cancels always flow"),
        ("status", status, "what is dropped, since when and by whom, and whether the gateway has seen it; the first line is OPEN or DROPPED: scope, since, by"),
        ("rearm", rearm, "open a scope again"),
    ):
        sub = verbs.add_parser(verb, help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter)
        sub.set_defaults(run=run)
        sub.add_argument("--config", metavar="FILE", help="the gateway's configuration; else $PORTCULLIS_CONFIG, ./portcullis.toml, ./examples/local.toml")
        sub.add_argument("--json", action="store_true", help="one JSON object instead of lines")
        if verb != "status":
            sub.add_argument("--scope", metavar="K=V", action="append", default=[],
                             help="venue=, account=, strategy= or symbol=NAME; more than one: each of them; none: the whole firm")  # fmt: skip
            sub.add_argument("--reason", required=verb == "rearm", help="why; kept with the latch")
            sub.add_argument("--yes", action="store_true", help="do not ask")
            sub.add_argument("--wait", type=seconds, default=seconds(WAIT_DEFAULT), metavar="S", help=f"seconds to wait for the gateway's confirmation ({WAIT_DEFAULT})")
    return top


def main(argv: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):  # a terminal that knows only ASCII must not be what stops a kill
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except KeyboardInterrupt:
        print("INTERRUPTED; `killswitch status` says how it stands.", file=sys.stderr)
        code = REFUSED
    except Stop as stop:
        if args.json:
            import json

            print(json.dumps({"command": args.verb, "exit": stop.code, "lines": [str(stop)]}), flush=True)
        print(stop, file=sys.stderr)
        code = stop.code
    return code


if __name__ == "__main__":
    sys.exit(main())
