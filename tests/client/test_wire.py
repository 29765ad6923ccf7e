"""The client's hand-written frames against the layout `order_api`, by the reference codec: the layout decides."""

import pytest

from gateway.client import wire
from gateway.client._records import ORDER
from gateway.codecs import reference
from gateway.codecs.loader import load
from tests.client.gateway_side import filled

MEANING = load("order_api")


def read(frame: bytes, sender: str) -> tuple[str, dict[str, object]]:
    decoded = reference.decode_fields(MEANING, frame, sender)
    assert decoded is not None and decoded.length == len(frame)
    return decoded.message.name, dict(decoded.fields)


@pytest.mark.parametrize(
    ("kind", "name"), [("D", "NewOrder"), ("F", "CancelOrder"), ("G", "ReplaceOrder"), ("H", "OrderStatus"), ("q", "MassCancel")]
)
def test_requests(kind: str, name: str) -> None:
    frame = wire.request(kind, 42, ORDER.pack({"kind": kind, "cl_ord_num": 42, "symbol": "AAPL"}))
    got, fields = read(frame, "client")
    assert (got, fields["seq"]) == (name, 42)


def test_login_heartbeat_logout() -> None:
    name, fields = read(wire.login("DEMO", 41, 7, bytes(range(32))), "client")
    assert name == "Login"
    assert (fields["strategy"], fields["last_id"], fields["next_seq"]) == ("DEMO", 41, 7)
    assert [read(wire.frame(kind), "client")[0] for kind in (b"H", b"O")] == ["Heartbeat", "Logout"]


def test_every_message_of_the_gateway_has_its_size_in_the_client() -> None:
    sizes = {bytes([m.key]): m.block for m in MEANING.messages if m.sender in ("venue", "either")}
    assert sizes == {kind: wire.HEADER.size + size for kind, size in wire.FROM_GATEWAY.items()}


def test_frames_of_the_gateway() -> None:
    cases = {
        "Hello": ({"nonce": "6e" * 32, "name": "local"}, lambda body: wire.HELLO.unpack(body) == (b"n" * 32, b"local".ljust(16, b"\0"))),
        "LoginAccepted": ({"next_seq": 7, "last_id": 41, "epoch": 3}, lambda body: wire.ACCEPTED.unpack(body) == (7, 41, 3)),
        "LoginRejected": ({"text": "wrong key"}, lambda body: wire.words(body) == "wrong key"),
        "Error": ({"ref_seq": 42, "text": "no"}, lambda body: wire.ERROR.unpack(body) == (42, b"no".ljust(64, b"\0"))),
        "End": ({"text": "bye"}, lambda body: wire.words(body) == "bye"),
        "Heartbeat": ({}, lambda body: body == b""),
    }
    for name, (fields, right) in cases.items():
        frame = wire.take(bytearray(reference.encode_fields(MEANING, name, {"seq": 5, **fields})))
        assert frame is not None and frame.seq == 5 and right(frame.body), name
    assert read(filled(9, 42), "venue")[0] == "Report"
