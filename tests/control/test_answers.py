"""What `gateway sessions` says of a session that is not open: why, what it waits for, and when it is tried again."""

from pathlib import Path

from gateway.control.answers import WAITS_FOR, waits_for
from gateway.control.line import Link
from gateway.sessions import fix, soupbin
from gateway.sessions.actions import SECOND
from simulators.venue import Options
from tests.control.world import World
from tests.simulators.stand import fix_venue


def link_of(world: World) -> Link:
    (link,) = world.core.links.values()
    return link


def said(world: World) -> str:
    link = link_of(world)
    return waits_for(link, world.lane.view(link.conn).in_doubt, world.now_ns)


def test_every_state_of_a_venue_s_session_is_told() -> None:
    acceptors = {"AWAIT_LOGON", "AWAIT_LOGIN"}
    states = {state.value for machine in (fix, soupbin) for state in machine.State} - {"DOWN", "OPEN"} - acceptors
    assert set(WAITS_FOR) == states


def test_a_venue_that_refuses_connections_says_so_and_when_it_is_tried_again(tmp_path: Path) -> None:
    world = World(tmp_path, {})
    assert said(world) == "not connected yet; tries again in 0.0 s"
    world.run(SECOND // 100)
    assert said(world).startswith("connection refused; tries again in 0.")


def test_a_logon_that_is_refused_says_why_in_the_venue_s_words(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(Options(password="right"))})
    world.until(lambda: bool(link_of(world).down))
    assert "LOGON_REFUSED" in said(world) and "tries again in" in said(world), said(world)


def test_an_open_session_waits_for_nothing_and_a_lost_one_says_what_happened(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    world.open()
    assert said(world) == ""
    world.lane.close(link_of(world).conn)
    world.run(SECOND // 100)
    assert "closed by the peer; tries again in 0." in said(world), said(world)
