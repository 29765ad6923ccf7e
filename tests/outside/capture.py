"""Captures for tshark: of loopback while a test talks, or written from frames as if they had been seen on a wire."""

import signal
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

RAW_IPV4 = 228  # link type: packets begin with the IP header
OUR_PORT, THEIR_PORT = 40_000, 1  # of connection n the dissector is told port 1; ours rises with n
OURS, THEIRS = b"\x7f\x00\x00\x01", b"\x7f\x00\x00\x02"


def pcap(frames: Iterable[tuple[int, bool, bytes]]) -> bytes:
    """A classic libpcap file, one packet a frame, from (connection, came in, bytes), a microsecond apart; checksums are left out, as network cards do."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, RAW_IPV4)]
    seqs: dict[tuple[int, bool], int] = {}
    for number, (conn, came_in, payload) in enumerate(frames):
        seq, ack = seqs.get((conn, came_in), 1), seqs.get((conn, not came_in), 1)
        seqs[conn, came_in] = seq + len(payload)
        source, target = (THEIRS, OURS) if came_in else (OURS, THEIRS)
        from_port, to_port = (THEIR_PORT, OUR_PORT + conn) if came_in else (OUR_PORT + conn, THEIR_PORT)
        tcp = struct.pack(">HHIIBBHHH", from_port, to_port, seq, ack, 5 << 4, 0x18, 65535, 0, 0)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), number & 0xFFFF, 0x4000, 64, 6, 0, source, target)
        packet = ip + tcp + payload
        out += [struct.pack("<IIII", number // 1_000_000, number % 1_000_000, len(packet), len(packet)), packet]
    return b"".join(out)


@contextmanager
def capturing(tshark: str, file: Path, ports: tuple[int, ...]) -> Iterator[str]:
    """Capture loopback into `file` while inside; yields why that cannot be done, "" if it is."""
    only = " or ".join(f"tcp port {port}" for port in ports)
    with (file.with_suffix(".log")).open("w+") as log:
        argv = [tshark, "-i", "lo", "-f", only, "-F", "pcap", "-B", "8", "-w", str(file), "-q"]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        said = ""
        deadline = time.monotonic() + 20
        # The file is there when the interface is open.
        while process.poll() is None and not (file.exists() and file.stat().st_size >= 24) and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is not None or not file.exists():
            log.seek(0)
            said = f"tshark cannot capture on loopback here: {log.read().strip().splitlines()[-1:]}"
        try:
            yield said
        finally:
            if process.poll() is None:
                time.sleep(0.5)  # what was captured last is still on its way to the file
                process.send_signal(signal.SIGINT)
                process.wait(20)
