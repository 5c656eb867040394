"""Connecting a non-blocking socket to an address within a deadline, with as little as the event loop can do it with."""

import asyncio
import errno
import os
import socket
from typing import TypeAlias

_Address: TypeAlias = tuple[str, int]


async def connect(connecting: socket.socket, address: _Address, *, seconds: float) -> None:
    """Return when it is connected. Raises OSError, also (TimeoutError) when it took too long."""
    number = connecting.connect_ex(address)
    if number == errno.EINPROGRESS:
        await _writable(connecting, seconds)
        number = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number))


async def _writable(connecting: socket.socket, seconds: float) -> None:
    loop, number = asyncio.get_running_loop(), connecting.fileno()
    done: asyncio.Future[None] = loop.create_future()
    loop.add_writer(number, _settle, done)
    late = loop.call_later(seconds, _settle, done, TimeoutError("no answer in time"))
    try:
        await done
    finally:
        late.cancel()
        loop.remove_writer(number)


def _settle(done: "asyncio.Future[None]", problem: OSError | None = None) -> None:
    if done.done():
        return
    if problem is None:
        done.set_result(None)
    else:
        done.set_exception(problem)
