"""Every cell of the seam's tables (SEAM T1, T2, T3) and of the order state table, against the same tables written as text."""

import re

import pytest

from gateway.native import load

lib = load("gateway.lane._lane").lib

CLASSES = ["garbled", "header_fault", "seq_low", "seq_low_dup", "seq_high", "logon", "logout", "heartbeat", "test_answer", "test_request", "resend_request", "gap_fill", "gap_fill_low", "seq_reset", "reject", "business", "known", "malformed", "framing", "end", "debug"]
ACTS = {"-": 0, "C": 1, "P": 2, "P!": 3, "gap": 4, "C+P": 5, "close": 6, "K": 7}
RX = {"closed": 0, "admin": 1, "flow": 2, "recover": 3, "hold": 4}

# class            admin  flow  recover: "-" counted and dropped, C the lane, P a notice, P! a barrier, gap = to recover, and asked for.
FIX_INBOUND = """
garbled            -      -     -
header_fault       P!     P!    P!
seq_low            P!     P!    P!
seq_low_dup        -      -     -
seq_high           P!     gap   gap
logon              P!     P!    P!
logout             P!     P!    P!
heartbeat          P!     C     C
test_answer        P!     P     P
test_request       P!     C     C
resend_request     P!     C     C
gap_fill           P!     C     C
gap_fill_low       P!     P!    P!
seq_reset          P!     P!    P!
reject             P!     C+P   C+P
business           P!     C     C
known              P!     P     P
malformed          P!     P     P
framing            P!     P!    P!
end                -      -     -
debug              -      -     -
"""

# SoupBinTCP, client. A sequenced stream has no gaps, so recover is as flow; a heartbeat is the lane's from the first byte on.
SOUP_INBOUND = """
logon              P!     P!    P!
logout             P!     P!    P!
heartbeat          C      C     C
business           P!     C     C
known              P!     P     P
malformed          P!     P     P
framing            P!     P!    P!
end                P!     P!    P!
debug              -      -     -
"""

API_INBOUND = """
logon              P!     P!    P!
logout             P!     P!    P!
heartbeat          C      C     C
business           P!     C     C
malformed          P!     P     P
framing            P!     P!    P!
"""

# class            closed  admin   cancels     open
OUTBOUND = """
send               no      yes     yes         yes
session            no      yes     yes         yes
cancel             keep    keep    yes         yes
status             keep    keep    yes         yes
replace            down    down    recovering  gate
new                down    down    recovering  gate
report             keep    keep    keep        yes
resent             no      yes     yes         yes
"""
OACTS = {"no": 0, "yes": 1, "keep": 2, "down": 3, "recovering": 4, "gate": 5}

STATES = ["free", "queued", "sent", "new", "partial", "suspended", "stopped", "calculated", "filled", "canceled", "rejected", "expired", "done", "denied"]
EVENTS = ["accept", "send", "void", "deny", "pending_new", "new", "trade", "fill", "canceled", "replaced", "rejected", "expired", "done", "suspended", "stopped", "calculated", "pending_cancel", "pending_replace", "restated", "bust", "correct", "status", "cxl_reject"]

# state: event > next ... ; an absent pair is no move (the report is booked and flagged). "=" is the state itself.
ORDER_STATES = """
free        accept>queued
queued      send>sent deny>denied canceled>canceled
sent        void>queued pending_new= new>new trade>partial fill>filled canceled>canceled replaced>new rejected>rejected expired>expired done>done \
            suspended>suspended stopped>stopped calculated>calculated pending_cancel= pending_replace= restated>new status>new cxl_reject=
new         trade>partial fill>filled canceled>canceled replaced= rejected>rejected expired>expired done>done suspended>suspended stopped>stopped \
            calculated>calculated pending_cancel= pending_replace= restated= status= cxl_reject= bust= correct=
partial     new= trade= fill>filled canceled>canceled replaced= expired>expired done>done suspended>suspended stopped>stopped calculated>calculated \
            pending_cancel= pending_replace= restated= status= cxl_reject= bust= correct=
suspended   new>new trade>partial fill>filled canceled>canceled replaced>new expired>expired done>done suspended= pending_cancel= pending_replace= \
            restated>new status= cxl_reject= bust= correct=
stopped     new>new trade>partial fill>filled canceled>canceled replaced>new expired>expired done>done stopped= pending_cancel= pending_replace= \
            restated>new status= cxl_reject= bust= correct=
calculated  trade>partial fill>filled canceled>canceled expired>expired done>done calculated= restated>new status= cxl_reject= bust= correct=
filled      bust= correct= status= cxl_reject=
canceled    bust= correct= status= cxl_reject=
rejected    status= cxl_reject=
expired     bust= correct= status= cxl_reject=
done        bust= correct= status= cxl_reject=
denied      status=
"""


def rows(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in text.replace("\\\n", "").strip().splitlines()}


@pytest.mark.parametrize(
    ("family", "table"),
    [(lib.GW_FAMILY_FIX, FIX_INBOUND), (lib.GW_FAMILY_SOUP, SOUP_INBOUND), (lib.GW_FAMILY_API, API_INBOUND)],
    ids=["fix", "soup", "order_api"],
)
def test_every_inbound_class_in_every_state(family: int, table: str) -> None:
    want = rows(table)
    for number, name in enumerate(CLASSES):
        cells = want.get(name, ["-", "-", "-"])
        for state, cell in zip(("admin", "flow", "recover"), cells, strict=True):
            assert lib.gw_table_in(family, number, RX[state]) == ACTS[cell], f"{name} in {state}"
        for state in ("closed", "hold"):
            assert lib.gw_table_in(family, number, RX[state]) == ACTS["-"], f"{name} in {state}: nothing is read"


def test_there_are_no_more_classes_and_states_than_the_tables_have() -> None:
    assert lib.gw_table_in(lib.GW_FAMILY_FIX, len(CLASSES), 1) == -1
    assert lib.gw_table_in(lib.GW_FAMILY_FIX, 0, len(RX)) == -1
    assert lib.gw_table_in(9, 0, 1) == -1
    assert lib.gw_table_out(len(rows(OUTBOUND)), 0) == -1
    assert lib.gw_table_out(0, 4) == -1
    assert lib.gw_order_next(len(STATES), 0) == -1
    assert lib.gw_order_next(0, len(EVENTS)) == -1


def test_every_outbound_class_in_every_state() -> None:
    for number, (name, cells) in enumerate(rows(OUTBOUND).items()):
        for tx, cell in enumerate(cells):
            assert lib.gw_table_out(number, tx) == OACTS[cell], f"{name} in tx {tx}"


def test_every_event_in_every_order_state() -> None:
    want = rows(ORDER_STATES)
    assert list(want) == STATES
    for state, name in enumerate(STATES):
        moves = {}
        for move in want[name]:
            event, next_name = re.fullmatch(r"(\w+?)(?:>(\w+)|=)", move).groups()  # type: ignore[union-attr]
            moves[event] = STATES.index(next_name or name)
        assert set(moves) <= set(EVENTS)
        for event, event_name in enumerate(EVENTS):
            assert lib.gw_order_next(state, event) == moves.get(event_name, 0), f"{event_name} in {name}"


def test_a_final_state_is_never_left() -> None:
    final = range(STATES.index("filled"), len(STATES))
    for state in final:
        assert {lib.gw_order_next(state, event) for event in range(len(EVENTS))} <= {0, state}
