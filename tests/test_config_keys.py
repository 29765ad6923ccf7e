"""Every key of the configuration: right at its limits, refused one beyond them and as another type, each time with file, line and key."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway import config
from gateway.errors import ConfigError
from gateway.lane import effective
from gateway.tools import init
from risk.controls import controls

BIG = 99_999_999_999_999_999_999
LIMIT_MAX = 2**63 - 2
# Key → what is right at its limits, and what is one beyond them; as TOML. Types are tried of all keys alike.
NAMES = (('"a"', f'"{"n" * 15}"'), ('""', f'"{"n" * 64}"', '"a b"', '"é"'))
COMP_IDS = (('"a"', f'"{"c" * 32}"'), ('""', f'"{"c" * 33}"', '"a b"', r'"a\u0001"'))
PATHS = (('"x"',), ('""', r'"\u0000"'))
HOSTS = (('"::1"', '"venue.example"'), ('""', '"a b"', r'"\u0000"'))
SECRETS = (('"env:X"', '"file:x"'), ('"x"', '"env:"', '""'))
PORTS = (("0", "65535"), ("-1", "65536"))
VENUE_PORTS = (("1", "65535"), ("0", "65536"))
RETRIES = (("0.001", "3600"), ("0", "3600.5", "nan"))
BEATS = (("1", "3600"), ("0", "3601"))
KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "name": NAMES,
    "state_dir": PATHS,
    "log": (('"stderr"', '"stdout"'), ('"file"',)),
    "on_shutdown": (('"cancel"', '"leave"'), ('"drop"',)),
    "keep_state": (("true", "false"), ('"no"', "2")),
    "queue_ttl_ms": (("1", "3600000"), ("0", "3600001", str(BIG))),
    "lane.spin_us": (("0", "1000000", "inf"), ("-0.1", "1000001", "nan")),
    "lane.core": (("-1", "4095"), ("-2", "4096")),
    "journal.level": (('"async"', '"group"', '"sync"'), ('"none"',)),
    "journal.ring_mib": (("1", "2", "65536"), ("0", "3", "48", "65537", "131072")),
    "journal.segment_mib": (("1", "3", "65536"), ("0", "65537")),
    "journal.failed_stop_s": (("0", "3600"), ("-1", "3601")),
    "tables.orders": (("16", "4194304"), ("15", "4194305")),
    "tables.connections": (("2", "4096"), ("1", "4097")),
    "doors.api.protocol": (('"order_api"',), ('"soup"', '""')),
    "doors.api.host": HOSTS,
    "doors.api.port": PORTS,
    "doors.fix.protocol": (('"fix44"',), ('"fix42"',)),
    "doors.fix.host": HOSTS,
    "doors.fix.port": PORTS,
    "doors.fix.sender": COMP_IDS,
    "doors.fix.reset_seq_num_on_logon": (("true", "false"), ()),
    "sessions.nyfix.venue": (('"generic_fix44"',), ('"nyse"', '""')),
    "sessions.nyfix.host": HOSTS,
    "sessions.nyfix.port": VENUE_PORTS,
    "sessions.nyfix.heart_bt_int_s": BEATS,
    "sessions.nyfix.retry_s": RETRIES,
    "sessions.nyfix.sender": COMP_IDS,
    "sessions.nyfix.target": COMP_IDS,
    "sessions.nyfix.username": (('""', f'"{"u" * 64}"'), (f'"{"u" * 65}"', r'"\u0001"')),
    "sessions.nyfix.password": SECRETS,
    "sessions.nyfix.reset_seq_num_on_logon": (("true", "false"), ()),
    "sessions.nasdaq.venue": (('"nasdaq"',), ('"nasdak"',)),
    "sessions.nasdaq.host": HOSTS,
    "sessions.nasdaq.port": VENUE_PORTS,
    "sessions.nasdaq.heart_bt_int_s": BEATS,
    "sessions.nasdaq.retry_s": RETRIES,
    "sessions.nasdaq.username": (('"a"', '"DEMO01"'), ('""', '"DEMO012"', '"a_b"')),
    "sessions.nasdaq.password": SECRETS,
    "sessions.nasdaq.mpid": (('"DEMO"',), ('"DEM"', '"DEMOS"', '"demo"')),
    "strategies.DEMO.key_file": PATHS,
    "strategies.DEMO.comp_id": COMP_IDS,
    "strategies.DEMO.accounts": (('["a"]', f'["a", "{"n" * 15}"]'), ("[]", '[""]', "[1]", f'["{"n" * 64}"]')),
    "strategies.DEMO.cancel_on_disconnect": (("true", "false"), ()),
    "instruments.file": (('"instruments.csv"',), ('""', '"nowhere.csv"', r'"\u0000"')),
    **{f"limits.firm.{control.key}": (("0", "1"), ("-1", str(LIMIT_MAX + 1), '"x"', '"-1"')) for control in controls().limited},
}
# TOML of every other type; a key takes what its own right values are.
TYPES = {"text": '"?"', "whole": "7", "fraction": "7.5", "truth": "true", "list": "[7]", "table": "{ a = 7 }", "date": "1979-05-27"}


def kind(value: str) -> str:
    found = tomllib.loads(f"value = {value}")["value"]
    named = {bool: "truth", int: "whole", float: "fraction", str: "text", list: "list", dict: "table"}
    return named[type(found)]


class Deployment:
    """A configuration in which every key stands, one of them at a time with another value."""

    def __init__(self, folder: Path) -> None:
        assert init.main(folder) == 0
        self.file = folder / "portcullis.toml"
        text = re.sub(r"^# (\w+ = )", r"\1", self.file.read_text(), flags=re.M).replace('password = ""', 'password = "env:X"', 1)
        self.lines = text.splitlines()
        self.places: dict[str, int] = {}
        table = ""
        for number, line in enumerate(self.lines):
            if match := re.match(r"\[(.*)\]", line):
                table = match[1] + "."
            elif match := re.match(r"(\w+) = ", line):
                self.places[table + match[1]] = number

    def write(self, key: str, value: str | None) -> None:
        """`value` in place of the key's own; None: without the key."""
        number = self.places[key]
        own = self.lines[number].partition(" = ")[0]
        line = "" if value is None else f"{own} = {value}"
        self.file.write_text("\n".join([*self.lines[:number], line, *self.lines[number + 1 :]]) + "\n")

    def problems(self, key: str, value: str | None) -> tuple[str, ...]:
        self.write(key, value)
        try:
            config.load(self.file)
        except ConfigError as error:
            return error.problems
        return ()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return Deployment(tmp_path_factory.mktemp("keys"))


def models() -> dict[str, type[BaseModel]]:
    return {name: model for name, _, model, _ in init.TABLES}


def test_every_key_stands_in_the_table_of_this_test(deployment: Deployment) -> None:
    assert set(KEYS) == set(deployment.places)
    declared = {f"{name}.{key}".lstrip(".") for name, model in models().items() for key in model.model_fields}
    tables = {"lane", "journal", "tables", "doors", "sessions", "strategies", "instruments", "limits"}
    assert declared - tables == {key for key in KEYS if not key.startswith("limits.")}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_right_at_its_limits(deployment: Deployment, key: str) -> None:
    for value in KEYS[key][0]:
        assert deployment.problems(key, value) == (), value


def told(deployment: Deployment, key: str, value: str | None) -> str:
    """The one problem, which names file, line and key."""
    problems = deployment.problems(key, value)
    assert problems, f"{key} = {value} is let through"
    line = deployment.places[key] + 1
    # What a choice between kinds of table needs is told for that key; a list's element is told by its place.
    assert re.match(rf"{re.escape(str(deployment.file))}:{line}: {re.escape(key)}(\.\d+)?: ", problems[0]), problems
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_refused_beyond_its_limits(deployment: Deployment, key: str) -> None:
    for value in KEYS[key][1]:
        assert ";" in told(deployment, key, value), "it says what would be right"


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_refused_as_another_type(deployment: Deployment, key: str) -> None:
    right = {kind(value) for value in KEYS[key][0]}
    right |= {"whole"} if "fraction" in right else set()
    if key == "lane.spin_us" or key.endswith("retry_s"):
        right |= {"whole", "fraction"}
    if key.startswith("limits."):
        right |= {"text"}
    for name, value in TYPES.items():
        if name not in right:
            told(deployment, key, value)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_not_there_has_its_default_or_is_told(deployment: Deployment, key: str) -> None:
    table, _, own = key.rpartition(".")
    model = models().get(table)
    problems = deployment.problems(key, None)
    if model is None or not model.model_fields[own].is_required():
        assert problems == ()
        return
    (problem,) = problems
    assert f": {key}: is missing; " in problem and problem.startswith(f"{deployment.file}:"), problem


@pytest.mark.parametrize("value", ["48", "3", "65535"])
def test_a_ring_of_no_power_of_two_says_which_are_near(deployment: Deployment, value: str) -> None:
    below = {"48": "32 or 64", "3": "2 or 4", "65535": "32768 or 65536"}[value]
    assert f"is {value}; {below} is right; " in told(deployment, "journal.ring_mib", value)


def test_a_journal_with_a_configuration_of_other_rules_is_refused_in_words(deployment: Deployment) -> None:
    deployment.write("journal.ring_mib", "64")
    loaded, instruments = config.load(deployment.file)
    begun = effective.to_bytes(loaded, instruments, {}, "build")
    assert effective.from_bytes(begun).config.journal == loaded.journal
    with pytest.raises(ConfigError, match=r"a configuration that this build does not take: journal.ring_mib: .*is 48; .*then begin anew"):
        effective.from_bytes(begun.replace(b'"ring_mib":64', b'"ring_mib":48'))


def test_what_is_found_later_has_its_line_too(deployment: Deployment) -> None:
    deployment.write("tables.connections", "3")
    line = deployment.places["tables.connections"] + 1
    problem = "tables.connections: 3 is too few"
    assert config.located(deployment.file, problem) == f"{deployment.file}:{line}: {problem}"
    assert config.located(deployment.file, "the latch: is gone") == "the latch: is gone"
    assert config.located(deployment.file, "no key in it") == "no key in it"
    assert config.located(Path("nowhere.toml"), problem) == problem
