"""The blocking client against a gateway of the test: the first order, resume, wrong keys, and gateways that go away or misbehave."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.client import Client, ConnectionLost, Key, LoginRejected, NotConnected
from tests.client.gateway_side import (
    KEY_LINE,
    SECRET,
    Peer,
    accepted,
    end,
    error,
    filled,
    frame,
    hello,
    new,
    report,
    serving,
)

ROOT = Path(__file__).parent.parent.parent
KEY = Key("DEMO", SECRET)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "demo.key"
    file.write_text(KEY_LINE + "\n")
    return file


def test_an_order_and_its_reports(key_file: Path) -> None:
    asked = {}

    def gateway(peer: Peer) -> None:
        peer.login()
        kind, id, fields = peer.order()
        asked.update(fields, type=kind)
        peer.send(new(1, id), filled(2, id, last_qty=40, cum_qty=40, leaves_qty=60, ord_status="partially_filled"), filled(3, id, last_qty=60))
        assert peer.read()[0] == b"O"
        peer.send(end(b"goodbye"))

    with serving(gateway) as address, Client.connect(address, key_file=key_file) as gw:
        order = gw.new_order("AAPL", "buy", 100, price="187.25", venue="nasdaq", account="DEMO", time_in_force="ioc", memo="first")
        assert [str(report) for report in order.reports()] == [
            "NEW 100 @ 187.25 nasdaq",
            "PARTIALLY_FILLED 40 of 100 @ 187.25 nasdaq",
            "FILLED 100 (last 60 @ 187.25) nasdaq",
        ]
        assert (order.status, list(order.reports()), gw.open_orders) == ("FILLED", [], ())
        assert [report.seq for report in gw.reports(timeout_s=0)] == [1, 2, 3]
    del asked["cl_ord_num"]
    assert asked == {
        "type": b"N", "kind": "D", "symbol": "AAPL", "side": "1", "order_qty": 100, "qty_exp": 0, "price": 18725, "px_exp": -2, "ord_type": "2",
        "venue": "nasdaq", "account": "DEMO", "time_in_force": "3", "memo": "first",
    }  # fmt: skip


def test_cancel_replace_status_and_mass_cancel_name_the_order() -> None:
    seen = []

    def gateway(peer: Peer) -> None:
        peer.login()
        _, first, _ = peer.order()
        peer.send(new(1, first))
        for _ in range(4):
            kind, id, fields = peer.order()
            seen.append((kind, fields.get("orig_cl_ord_num") == first, fields.get("order_qty"), fields.get("symbol"), fields.get("mass_scope")))
            if kind == b"C":
                peer.send(filled(2, id, orig_cl_ord_num=first, exec_type="canceled", ord_status="canceled", cum_qty=0))
        peer.read(b"O")

    with serving(gateway) as address, Client.connect(address, key=KEY) as gw:
        order = gw.new_order("AAPL", "buy", 100, "187.25")
        assert next(order.reports()).status == "NEW"
        order.replace(qty=50)
        order.request_status()
        gw.mass_cancel("AAPL")
        order.cancel()
        assert [str(report) for report in order.reports()] == ["CANCELED nasdaq"]
    assert seen == [
        (b"R", True, 50, "AAPL", None),
        (b"Q", True, None, "AAPL", None),
        (b"M", False, None, "AAPL", "1"),
        (b"C", True, None, "AAPL", None),
    ]


def test_a_resting_order_ends_the_wait_but_not_the_order() -> None:
    def gateway(peer: Peer) -> None:
        peer.login()
        _, id, _ = peer.order()
        peer.send(new(1, id))
        _, id, _ = peer.order()
        peer.read(b"O")

    with serving(gateway) as address, Client.connect(address, key=KEY) as gw:
        order = gw.new_order("AAPL", "buy", 100, "187.25")
        assert next(order.reports()).status == "NEW"
        assert list(order.reports(timeout_s=0.01)) == [] and not order.is_final
        silent = gw.new_order("AAPL", "buy", 100, "187.25")
        with pytest.raises(TimeoutError, match=r"no report about <Order \d+ buy 100 AAPL @ 187.25: PENDING_NEW> within 0.01 s"):
            list(silent.reports(timeout_s=0.01))


def test_resume_after_a_lost_connection_without_loss_or_double() -> None:
    said = []
    resumed = threading.Event()

    def first(peer: Peer) -> None:
        said.append(peer.login())
        ids = [peer.order()[1] for _ in range(3)]
        said.append(ids)
        peer.send(new(1, ids[0]), new(2, ids[1]), filled(3, ids[0])[:400])

    def second(peer: Peer) -> None:
        ids = said[1]
        # The third order never arrived here: the gateway's last id is the second.
        said.append(peer.login(3, ids[1], 1, filled(3, ids[0]), filled(4, ids[1])))
        resumed.set()
        peer.read(b"O")

    with serving(first, second) as address, Client.connect(address, key=KEY) as gw:
        orders = [gw.new_order("AAPL", "buy", 100, "187.25") for _ in range(3)]
        lines = [[str(report) for report in order.reports()] for order in orders]
        assert lines[0] == lines[1] == ["NEW 100 @ 187.25 nasdaq", "FILLED 100 @ 187.25 nasdaq"]
        assert lines[2] == ["DENIED the connection was lost before the gateway had it"]
        assert sorted(report.seq for report in gw.reports(timeout_s=0)) == [0, 1, 2, 3, 4]
        assert resumed.wait(5)
    assert said[0] == (0, 0)
    assert said[2] == (orders[2].cl_ord_num, 3), "the login names the last id used and the report that is due"


def test_another_process_goes_on_with_the_stream() -> None:
    said = []

    def gateway(peer: Peer) -> None:
        said.append(peer.login(41, 7, 1, new(41, 7)))
        peer.read(b"O")

    with serving(gateway) as address, Client.connect(address, key=KEY, next_seq=41) as gw:
        assert [(report.seq, report.symbol) for report in gw.reports(timeout_s=0.2)] == [(41, "AAPL")]
        assert gw.next_seq == 42 and [order.cl_ord_num for order in gw.open_orders] == [7]
    assert said == [(0, 41)]


def test_a_gateway_that_goes_away_is_told_where_nobody_wants_to_reconnect() -> None:
    def gateway(peer: Peer) -> None:
        peer.login()
        peer.order()
        peer.send(end(b"shutdown"))

    with serving(gateway) as address, Client.connect(address, key=KEY, reconnect=False) as gw:
        order = gw.new_order("AAPL", "buy", 100, "187.25")
        with pytest.raises(ConnectionLost, match="the gateway ended the session: shutdown"):
            list(order.reports())
        with pytest.raises(ConnectionLost, match="shutdown"):
            gw.new_order("AAPL", "buy", 100, "187.25")
        with pytest.raises(ConnectionLost, match="shutdown"):
            list(gw.reports())


def test_a_gateway_that_does_not_come_back_is_told_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.client.blocking.RECONNECT_S", 0.3)
    monkeypatch.setattr("gateway.client.blocking.RETRY_S", 0.05)

    def gateway(peer: Peer) -> None:
        peer.login()
        peer.order()

    with serving(gateway) as address:
        gw = Client.connect(address, key=KEY)
        order = gw.new_order("AAPL", "buy", 100, "187.25")
    with gw, pytest.raises(ConnectionLost, match=r"(closed the connection|broke).*; no session again within 0.3 s: no gateway at .*Connection refused"):
        list(order.reports())


def test_while_the_session_is_down_a_request_fails_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    down = threading.Event()
    let_in = threading.Event()

    def first(peer: Peer) -> None:
        peer.login(1, 0, 1, new(1, 5))

    def second(peer: Peer) -> None:
        down.set()
        assert let_in.wait(5)
        peer.login(2)
        peer.read(b"O")

    with serving(first, second) as address, Client.connect(address, key=KEY) as gw:
        assert down.wait(5)
        with pytest.raises(NotConnected, match="no session with .* at the moment .*the request was not sent"):
            gw.new_order("AAPL", "buy", 100, "187.25")
        let_in.set()


def test_a_wrong_key_is_refused_at_once() -> None:
    refused = pytest.raises(LoginRejected, match="the gateway refused the login of DEMO: unknown strategy or wrong key")
    with serving(lambda peer: peer.login() and None) as address, refused:
        Client.connect(address, key=Key("DEMO", b"another secret, 32 bytes long...."))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "unknown type"),
        (b"", "closed the connection during the login"),
        (hello()[:40], "closed the connection during the login"),
        (hello() + end(b"draining"), "draining"),
    ],
)
def test_what_answers_the_login_wrongly_is_told(answer: bytes, what: str) -> None:
    with serving(lambda peer: peer.send(answer)) as address, pytest.raises(ConnectionLost, match=what):
        Client.connect(address, key=KEY)


def test_no_gateway_says_how_to_start_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError, match=f"no gateway at {address}: Connection refused; `gateway run CONFIG`"):
        Client.connect(address, key=KEY)


def test_a_port_that_says_nothing_is_told() -> None:
    silent = threading.Event()
    with serving(lambda peer: silent.wait(5) and None) as address:
        with pytest.raises(ConnectionLost, match="did not answer the login within 0.05 s; is it the order API's port"):
            Client.connect(address, key=KEY, timeout_s=0.05)
        silent.set()


def test_a_report_out_of_order_reconnects_and_loses_nothing() -> None:
    def first(peer: Peer) -> None:
        peer.login(1, 0, 1, new(1, 5))
        peer.read(b"H")
        peer.send(new(3, 7))
        with pytest.raises((EOFError, ConnectionError)):
            peer.read()

    def second(peer: Peer) -> None:
        assert peer.login(2, 0, 1, new(2, 6), new(3, 7))[1] == 2
        peer.read(b"O")

    with serving(first, second) as address, Client.connect(address, key=KEY) as gw:
        reports = gw.reports()
        assert [next(reports).seq for _ in range(3)] == [1, 2, 3]


def test_an_order_the_gateway_cannot_read_is_denied() -> None:
    def gateway(peer: Peer) -> None:
        peer.login()
        peer.send(error(peer.order()[1], b"symbol: missing"))
        peer.read(b"O")

    with serving(gateway) as address, Client.connect(address, key=KEY) as gw:
        order = gw.new_order("", "buy", 100)
        assert [str(report) for report in order.reports()] == ["DENIED symbol: missing"]


def test_a_strategy_that_never_asks_is_read_for_and_beats() -> None:
    """The client's thread reads and beats while the strategy computes: the gateway never sees a slow reader."""
    done = threading.Event()

    def gateway(peer: Peer) -> None:
        peer.login()
        for seq in range(1, 2001):
            peer.send(new(seq, seq))
        assert peer.read(b"H")[0] == b"H"
        done.set()
        peer.read(b"O")

    with serving(gateway) as address, Client.connect(address, key=KEY) as gw:
        assert done.wait(10)
        assert len(list(gw.reports(timeout_s=0))) == 2000


def test_a_gateway_that_does_not_read_is_told_and_nothing_is_half_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.client.blocking.UNSENT_MAX", 10_000)
    full = threading.Event()
    ids: list[int] = []

    def gateway(peer: Peer) -> None:
        peer.login()
        assert full.wait(10)
        while (order := peer.read(b"NO"))[0] == b"N":
            ids.append(order[1])

    sent = 0
    with serving(gateway) as address, Client.connect(address, key=KEY) as gw:
        gw._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with pytest.raises(NotConnected, match=r"does not read: \d+ bytes wait; the request was not sent"):
            while True:
                gw.new_order("AAPL", "buy", 100, "187.25")
                sent += 1
        full.set()
        assert len(gw.open_orders) == sent
    assert len(ids) == sent and ids == sorted(set(ids))


def test_threads_may_share_a_client() -> None:
    def gateway(peer: Peer) -> None:
        peer.login()
        last = 0
        for seq in range(1, 201):
            _, id, _ = peer.order()
            assert id > last
            last = id
            peer.send(filled(seq, id))
        peer.read(b"O")

    with serving(gateway) as address, Client.connect(address, key=KEY) as gw:
        statuses: list[str] = []

        def trade() -> None:
            for _ in range(50):
                order = gw.new_order("AAPL", "buy", 100, "187.25")
                statuses.extend(report.status for report in order.reports())

        threads = [threading.Thread(target=trade) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert statuses == ["FILLED"] * 200


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:", ":7001", "127.0.0.1:port", "127.0.0.1:0", "127.0.0.1:70000"])
def test_a_wrong_address_says_what_to_write(address: str) -> None:
    with pytest.raises(ValueError, match='write "HOST:PORT"'):
        Client.connect(address, key=KEY)


def test_a_missing_key_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'write key_file="examples/demo.key"'):
        Client.connect("127.0.0.1:1")
    with pytest.raises(ValueError, match="key file .*none.key: No such file or directory; it holds one line, STRATEGY:BASE64"):
        Client.connect("127.0.0.1:1", key_file=tmp_path / "none.key")


def test_closing_twice_and_using_after_closing() -> None:
    def gateway(peer: Peer) -> None:
        peer.login()
        peer.read(b"O")

    with serving(gateway) as address:
        with Client.connect(address, key=KEY) as gw:
            pass
        gw.close()
        with pytest.raises((NotConnected, ConnectionLost)):
            gw.new_order("AAPL", "buy", 100)


def test_the_first_order_of_the_examples(key_file: Path) -> None:
    def gateway(peer: Peer) -> None:
        peer.login()
        _, id, fields = peer.order()
        assert (fields["symbol"], fields["venue"], fields["account"], fields["price"]) == ("AAPL", "nasdaq", "DEMO", 18725)
        peer.send(filled(1, id))
        peer.read(b"O")

    with serving(gateway) as address:
        # The example names its key as it stands in the repository; here it is another folder with a key of the test.
        (key_file.parent / "examples").mkdir()
        (key_file.parent / "examples" / "demo.key").write_text(KEY_LINE)
        done = subprocess.run(
            [sys.executable, ROOT / "examples" / "first_order.py"],
            cwd=key_file.parent, env={**os.environ, "PORTCULLIS_ADDR": address}, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("FILLED 100 @ 187.25 nasdaq\n", "", 0)


def test_the_client_needs_the_standard_library_only() -> None:
    """Also where nothing else is installed: -I -S shows no site packages."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import gateway.client; print(sorted(m for m in sys.modules if m in ('trio', 'cffi', 'pydantic')))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_late_login_answer_is_kept_apart_from_reports() -> None:
    """Hello, answer and the first reports in one packet, cut anywhere: the shell sees the same session."""
    stream = hello() + accepted(1, 4) + new(1, 5) + frame(b"H") + report(2, kind="mass_cancel_report", cl_ord_num=6, text="2 canceled")

    for cut in (1, 63, 64, 65, 103, 104, 105, 500, len(stream)):

        def gateway(peer: Peer, cut: int = cut) -> None:
            peer.send(stream[:cut])
            peer.read(b"L")
            peer.send(stream[cut:])
            peer.read(b"O")

        if cut < 64:
            continue  # the gateway waits for our login, which waits for its whole greeting
        with serving(gateway) as address, Client.connect(address, key=KEY) as gw:
            reports = gw.reports()
            assert [str(next(reports)) for _ in range(2)] == ["NEW 100 @ 187.25 nasdaq", "MASS_CANCEL 2 canceled"]
