"""`gateway init`: a configuration in which every key is explained, an instrument file and a strategy's key, to begin with."""

import base64
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gateway import config
from gateway.instruments import COLUMNS

CONFIG, INSTRUMENTS, KEY = "portcullis.toml", "instruments.csv", "demo.key"

# (table, what it is, its model, the values that stand in it; every other key is shown as a comment with its default)
TABLES: tuple[tuple[str, str, type[BaseModel], Mapping[str, str]], ...] = (
    ("", "", config.Config, {"name": '"mine"', "state_dir": '"var"'}),
    ("lane", "The data plane.", config.Lane, {}),
    ("journal", "Every message and decision, in order.", config.Journal, {}),
    ("tables", "Sizes; a full table denies new orders and still books every report.", config.Tables, {}),
    ("doors.api", "Where strategies connect with the native order API.", config.ApiDoor, {"protocol": '"order_api"', "port": "7001"}),
    ("doors.fix", "Where strategies connect with FIX 4.4.", config.FixDoor, {"protocol": '"fix44"', "port": "7002", "sender": '"GW"'}),
    (
        "sessions.nyfix", "A venue over FIX 4.4.", config.FixSession,
        {"venue": '"generic_fix44"', "port": "7101", "sender": '"GW"', "target": '"VENUE"'},
    ),
    (
        "sessions.nasdaq", "A venue over OUCH 5.0.", config.SoupSession,
        {"venue": '"nasdaq"', "port": "7102", "username": '"DEMO01"', "password": '"env:NASDAQ_PASSWORD"', "mpid": '"DEMO"', "heart_bt_int_s": "1"},
    ),
    ("strategies.DEMO", "A strategy; its name is in its key file.", config.Strategy, {"key_file": f'"{KEY}"', "comp_id": '"DEMO"', "accounts": '["DEMO"]'}),
    ("instruments", "What can be traded.", config.InstrumentFile, {"file": f'"{INSTRUMENTS}"'}),
)  # fmt: skip

HEAD = """\
# A gateway: what it listens on, connects to and allows. Relative paths are relative to this file; unknown keys are errors.
# A key that is commented out shows its default.
#
#   gateway run --check         says what is wrong, with the line, or what it would do
#   gateway run                 starts it
"""

LIMITS = """
# What is allowed. Every scope that covers an order is checked; a control that no scope of an order sets blocks the order, and the denial
# names the line to add. Scopes: [limits.firm], [limits.account.NAME], [limits.strategy.NAME], [limits.symbol.NAME], [limits.venue.NAME].
[limits.firm]
"""
FIRM_LIMITS = {
    "order_qty": "1_000", "notional": "500_000", "collar_bps": "500", "position": "10_000", "open_orders": "100", "rate_per_s": "100",
}  # fmt: skip

INSTRUMENT_ROWS = (
    "# One row for each symbol and venue; scales are powers of ten (-4: 0.0001), reference prices are for the collar. Put in your own.",
    ",".join(COLUMNS),
    "AAPL,nasdaq,AAPL,-4,0,us_equity,1,1,USD,active,nasdaq,187.25",
    "MSFT,generic_fix44,MSFT,-4,0,us_equity,1,1,USD,active,generic_fix44,415.25",
)


def main(folder: Path) -> int:
    """Write the three files; nothing is overwritten. Exit 1 if one is there already or cannot be written."""
    there = [str(folder / name) for name in (CONFIG, INSTRUMENTS, KEY) if (folder / name).exists()]
    if there:
        print(f"gateway init: {', '.join(there)} is there already; nothing was written", file=sys.stderr)
        return 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(configuration())
        (folder / INSTRUMENTS).write_text("\n".join(INSTRUMENT_ROWS) + "\n")
        with open(os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as key:
            key.write(f"DEMO:{base64.b64encode(os.urandom(32)).decode()}\n")
    except OSError as error:
        print(f"gateway init: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"wrote {folder / CONFIG}, {folder / INSTRUMENTS}, {folder / KEY}")
    print(f"next: put in your venues and limits, then  gateway run {folder / CONFIG} --check")
    return 0


def configuration() -> str:
    """The text of the configuration file: every key of every table, with what config.py says of it."""
    from risk.controls import controls

    parts = [HEAD]
    for name, what, model, given in TABLES:
        parts.append((f"\n# {what}\n[{name}]\n" if name else "\n") + "".join(_lines(model, given)))
    firm = [f"{control.key} = {FIRM_LIMITS[control.key]}  # {control.unit}\n" for control in controls().limited]
    return "".join([*parts, LIMITS, *firm])


def _lines(model: type[BaseModel], given: Mapping[str, str]) -> list[str]:
    lines = []
    for key, field in model.model_fields.items():
        comment = f"  # {field.description}" if field.description else ""
        if key in given:
            lines.append(f"{key} = {given[key]}{comment}\n")
        elif field.default is not PydanticUndefined and not isinstance(field.default, BaseModel | dict):
            lines.append(f"# {key} = {_toml(field.default)}{comment}\n")
    return lines


def _toml(value: Any) -> str:
    match value:
        case None:
            return '""'
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
    return str(value)
