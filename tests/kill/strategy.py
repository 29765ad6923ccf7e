"""A strategy to be killed: `python -m tests.kill.strategy api|fix ADDRESS KEY_FILE COUNT` places resting orders, says `placed` and waits.

With `half` behind it, half a message more is the last that it sends.
"""

import signal
import socket
import sys
import time

import simplefix

from gateway.client import Client
from gateway.seams import SystemClock
from gateway.sessions.fix_wire import utc_timestamp
from tests.kill.stand import limit_order

BOUND_S = 10.0


def api(address: str, key_file: str, count: int, half: bool) -> None:
    client = Client.connect(address, key_file=key_file)
    orders = [limit_order(client, ("generic_fix44", "nasdaq")[i % 2], account="A1" if "ALPHA" in key_file else "B1") for i in range(count)]
    deadline = time.monotonic() + BOUND_S
    while any(order.status != "NEW" for order in orders) and time.monotonic() < deadline:
        time.sleep(0.005)
    if half:  # what the client would send for one more order, cut in the middle
        whole = client._sock
        client._sock = HalfSocket()  # type: ignore[assignment]
        limit_order(client, "nasdaq")
        taken = client._sock.taken  # type: ignore[attr-defined]
        whole.sendall(taken[: len(taken) // 2])
    print("placed", flush=True)
    signal.pause()


class HalfSocket:
    """Takes what it is given, and is never ready."""

    def __init__(self) -> None:
        self.taken = b""

    def send(self, data: bytes) -> int:
        self.taken += bytes(data)
        return len(data)


def fix(address: str, comp_id: str, count: int, half: bool) -> None:
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=BOUND_S) as sock:
        seq, parser, heard = 0, simplefix.FixParser(), 0

        def message(text: str) -> bytes:
            nonlocal seq
            seq += 1
            pairs = [each.split("=", 1) for each in text.strip("|").split("|")]
            out = simplefix.FixMessage()
            out.append_pair(8, "FIX.4.4")
            out.append_pair(35, pairs[0][1])
            for tag, value in ((49, comp_id), (56, "GW"), (34, seq), (52, utc_timestamp(SystemClock().now_ns()))):
                out.append_pair(tag, value)
            for tag, value in pairs[1:]:
                out.append_pair(int(tag), value)
            return bytes(out.encode())

        def order(name: str) -> bytes:
            return message(f"35=D|11={name}|1=A1|55=MSFT|54=1|60=20251120-12:00:00|40=2|38=1|44=400|59=0|")

        sock.sendall(message("35=A|98=0|108=30|"))
        while heard < 1:
            parser.append_buffer(sock.recv(65536))
            while parser.get_message():
                heard += 1
        for i in range(count):
            sock.sendall(order(f"F{i}"))
        while heard < 1 + count:
            parser.append_buffer(sock.recv(65536))
            while parser.get_message():
                heard += 1
        if half:
            sock.sendall(order("HALF")[:50])
        print("placed", flush=True)
        signal.pause()


if __name__ == "__main__":
    {"api": api, "fix": fix}[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5:] == ["half"])
