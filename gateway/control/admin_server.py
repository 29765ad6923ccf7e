"""The admin socket: one task an operator, one answer a line; who asks is taken from the kernel, never from what he says.

Messages are in gateway/admin.py; what is told is in answers.py, what is changed in operator.py. The socket is its owner's alone (0600).
"""

import os
import pwd
import struct

import trio

from gateway import admin
from gateway.control.answers import Answers
from gateway.control.operator import Operator

OPERATORS_MAX = 8  # connections at once: people and their scripts; more is a loop that has lost its mind
IDLE_S = 60.0  # an operator who asks nothing for so long is gone
PEER_CREDENTIALS = struct.Struct("3i")  # of SO_PEERCRED: pid, uid, gid


class AdminServer:
    """`path`: of the socket (admin.socket_path)."""

    def __init__(self, path: str, answers: Answers, operator: Operator) -> None:
        self._path = path
        self._answers = answers
        self._operator = operator

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """For ever: one task an operator."""
        path = self._path
        # Whoever made it is dead: the lock of the state folder is ours.
        if os.path.lexists(path):
            os.unlink(path)
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        with listener:
            await listener.bind(path)
            os.chmod(path, 0o600)
            listener.listen(OPERATORS_MAX)
            task_status.started()
            room = trio.CapacityLimiter(OPERATORS_MAX)
            try:
                async with trio.open_nursery() as nursery:
                    while True:
                        sock, _ = await listener.accept()
                        nursery.start_soon(self._serve, sock, room)
            finally:
                os.unlink(path)

    async def _serve(self, sock: trio.socket.SocketType, room: trio.CapacityLimiter) -> None:
        who = _peer(sock)
        async with room:
            stream = trio.SocketStream(sock)
            async with stream:
                try:
                    await self._converse(stream, who)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass  # he has gone away; what he asked for is done or not, and journaled

    async def _converse(self, stream: trio.SocketStream, who: str) -> None:
        buffer = bytearray()
        while True:
            with trio.move_on_after(IDLE_S) as waiting:
                data = await stream.receive_some()
            if waiting.cancelled_caught or not data:
                return
            buffer += data
            while (end := buffer.find(b"\n")) >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                await stream.send_all(await self._answer(line, who))
            if len(buffer) > admin.REQUEST_BYTES_MAX:
                await stream.send_all(admin.refusal_line(f"a request of more than {admin.REQUEST_BYTES_MAX} bytes"))
                return

    async def _answer(self, line: bytes, who: str) -> bytes:
        try:
            request = admin.parse_request(line)
            return admin.answer_line(await self._result(request, who))
        except admin.AdminError as error:
            return admin.refusal_line(str(error))

    async def _result(self, request: admin.Request, who: str) -> admin.Result:
        answers, operator = self._answers, self._operator
        match request:
            case admin.Status():
                return answers.status(operator.paused)
            case admin.SessionsWanted():
                return admin.SessionsResult(tuple(answers.sessions()))
            case admin.OrdersWanted():
                return await answers.orders(request)
            case admin.PositionsWanted():
                return admin.PositionsResult(tuple(answers.positions()))
            case admin.LimitsWanted():
                return operator.limits
            case admin.LimitsSet() | admin.ScopeWanted() | admin.RefPxSet():
                return await operator.change(request, who)


def _peer(sock: trio.socket.SocketType) -> str:
    """The operator's name, of the system's users."""
    _, uid, _ = PEER_CREDENTIALS.unpack(sock.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_PEERCRED, PEER_CREDENTIALS.size))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
