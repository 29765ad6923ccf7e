"""The fuzz entry of the lane, built with the sanitizers and run over scripts that reach every kind of record, and changed copies of them.

Each script plays both sides of two venues (FIX, OUCH) and of two strategies (FIX, order API), the control plane, the latch file, the clock
and the writer; the entry itself compares the lane with one that applies its records and one that decides them again.
"""

import os
import random
import struct
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from gateway.codecs import codec, fix
from gateway.config import load
from gateway.instruments import Instruments
from gateway.lane.native import ffi, lib
from gateway.lane.plan import plan
from gateway.lane.tables import Tables
from risk import latch
from tests.codecs.golden import all_of
from tests.control.world import INSTRUMENTS, NOW

CSRC = Path(__file__).parents[2] / "csrc"
COUNT = 3_000 if os.environ.get("PORTCULLIS_TESTS") == "all" else 60
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
SOURCES = (
    "fuzz/corpus", "fuzz/fuzz_lane", "fix", "fix_write", "fix_dialect", "fix_decode", "fix_encode", "layout", "journal", "risk", "index", "told", "request", "report", "orders", "conn", "out", "gate", "cmd",
    "view", "mask", "sound", "memrim", "tables", "apply", "decide", "lane",
)  # fmt: skip
CONFIG = """
name = "fuzz"
state_dir = "state"
[tables]
orders = 16
connections = 8
[doors.fix]
protocol = "fix44"
port = 0
sender = "GW"
[doors.api]
protocol = "order_api"
port = 0
[sessions.nyfix]
venue = "generic_fix44"
port = 1
sender = "GW"
target = "VENUE"
heart_bt_int_s = 30
[sessions.nasdaq]
venue = "nasdaq"
port = 2
username = "DEMO01"
password = "file:key"
mpid = "DEMO"
heart_bt_int_s = 1
[strategies.FIXER]
comp_id = "STRAT"
accounts = ["ACC"]
[strategies.NATIVE]
key_file = "native.key"
accounts = ["ACC"]
[instruments]
file = "instruments.csv"
[limits.firm]
order_qty = 10_000
notional = 50_000_000
collar_bps = 50_000
position = 1_000_000
open_orders = 12
rate_per_s = 100_000
"""
COIN = "COIN,generic_fix44,COIN,-8,-8,cent,1,1,USD,active,generic_fix44,1\n"  # as fine as FIX decodes: the largest claims do not get smaller
FIX_VENUE, OUCH_VENUE, FIXER, NATIVE, FIX_DOOR, API_DOOR = 1, 2, 3, 4, 5, 6
SMALL = {"orders": 16, "stream": 32, "seen": 16, "rx": 2 * lib.GW_FRAME_MAX, "tx": 4 * lib.GW_FRAME_MAX, "commands": 16, "events": 16}
FEED, AS_FIX, PARTS, COMMAND, LATCH, TIME, WORLD, LIE = range(8)
END, BREAK, SHORT, BUDGET, READ, GRANT, WRITER, FAIL, FETCH, DEATH = range(10)
OLD_EPOCH, NEWEST = 1, 2


def op(what: int, conn: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack("<BBH", what, conn, len(payload)) + payload


def part(kind: str, conn: int, a: int = 0, b: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack("<BBBBIQQ", getattr(lib, f"GW_CMD_{kind}"), conn, flags, 0, len(payload), a % 2**64, b % 2**64) + payload


def tell(*parts: bytes) -> bytes:
    return op(PARTS, 0, b"".join(parts))


def say(conn: int, text: str) -> bytes:
    return op(AS_FIX, conn, text.replace("|", "\x01").encode())


def wait(micros: int) -> bytes:
    return op(TIME, 0, struct.pack("<I", micros))


def up(conn: int, tx: int = lib.GW_OPEN, silence_s: int = 0) -> bytes:
    second = 1_000_000_000
    return tell(part("ATTACH", conn, 7)) + tell(part("SET_VALUES", conn, 30 * second, silence_s * second), part("SET_RX", conn, lib.GW_FLOW), part("SET_TX", conn, tx))


def token(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = ""
    for _ in range(13):
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text


def order(number: int, symbol: str = "IBM", qty: str = "100", more: str = "44=191.35|", kind: str = "2") -> bytes:
    return say(FIXER, f"35=D|11=A{number}|1=ACC|55={symbol}|54=1|60=20251120-12:00:00|40={kind}|38={qty}|{more}59=0|")


def report(number: int, exec_type: str, status: str, more: str = "", orig: int = 0) -> bytes:
    origin = f"41={token(orig)}|" if orig else ""
    return say(FIX_VENUE, f"35=8|37=V{number}|17=E{number}{exec_type}{len(more)}|150={exec_type}|39={status}|11={token(number)}|{origin}55=IBM|54=1|{more}")


def ouch(name: str, **fields: int | str) -> bytes:
    layout = codec.load("ouch50")
    golden = next(g for g in all_of("ouch50") if g.message == name)
    decoded = layout.decode_fields(golden.data, "venue")
    assert decoded is not None
    return op(FEED, OUCH_VENUE, layout.encode_fields(name, decoded.fields | fields))


def native(name: str, number: int, **fields: int | bytes) -> bytes:
    record = ffi.new("gw_report *")
    for field, value in {"cl_ord_num": number, **fields}.items():
        setattr(record.order, field, value)
        record.order.has |= 1 << getattr(lib, f"GW_HAS_{field.upper()}")
    return op(FEED, NATIVE, codec.load("order_api").encode(name, bytes(ffi.buffer(record))))


def engaged(verb: str, kind: str, name: str) -> bytes:
    """The whole latch file after `verb`, as one operation."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "latch"
        latch.create(path, 7, NOW, False, "test", "start")
        with latch.Latch(path, writable=True) as mapped:
            slot = mapped.engage(kind, name, "kill", NOW, "", "", 0)
            if verb == "rearm":
                mapped.rearm(slot, mapped.generation(slot), NOW, "", "")
        return op(LATCH, 0, struct.pack("<H", 0) + path.read_bytes())


def scripts() -> dict[str, bytes]:
    all_up = up(FIX_VENUE) + up(OUCH_VENUE) + up(FIXER) + up(NATIVE)
    accepted = order(1) + report(1, "0", "0")
    send = struct.pack("<I", ord("1")) + bytes(4) + struct.pack("<HH", 112, 4) + b"PING"
    secret = struct.pack("<I", ord("A")) + bytes(4) + struct.pack("<HH", 554, 0x8000 | 3) + b"key"
    too_long = secret + 430 * secret[8:]  # some 8,260 bytes once the secret stands in it
    biggest = "92233720368.54775807"
    life = (
        all_up + accepted + order(2) + order(3, qty="7", more="44=1.1|") + report(1, "F", "1", "32=40|31=191.35|") + report(1, "F", "1", "32=40|31=191.35|")
        + say(FIXER, "35=G|11=B1|41=A1|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=150|44=190.05|") + report(4, "5", "5", "38=150|44=190.05|", 1)
        + say(FIXER, "35=F|11=C1|41=B1|55=IBM|54=1|60=20251120-12:00:00|") + say(FIXER, "35=H|11=B1|55=IBM|54=1|") + report(5, "4", "4", "", 4)
        + report(2, "8", "8") + report(3, "F", "2", "32=7|31=1.1|") + report(3, "H", "0", "32=7|31=1.1|") + report(99, "F", "1", "32=5|31=1|")
        + order(1) + order(5, symbol="NOPE") + order(6, qty="0.5") + order(7, qty="1000001") + say(FIXER, "35=q|11=M1|530=7|60=20251120-12:00:00|") + wait(40_000_000) + wait(40_000_000)
    )  # fmt: skip
    session = (
        all_up + say(FIXER, "35=1|112=HELLO|") + say(FIXER, "35=1|112=" + "x" * 128 + "|") + say(FIXER, "35=1|112=" + "x" * 129 + "|")
        + accepted + say(FIXER, "35=2|7=1|16=0|") + say(FIX_VENUE, "35=2|7=1|16=0|") + say(FIX_VENUE, "35=3|45=2|58=no|") + say(FIX_VENUE, "35=j|45=1|372=D|380=0|")
        + say(FIX_VENUE, "35=4|123=Y|36=90|") + say(FIX_VENUE, "35=4|36=5|") + tell(part("DONE", FIX_VENUE, flags=NEWEST)) + say(FIX_VENUE, "35=5|")
        + tell(part("SET_NEXT", FIX_VENUE, lib.GW_NEXT_RX, 7), part("DONE", FIX_VENUE, flags=NEWEST)) + tell(part("SEND", FIXER, 0, 0, send), part("SEND", FIXER, 0, 1, secret)) + tell(part("SEND", FIXER, 0, 0, too_long))
        + tell(part("RESEND", FIXER, 1, 0)) + op(FEED, FIXER, b"8=FIX.4.4\x019=5\x0135=0\x01garbage" + bytes(40)) + wait(36_000_000) + wait(36_000_000) + tell(part("CLOSE", FIXER, 1, NOW))
    )  # fmt: skip
    deaths = (
        all_up + order(1) + report(1, "0", "0") + op(WORLD, 0, bytes([DEATH, 1])) + op(WORLD, 0, bytes([FETCH])) + b"".join(tell(part("APPLY_REPORT", 0, lsn)) for lsn in range(20, 40)) + up(FIX_VENUE) + up(FIXER) + order(2) + order(3) + op(WORLD, 0, bytes([DEATH, 0])) + up(FIX_VENUE) + up(FIXER)
        + tell(part("EVIDENCE", FIX_VENUE, lib.GW_EVIDENCE_NOT_ARRIVED, 3)) + report(2, "I", "0") + tell(part("EVIDENCE", FIX_VENUE, lib.GW_EVIDENCE_FENCE))
        + order(4) + op(WORLD, FIX_VENUE, bytes([END])) + wait(10) + op(WORLD, 0, bytes([WRITER])) + up(FIX_VENUE) + order(5) + op(WORLD, 0, bytes([FAIL])) + order(6)
        + tell(part("STREAM", FIXER, 1)) + tell(part("STOP", 0, lib.GW_STOP_CANCEL)) + tell(part("STOP", 0, lib.GW_STOP_NOW))
    )  # fmt: skip
    latched = (
        all_up + accepted + order(2) + engaged("engage", "symbol", "IBM") + order(3) + engaged("rearm", "symbol", "IBM") + order(4) + op(LATCH, 0, struct.pack("<H", 256) + bytes(40))
        + order(5) + engaged("engage", "symbol", "NOPE") + op(LATCH, 0, bytes(40)) + order(6)
    )  # fmt: skip
    binary = (
        all_up + op(FEED, OUCH_VENUE, b"\0\1H") + native("NewOrder", 1, symbol=b"AAPL", account=b"ACC", px_exp=-4, price=1_872_500, order_qty=100, side=b"1", ord_type=b"2", time_in_force=b"0", order_capacity=b"A")
        + ouch("OrderAccepted", user_ref_num=1, quantity=100, symbol="AAPL") + ouch("OrderExecuted", user_ref_num=1, quantity=40) + ouch("OrderExecuted", user_ref_num=1, quantity=40)
        + native("ReplaceOrder", 2, orig_cl_ord_num=1, order_qty=90, px_exp=-4, price=1_872_600) + ouch("OrderReplaced", user_ref_num=2, orig_user_ref_num=1) + native("CancelOrder", 3, orig_cl_ord_num=2)
        + ouch("OrderCanceled", user_ref_num=2, quantity=10) + ouch("BrokenTrade", user_ref_num=2) + ouch("Rejected", user_ref_num=3) + native("OrderStatus", 4, orig_cl_ord_num=2)
        + native("MassCancel", 5) + ouch("AccountQueryResponse") + op(FEED, NATIVE, b"\x10\0\0\0H" + bytes(11)) + tell(part("BURNT", NATIVE, 77)) + op(FEED, OUCH_VENUE, b"\xff\xffS" + bytes(99))
        + op(FEED, NATIVE, bytes(20)) + tell(part("CANCEL_SCOPE", 0, 0, 0)) + tell(part("PAUSE", 0, 1, 1), part("RESUME", 0, 4, 1), part("REF_PX", 0, 1, 5))
    )  # fmt: skip
    wild = (
        all_up + order(1, qty=biggest) + order(2, symbol="COIN", qty="3", more="44=1|") + order(3, symbol="COIN", qty="3", more="44=1|")
        + b"".join(report(1, "F", "1", f"32={biggest}|31={biggest}|58={'x' * i}|") for i in range(3)) + report(2, "D", "0", f"151={biggest}|") + report(2, "F", "1", "32=1|31=1|")
        + report(2, "D", "0", f"151={biggest}|44={biggest}|")
        + tell(part("SET_VALUES", FIXER, 2**63 - 1, 2**63 - 1)) + tell(part("SET_VALUES", FIX_VENUE, 2**64 - 1, 2**63)) + tell(part("SET_NEXT", 0, lib.GW_NEXT_TX, 2**64 - 1))
        + tell(part("SET_TX", FIX_VENUE, lib.GW_ADMIN)) + tell(part("SET_NEXT", FIX_VENUE, lib.GW_NEXT_TX, 2**64 - 1)) + tell(part("SET_NEXT", FIX_VENUE, lib.GW_NEXT_TX, 2**62))
        + tell(part("RESEND", FIX_VENUE, 1, 0)) + op(COMMAND, 255, bytes(400)) + op(COMMAND, 3, b"\x06" * 200) + tell(part("SEND", FIXER, 0, 0, bytes(7))) + tell(part("SWAP_LIMITS", 0, 2**63, 2**64 - 1, b"x"))
        + tell(part("APPLY_REPORT", 0, 5)) + tell(part("ATTACH", FIX_DOOR, 1)) + say(FIX_DOOR, "35=A|98=0|108=30|554=hush|") + tell(part("BIND", FIX_DOOR, FIXER), part("DONE", FIX_DOOR, flags=NEWEST))
    )  # fmt: skip
    named = {"life": life, "session": session, "deaths": deaths, "latched": latched, "binary": binary, "wild": wild}
    return named | {f"{name}-lied": lied(body) for name, body in named.items()}


def lied(script: bytes) -> bytes:
    """The same, but before each operation a byte or two of the next record are announced to be others."""
    rng, out, at = random.Random(script), b"", 0
    while at < len(script):
        size = 4 + int.from_bytes(script[at + 2 : at + 4], "little")
        lies = b"".join(struct.pack("<HB", rng.randrange(32, 400), rng.choice([0, 1, 3, 8, 14, 127, 200, 255])) for _ in range(rng.randrange(1, 3)))
        out += op(LIE, 0, lies) + script[at : at + size]
        at += size
    return out


def raw(memory: object, count: int, kind: str) -> bytes:
    return bytes(ffi.buffer(memory, count * ffi.sizeof(kind))) if count else b""


def world(folder: Path) -> Path:
    """What the entry lays its lanes out with: the sections of its `enum section`, in that order."""
    file = folder / "fuzz.toml"
    file.write_text(CONFIG)
    (folder / "key").write_text("hush-hush")
    (folder / "instruments.csv").write_text(INSTRUMENTS.read_text() + COIN)
    config, instruments = load(file)
    assert isinstance(instruments, Instruments)
    numbers = plan(config, instruments)
    assert [numbers.name_of(i) for i in range(1, 7)] == ["sessions.nyfix", "sessions.nasdaq", "strategies.FIXER", "strategies.NATIVE", "doors.fix", "doors.api"]
    tables = Tables(config, numbers, instruments, {"key": "hush-hush-hush"})
    for name, value in SMALL.items():
        setattr(tables.sizes, name, value)
    t = tables.tables
    latch.create(folder / "latch", 7, NOW, False, "test", "start")
    sections = [
        bytes(ffi.buffer(tables.sizes)), raw(t.instruments, t.n_instruments, "gw_instrument"), raw(t.listings, t.n_listings, "gw_listing"),
        raw(t.accounts, t.n_accounts, "gw_account"), raw(t.strategies, t.n_strategies, "gw_strategy"), raw(t.venues, t.n_venues, "char[16]"),
        raw(t.conns, t.n_conns, "gw_conn_cfg"), raw(t.secrets, t.n_secrets, "gw_secret"), tables.limits, (folder / "latch").read_bytes(),
        fix.load("fix44").dialect.table, codec.load("ouch50").table, codec.load("order_api").table,
        raw(t.conns[OUCH_VENUE].values, t.conns[OUCH_VENUE].n_values, "gw_value"),
    ]  # fmt: skip
    path = folder / "world"
    path.write_bytes(b"".join(struct.pack("<Q", len(s)) + s + bytes(-len(s) % 8) for s in sections))
    return path


def test_no_input_command_latch_word_or_record_leads_the_lane_astray(tmp_path: Path) -> None:
    program = tmp_path / "fuzz_lane"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    subprocess.run([compiler, *FLAGS, f"-I{CSRC}", "-o", str(program), *(str(CSRC / f"{name}.c") for name in SOURCES)], check=True)
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"} | {"GW_FUZZ_WORLD": str(world(tmp_path))}
    paths = []
    for name, script in scripts().items():
        paths.append(tmp_path / f"{name}.script")
        paths[-1].write_bytes(script)
    done = subprocess.run([str(program), "-r", "11", str(COUNT), *map(str, paths)], capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{len(paths) * (COUNT + 1)} inputs\n"
