"""The command `gateway`: reads the command line and hands over to the one module that does the work, imported only then.

Exit codes are in EXIT_CODES and in --help.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

OK, FAILED, USAGE, NOT_RUNNING, NO_CONFIG = 0, 1, 2, 3, 7
EXIT_CODES = """exit codes:
  0  done
  1  failed, or differs: the configuration has mistakes, bytes were left over, the demo does not agree; stderr says what and where
  2  the command line is wrong (gateway replay: the journal is of another build)
  3  no gateway is running
  7  no configuration was found
"""

# Commands that read their own command line: module, function.
OWN_COMMAND_LINE = {
    "decode": ("gateway.tools.codec_cli", "decode_main", "a protocol's bytes as JSON lines: --hex H, --pcap F or --journal F"),
    "encode": ("gateway.tools.codec_cli", "encode_main", "JSON lines on stdin as hex lines, from their fields alone"),
    "replay": ("gateway.tools.replay", "main", "run a journal again and compare every output byte and decision"),
    "journal": ("gateway.tools.journal_cli", "main", "list segments, print records"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in OWN_COMMAND_LINE:
            module, function, _ = OWN_COMMAND_LINE[arguments[0]]
            return cast(int, _from(module, function)(arguments[1:]))
        options = parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except BrokenPipeError:
        # The reader of our output has seen enough; nothing is left to say, also at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line. Help names every command, those with a command line of their own too."""
    top = argparse.ArgumentParser(
        prog="gateway", description="Portcullis, an execution gateway.", epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="the service; prints `ready` when strategies can connect, stops in order on SIGTERM")
    run.add_argument("config", metavar="CONFIG", nargs="?", help="the configuration file; left out: searched for")
    run.add_argument("--check", action="store_true", help="say what is wrong with the configuration, or what it would do, and stop")
    run.add_argument("--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[], help="such as --set sessions.nyfix.port=9102")
    run.add_argument("--ready", choices=["doors", "open"], default="doors", help="print `ready` when strategies can connect (default), or every session is open")
    run.add_argument("--begin-anew", action="store_true", help="archive the journal, which must be drained, and begin another; for another configuration or day")
    run.add_argument("--positions-forgotten", action="store_true", help="with --begin-anew: although positions are held, which the new journal does not know")
    run.add_argument("--numbers-from-one", action="store_true", help="with --begin-anew: FIX sessions begin at 1 again, as agreed with the peers (a new day)")
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="venues, a gateway and a strategy that trades between them; exit 0 only if all agree")
    demo.add_argument("--orders", type=Path, metavar="FILE", help="a recorded order stream instead of the seeded one")
    demo.add_argument("--serve", action="store_true", help="start venues and gateway, print `ready`, and stay up until Ctrl-C")
    demo.add_argument("--seed", type=int, default=1, help="of the order flow (default 1)")
    demo.add_argument("--count", type=_at_least_one, default=4000, help="orders, cancels and replaces to send (default 4000)")
    demo.set_defaults(command=_demo)

    init = commands.add_parser("init", help="a commented configuration, an instrument file and a key to begin with")
    init.add_argument("folder", type=Path, nargs="?", default=Path("."), help="where to put them (default: here)")
    init.set_defaults(command=lambda options: _from("gateway.tools.init", "main")(options.folder))

    asking = {
        "status": "the gateway at a glance",
        "orders": "open orders",
        "sessions": "connections with venues and strategies",
        "positions": "positions by account and symbol",
        "limits": "the limits that hold; `limits set PATH=VALUE --reason TEXT` changes one",
    }
    for name, text in asking.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--config", metavar="FILE", help="the configuration of the gateway meant; left out: searched for")
        command.add_argument("--json", action="store_true", help="one JSON object instead of a table")
        command.set_defaults(command=_ask, question=name)
        if name == "orders":
            command.add_argument("--all", action="store_true", help="finished ones too, as far as they are still remembered")
            command.add_argument("--count", type=_at_least_one, default=1000, help="at most so many (default 1000)")
            for scope in ("account", "strategy", "symbol", "venue"):
                command.add_argument(f"--{scope}", metavar="NAME")
        if name == "limits":
            command.add_argument("action", nargs="?", choices=["set"])
            command.add_argument("assignment", nargs="?", metavar="PATH=VALUE", help="such as firm.order_qty=500; an empty value unsets")
            command.add_argument("--reason", metavar="TEXT", help="why; it is journaled")

    changing = {
        "pause": "new orders of a scope are DENIED until `resume`; what was accepted before goes on",
        "resume": "new orders of a paused scope are taken again",
        "cancel": "cancel all open orders of a scope; new ones are taken as before (`killswitch engage` stops those too)",
        "ref-px": "another reference price of a symbol, for the collar",
    }
    for name, text in changing.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == "ref-px":
            command.add_argument("symbol", metavar="SYMBOL")
            command.add_argument("price", metavar="PRICE", help="such as 187.25")
        else:
            command.add_argument("scope", metavar="SCOPE", help="firm, or session=NAME, venue=NAME, account=NAME, strategy=NAME, symbol=NAME")
        command.add_argument("--reason", metavar="TEXT", required=True, help="why; it is journaled with your name")
        if name == "cancel":
            command.add_argument("--yes", action="store_true", help="do not ask")
        command.add_argument("--config", metavar="FILE", help="the configuration of the gateway meant; left out: searched for")
        command.add_argument("--json", action="store_true", help="one JSON object instead of a line")
        command.set_defaults(command=_ask, question=name)

    for name, (_, _, text) in OWN_COMMAND_LINE.items():
        commands.add_parser(name, help=text, add_help=False)
    return top


def _typed(scope: str) -> str:
    """What a person at a terminal types to confirm; empty where there is none."""
    if not sys.stdin.isatty():
        return ""
    print(f"cancel all open orders of {scope}: type {scope} to confirm: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; a whole number from 1 is")
    return int(text)


def _from(module: str, function: str) -> Callable[..., Any]:
    """`function` of `module`, imported now and not before: a command starts as fast as what it needs."""
    return cast(Callable[..., Any], getattr(importlib.import_module(module), function))


def _config_file(named: str | None) -> Path | None:
    """The configuration meant (R12); None with what was looked for on stderr."""
    from gateway.config import ConfigNotFound, find

    try:
        return find(named, os.environ, Path.cwd())
    except ConfigNotFound as error:
        print(f"gateway: {error}; write --config FILE, or `gateway init`", file=sys.stderr)
        return None


def _run(options: argparse.Namespace) -> int:
    from gateway.errors import ConfigError

    if (options.positions_forgotten or options.numbers_from_one) and not options.begin_anew:
        print("gateway run: --positions-forgotten and --numbers-from-one say how to --begin-anew; give that too", file=sys.stderr)
        return USAGE
    file = _config_file(options.config)
    if file is None:
        return NO_CONFIG
    try:
        if options.check:
            from gateway.config import load
            from gateway.tools.check import describe

            print(describe(file, *load(file, options.overrides), os.environ))
            return OK
        anew = _from("gateway.control.anew", "Anew")(options.positions_forgotten, options.numbers_from_one) if options.begin_anew else None
        return cast(int, _from("gateway.app", "main")(file, options.overrides, ready=options.ready, anew=anew))
    except ConfigError as error:
        from gateway.config import located

        for problem in error.problems:
            print(located(file, problem), file=sys.stderr)
        return FAILED


def _demo(options: argparse.Namespace) -> int:
    if options.serve and options.orders:
        print("gateway demo: --serve stays up for your own orders, --orders sends recorded ones; give one of them", file=sys.stderr)
        return USAGE
    return cast(int, _from("simulators.demo.run", "main")(seed=options.seed, count=options.count, orders=options.orders, serve=options.serve))


def _ask(options: argparse.Namespace) -> int:
    from gateway import admin
    from gateway.tools import show
    from gateway.tools.ask import NotRunning, ask

    try:
        request = _request(options)
    except ValueError as error:
        print(f"gateway {options.question}: {error}", file=sys.stderr)
        return USAGE
    file = _config_file(options.config)
    if file is None:
        return NO_CONFIG
    try:
        result = ask(show.state_dir(file), request)
    except NotRunning as error:
        print(f"gateway {options.question}: {error}; `gateway run {file}` starts it", file=sys.stderr)
        return NOT_RUNNING
    except (admin.AdminError, show.NoStateDir) as error:
        print(f"gateway {options.question}: {error}", file=sys.stderr)
        return FAILED
    print(json.dumps(show.as_json(result)) if options.json else show.as_text(result))
    return OK


def _request(options: argparse.Namespace) -> Any:
    """What the command asks. Raises: ValueError for a wrong combination of arguments."""
    from gateway import admin

    match options.question:
        case "status":
            return admin.Status()
        case "sessions":
            return admin.SessionsWanted()
        case "positions":
            return admin.PositionsWanted()
        case "pause" | "resume" | "cancel" as what:
            if what == "cancel" and not options.yes and _typed(options.scope) != options.scope:
                raise ValueError(f"nothing was done: --yes, or type {options.scope} when asked on a terminal")
            return admin.ScopeWanted(what, options.scope, options.reason)
        case "ref-px":
            return admin.RefPxSet(options.symbol, options.price, options.reason)
        case "orders":
            scope = {name: getattr(options, name) for name in admin.SCOPES if getattr(options, name)}
            return admin.OrdersWanted(not options.all, scope, options.count)
    if options.action is None:
        return admin.LimitsWanted()
    path, equals, value = (options.assignment or "").partition("=")
    if not path or not equals:
        raise ValueError("write limits set PATH=VALUE, such as: limits set firm.order_qty=500 --reason 'smaller for now'")
    if not options.reason:
        raise ValueError("write why: --reason TEXT; it is journaled")
    value = value.replace("_", "")
    return admin.LimitsSet(path, int(value) if value.isdigit() else value or None, options.reason)


if __name__ == "__main__":
    sys.exit(main())
