"""`gateway run --check`: what a configuration without mistakes would listen on, connect to and allow."""

from collections.abc import Mapping
from pathlib import Path

from gateway.config import Config, FixSession, read_secrets
from gateway.errors import ConfigError
from gateway.instruments import Instruments
from gateway.lane.plan import plan
from gateway.tools.show import table
from risk.controls import controls


def describe(file: Path, config: Config, instruments: Instruments, environ: Mapping[str, str]) -> str:
    """Lines for a terminal; the first says that all is well. Raises: ConfigError where it asks for more than it makes room for."""
    plan(config, instruments)
    lines = [f"{file}: no mistakes", "", f"{config.name}: state in {config.state_dir}, journal level {config.journal.level}"]
    doors = [(name, door.protocol, f"{door.host}:{door.port or 'any free port'}") for name, door in config.doors.items()]
    sessions = [
        (name, session.venue, f"{session.host}:{session.port}", f"{session.sender} → {session.target}" if isinstance(session, FixSession) else session.username)
        for name, session in config.sessions.items()
    ]
    strategies = [
        (name, ", ".join(strategy.accounts), strategy.key_file or "-", strategy.comp_id or "-", "yes" if strategy.cancel_on_disconnect else "no")
        for name, strategy in config.strategies.items()
    ]
    limits = [(".".join(scope), key, limit) for scope, values in config.limits.scopes() for key, limit in values.items()]
    lines += ["", table(("listens", "protocol", "at"), doors), "", table(("connects", "venue", "to", "as"), sessions)]
    lines += ["", table(("strategy", "accounts", "key file", "comp id", "cancel on disconnect"), strategies)]
    lines += ["", f"{len(instruments.symbols)} symbols in {len(instruments.rows)} rows of {config.instruments.file}"]
    lines += ["", table(("limit of", "key", "value"), limits)]
    unset = [
        control.key for control in controls().limited if control.mandatory and not any(control.key in values for _, values in config.limits.scopes())
    ]
    if unset:
        lines += ["", f"set in no scope, so that every order is DENIED: {', '.join(unset)}; for example [limits.firm] {unset[0]} = …"]
    try:
        read_secrets(config, environ)
    except ConfigError as error:
        lines += ["", "secrets that cannot be read here, and must be where it runs:", *(f"  {problem}" for problem in error.problems)]
    missing = [f"{name}: {strategy.key_file}" for name, strategy in config.strategies.items() if strategy.key_file and not strategy.key_file.exists()]
    if missing:
        lines += ["", "key files that are not there yet (`make build` makes the demo's): " + "; ".join(missing)]
    return "\n".join(lines)
