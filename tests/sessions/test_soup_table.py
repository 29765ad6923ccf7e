"""The SoupBinTCP and order API tables: every state × every event, and the exact answers where money depends on them."""

from typing import Any

import pytest

from gateway.sessions import actions as a
from gateway.sessions import order_api, soupbin
from gateway.sessions.machine import Machine
from gateway.sessions.order_api import ApiConfig, ApiServer, Granted, login_mac, proves
from gateway.sessions.soupbin import ClientConfig, ServerConfig, SoupClient, SoupServer

NOW = 1_700_000_000 * a.SECOND
SECRET = a.SecretRef("password")


def accepted(session: str, number: int) -> a.Message:
    return a.Message("LoginAccepted", (("session", session), ("sequence_number", number)))


def login(session: str = "", number: int | str = 1) -> a.Message:
    return a.Message("LoginRequest", (("username", "DEMO01"), ("password", "pw"), ("requested_session", session), ("requested_sequence_number", number)))


SE, AE = soupbin.Event, order_api.Event
FACTS: dict[str, a.Input] = {
    "ATTACHED": a.Attached(5, 9), "CLOSED": a.Closed(), "LOGOUT_WANTED": a.LogoutWanted("bye"), "SILENT": a.Silent(), "FAULT": a.GarbledLimit(),
    "MALFORMED": a.Message("", fault=a.Fault(0, None, "short")), "NOTICE": a.Message("SystemEvent"), "LOGOUT": a.Message("LogoutRequest"),
}  # fmt: skip
CLIENT_INPUTS = FACTS | {
    "ACCEPTED": accepted("S1", 5), "ACCEPTED_NEW": accepted("S2", 1), "ACCEPTED_LOST": accepted("S1", 7),
    "REJECTED": a.Message("LoginRejected", (("reject_reason", "A"),)), "REJECTED_SESSION": a.Message("LoginRejected", (("reject_reason", "S"),)),
    "FENCE": a.Message("AccountQueryResponse", (("next_user_ref_num", 8),)), "END_OF_SESSION": a.Message("EndOfSession"),
    "FENCE_EARLIER": a.Message("AccountQueryResponse", (("next_user_ref_num", 8),)),
}  # fmt: skip
SERVER_INPUTS = FACTS | {"LOGIN": login(), "LOGIN_BAD": login(number="many"), "LOGIN_NO_SESSION": login("OTHER")}
API_LOGIN = a.Message("Login", (("strategy", "DEMO"), ("last_id", 7), ("next_seq", 3), ("mac", b"")))
API_INPUTS = FACTS | {"LOGIN": API_LOGIN, "LOGIN_BAD": a.Message("Login", (("next_seq", 99),)), "LOGOUT": a.Message("Logout"), "NOTICE": a.Message("Heartbeat")}


def client() -> SoupClient:
    session = SoupClient(ClientConfig("DEMO01", SECRET, session="S1"))
    session._asked = 5
    return session


def api(verdict: Granted | str = Granted("DEMO", 10, 7, 2)) -> ApiServer:  # noqa: B008
    return ApiServer(ApiConfig(), bytes(32), lambda message, nonce: verdict)


MAKERS: list[tuple[Any, dict[str, a.Input]]] = [(client, CLIENT_INPUTS), (lambda: SoupServer(ServerConfig("1")), SERVER_INPUTS), (api, API_INPUTS)]
CELLS = [
    pytest.param(make, inputs, state, event, id=f"{make().name} {state} {event}".replace(" ", "-"))
    for make, inputs in MAKERS
    for state in make().table
    for event in dict.fromkeys(event for row in make().table.values() for event in row)
]


@pytest.mark.parametrize(("make", "inputs", "state", "event"), CELLS)
def test_every_cell(make: Any, inputs: dict[str, a.Input], state: Any, event: Any) -> None:
    machine: Machine[Any, Any] = make()
    machine.state = state
    machine._now_ns = NOW
    machine._wait()
    move = machine.table[state].get(event)
    if event == machine.timeout:
        assert (machine.deadline_ns < a.NEVER) == (move is not None), "a state that waits has a deadline, and only such a one"
        if move is not None:
            machine.tick(machine.deadline_ns)
            assert machine.state == move.then
        return
    if (classed := machine._class_of(inputs[event])) != event:  # told apart only while a login is awaited
        earlier = event == "FENCE_EARLIER" and classed == "FENCE"  # told apart by how many queries have had no answer; see below
        assert earlier or (event in ("LOGIN_BAD", "LOGIN_NO_SESSION", "ACCEPTED", "ACCEPTED_NEW") and state not in ("AWAIT_LOGIN", "LOGIN_SENT")), classed
        return
    if move is None:
        with pytest.raises(a.LocalProtocolError):
            machine.receive(inputs[event], NOW)
        assert machine.state == state
        return
    actions = machine.receive(inputs[event], NOW)
    assert machine.state == move.then and actions[-1] == a.Done() and actions.count(a.Done()) == 1


def test_an_ouch_client_trades_only_behind_its_fence() -> None:
    session = client()
    assert session.receive(a.Attached(5, 1), NOW) == [
        a.SetRx(a.Rx.ADMIN),
        a.SetTx(a.Tx.ADMIN),
        a.Send("LoginRequest", (("username", "DEMO01"), ("password", SECRET), ("requested_session", "S1"), ("requested_sequence_number", 5))),
        a.Done(),
    ]
    assert session.receive(accepted("S1", 5), NOW) == [
        a.SetValues(1, (("session", "S1"),)), a.SetRx(a.Rx.FLOW), a.SetTx(a.Tx.CANCELS), a.Send("AccountQuery"), a.Send("AccountQuery"), a.Done(),
    ]  # fmt: skip
    # The session is from before this process, which may have asked as well: one answer may be to that query.
    assert session.receive(CLIENT_INPUTS["FENCE"], NOW) == [a.Done()]
    assert session.receive(CLIENT_INPUTS["FENCE"], NOW) == [
        a.SetNext("token", 8), a.Evidence(0, 7, fenced=True), a.SetTx(a.Tx.OPEN), a.Tell(a.Told.READY), a.Done(),
    ]  # fmt: skip


def test_the_replayed_answer_to_an_earlier_query_is_no_fence() -> None:
    """An engine slower than its session layer answers a query whose connection is gone; the next login has that answer replayed."""
    session = SoupClient(ClientConfig("DEMO01", SECRET))

    def log_in(first: a.Message) -> list[a.Action]:
        session.receive(a.Attached(1, 1), NOW)
        return [action for action in session.receive(first, NOW) if action == a.Send("AccountQuery")]

    assert len(log_in(accepted("S1", 1))) == 1
    session.receive(a.Closed(), NOW)
    assert len(log_in(accepted("S1", 1))) == 2
    assert session.receive(CLIENT_INPUTS["FENCE"], NOW) == [a.Done()]  # may be the first connection's
    assert session.receive(CLIENT_INPUTS["FENCE"], NOW)[1] == a.Evidence(0, 7, fenced=True)
    session.receive(CLIENT_INPUTS["FENCE"], NOW)  # all three are answered
    session.receive(a.Closed(), NOW)
    assert len(log_in(accepted("S1", 1))) == 1


def test_a_new_session_starts_its_numbers_anew_and_proves_nothing() -> None:
    session = client()
    session.receive(a.Attached(5, 1), NOW)
    assert session.receive(accepted("S2", 1), NOW)[:2] == [a.SetNext("rx", 1), a.Tell(a.Told.RESET, text="session S2")]
    assert session.receive(CLIENT_INPUTS["FENCE"], NOW) == [a.SetNext("token", 8), a.SetTx(a.Tx.OPEN), a.Tell(a.Told.READY), a.Done()]


def test_a_session_that_is_over_is_asked_for_once() -> None:
    session = client()
    session.receive(a.Attached(5, 1), NOW)
    assert a.SetValues(values=(("session", ""),)) in session.receive(CLIENT_INPUTS["REJECTED_SESSION"], NOW)
    session.receive(a.Closed(), NOW)
    send = session.receive(a.Attached(5, 1), NOW)[2]
    assert isinstance(send, a.Send) and dict(send.fields)["requested_session"] == "" and dict(send.fields)["requested_sequence_number"] == 1


@pytest.mark.parametrize("number", [4, 6, 1])
def test_numbers_that_do_not_join_are_left_to_a_person(number: int) -> None:
    session = client()
    session.receive(a.Attached(5, 1), NOW)
    tell, close, _ = session.receive(accepted("S1", number), NOW)
    assert tell == a.Tell(a.Told.LOST, a.Reason.SEQ_LOST, f"session S1 goes on from {number}, but 5 is the next we need")
    assert isinstance(close, a.Close)


@pytest.mark.parametrize(("asked", "first", "replay"), [(1, 1, [a.Resend(1, 8)]), (6, 6, [a.Resend(6, 8)]), (9, 9, []), (0, 9, []), (99, 9, [])])
def test_a_server_replays_from_the_number_asked_for(asked: int, first: int, replay: list[a.Action]) -> None:
    session = SoupServer(ServerConfig("1"))
    session.receive(a.Attached(1, 9), NOW)
    answer = session.receive(login(number=asked), NOW)
    assert a.Send("LoginAccepted", (("session", "1"), ("sequence_number", first))) in answer
    assert [each for each in answer if isinstance(each, a.Resend)] == replay


def test_a_strategy_is_bound_before_anything_is_said_to_it() -> None:
    session = api()
    assert session.receive(a.Attached(), NOW)[2:] == [a.Send("Hello", (("nonce", bytes(32)), ("name", "portcullis"))), a.Done()]
    assert session.receive(API_LOGIN, NOW) == [
        a.Bind("DEMO"), a.SetValues(5, (("last_id", "7"),)), a.Send("LoginAccepted", (("next_seq", 3), ("last_id", 7), ("epoch", 2))),
        a.SetRx(a.Rx.FLOW), a.Resend(3, 9), a.SetTx(a.Tx.OPEN), a.Tell(a.Told.READY), a.Done(),
    ]  # fmt: skip


def test_a_login_that_is_not_granted_hears_why() -> None:
    for verdict, next_seq, why in (("unknown strategy or wrong key", 0, "unknown strategy or wrong key"), (Granted("DEMO", 10, 7, 2), 11, "next_seq 11 is beyond the stream, whose next is 10")):
        session = api(verdict)
        session.receive(a.Attached(), NOW)
        answer = session.receive(a.Message("Login", (("next_seq", next_seq),)), NOW)
        assert answer[:2] == [a.Send("LoginRejected", (("text", why),)), a.Tell(a.Told.LOST, a.Reason.LOGON_INVALID, why)]


def test_the_proof_is_hmac_sha256_of_the_nonce() -> None:
    # RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?"
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    key, nonce = b"Jefe", b"what do ya want for nothing?"
    assert login_mac(key, nonce).hex() == expected
    assert proves(a.Message("Login", (("mac", expected),)), key, nonce) and proves(a.Message("Login", (("mac", bytes.fromhex(expected)),)), key, nonce)
    for wrong in (b"", bytes(32), bytes.fromhex(expected)[:-1], "not hexadecimal", "é", 7):
        assert not proves(a.Message("Login", (("mac", wrong),)), key, nonce)


def test_a_malformed_request_is_answered_with_what_is_wrong() -> None:
    session = api()
    session.receive(a.Attached(), NOW)
    session.receive(API_LOGIN, NOW)
    answer = session.receive(a.Message("", seq=4, fault=a.Fault(0, None, "NewOrder has 456 bytes, not 40")), NOW)
    assert answer[0] == a.Send("Error", (("ref_seq", 4), ("text", "NewOrder has 456 bytes, not 40")))
