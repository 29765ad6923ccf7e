"""Accepts strategies: a task for each door, which hands the descriptors over and never reads one."""

import errno
import os

import trio

from gateway.control.carrier import Carrier
from gateway.control.inputs import Accepted
from gateway.control.log import Log
from gateway.errors import ConfigError
from gateway.lane.plan import Doorway
from gateway.seams import Listener, Net

FULL_S = 0.1  # without descriptors a listener is always readable: wait until one may be free again


async def listen(door: Doorway, net: Net) -> Listener:
    """The door's listener. Raises: ConfigError naming the door's key."""
    host, port = door.config.host, door.config.port
    try:
        return await net.listen(host, port)
    except OSError as error:
        words = f"{host}:{port}: {os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error}"
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise ConfigError([f"doors.{door.name}.port: {words}; choose another port"]) from None
        raise ConfigError([f"doors.{door.name}.host: {words}; an address of this machine is right"]) from None


async def serve(door: Doorway, listener: Listener, carrier: Carrier, log: Log) -> None:
    """For ever: every connection that comes."""
    try:
        while True:
            try:
                descriptor, peer = await listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    log.write("error", "door.no_descriptors", connection=f"doors.{door.name}", text=str(error))
                    await trio.sleep(FULL_S)
                continue  # else: the peer was gone before it was accepted
            carrier.give(Accepted(door.name, descriptor, peer))
    finally:
        with trio.CancelScope(shield=True):
            await listener.aclose()
