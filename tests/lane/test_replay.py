"""A journal decided again gives every byte again; applied without deciding it gives the same state. What was changed is found."""

from pathlib import Path

import pytest

from gateway import codecs
from gateway.config import Config, load
from gateway.lane.native import ffi, lib
from gateway.lane.replay import Difference, Replay
from gateway.sessions.actions import SECOND
from tests.control.world import World
from tests.simulators.stand import fix_venue

BUY = "54=1|60=20251120-12:00:00|40=2|"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A little of everything: fills, a rest, a replace, a cancel, denials, a kill, a lost connection."""
    world = World(tmp_path_factory.mktemp("replay"), {"nyfix": fix_venue(quote_qty=1_000)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.35|59=0|")
    strategy.say(f"35=D|11=A2|1=ACC|55=IBM|{BUY}38=100|44=180.00|59=0|")
    strategy.say(f"35=G|11=A3|41=A2|1=ACC|55=IBM|{BUY}38=150|44=180.05|")
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.35|")
    strategy.say(f"35=D|11=A4|1=ACC|55=IBM|{BUY}38=10001|44=191.35|")
    strategy.say("35=F|11=A5|41=A3|55=IBM|54=1|60=20251120-12:00:00|")
    strategy.say(f"35=D|11=A6|1=ACC|55=IBM|{BUY}38=100|44=180.00|59=0|")
    strategy.say("35=1|112=HELLO|")
    world.run(90 * SECOND)
    conn = world.plan.links[0].conn
    world.lines.pop(conn).disconnect(world.now_ns)
    world.lane.close(conn)
    world.run(5 * SECOND)
    world.open()
    world.run(60 * SECOND)
    return world


def replay(world: World, records: list[bytes], config: Config | None = None) -> Difference | None:
    return Replay(records, config or world.config, world.instruments, {}).verify()


def test_every_record_is_decided_again_to_the_byte(played: World) -> None:
    records = played.lane.records()
    assert len(records) > 50
    assert replay(played, records) is None


def test_applied_without_deciding_the_state_is_the_same(played: World) -> None:
    records = played.lane.records()
    assert Replay(records, played.config, played.instruments, {}).apply() == played.lane.state_hash()


def test_every_record_is_one_of_the_journals_layout(played: World) -> None:
    layout = codecs.load("journal")
    for record in played.lane.records():
        decoded = layout.decode_fields(record, "client")
        assert decoded is not None and decoded.length == len(record)
        assert layout.encode_fields(decoded.message.name, decoded.fields)[8:] == record[8:]


def sealed(world: World, record: bytearray) -> bytes:
    """The changed record with a CRC that is right again: one that is wrong is refused by whoever reads the journal."""
    lib.gw_rec_seal(ffi.from_buffer("uint8_t[]", record), len(record), world.lane.ring.salt)
    return bytes(record)


def test_any_flipped_byte_of_an_input_is_found(played: World) -> None:
    records = played.lane.records()
    inputs = [i for i, record in enumerate(records) if record[8] == 2]
    for index in inputs[:: max(1, len(inputs) // 12)]:
        changed = bytearray(records[index])
        changed[-20] ^= 0x01
        assert replay(played, [*records[:index], sealed(played, changed), *records[index + 1 :]]) is not None, f"record {index + 1}"


def test_a_changed_time_is_found(played: World) -> None:
    records = played.lane.records()
    for index in range(5, len(records) - 5, max(1, len(records) // 12)):
        changed = bytearray(records[index])
        changed[32:40] = (int.from_bytes(changed[32:40], "little") + 1).to_bytes(8, "little")
        assert replay(played, [*records[:index], sealed(played, changed), *records[index + 1 :]]) is not None, f"record {index + 1}"


def test_a_changed_limit_is_found(played: World, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(Path(played.latch_path.parent / "world.toml").read_text().replace("order_qty = 10_000", "order_qty = 99"))
    config, _ = load(file)
    difference = replay(played, played.lane.records(), config)
    assert difference is not None
    assert difference.kind == "IN"


def test_each_of_two_test_requests_that_came_together_is_answered(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say_at_once(["35=1|112=ONE|", "35=1|112=TWO|"])
    assert [message[112] for message in strategy.take() if message[35] == "0"] == ["ONE", "TWO"]
    assert replay(world, world.lane.records()) is None
