"""The command `simulator`: `simulator run VENUE --port P` is a venue to trade against until SIGTERM, then its counts as a line of JSON."""

import argparse
import json
import signal
import sys
from pathlib import Path

import trio

from gateway.errors import ConfigError
from gateway.instruments import Instruments, load
from gateway.native import ROOT
from gateway.seams import SystemClock
from simulators.faults import Faults
from simulators.generic_fix44 import GenericFix44
from simulators.host import Host, serve_all
from simulators.market import Liquidity, Market
from simulators.nasdaq import Nasdaq
from simulators.venue import Options, Venue

VENUES: dict[str, type[GenericFix44] | type[Nasdaq]] = {GenericFix44.name: GenericFix44, Nasdaq.name: Nasdaq}
MS = 1_000_000


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="simulator", description="Simulated venues to trade against.")
    commands = top.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run", help="one or more venues until SIGTERM; prints `ready`, at the end a JSON line of counts for each"
    )
    run.add_argument(
        "venues", metavar="VENUE", nargs="+", choices=sorted(VENUES), help=f"one of {', '.join(sorted(VENUES))}"
    )
    run.add_argument(
        "--port",
        dest="ports",
        type=int,
        action="append",
        required=True,
        help="one for each venue, in order; 0 takes a free one",
    )
    run.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: loopback)")
    run.add_argument(
        "--instruments", type=Path, default=ROOT / "examples" / "instruments.csv", help="the instrument file"
    )
    run.add_argument(
        "--fill",
        choices=["quotes", "all", "none"],
        default="quotes",
        help="two-sided quotes, every order filled, or an empty book",
    )
    run.add_argument("--seed", type=int, default=0, help="of the faults")
    run.add_argument(
        "--faults",
        type=_faults,
        default=Faults(),
        metavar="cut=N,split,delay_ms=N",
        help="what goes wrong on the way out",
    )
    run.add_argument(
        "--engine-delay-ms", type=int, default=0, help="how long after the session layer the engine sees a request"
    )
    run.add_argument("--cancel-on-disconnect", action="store_true", help="a lost connection cancels its orders")
    run.add_argument("--password", default="", help="what a login must give; left out = nothing")
    return top


def _faults(text: str) -> Faults:
    try:
        return Faults.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def open_venue(name: str, instruments: Instruments, fill: str, options: Options) -> Venue:
    """A venue with its rows of the instrument file; `fill` as on the command line."""
    liquidity = Liquidity(fill_all=fill == "all", quote_qty=0 if fill == "none" else Liquidity().quote_qty)
    return VENUES[name](Market([row for row in instruments.rows if row.venue == name], liquidity), options)


async def _run(venues: list[Venue], host: str, ports: list[int], seed: int) -> None:
    clock = SystemClock()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            given = await nursery.start(
                serve_all, [(Host(venue, clock), host, port) for venue, port in zip(venues, ports, strict=True)]
            )
            for venue, port in zip(venues, given, strict=True):
                print(f"{venue.name} on {host}:{port}, seed {seed}", flush=True)
            print("ready", flush=True)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break


def main(argv: list[str] | None = None) -> int:
    """Exit 0 after SIGTERM or SIGINT; 2 for a wrong command line or instrument file, 1 where a port cannot be had."""
    arguments = parser().parse_args(argv)
    if len(arguments.ports) != len(arguments.venues):
        parser().error(
            f"{len(arguments.venues)} venues and {len(arguments.ports)} ports: give one --port for each venue"
        )
    options = Options(
        cancel_on_disconnect=arguments.cancel_on_disconnect,
        engine_delay_ns=arguments.engine_delay_ms * MS,
        password=arguments.password,
        faults=arguments.faults,
        seed=arguments.seed,
    )
    try:
        instruments = load(arguments.instruments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    venues = [open_venue(name, instruments, arguments.fill, options) for name in arguments.venues]
    try:
        trio.run(_run, venues, arguments.host, arguments.ports, arguments.seed)
    except* OSError as group:
        cause: BaseException = group
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        print(f"cannot listen on {arguments.host}: {cause}", file=sys.stderr)
        raise SystemExit(1) from None
    for venue in venues:
        print(json.dumps(venue.counts()), flush=True)
    return 0
