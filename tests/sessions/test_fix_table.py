"""The FIX session table: every state × every event, and the laws that no cell may break."""

from pathlib import Path
from random import Random

import pytest

from gateway.sessions import actions as a
from gateway.sessions.describe import describe
from gateway.sessions.fix import STATES, TABLE, Event, FixConfig, FixSession, Role, State

CONFIG = FixConfig(sender_comp_id="GW", target_comp_id="VENUE", allow_reset=True)
NOW = 1_700_000_000 * a.SECOND
CELLS = [(role, state, event) for role in Role for state in STATES[role] for event in Event]


def message(type: str, *fields: tuple[int, str], seq: int = 5, expected: int = 5, fault: a.Fault | None = None) -> a.Message:
    return a.Message(type, fields, seq=seq, expected=expected, sender="VENUE", target="GW", fault=fault)


def logon(*fields: tuple[int, str], seq: int = 5, expected: int = 5) -> a.Message:
    return message("A", (98, "0"), (108, "30"), *fields, seq=seq, expected=expected)


# For each event an input that is classed to it (TIMEOUT has none: it is a tick at the deadline).
INPUTS: dict[Event, a.Input] = {
    Event.ATTACHED: a.Attached(next_rx=5, next_tx=9),
    Event.CLOSED: a.Closed(),
    Event.LOGOUT_WANTED: a.LogoutWanted("shutdown"),
    Event.RECONCILED: a.Reconciled(),
    Event.FILLED: a.Filled(),
    Event.LOGON: logon(),
    Event.LOGON_GAP: logon(seq=7),
    Event.LOGON_RESET: logon((141, "Y"), seq=1),
    Event.LOGON_LOW: logon(seq=2),
    Event.LOGON_UNKNOWN: a.Message("A", ((98, "0"), (108, "30")), seq=5, expected=5, sender="NOBODY", target="GW"),
    Event.LOGON_BAD: message("A", (98, "0"), (108, "0")),
    Event.LOGOUT: message("5"),
    Event.REJECTED: message("3", (45, "3"), (58, "no")),
    Event.STATUS_REFUSED: message("j", (45, "3"), (372, "AF"), (380, "3")),
    Event.TEST_ANSWERED: a.TestAnswered("FENCE-0"),
    Event.ADMIN: message("0", (112, "someone else's")),
    Event.STATUS: message("8", (150, "I"), (584, "STATUS-0"), (912, "N")),
    Event.STATUS_LAST: message("8", (150, "I"), (584, "STATUS-0"), (912, "Y")),
    Event.SEQ_HIGH: a.SeqHigh(9, 5),
    Event.SEQ_LOW: a.SeqLow(3, 5),
    Event.HEADER_BEGIN: a.HeaderFault(8, 5, "0"),
    Event.HEADER_COMP: a.HeaderFault(49, 5, "0"),
    Event.HEADER_TIME: a.HeaderFault(52, 5, "0"),
    Event.GARBLED: a.GarbledLimit(),
    Event.GAP_CLOSED: a.GapClosed(),
    Event.SILENT: a.Silent(),
    Event.RESET_HIGHER: message("4", (36, "9")),
    Event.RESET_EQUAL: message("4", (36, "5")),
    Event.RESET_LOWER: message("4", (36, "2")),
    Event.GAP_FILL_LOW: message("4", (36, "5"), (123, "Y")),
    Event.MALFORMED: message("8", fault=a.Fault(6, 38, "Incorrect data format for value")),
    Event.UNKNOWN_TYPE: message("ZZ"),
    Event.ODD: message("r"),
}
INPUTS_OF_ACCEPTOR = {Event.ODD: message("D")}

# These classes are told apart only where a Logon can still matter; elsewhere each of them is simply a Logon.
LOGONS = {Event.LOGON, Event.LOGON_GAP, Event.LOGON_RESET, Event.LOGON_LOW, Event.LOGON_BAD}


def machine_in(role: Role, state: State) -> FixSession:
    """A session put into this state, with the deadline that the state has."""
    session = FixSession(role, CONFIG)
    session.state = state
    session._now_ns = NOW
    session._wait()
    return session


def give(session: FixSession, event: Event) -> list[a.Action]:
    if event is Event.TIMEOUT:
        return session.tick(session.deadline_ns)
    return session.receive(INPUTS_OF_ACCEPTOR.get(event, INPUTS[event]) if session.role is Role.ACCEPTOR else INPUTS[event], NOW)


@pytest.mark.parametrize(("role", "state", "event"), CELLS)
def test_every_cell(role: Role, state: State, event: Event) -> None:
    session = machine_in(role, state)
    if event is Event.TIMEOUT and session.deadline_ns == a.NEVER:
        assert event not in TABLE[role][state]
        assert session.tick(a.NEVER - 1) == []
        return
    what = INPUTS_OF_ACCEPTOR.get(event) if role is Role.ACCEPTOR else None
    what = what or INPUTS.get(event)
    classed = event if what is None else session._class_of(what)
    if classed is not event:  # not told apart here; the cell it goes to is walked under its own name
        collapsed = event in LOGONS and classed in LOGONS
        assert collapsed or (event in (Event.STATUS, Event.STATUS_LAST) and role is Role.ACCEPTOR and classed is Event.UNKNOWN_TYPE), classed
        assert classed in TABLE[role][state] or state in (State.DOWN, State.CLOSING)
        return
    move = TABLE[role][state].get(event)
    if move is None:
        with pytest.raises(a.LocalProtocolError, match=event):
            give(session, event)
        assert session.state is state, "a refused input changes nothing"
        return
    actions = give(session, event)
    assert session.state is move.then
    assert (actions[-1:] == [a.Done()]) == (event is not Event.TIMEOUT), "an input is answered by one batch ending in Done, a tick is not"
    assert [x for x in actions if isinstance(x, a.Done)] == actions[-1:] or event is Event.TIMEOUT


def test_every_step_of_the_table_exists_and_every_step_is_used() -> None:
    used = {step for rows in TABLE.values() for row in rows.values() for move in row.values() for step in move.steps.split()}
    assert all(callable(getattr(FixSession, "_" + step, None)) for step in used)


def test_every_state_is_reached_and_left() -> None:
    for role in Role:
        reached = {move.then for state, row in TABLE[role].items() for move in row.values() if move.then != state}
        assert reached == set(STATES[role])


def test_a_state_that_waits_for_the_peer_has_a_deadline() -> None:
    for role in Role:
        for state in STATES[role]:
            waits = state not in (State.DOWN, State.OPEN, State.CLOSING)
            assert (machine_in(role, state).deadline_ns < a.NEVER) == waits == (Event.TIMEOUT in TABLE[role][state])


def test_an_initiator_opens_only_when_reconciled_and_an_acceptor_only_with_no_gap() -> None:
    opening = {
        (role, state, event)
        for role, state, event in CELLS
        if event in TABLE[role][state] and "open" in TABLE[role][state][event].steps.split()
    }
    assert opening == {
        (Role.INITIATOR, State.RECONCILING, Event.STATUS_LAST),
        (Role.INITIATOR, State.RECONCILING, Event.RECONCILED),
        (Role.ACCEPTOR, State.AWAIT_LOGON, Event.LOGON),
        (Role.ACCEPTOR, State.AWAIT_LOGON, Event.LOGON_RESET),
        (Role.ACCEPTOR, State.RECOVERING, Event.GAP_CLOSED),
        (Role.ACCEPTOR, State.OPEN, Event.LOGON_RESET),
    }


def test_what_a_venue_says_of_an_order_is_booked_or_told_in_every_state() -> None:
    for state in STATES[Role.INITIATOR]:
        for event, kept in ((Event.STATUS, a.ApplyReport), (Event.ODD, a.Tell), (Event.MALFORMED, a.Tell), (Event.UNKNOWN_TYPE, a.Tell)):
            actions = give(machine_in(Role.INITIATOR, state), event)
            assert any(isinstance(x, kept) and x.message == INPUTS[event] for x in actions if isinstance(x, a.ApplyReport | a.Tell)), (state, event)


def test_a_session_is_lost_exactly_once_a_connection_whatever_comes() -> None:
    for seed in range(200):
        rng = Random(seed)
        role = rng.choice(list(Role))
        session = FixSession(role, CONFIG)
        for _ in range(10):
            lost = [x for x in session.receive(a.Attached(5, 9), NOW) if isinstance(x, a.Tell)]
            while session.state is not State.DOWN:
                legal = [event for event in TABLE[role][session.state] if event is not Event.LOGON_RESET or role is Role.ACCEPTOR]
                actions = give(session, rng.choice(legal))
                lost += [x for x in actions if isinstance(x, a.Tell) and x.event is a.Told.LOST]
            assert len(lost) == 1, f"seed {seed}: {lost}"


def test_a_wrong_password_changes_no_number() -> None:
    session = FixSession(Role.ACCEPTOR, CONFIG, authenticate=lambda logon: "unknown user or wrong password")
    session.receive(a.Attached(), NOW)
    for seq in (5, 7, 2):
        session.state = State.AWAIT_LOGON
        assert session.receive(logon(seq=seq), NOW) == [
            a.Send("5", ((58, "unknown user or wrong password"),)),
            a.Tell(a.Told.LOST, a.Reason.LOGON_INVALID, "unknown user or wrong password"),
            a.Close(a.Reason.LOGON_INVALID, True, NOW + a.SECOND),
            a.Done(),
        ]


def test_the_documentation_shows_this_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "sessions.md"
    assert page.read_text() == describe(), "run: python -m gateway.sessions.describe > docs/sessions.md"
