"""`killswitch` as it is typed: words and exit codes, with a lane that runs, is stopped, is dead or never was."""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from risk import latch
from risk.latch import Latch

ROOT = Path(__file__).parent.parent.parent
CONFIG = """\
name = "test"
state_dir = "state"
[sessions.one]
venue = "nasdaq"
[strategies.DEMO]
accounts = ["DEMO", "A2"]
[instruments]
file = "instruments.csv"
"""
CSV = "# instruments\nvenue,symbol\nnasdaq,AAPL\nnasdaq,MSFT\n"
BOUND_S = 20  # no command here takes a tenth of it


class Said(NamedTuple):
    code: int
    out: str
    err: str


Kill = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "gw.toml").write_text(CONFIG)
    (tmp_path / "instruments.csv").write_text(CSV)
    (tmp_path / "state").mkdir()
    latch.create(tmp_path / "state" / "latch", 77, 1_795_000_000_000_000_000, False, "tests", "")
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **more}


@pytest.fixture
def kill(home: Path) -> Kill:
    def run(*args: str, config: str | None = "gw.toml", cwd: Path = home) -> Said:
        command = [sys.executable, "-m", "risk.killswitch", *args, *(("--config", str(home / config)) if config else ())]
        done = subprocess.run(
            command, cwd=cwd, env=environment(LC_ALL="C"), stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", timeout=BOUND_S
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run


class Lane(NamedTuple):
    process: "subprocess.Popen[str]"

    def says(self) -> str:
        """The next line it prints, within a bound."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], BOUND_S)[0], "the fake lane says nothing"
        return self.process.stdout.readline().strip()


@pytest.fixture
def lane(home: Path) -> Iterator[Lane]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.risk.fake_lane", str(home / "state" / "latch")]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        one = Lane(process)
        assert one.says() == "mapped"
        try:
            yield one
        finally:
            process.kill()


def words(home: Path) -> dict[tuple[str, str] | None, bool]:
    with Latch(home / "state" / "latch") as mapped:
        return {mapped.identity(slot): mapped.dropped(slot) for slot in mapped.used()}


# With a lane that runs.


def test_engage_is_confirmed_by_the_lane(home: Path, kill: Kill, lane: Lane) -> None:
    said = kill("engage", "--yes", "--reason", "fat finger")
    assert said.code == 0, said
    assert said.out.startswith("DROPPED: firm, 20")
    assert f"CONFIRMED by the gateway, pid {lane.process.pid}, in " in said.out
    assert lane.says().startswith("0 ") and words(home) == {("firm", ""): True}
    said = kill("status")
    first, reason, gateway = said.out.splitlines()
    assert first.startswith("DROPPED: firm, 20") and f"@{os.uname().nodename}" in first
    assert reason == "reason of firm: fat finger" and gateway == f"gateway: pid {lane.process.pid} has seen this state"


def test_rearm_needs_a_reason_and_is_confirmed(home: Path, kill: Kill, lane: Lane) -> None:
    kill("engage", "--yes")
    assert kill("rearm", "--yes").code == 1
    assert kill("rearm", "--yes", "--reason", " ").code == 1
    assert words(home) == {("firm", ""): True}
    said = kill("rearm", "--yes", "--reason", "checked")
    assert said.code == 0 and said.out.startswith("OPEN: firm, ") and f"CONFIRMED by the gateway, pid {lane.process.pid}." in said.out
    assert kill("status").out.splitlines()[0] == "OPEN"
    assert kill("rearm", "--yes", "--reason", "again") == Said(0, "OPEN already: firm\n", "")


def test_rearm_of_what_is_open_says_what_is_still_dropped(home: Path, kill: Kill, lane: Lane) -> None:
    kill("engage", "--yes", "--scope", "symbol=AAPL", "--reason", "halted")
    said = kill("rearm", "--yes", "--reason", "all well")
    first, second = said.out.splitlines()
    assert (said.code, first) == (0, "OPEN already: firm")
    assert second.startswith("Still DROPPED: symbol AAPL, 20") and second.endswith("; killswitch rearm --scope symbol=AAPL --reason … opens it")


def test_a_narrow_scope_leaves_the_rest_open(home: Path, kill: Kill, lane: Lane) -> None:
    said = kill("engage", "--yes", "--scope", "account=A2", "--scope", "symbol=MSFT", "--scope", "venue=nasdaq", "--scope", "strategy=DEMO")
    assert said.code == 0, said
    scopes = {("account", "A2"), ("symbol", "MSFT"), ("venue", "nasdaq"), ("strategy", "DEMO")}
    assert words(home) == {("firm", ""): False, **dict.fromkeys(scopes, True)}
    said = kill("rearm", "--yes", "--reason", "r", "--scope", "account=A2")
    assert said.code == 0 and words(home)["account", "A2"] is False and words(home)["symbol", "MSFT"] is True
    assert "Still DROPPED: symbol MSFT" in said.out
    assert kill("status").out.splitlines()[0].startswith("DROPPED: symbol MSFT, ")


def test_engage_again_is_another_generation_and_keeps_who_was_first(home: Path, kill: Kill, lane: Lane) -> None:
    with Latch(home / "state" / "latch") as mapped:
        kill("engage", "--yes", "--reason", "first")
        since, by, reason = mapped.note(0)
        generation = mapped.generation(0)
        assert kill("engage", "--yes", "--reason", "second").code == 0
        assert mapped.note(0) == (since, by, reason) and reason == "first"
        assert mapped.generation(0) == generation + 1


def test_json(home: Path, kill: Kill, lane: Lane) -> None:
    said = json.loads(kill("engage", "--yes", "--json", "--scope", "account=DEMO").out)
    assert (said["command"], said["exit"], said["state"], said["pid"], said["running"]) == ("engage", 0, "DROPPED", lane.process.pid, True)
    (scope,) = said["scopes"]
    assert (scope["scope"], scope["name"], scope["state"], scope["level"], scope["seen_by_lane"]) == ("account", "DEMO", "DROPPED", "kill", True)
    said = json.loads(kill("status", "--json").out)
    assert [(s["scope"], s["state"]) for s in said["scopes"]] == [("firm", "OPEN"), ("account", "DROPPED")]
    refused = kill("engage", "--yes", "--json", "--scope", "account=NO")
    assert json.loads(refused.out)["exit"] == refused.code == 5


# With a lane that does not answer.


def test_a_stopped_gateway_is_dropped_on_disk_and_said_to_be_stopped(home: Path, kill: Kill, lane: Lane) -> None:
    os.kill(lane.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, lane.process.pid, os.WSTOPPED | os.WNOWAIT)
    said = kill("engage", "--yes", "--wait", "0.15")
    assert said.code == 3 and said.out.startswith("DROPPED: firm, ")
    assert f"NOT CONFIRMED: the gateway, pid {lane.process.pid}, has not looked for 0.15 s. It is stopped" in said.out
    assert f"kill -9 {lane.process.pid}" in said.out
    assert f"gateway: pid {lane.process.pid} is STOPPED and has NOT seen the present state of firm" in kill("status").out
    os.kill(lane.process.pid, signal.SIGCONT)
    slot, _, is_dropped = lane.says().split()
    assert (slot, is_dropped) == ("0", "1"), "the first thing it does is to see the latch"
    assert kill("engage", "--yes").code == 0


def test_engage_and_rearm_while_stopped_still_change_the_generation(home: Path, kill: Kill, lane: Lane) -> None:
    with Latch(home / "state" / "latch") as mapped:
        before = mapped.word(0)
        os.kill(lane.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, lane.process.pid, os.WSTOPPED | os.WNOWAIT)
        assert kill("engage", "--yes", "--wait", "0").code == 3
        said = kill("rearm", "--yes", "--reason", "r", "--wait", "0")
        assert said.code == 3 and "NOT CONFIRMED" in said.out and "kill -9" not in said.out
        assert not mapped.dropped(0) and mapped.word(0) != before, "what was accepted before must not leave"
    os.kill(lane.process.pid, signal.SIGCONT)
    slot, _, is_dropped = lane.says().split()
    assert (slot, is_dropped) == ("0", "0")


def test_a_dead_gateway_is_told_from_a_silent_one(home: Path, kill: Kill, lane: Lane) -> None:
    lane.process.kill()
    lane.process.wait(BOUND_S)
    said = kill("engage", "--yes")
    assert said.code == 3 and words(home) == {("firm", ""): True}
    assert f"ON DISK ONLY: no gateway is running (the last one had pid {lane.process.pid})" in said.out


# Without a whole latch.


def test_a_missing_latch_counts_as_dropped_and_engage_keeps_it_so(home: Path, kill: Kill) -> None:
    (home / "state" / "latch").unlink()
    said = kill("status")
    assert said.code == 0 and said.out.startswith("DROPPED: firm, unknown, unknown\nThe latch file") and "does not exist" in said.out
    assert kill("rearm", "--yes", "--reason", "r").code == 7
    said = kill("engage", "--yes", "--scope", "account=A2")
    assert said.code == 3 and "was missing" in said.out
    assert words(home) == {("firm", ""): True, ("account", "A2"): True}, "a narrow engage must not open the firm"


def test_a_damaged_latch_counts_as_dropped_and_engage_repairs_it_dropped(home: Path, kill: Kill) -> None:
    (home / "state" / "latch").write_bytes(b"\0" * latch.BYTES)
    said = kill("status")
    assert said.code == 0 and said.out.startswith("DROPPED: firm, unknown, unknown\n") and "damaged" in said.out
    assert kill("rearm", "--yes", "--reason", "r").code == 7
    said = kill("engage", "--yes")
    assert said.code == 3 and "was damaged" in said.out and words(home) == {("firm", ""): True}
    assert len(list((home / "state").glob("latch.damaged.*"))) == 1
    assert kill("rearm", "--yes", "--reason", "r").code == 3 and words(home) == {("firm", ""): False}


def test_a_slot_that_cannot_be_read_is_the_firm_until_it_is_repaired(home: Path, kill: Kill) -> None:
    kill("engage", "--yes", "--scope", "account=A2")
    with Latch(home / "state" / "latch", writable=True) as mapped:
        mapped.map[latch.SLOTS_AT + latch.SLOT.size] ^= 0xFF
    assert kill("status").out.startswith("DROPPED: firm, unknown, unknown\n")
    said = kill("rearm", "--yes", "--reason", "r")
    assert said.code == 6 and "slot 1 of the latch cannot be read" in said.err
    said = kill("engage", "--yes")
    assert "1 scope(s) in the latch could not be read" in said.out and words(home) == {("firm", ""): True}


def test_another_killswitch_that_holds_the_lock_does_not_stop_the_firms(home: Path, kill: Kill) -> None:
    kill("engage", "--yes", "--scope", "account=A2")
    kill("rearm", "--yes", "--reason", "r", "--scope", "account=A2")
    with open(home / "state" / "latch.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert kill("engage", "--yes").code == 3 and words(home)["firm", ""] is True
        assert kill("engage", "--yes", "--scope", "account=A2").code == 3 and words(home)["account", "A2"] is True, "it has a slot already"
        said = kill("engage", "--yes", "--scope", "account=DEMO")
        assert said.code == 7 and "holds the lock" in said.err and "drops the firm" in said.err


def test_many_at_once_all_drop(home: Path) -> None:
    scopes = [f"--scope={s}" for s in ("firm", "account=A2", "account=DEMO", "symbol=AAPL", "symbol=MSFT", "venue=nasdaq", "firm", "account=A2")]
    command = [sys.executable, "-m", "risk.killswitch", "engage", "--yes", "--wait", "0", "--config", str(home / "gw.toml")]
    running = [subprocess.Popen([*command, scope], env=environment(), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) for scope in scopes]
    assert [process.wait(BOUND_S) for process in running] == [3] * len(scopes)
    with Latch(home / "state" / "latch") as mapped:
        names = [mapped.identity(slot) for slot in mapped.used()]
        assert len(names) == len(set(names)) == 6 and all(mapped.dropped(slot) for slot in mapped.used()), names


# What cannot be done, and how it is said.


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("account=ZZ", "no account 'ZZ' in "),
        ("symbol=aapl", "Known: AAPL, MSFT."),
        ("venue=NASDAQ", "Known: nasdaq."),
        ("strategy=A2", "Known: DEMO."),
        ("trader=x", "no such scope: 'trader=x'. Write firm, venue=NAME, account=NAME, strategy=NAME, symbol=NAME."),
        ("firm=x", "no such scope: 'firm=x'"),
        ("account", "no such scope: 'account'"),
        ("account=", "no such scope: 'account='"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", [("engage",), ("rearm", "--reason", "r")])
def test_an_unknown_scope_is_refused_with_what_is_known(home: Path, kill: Kill, verb: tuple[str, ...], scope: str, text: str) -> None:
    before = (home / "state" / "latch").read_bytes()
    said = kill(*verb, "--yes", "--scope", scope)
    assert said.code == 5 and said.out == "" and said.err.startswith("NOTHING DONE: ") and text in said.err
    assert (home / "state" / "latch").read_bytes() == before


def test_no_configuration(home: Path, kill: Kill, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    said = kill("engage", "--yes", config=None, cwd=empty)
    assert said.code == 7
    assert said.err == (
        "NOT SET: no configuration found. Looked for --config (not given), $PORTCULLIS_CONFIG (not set), "
        f"{empty}/portcullis.toml, {empty}/examples/local.toml.\n"
    )
    assert kill("engage", "--yes", config="no.toml").code == 7
    (empty / "portcullis.toml").write_text('state_dir = "../state"\n')
    assert kill("status", config=None, cwd=empty).out.startswith("OPEN\n")


def test_a_broken_configuration_still_drops_the_firm(home: Path, kill: Kill) -> None:
    (home / "gw.toml").write_text('state_dir = "state"\nthis is no TOML\n')
    assert kill("engage", "--yes", "--scope", "account=A2").code == 7
    said = kill("engage", "--yes")
    assert said.code == 3 and "is not TOML" in said.out and words(home) == {("firm", ""): True}
    (home / "gw.toml").write_text("[a]\n")
    said = kill("engage", "--yes")
    assert said.code == 7 and "has no state_dir" in said.err


def test_a_missing_folder_is_named(home: Path, kill: Kill) -> None:
    (home / "gw.toml").write_text('state_dir = "elsewhere"\n')
    said = kill("engage", "--yes")
    assert said.code == 7 and f"there is no folder {home}/elsewhere" in said.err and "The gate is as it was." in said.err


def test_without_a_terminal_it_wants_to_be_told_yes(home: Path, kill: Kill) -> None:
    for verb in (["engage"], ["rearm", "--reason", "r"]):
        if verb[0] == "rearm":
            kill("engage", "--yes")
        before = words(home)
        said = kill(*verb)
        assert said.code == 6 and "--yes" in said.err and words(home) == before


@pytest.mark.parametrize(("typed", "code"), [("firm\n", 3), ("yes\n", 6), ("\n", 6), ("\x04", 6)])
def test_on_a_terminal_the_scopes_word_is_typed(home: Path, typed: str, code: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "risk.killswitch", "engage", "--wait", "0", "--config", str(home / "gw.toml")]
    with subprocess.Popen(command, env=environment(), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.write(ours, typed.encode())
        _, err = process.communicate(timeout=BOUND_S)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code and "engage firm: type firm to confirm: " in err
    assert words(home) == {("firm", ""): code == 3}


@pytest.mark.parametrize("args", [(), ("drop",), ("engage", "--wait", "-1"), ("engage", "--wait", "1e3"), ("engage", "extra")])
def test_a_wrong_command_line_is_exit_1(kill: Kill, args: tuple[str, ...]) -> None:
    assert kill(*args, config=None).code == 1


def test_help_lists_the_exit_codes(kill: Kill) -> None:
    for verb in ((), ("engage",), ("status",), ("rearm",)):
        said = kill(*verb, "--help", config=None)
        assert said.code == 0 and "7  the latch could NOT be set" in said.out


def test_it_imports_little(home: Path) -> None:
    """Start time is imports: none of the slow ones, and none from outside the standard library."""
    listed = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import risk.killswitch"],
        capture_output=True, text=True, check=True, timeout=BOUND_S,
    ).stderr  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in listed.splitlines()}
    assert "risk.killswitch" in imported
    slow = {"asyncio", "typing_extensions", "dataclasses", "inspect", "json", "subprocess", "tomllib", "cffi", "pydantic", "trio", "structlog", "logging"}
    assert not imported & slow, imported & slow
