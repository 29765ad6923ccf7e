"""The configuration: the examples are right, every mistake is told with its line and with what would be right."""

import re
from pathlib import Path

import pytest

from gateway import config, toml_lines
from gateway.errors import ConfigError

EXAMPLES = Path(__file__).parent.parent / "examples"

GOOD = """\
name = "t"
state_dir = "var"
[doors.api]
protocol = "order_api"
port = 0
[sessions.nyfix]
venue = "generic_fix44"
port = 7101
sender = "GW"
target = "VENUE"
[sessions.nasdaq]
venue = "nasdaq"
port = 7102
username = "DEMO01"
password = "file:soup.key"
mpid = "DEMO"
[strategies.DEMO]
key_file = "demo.key"
accounts = ["DEMO"]
[instruments]
file = "instruments.csv"
[limits.firm]
order_qty = 100
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A folder with a configuration that is right, and its instruments."""
    (tmp_path / "t.toml").write_text(GOOD)
    (tmp_path / "instruments.csv").write_bytes((EXAMPLES / "instruments.csv").read_bytes())
    return tmp_path / "t.toml"


def problems_of(file: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.load(file, overrides)
    return [problem.replace(str(file), file.name) for problem in caught.value.problems]


# --- what is right -----------------------------------------------------------------------------------------------------------


def test_the_local_example() -> None:
    local, table = config.load(EXAMPLES / "local.toml")
    assert local.lane.spin_us == 50 and local.journal.level == "async" and local.on_shutdown == "cancel"
    assert local.state_dir == EXAMPLES.parent / "var" / "local", "relative to the file, not to where the command was typed"
    assert local.strategies["DEMO"].key_file == EXAMPLES / "demo.key"
    assert [(name, session.venue, session.port) for name, session in local.sessions.items()] == [
        ("nyfix", "generic_fix44", 7101),
        ("nasdaq", "nasdaq", 7102),
    ]
    assert isinstance(local.sessions["nyfix"], config.FixSession) and isinstance(local.sessions["nasdaq"], config.SoupSession)
    assert local.limits.firm["notional"] == 5_000_000
    assert {session.venue for session in local.sessions.values()} == {row.venue for row in table.rows}


def test_the_bench_example_with_the_rigs_ports() -> None:
    bench, table = config.load(EXAMPLES / "bench.toml", ["doors.fix.port=19101", "sessions.rig.port=19102"])
    assert bench.lane.spin_us == float("inf") and bench.tables.orders >= 16_384
    assert not bench.keep_state, "the rig sends the same ids with every run"
    assert (bench.doors["fix"].port, bench.sessions["rig"].port) == (19101, 19102)
    msft = table.find("MSFT", bench.sessions["rig"].venue)
    assert msft and msft.ref_px == 415_2500 and bench.strategies["STRAT"].accounts == ("ACC12345",)


def test_state_is_forgotten_only_where_every_peer_is_this_machine(deployment: Path) -> None:
    right = GOOD.replace('name = "t"', 'name = "t"\nkeep_state = false')
    deployment.write_text(right)
    for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost"):
        assert not config.load(deployment, [f"sessions.nyfix.host={host}", f"doors.api.host={host}"])[0].keep_state
    for host in ("10.0.0.1", "0.0.0.0", "::", "venue.example", "localhost.example"):
        for key in ("doors.api.host", "sessions.nyfix.host"):
            (problem,) = problems_of(deployment, f"{key}={host}")
            assert problem == f'--set: {key}: is {host} while keep_state is false: what a peer outside this machine knows is not forgotten; "127.0.0.1" is right'
    deployment.write_text(GOOD)
    assert config.load(deployment, ["sessions.nyfix.host=10.0.0.1"])[0].keep_state


@pytest.mark.parametrize("example", ["local", "bench"])
def test_the_effective_configuration_survives_the_journal(example: str) -> None:
    effective, _ = config.load(EXAMPLES / f"{example}.toml")
    assert config.Config.model_validate_json(effective.model_dump_json()) == effective


def test_nothing_changes_after_it_was_read(deployment: Path) -> None:
    effective, _ = config.load(deployment)
    with pytest.raises(ValueError, match="frozen"):
        effective.lane.core = 3  # type: ignore[misc]


def test_a_limit_may_have_decimals_where_its_control_says_so(deployment: Path) -> None:
    deployment.write_text(GOOD.replace("order_qty = 100", 'order_qty = "0.5"'))
    assert config.load(deployment)[0].limits.firm == {"order_qty": "0.5"}


def test_every_key_says_what_would_be_right() -> None:
    tables = [config.Config, config.Lane, config.Journal, config.Tables, config.Strategy, config.InstrumentFile]
    tables += [*config.DOOR_KINDS.values(), *config.SESSION_KINDS.values()]
    fields = [(table.__name__, key, field) for table in tables for key, field in table.model_fields.items()]
    values = [f for f in fields if f[1] != "protocol" and not (isinstance(f[2].annotation, type) and issubclass(f[2].annotation, config.Table))]
    assert len(values) > 30 and not [(table, key) for table, key, field in values if not field.description]


# --- what is wrong -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ('name = "t"', 'name = "t t"', "t.toml:1: name: not a name: 1 to 16 printable ASCII characters without spaces; the name of this deployment"),
        ('name = "t"', "", "t.toml:1: name: is missing; add the name of this deployment"),
        ('state_dir = "var"', "state_dir = 3", "t.toml:2: state_dir: is 3, not a path; the folder of latch, lock,"),
        ("port = 0", "port = 70000", "t.toml:5: doors.api.port: should be less than or equal to 65535, is 70000; a TCP port from 0 to 65535"),
        ("port = 0", "port = true", "t.toml:5: doors.api.port: should be a valid integer, is True; a TCP port"),
        ("port = 0", 'port = "7001"', "t.toml:5: doors.api.port: should be a valid integer, is '7001'; a TCP port"),
        ("port = 0", "prt = 0", "t.toml:3: doors.api.port: is missing; add a TCP port"),
        ("port = 0", "port = 0\nprt = 1", "t.toml:6: doors.api.prt: unknown key; did you mean port?"),
        ('"order_api"', '"fix42"', "t.toml:4: doors.api.protocol: 'fix42' is unknown; did you mean fix44?"),
        ('protocol = "order_api"', "", "t.toml:3: doors.api.protocol: is missing; known: fix44, order_api"),
        ('venue = "nasdaq"', 'venue = "nasdq"', "t.toml:12: sessions.nasdaq.venue: 'nasdq' is unknown; did you mean nasdaq?"),
        ('venue = "nasdaq"', 'venue = "soup"', "t.toml:12: sessions.nasdaq.venue: 'soup' is unknown; known: generic_fix44, nasdaq"),
        ('venue = "nasdaq"', "venue = []", "t.toml:12: sessions.nasdaq.venue: [] is unknown; known: generic_fix44, nasdaq"),
        ('sender = "GW"', 'sender = ""', "t.toml:9: sessions.nyfix.sender: does not fit, is ''; a comp id of 1 to 32"),
        ('mpid = "DEMO"', 'mpid = "demo"', "t.toml:16: sessions.nasdaq.mpid: does not fit, is 'demo'; the firm's four capital letters"),
        ('accounts = ["DEMO"]', "accounts = []", "t.toml:19: strategies.DEMO.accounts: Tuple should have at least 1 item after validation, not 0, is []; the acc"),
        ('key_file = "demo.key"', "", "t.toml:17: strategies.DEMO: no way to log on; give it key_file (order API) or comp_id (FIX)"),
        ("[instruments]", "[instrument]", "t.toml:20: instrument: unknown key; did you mean instruments?"),
        ("order_qty = 100", "order_qyt = 100", "t.toml:23: limits.firm.order_qyt: unknown limit; did you mean order_qty?"),
        ("order_qty = 100", "order_qty = 1.5", "t.toml:23: limits.firm.order_qty: is 1.5; a limit is a whole number, 0 or more, or a decimal as text, such as"),
        ("order_qty = 100", "order_qty = -1", "t.toml:23: limits.firm.order_qty: is -1; a limit is a whole number, 0 or more, or a decimal as text, such as"),
        ("order_qty = 100", "order_qty = true", "t.toml:23: limits.firm.order_qty: is True; a limit is a whole number, 0 or more, or"),
        ("order_qty = 100", 'order_qty = "1e3"', "t.toml:23: limits.firm.order_qty: is '1e3'; a limit is a whole number, 0 or more, or"),
        ("order_qty = 100", 'open_orders = "1.5"', "t.toml:23: limits.firm.open_orders: is '1.5'; orders are counted in whole numbers"),
        ("order_qty = 100", "permission = 1", "t.toml:23: limits.firm.permission: unknown limit; "),
        ("[limits.firm]", "[limits.account.DEMMO]", "t.toml:22: limits.account.DEMMO: no such account in this file; did you mean DEMO?"),
        ("[limits.firm]", "[limits.venue.nyse]", "t.toml:22: limits.venue.nyse: no such venue in this file; known: generic_fix44, nasdaq"),
        ("[limits.firm]", "[limits.strategy.X]", "t.toml:22: limits.strategy.X: no such strategy in this file; known: DEMO"),
        ("[limits.firm]", "[limits.symbol.AAPPL]", "t.toml:22: limits.symbol.AAPPL: no such symbol in"),
        ("[limits.firm]", "[limits.firms]", "t.toml:22: limits.firms: unknown key; did you mean firm?"),
        ('name = "t"', 'name = "t"\nkeep_state = 0', "t.toml:2: keep_state: should be a valid boolean, is 0; true goes on where the last run ended"),
        ("[limits.firm]", "[lane]\nspin_us = -1\n[limits.firm]", "t.toml:23: lane.spin_us: should be greater than or equal to 0, is -1; microseconds"),
        ("[limits.firm]", "[lane]\nspin_us = nan\n[limits.firm]", "t.toml:23: lane.spin_us: should be greater than or equal to 0, is nan; microseconds"),
        ("[limits.firm]", '[journal]\nlevel = "none"\n[limits.firm]', "t.toml:23: journal.level: should be 'async', 'group' or 'sync', is 'none'; how durable"),
        ("[limits.firm]", "[doors.b]\nprotocol = 3\n[limits.firm]", "t.toml:23: doors.b.protocol: 3 is unknown; known: fix44, order_api"),
        ("[strategies.DEMO]", '[strategies."A B"]', "t.toml:17: strategies.A B: not a name: 1 to 16"),
        ('name = "t"', 'name = "t', "t.toml:1: not TOML: Illegal character '\\n'"),
        ('name = "t"', 'name = "t"\nname = "u"', "t.toml:2: not TOML: Cannot overwrite a value"),
    ],
)
def test_a_mistake_is_told_with_its_line(deployment: Path, right: str, wrong: str, problem: str) -> None:
    assert right in GOOD
    deployment.write_text(GOOD.replace(right, wrong, 1))
    found = problems_of(deployment)
    assert any(line.startswith(problem) for line in found), "\n".join(found)


def test_all_mistakes_are_told_in_the_order_of_the_file(deployment: Path) -> None:
    deployment.write_text(GOOD.replace("port = 7102", "port = -1").replace("port = 0", "port = -1").replace("order_qty = 100", "order_qty = 0.5"))
    assert [problem.split(": ")[0] for problem in problems_of(deployment, "lane.core=x")] == ["t.toml:5", "t.toml:13", "t.toml:23", "--set"]


def test_two_doors_at_one_port_and_two_strategies_with_one_comp_id(deployment: Path) -> None:
    twice = GOOD.replace("port = 0", "port = 5").replace("[instruments]", '[strategies.B]\ncomp_id = "S"\naccounts = ["B"]\n[instruments]')
    deployment.write_text(
        twice.replace('key_file = "demo.key"', 'comp_id = "S"') + '[doors.fix]\nprotocol = "fix44"\nport = 5\nsender = "GW"\n'
    )
    assert problems_of(deployment) == [
        "t.toml:21: strategies.B.comp_id: S is already that of strategies.DEMO; choose another",
        "t.toml:29: doors.fix.port: 5 is already that of doors.api; choose another",
    ]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "none.toml") == ["none.toml:1: cannot be read: No such file or directory"]
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    assert problems_of(tmp_path / "latin.toml") == ["latin.toml:1: not UTF-8 text: byte 8 is 0xe9"]


# --- secrets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clear", ['"hunter2"', "5318008", '["hunter2"]', '"env:"', '"file:"'])
def test_a_secret_in_clear_text_is_refused_and_not_shown(deployment: Path, clear: str) -> None:
    deployment.write_text(GOOD.replace('"file:soup.key"', clear))
    (problem,) = problems_of(deployment)
    assert problem.startswith("t.toml:15: sessions.nasdaq.password: ") and problem.endswith(config.SECRET)
    assert "hunter2" not in problem and "5318008" not in problem


def test_a_secret_is_read_only_when_asked(deployment: Path) -> None:
    session = config.load(deployment)[0].sessions["nasdaq"]
    assert isinstance(session, config.SoupSession)
    with pytest.raises(ConfigError, match="No such file"):
        config.read_secret(session.password, {})
    (deployment.parent / "soup.key").write_text("hunter2\n")
    assert config.read_secret(session.password, {}) == "hunter2"
    assert config.read_secret("env:SOUP", {"SOUP": "x"}) == "x"
    with pytest.raises(ConfigError, match="environment variable SOUP is not set"):
        config.read_secret("env:SOUP", {})
    assert "hunter2" not in config.load(deployment)[0].model_dump_json()


def test_secrets_that_cannot_be_read_are_told_by_their_keys(deployment: Path) -> None:
    effective, _ = config.load(deployment, ["sessions.nyfix.password=env:NOT_THERE"])
    with pytest.raises(ConfigError) as told:
        config.read_secrets(effective, {})
    assert told.value.problems == (
        "sessions.nyfix.password: env:NOT_THERE: the environment variable NOT_THERE is not set; set it to the secret",
        f"sessions.nasdaq.password: file:{deployment.parent}/soup.key: No such file or directory; the file must hold the secret and be readable",
    )
    (deployment.parent / "soup.key").write_text("hunter2\n")
    assert config.read_secrets(effective, {"NOT_THERE": "x"}) == {"nyfix.password": "x", "nasdaq.password": "hunter2"}


# --- --set -------------------------------------------------------------------------------------------------------------------


def test_set_overrides_and_adds(deployment: Path) -> None:
    values = ["sessions.nyfix.port=9", "lane.spin_us=inf", "name=u", 'limits.symbol."AAPL".order_qty=5', 'strategies.DEMO.accounts=["A"]']
    effective, _ = config.load(deployment, values)
    assert effective.sessions["nyfix"].port == 9 and effective.lane.spin_us == float("inf") and effective.name == "u"
    assert effective.limits.symbol == {"AAPL": {"order_qty": 5}} and effective.strategies["DEMO"].accounts == ("A",)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("sessions.nyfix.port", "--set: sessions.nyfix.port: not KEY=VALUE; write --set sessions.NAME.port=9102"),
        ("=3", "--set: : not KEY=VALUE"),
        ("a b=3", "--set: a b: not KEY=VALUE"),
        ("name.x=3", "--set: name.x: name is a value, not a table"),
        ("sessions.nyfix.port=x", "--set: sessions.nyfix.port: should be a valid integer, is 'x'; the venue's TCP port"),
        ("sessions.nyfix.prt=1", "--set: sessions.nyfix.prt: unknown key; did you mean port?"),
        ("lane=1", "--set: lane: is 1; it must be a table, [lane]"),
        ("doors=1", "--set: doors: is 1; it must be a table, [doors]"),
        ("limits.firm=1", "--set: limits.firm: is 1; it must be a table, [limits.firm]"),
        ("limits.account.DEMO=1", "--set: limits.account.DEMO: is 1; it must be a table, [limits.account.DEMO]"),
    ],
)
def test_a_wrong_set_is_told(deployment: Path, override: str, problem: str) -> None:
    assert problems_of(deployment, override)[0].startswith(problem)


# --- finding -----------------------------------------------------------------------------------------------------------------


def test_the_order_in_which_a_configuration_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigNotFound) as caught:
        config.find(None, {}, tmp_path)
    assert all(place in str(caught.value) for place in ("--config", "$PORTCULLIS_CONFIG", "./portcullis.toml", "./examples/local.toml"))
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "local.toml").touch()
    assert config.find(None, {}, tmp_path) == tmp_path / "examples" / "local.toml"
    (tmp_path / "portcullis.toml").touch()
    assert config.find(None, {}, tmp_path) == tmp_path / "portcullis.toml"
    assert config.find(None, {"PORTCULLIS_CONFIG": "e.toml"}, tmp_path) == tmp_path / "e.toml"
    assert config.find("f.toml", {"PORTCULLIS_CONFIG": "e.toml"}, tmp_path) == tmp_path / "f.toml"


def test_every_key_of_a_toml_text_has_its_line() -> None:
    text = """\
a = 1
b.c = 2     # dotted
[t]
s = \"\"\"
x = 3
\"\"\"
"q.r" = [
  1,
]
[[l]]
k = 1
[[l]]
k = 2
[l.m]
n = 3
[[l.o]]
[[l.o]]
p = 4
"""
    lines = toml_lines.key_lines(text)
    expected = {
        ("a",): 1, ("b", "c"): 2, ("t",): 3, ("t", "s"): 4, ("t", "q.r"): 7, ("l", 0, "k"): 11, ("l", 1, "k"): 13,
        ("l", 1, "m", "n"): 15, ("l", 1, "o", 1): 17, ("l", 1, "o", 1, "p"): 18,
    }  # fmt: skip
    assert {path: lines.get(path) for path in expected} == expected and ("t", "x") not in lines
    assert toml_lines.line_of(lines, ("t", "q.r", 0)) == 7 and toml_lines.line_of(lines, ("zzz",)) == 1


def test_the_examples_have_one_key_a_line() -> None:
    for file in EXAMPLES.glob("*.toml"):
        wrong = [line for line in file.read_text().splitlines() if re.match(r"^\w+ *= .*\b\w+ = ", line.partition("#")[0])]
        assert not wrong, wrong
