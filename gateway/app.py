"""The gateway as a process: its beginning, its tasks, its end. No order passes here; the lane's thread has them all.

    main                        lock, latch, journal, lane (control.begin); then trio:
      outer nursery             lives until the lane has written its last record
        carrier                 lane's events → core → lane's commands
        inner nursery           ends when the gateway drains: nobody comes in, nobody asks, nothing is connected anew
          doors                 one task a door: accept
          connections           one task a try
          admin                 the Unix socket, one task an operator
        signals                 SIGTERM, SIGINT: drain; a second one: now
    then                        lane's thread joined, journal stopped, lock released
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import trio

from gateway.admin import socket_path
from gateway.config import load, located
from gateway.control import doors, links
from gateway.control.admin_server import AdminServer
from gateway.control.anew import Anew
from gateway.control.answers import Answers
from gateway.control.begin import House, begin
from gateway.control.carrier import Carrier
from gateway.control.ending import Stage
from gateway.control.gate import gate
from gateway.control.inputs import DrainWanted
from gateway.control.log import Log
from gateway.control.operator import Operator
from gateway.errors import ConfigError
from gateway.journal.errors import JournalDamaged, JournalError, StateInUse, disk_text
from gateway.journal.journal import ring_path
from gateway.lane.driver import BUSY
from gateway.seams import Clock, Net, SystemClock, SystemNet, SystemRng

Ready = Literal["doors", "open"]
DURABLE_S = 0.05  # then the writer is asked again


def main(file: Path, overrides: Sequence[str] = (), ready: Ready = "doors", anew: Anew | None = None) -> int:
    """Run the gateway of this configuration until it is told to end; its exit code.

    Raises: ConfigError with every problem. What the state folder refuses (in use, damaged) is printed, exit 1.
    """
    config, instruments = load(file, overrides)
    clock = SystemClock()
    try:
        house = begin(config, instruments, os.environ, clock, SystemRng(), anew)
    except (StateInUse, JournalError) as error:
        ring = f" (its ring is {path})" if isinstance(error, JournalDamaged) and (path := ring_path(config.state_dir)).exists() else ""
        print(f"gateway: {error}{ring}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"gateway: state_dir {config.state_dir}: {error.filename or error}: {disk_text(error.errno or 0)}", file=sys.stderr)
        return 1
    for line in house.archived:
        print(f"gateway: {line}", file=sys.stderr)
    log = Log(config.log, clock.now_ns)
    try:
        trio.run(serve, house, SystemNet(), clock, log, ready)
        return_code = 0
    except* ConfigError as errors:
        for problem in _problems(errors):
            print(located(file, problem), file=sys.stderr)
        return_code = 1
    finally:
        closed = _close(house)
    return return_code if closed else 1


def _problems(group: BaseExceptionGroup[ConfigError]) -> Iterator[str]:
    for each in group.exceptions:
        yield from _problems(each) if isinstance(each, BaseExceptionGroup) else each.problems


def _close(house: House) -> bool:
    """Whatever happened: everything that was appended becomes durable; False if the disk does not take it."""
    try:
        house.close()
    except JournalError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return False
    return True


def _tell_beginning(house: House, log: Log) -> None:
    """What the last life left that a person should know of."""
    if not house.config.keep_state:
        log.write("warning", "state.forgotten", text="keep_state is false: what an earlier run left is forgotten, and so will be this one; right for measurements only")
    if house.cut:
        log.write("warning", "journal.cut", text=f"{house.cut}; it was cut off there, and the journal goes on")
    if not house.ring_survived:
        log.write("warning", "journal.tail_lost", text="the ring of the last life is gone: what was not durable is lost; orders that may be at a venue are in doubt until it has told")


async def serve(house: House, net: Net, clock: Clock, log: Log, ready: Ready) -> None:
    """The nursery tree of this file's first lines, until the lane has ended. Raises: ConfigError for a door that cannot be opened."""
    _tell_beginning(house, log)
    await _durable(house)
    listeners = [(door, await doors.listen(door, net)) for door in house.plan.doors]
    async with trio.open_nursery() as outer:
        async with trio.open_nursery() as inner:
            looks = {"gate": partial(gate, house.latch_path), "journal.failed": partial(_journal_failure, house)}
            carrier = Carrier(house.core, house.lane, clock, log, lambda wish: inner.start_soon(links.connect, wish, net, carrier), looks)
            addresses = {door.name: f"{door.config.host}:{listener.port}" for door, listener in listeners}
            operator = Operator(house, carrier)
            admin = AdminServer(socket_path(house.config.state_dir), Answers(house, carrier.core, clock, addresses), operator)
            spin_us, core = house.config.lane.spin_us, house.config.lane.core
            house.lane.begin(BUSY if spin_us == float("inf") else round(spin_us * 1000), core)
            carrier.give(house.begun)
            log.write("info", "begun", name=house.config.name, pid=os.getpid(), epoch=house.begun.epoch, restarted=house.restarted,
                      first_lsn=house.first_lsn, state_dir=str(house.config.state_dir), doors=addresses)  # fmt: skip
            carrier.look("gate")  # a gate that was dropped in an earlier life changes nothing in this one, and must be seen all the same
            outer.start_soon(carrier.run)
            await outer.start(_signals, carrier)
            if house.restarted:
                await operator.put_limits_of_configuration()
            for door, listener in listeners:
                inner.start_soon(doors.serve, door, listener, carrier, log)
            await inner.start(admin.run)
            inner.start_soon(_tell_ready, carrier, ready)
            await carrier.draining.wait()
            inner.cancel_scope.cancel()
        await carrier.ended.wait()
        log.write("info", "ended", epoch=house.begun.epoch, lsn=house.lane.counts().lsn, open_orders=house.lane.counts().open_orders)
        outer.cancel_scope.cancel()


def _journal_failure(house: House) -> str:
    return (
        f"{house.journal.failure}; new orders are DENIED, cancels leave. Cancel what is open: in {house.config.journal.failed_stop_s} s "
        "(journal.failed_stop_s) the gateway ends as at SIGTERM, with exit code 1. Then mend the disk, start again"
    )


async def _durable(house: House) -> None:
    """Wait until the record with which this life began is on the disk. Raises: JournalFailed."""
    while house.journal.durable_lsn < house.first_lsn:
        if (failure := house.journal.failure) is not None:
            raise failure
        house.journal.ring_bell()
        with trio.move_on_after(DURABLE_S):
            await trio.lowlevel.wait_readable(house.journal.told)
            os.eventfd_read(house.journal.told)


async def _signals(carrier: Carrier, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            carrier.give(DrainWanted(now=carrier.core.stage is not Stage.RUNNING))


async def _tell_ready(carrier: Carrier, ready: Ready) -> None:
    if ready == "open":
        await carrier.opened.wait()
    print("ready", flush=True)
