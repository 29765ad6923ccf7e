"""Asks a running gateway over its admin socket: one question, one answer."""

import socket
from pathlib import Path

from gateway.admin import ANSWER_BYTES_MAX, AdminError, Request, Result, parse_answer, request_line, socket_path


class NotRunning(Exception):
    """Nobody answers at the admin socket; str() says where it was looked for. Commands exit 3."""


def ask(state_dir: Path, request: Request, timeout_s: float = 10.0) -> Result:
    """Ask the gateway of `state_dir`. Raises: NotRunning, AdminError."""
    path = socket_path(state_dir)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect(path)
        except OSError as error:
            raise NotRunning(f"no gateway is running: nobody answers at {path} ({error.strerror or error})") from None
        try:
            sock.sendall(request_line(request))
            with sock.makefile("rb") as lines:
                line = lines.readline(ANSWER_BYTES_MAX)
        except TimeoutError:
            raise AdminError(f"the gateway did not answer within {timeout_s:g} s; its control plane is busy or stopped (killswitch works all the same)") from None
        except OSError as error:
            raise NotRunning(f"the gateway at {path} went away: {error.strerror or error}") from None
    if not line.endswith(b"\n"):
        raise NotRunning(f"the gateway at {path} went away without an answer")
    return parse_answer(line, request.answer)
