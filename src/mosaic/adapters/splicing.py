"""Two connected sockets joined by splice(2): bytes go through a pipe of the kernel and never through this process.

A direction takes a pipe when its source has bytes and gives it back when they
are all in its target; its source is not read meanwhile. So an idle pair costs
its two descriptors, a stalled one holds a pipe, and how fast a side reads
is how fast the other can write. Where no pipe is to be had, small pieces are
copied instead.

An end is passed on for its direction alone (half-close). When anything breaks,
a socket that was to get more is reset, so that nobody takes half a stream for
a whole one; one that was told the end is closed as usual.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

from mosaic.adapters.pipes import Pipe, Pipes

IDLE_SECONDS = 3600.0
HALF_CLOSED_SECONDS = 300.0
RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing sends a reset."""

_COPIED_BYTES = 16 * 1024
_BULK_BYTES = 32 * 1024  # who had that much at once has more, and is asked again before others have their turn
_TURNS = 4
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_INTERNET = frozenset((socket.AF_INET, socket.AF_INET6))
_TCP_OPTIONS = (
    (socket.TCP_KEEPIDLE, 60),
    (socket.TCP_KEEPINTVL, 15),
    (socket.TCP_KEEPCNT, 4),
    # Small pieces are passed on when they come, as their sender wanted it.
    (socket.TCP_NODELAY, 1),
)


_Awaited: TypeAlias = Literal["nothing", "bytes", "room"]


class Ended(Enum):
    """Why a joined pair ended."""

    FINISHED = "finished"
    BROKEN = "broken"
    IDLE = "idle"


@dataclass(slots=True)
class Carried:
    """Bytes that were taken from one side for the other so far, without those that were given to be sent first."""

    to_one: int = 0
    to_other: int = 0


async def splice(
    one: socket.socket,
    other: socket.socket,
    *,
    pipes: Pipes,
    carried: Carried | None = None,
    first_to_one: bytes = b"",
    first_to_other: bytes = b"",
    idle_seconds: float = IDLE_SECONDS,
    half_closed_seconds: float = HALF_CLOSED_SECONDS,
) -> Ended:
    """Join two connected, non-blocking sockets until both directions have ended. Closes both, however it ends.

    `carried` may be read while it runs. `idle_seconds` is for how long nothing may
    move; once one direction has ended, `half_closed_seconds` is. A side that breaks is
    an end as well and raises nothing. Cancelling closes both at once.
    """
    joined = _Joined(one, other, pipes, carried if carried is not None else Carried())
    try:
        return await joined.run(first_to_one, first_to_other, idle_seconds, half_closed_seconds)
    finally:
        joined.close()


class _Joined:
    """Both directions, and what they share: the end, and when something moved the last time."""

    def __init__(self, one: socket.socket, other: socket.socket, pipes: Pipes, carried: Carried) -> None:
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[Ended] = self._loop.create_future()
        self._carried = carried
        self._longest_seconds = self._look_seconds = 0.0
        self._moved_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._to_one = _Direction(other, one, pipes, self._one_got, self._ended)
        self._to_other = _Direction(one, other, pipes, self._other_got, self._ended)

    async def run(
        self, first_to_one: bytes, first_to_other: bytes, idle_seconds: float, half_closed_seconds: float
    ) -> Ended:
        self._longest_seconds = idle_seconds
        self._look_seconds = min(idle_seconds, half_closed_seconds)
        self._look_at_time()
        try:
            keep_alive(self._to_one.target)
            keep_alive(self._to_other.target)
        except OSError:
            return Ended.BROKEN
        self._to_other.begin(first_to_other)
        self._to_one.begin(first_to_one)
        return await self._end

    def close(self) -> None:
        """Stop everything and close everything. May be called twice."""
        if self._timer is not None:
            self._timer.cancel()
        # Both let go of the loop before either socket's number may belong to another.
        self._to_one.let_go()
        self._to_other.let_go()
        self._to_one.close_target()
        self._to_other.close_target()

    def _one_got(self, count: int) -> None:
        self._carried.to_one += count
        self._moved_at = self._loop.time()

    def _other_got(self, count: int) -> None:
        self._carried.to_other += count
        self._moved_at = self._loop.time()

    def _ended(self, whole: bool) -> None:
        if not whole:
            self._end_as(Ended.BROKEN)
        elif self._to_one.done and self._to_other.done:
            self._end_as(Ended.FINISHED)
        else:
            self._longest_seconds = self._look_seconds
            self._moved_at = self._loop.time()

    def _look_at_time(self) -> None:
        """End a pair that is idle, or look again: soon enough for one that will be half closed, which sets no timer."""
        now = self._loop.time()
        left = self._moved_at + self._longest_seconds - now
        if left <= 0:
            self._end_as(Ended.IDLE)
        else:
            self._timer = self._loop.call_at(now + min(left, self._look_seconds), self._look_at_time)

    def _end_as(self, how: Ended) -> None:
        self.close()
        if not self._end.done():
            self._end.set_result(how)


class _Direction:
    """From one socket to the other. Waits for one of them at a time: for bytes, or for room."""

    def __init__(
        self,
        source: socket.socket,
        target: socket.socket,
        pipes: Pipes,
        got: Callable[[int], None],
        ended: Callable[[bool], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self.target = target
        # The loop is quicker with numbers; a socket is closed only after it was let go.
        self._source_fd, self._target_fd = source.fileno(), target.fileno()
        self.done = False
        self._pipes = pipes
        self._got = got
        self._ended = ended
        self._pipe: Pipe | None = None
        self._in_pipe = 0
        self._copied = memoryview(b"")
        self._source_ended = False
        self._waits_for: _Awaited = "nothing"
        self._let_go = False

    def begin(self, first: bytes) -> None:
        """Send `first`, and then what comes from the source: rarely is something there already."""
        self._copied = memoryview(first)
        if self._let_go:
            return
        try:
            self._wait_for("bytes" if self._give() else "room")
        except OSError:
            self._ended(False)

    def let_go(self) -> None:
        """Wait for nothing any more, and hold nothing. May be called twice."""
        self._let_go = True
        self._wait_for("nothing")
        if self._pipe is not None:
            (self._pipes.discard if self._in_pipe else self._pipes.give_back)(self._pipe)
            self._pipe = None

    def close_target(self) -> None:
        """Close where this direction leads: with a reset, unless it was told the end."""
        if not self.done:
            with contextlib.suppress(OSError):
                self.target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.target.close()

    def _advance(self) -> None:
        """Move what can be moved now, then wait for the side whose turn it is."""
        try:
            self._wait_for(self._move())
        except OSError:
            self._ended(False)

    def _move(self) -> _Awaited:
        if not self._give():
            return "room"
        for _ in range(_TURNS):
            taken = self._take()
            if self._source_ended:
                self._finish()
                return "nothing"
            if not self._give():
                return "room"
            if taken < _BULK_BYTES:
                break
        return "bytes"

    def _take(self) -> int:
        """Take what the source has, and return how many bytes it was."""
        pipe = self._pipe = self._pipes.take()
        try:
            if pipe is None:
                self._copied = memoryview(self._source.recv(_COPIED_BYTES))
                taken = len(self._copied)
            else:
                taken = self._in_pipe = os.splice(self._source_fd, pipe.write, pipe.capacity, flags=_FLAGS)
        except BlockingIOError:
            return 0
        self._source_ended = taken == 0
        self._got(taken)
        return taken

    def _give(self) -> bool:
        """Give the target what is held, and return whether that was all."""
        try:
            while self._copied:
                self._copied = self._copied[self.target.send(self._copied) :]
                self._got(0)
            while self._in_pipe and self._pipe is not None:
                # Never asked for more than there is: the kernel would wait for the rest before it sends.
                self._in_pipe -= os.splice(self._pipe.read, self._target_fd, self._in_pipe, flags=_FLAGS)
                self._got(0)
        except BlockingIOError:
            return False
        if self._pipe is not None:
            self._pipes.give_back(self._pipe)
            self._pipe = None
        return True

    def _finish(self) -> None:
        self._give()
        self.target.shutdown(socket.SHUT_WR)
        self.done = True
        self._wait_for("nothing")
        self._ended(True)

    def _wait_for(self, awaited: _Awaited) -> None:
        if awaited == self._waits_for:
            return
        if self._waits_for == "bytes":
            self._loop.remove_reader(self._source_fd)
        elif self._waits_for == "room":
            self._loop.remove_writer(self._target_fd)
        self._waits_for = awaited
        if awaited == "bytes":
            self._loop.add_reader(self._source_fd, self._advance)
        elif awaited == "room":
            self._loop.add_writer(self._target_fd, self._advance)


def keep_alive(end: socket.socket) -> None:
    """Have the kernel notice a peer that is gone within two minutes, and send small pieces at once. Raises OSError.

    What a listening socket is told holds for all connections that it takes; they need not be told again.
    """
    if end.family not in _INTERNET or end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE):
        return
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _TCP_OPTIONS:
        end.setsockopt(socket.IPPROTO_TCP, option, value)
