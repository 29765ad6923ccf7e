"""The command `gateway`: exit codes, what is told when something is wrong, the admin protocol, and a new configuration that loads."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway import admin, cli, config
from gateway.tools import init, show
from gateway.tools.ask import ask

ROOT = Path(__file__).parent.parent

SESSION = admin.SessionView("nasdaq", "venue", "ouch50", "OPEN", "flow", "open", venue="nasdaq", peer="127.0.0.1:7102", next_in=5, next_out=9)
STATUS = admin.StatusResult(
    4711, "local", "0.1.0", True, "OPEN", "var/local", 1_000_000_000, 3_725_000_000_000, "running", 2, {"api": "127.0.0.1:7001"}, (SESSION,),
    {"orders": 12, "fills": 7}, {"limit": 1, "paused": 2}, {"level": "async", "lsn": 99, "failure": ""},
    ("symbol AAPL, by ann: news",),
)  # fmt: skip
ORDER = admin.OrderView("DEMO", "DEMO", "AAPL", "nasdaq", "buy", "limit", "day", "100", "40", "60", "partially_filled", 17, price="187.25", in_doubt=True)
ANSWERS: dict[type[object], admin.Result] = {
    admin.Status: STATUS,
    admin.OrdersWanted: admin.OrdersResult((ORDER,), True),
    admin.SessionsWanted: admin.SessionsResult((SESSION,)),
    admin.LimitsWanted: admin.LimitsResult(3, (admin.LimitView("firm.order_qty", "10000", "quantity"),), {"limit": 7}),
    admin.LimitsSet: admin.LimitsSetResult(4711, 4),
    admin.ScopeWanted: admin.DoneResult(4711, "symbol AAPL: new orders are DENIED"),
    admin.RefPxSet: admin.DoneResult(4711, "AAPL: the reference price is 187.5"),
    admin.PositionsWanted: admin.PositionsResult((admin.PositionView("DEMO", "AAPL", "-100", "5"),)),
}


@contextmanager
def gateway_answering(state_dir: Path, answer: Callable[[bytes], bytes]) -> Iterator[None]:
    """A gateway's admin socket that answers one line of each connection."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state_dir / admin.SOCKET_NAME))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock, sock.makefile("rb") as lines, suppress(OSError):
                    sock.sendall(answer(lines.readline()))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, in which the command is typed."""
    monkeypatch.delenv("PORTCULLIS_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert init.main(tmp_path) == 0
    return tmp_path


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


# --- the admin protocol ---


@pytest.mark.parametrize(
    "request_",
    [
        admin.Status(), admin.OrdersWanted(False, {"symbol": "AAPL"}, 5), admin.SessionsWanted(), admin.LimitsWanted(),
        admin.LimitsSet("firm.order_qty", 5, "why"), admin.LimitsSet("firm.notional", "0.5", "why"), admin.LimitsSet("firm.notional", None, "why"),
        admin.PositionsWanted(), admin.ScopeWanted("pause", "symbol=AAPL", "why"), admin.RefPxSet("AAPL", "187.50", "why"),
    ],
)  # fmt: skip
def test_requests_and_answers_come_back_as_they_were(request_: admin.Request) -> None:
    assert admin.parse_request(admin.request_line(request_)) == request_
    answer = ANSWERS[type(request_)]
    assert admin.parse_answer(admin.answer_line(answer), request_.answer) == answer


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "not a request: b'' is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"\xff\xfe\n", "is no JSON"),
        (b"[]\n", "not a request: a JSON object is right"),
        (b"{}\n", "op: None is unknown; one of status, orders, sessions, limits_get, limits_set, positions, scope, ref_px"),
        (b'{"op":["status"]}', "op: ['status'] is unknown"),
        (b'{"op":"status","verbose":1}', "verbose: unknown key; known: none"),
        (b'{"op":"orders","open_only":1}', "open_only: is 1; bool is right"),
        (b'{"op":"orders","scope":{"desk":"a"}}', "scope.desk: is unknown; one of account, strategy, symbol, venue"),
        (b'{"op":"orders","scope":{"symbol":5}}', "scope.symbol: is 5; str is right"),
        (b'{"op":"orders","scope":[]}', "scope: is []; dict"),
        (b'{"op":"orders","count":0}', "count: is 0; from 1 to 10000000"),
        (b'{"op":"limits_set","path":"firm.order_qty","value":5}', "reason: is missing"),
        (b'{"op":"limits_set","path":"firm.order_qty","value":5,"reason":" "}', "reason: is empty"),
        (b'{"op":"scope","what":"pause","scope":"firm","reason":""}', "reason: is empty"),
        (b'{"op":"scope","what":"stop","scope":"firm","reason":"x"}', "what: is 'stop'; "),
        (b'{"op":"limits_set","path":"firm.order_qty","value":0.5,"reason":"x"}', "value: is 0.5"),
        (b'{"op":"limits_set","path":"firm.order_qty","value":true,"reason":"x"}', "value: is True"),
    ],
)
def test_what_is_no_request_is_refused_in_words(line: bytes, error: str) -> None:
    with pytest.raises(admin.AdminError) as told:
        admin.parse_request(line)
    assert error in str(told.value)
    with pytest.raises(admin.AdminError) as again:
        admin.parse_answer(admin.refusal_line(str(told.value)), admin.StatusResult)
    assert str(again.value) == str(told.value)


def test_an_answer_of_another_shape_is_refused() -> None:
    right = asdict(STATUS)
    for key, value, error in (("pid", "4711", "result.pid: is '4711'; int"), ("sessions", [{"name": "x"}], "result.sessions[0].role: is missing")):
        line = json.dumps({"ok": True, "result": {**right, key: value}}).encode()
        with pytest.raises(admin.AdminError) as told:
            admin.parse_answer(line, admin.StatusResult)
        assert error in str(told.value)


# --- commands ---


@pytest.mark.parametrize("command", ["status", "orders", "sessions", "limits", "positions"])
def test_every_question_has_a_table_and_json(command: str, deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def answer(line: bytes) -> bytes:
        asked.append(admin.parse_request(line))
        return admin.answer_line(ANSWERS[type(asked[-1])])

    with gateway_answering(deployment / "var", answer):
        code, text, _ = typed(capsys, command)
        assert code == 0
        code, as_json, _ = typed(capsys, command, "--json", "--config", str(deployment / "portcullis.toml"))
        assert code == 0
    want = ANSWERS[type(asked[0])]
    assert text == show.as_text(want) + "\n"
    assert json.loads(as_json) == json.loads(json.dumps(asdict(want)))


def test_the_tables_read_well() -> None:
    assert show.as_text(STATUS).splitlines() == [
        "local: pid 4711, running, ready, up 1:02:04, epoch 2",
        "gate: OPEN",
        "doors: api 127.0.0.1:7001",
        "counts: orders 12, fills 7",
        "denied: limit 1, paused 2",
        "paused: symbol AAPL, by ann: news",
        "journal: level async, lsn 99",
        "state: var/local",
        "",
        "session  role   protocol  state  rx    tx    peer            in  out  queued  open  doubt",
        "nasdaq   venue  ouch50    OPEN   flow  open  127.0.0.1:7102   5    9       0     0      0",
    ]
    assert show.as_text(ANSWERS[admin.OrdersWanted]).splitlines() == [
        "id  strategy  account  symbol  venue   side  qty   price  filled  left  status",
        "17  DEMO      DEMO     AAPL    nasdaq  buy   100  187.25      40    60  partially_filled  IN_DOUBT",
        "… and more; --count N shows them",
    ]
    assert show.as_text(ANSWERS[admin.LimitsWanted]).splitlines()[1:] == ["firm.order_qty  10000  quantity", "version 3", "denied: limit 7"]
    assert show.as_text(ANSWERS[admin.PositionsWanted]).splitlines()[1] == "DEMO     AAPL        -100          5           0"


def test_orders_and_limits_say_what_was_asked(deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def answer(line: bytes) -> bytes:
        asked.append(admin.parse_request(line))
        return admin.answer_line(ANSWERS[type(asked[-1])])

    with gateway_answering(deployment / "var", answer):
        assert typed(capsys, "orders", "--all", "--symbol", "AAPL", "--venue", "nasdaq", "--count", "7")[0] == 0
        assert typed(capsys, "limits", "set", "firm.order_qty=5_000", "--reason", "smaller")[1] == "set: version 4 holds from record 4711 of the journal\n"
        assert typed(capsys, "limits", "set", "firm.notional=0.5", "--reason", "smaller")[0] == 0
        assert typed(capsys, "limits", "set", "firm.notional=", "--reason", "smaller")[0] == 0
    assert asked == [
        admin.OrdersWanted(False, {"symbol": "AAPL", "venue": "nasdaq"}, 7),
        admin.LimitsSet("firm.order_qty", 5000, "smaller"),
        admin.LimitsSet("firm.notional", "0.5", "smaller"),
        admin.LimitsSet("firm.notional", None, "smaller"),
    ]


def test_what_an_operator_changes_is_asked_with_its_reason(deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def answer(line: bytes) -> bytes:
        asked.append(admin.parse_request(line))
        return admin.answer_line(ANSWERS[type(asked[-1])])

    with gateway_answering(deployment / "var", answer):
        assert typed(capsys, "pause", "symbol=AAPL", "--reason", "news") == (0, "symbol AAPL: new orders are DENIED (record 4711 of the journal)\n", "")
        assert typed(capsys, "resume", "session=nasdaq", "--reason", "over")[0] == 0
        assert typed(capsys, "cancel", "firm", "--reason", "going home", "--yes")[0] == 0
        assert typed(capsys, "ref-px", "AAPL", "187.50", "--reason", "it moved")[0] == 0
        code, out, err = typed(capsys, "cancel", "firm", "--reason", "going home")
        assert (code, out) == (2, "") and "nothing was done: --yes, or type firm when asked on a terminal" in err
        assert typed(capsys, "pause", "firm")[0] == 2
    assert asked == [
        admin.ScopeWanted("pause", "symbol=AAPL", "news"),
        admin.ScopeWanted("resume", "session=nasdaq", "over"),
        admin.ScopeWanted("cancel", "firm", "going home"),
        admin.RefPxSet("AAPL", "187.50", "it moved"),
    ]


def test_where_no_gateway_runs_the_exit_code_is_3(deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = typed(capsys, "status")
    assert (code, out) == (3, "")
    assert err == (
        f"gateway status: no gateway is running: nobody answers at {deployment}/var/admin.sock (No such file or directory); "
        f"`gateway run {deployment}/portcullis.toml` starts it\n"
    )
    with gateway_answering(deployment / "var", lambda line: b""):
        assert typed(capsys, "status")[0] == 3


def test_where_there_is_no_configuration_the_exit_code_is_7(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("PORTCULLIS_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    for command in (["status"], ["run"], ["journal", "list"]):
        code, _, err = typed(capsys, *command)
        assert code == 7 and "looked for --config, $PORTCULLIS_CONFIG (not set), ./portcullis.toml, ./examples/local.toml" in err


def test_a_refusal_is_told(deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gateway_answering(deployment / "var", lambda line: admin.refusal_line("limits.firm.order_qtty: unknown limit; did you mean order_qty?")):
        assert typed(capsys, "limits", "set", "firm.order_qtty=5", "--reason", "x") == (
            1, "", "gateway limits: limits.firm.order_qtty: unknown limit; did you mean order_qty?\n",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["limits", "set"], "write limits set PATH=VALUE"),
        (["limits", "set", "firm.order_qty"], "write limits set PATH=VALUE"),
        (["limits", "set", "firm.order_qty=5"], "write why: --reason TEXT"),
        (["demo", "--serve", "--orders", "x.bin"], "give one of them"),
        (["run", "--positions-forgotten"], "say how to --begin-anew; give that too"),
        (["demo", "--count", "0"], "'0' is not a count; a whole number from 1 is"),
        (["orders", "--count", "-1"], "'-1' is not a count"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        ([], "required: COMMAND"),
    ],
)
def test_a_wrong_command_line_is_told(arguments: list[str], what: str, deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = typed(capsys, *arguments)
    assert code == 2 and what in err


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "--help")
    assert code == 0
    for word in ("run", "demo", "init", "status", "orders", "sessions", "limits", "positions", "decode", "encode", "replay", "journal", "exit codes", "7  no conf"):
        assert word in out


def test_a_too_long_state_dir_says_so(tmp_path: Path) -> None:
    with pytest.raises(admin.AdminError, match="longer than the 107 bytes that a Unix socket may have; choose a shorter state_dir"):
        ask(tmp_path / ("x" * 120), admin.Status())


def test_a_gateway_that_does_not_answer_is_told(tmp_path: Path) -> None:
    asked, told = threading.Event(), threading.Event()

    def answer(line: bytes) -> bytes:
        asked.set()
        told.wait(5)
        return b""

    with gateway_answering(tmp_path / "var", answer):
        with pytest.raises(admin.AdminError, match=r"did not answer within 0.05 s; .* \(killswitch works all the same\)"):
            ask(tmp_path / "var", admin.Status(), timeout_s=0.05)
        told.set()


# --- init and check ---


def test_a_new_configuration_loads_and_explains_every_key(deployment: Path) -> None:
    text = (deployment / "portcullis.toml").read_text()
    loaded, instruments = config.load(deployment / "portcullis.toml")
    assert loaded.state_dir == deployment / "var" and instruments.symbols == ("AAPL", "MSFT")
    models = [model for _, _, model, _ in init.TABLES]
    tables = {"lane", "journal", "tables", "doors", "sessions", "strategies", "instruments", "limits"}
    for key in {key for model in models for key in model.model_fields} - tables:
        assert f"\n{key} = " in text or f"\n# {key} = " in text, key
    assert (deployment / "demo.key").stat().st_mode & 0o777 == 0o600


def test_init_overwrites_nothing(deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (deployment / "demo.key").read_text()
    code, _, err = typed(capsys, "init")
    assert code == 1 and "is there already; nothing was written" in err
    assert (deployment / "demo.key").read_text() == before


def test_check_says_what_would_be_done(deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "run", "--check", "--set", "sessions.nyfix.port=9102")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{deployment}/portcullis.toml: no mistakes"
    for line in ("api      order_api  127.0.0.1:7001", "nyfix     generic_fix44  127.0.0.1:9102  GW → VENUE", "firm      order_qty      1000"):
        assert line in lines, out
    assert any(line.startswith("  sessions.nasdaq.password: env:NASDAQ_PASSWORD: ") for line in lines), out


def test_check_says_what_is_wrong(deployment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = deployment / "portcullis.toml"
    file.write_text(file.read_text().replace("port = 7001", "port = 70010"))
    code, out, err = typed(capsys, "run", str(file), "--check")
    assert (code, out) == (1, "")
    assert err.startswith(f"{file}:") and "doors.api.port: " in err
    # The running gateway is reached all the same.
    with gateway_answering(deployment / "var", lambda line: admin.answer_line(STATUS)):
        assert typed(capsys, "status")[0] == 0


def test_the_examples_configuration_has_no_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(capsys, "run", str(ROOT / "examples" / "local.toml"), "--check")[0] == 0


def test_help_and_status_import_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; from gateway import cli; cli.parser().format_help(); print(sorted(m for m in ('trio', 'pydantic', 'cffi', 'structlog') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ), timeout=30, check=True)
    assert done.stdout == "[]\n"
