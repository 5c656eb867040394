"""Two machines' networks that only a bad line joins: packets take their time, and some of them never arrive.

A place is a network namespace of the kernel. The line is a TUN device at each
end and a thread between them, because a kernel need not have `netem`: whole IP
packets are held for a while or dropped, and everything
that TCP does about it is the kernel's own doing.
"""

import contextlib
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from support.netns.namespaces import make_network

Answer = TypeVar("Answer")
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
"""Of linux/if_tun.h."""
_LONGEST_PACKET = 65536
_LINE = "line"


class Place:
    """A network of its own. What is asked by `do`, and every process that is started by it, is in it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._network = make_network()
        self._threads = ThreadPoolExecutor(8, initializer=self._network.enter)
        self.do(lambda: _run("ip", "link", "set", "lo", "up"))

    def do(self, question: Callable[[], Answer]) -> Answer:
        """Return what the question returns, asked from here."""
        return self._threads.submit(question).result()

    def open_line(self, other: "Place") -> int:
        """Make this end of a line, and return where its packets are read and written."""
        return self.do(lambda: _open_tun(self.address, other.address))

    def close(self) -> None:
        """Let it go; the last process in it takes it along."""
        self._threads.shutdown()
        self._network.close()


class Line:
    """The line between two places. It carries while `is_up`, and is a good one until it is spoilt."""

    def __init__(self, here: Place, there: Place, luck: random.Random) -> None:
        self.is_up = True
        self.latency_seconds = self.loss = 0.0
        self.carried = self.lost = 0
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._seen: set[int] = set()
        self._dead: set[int] = set()
        self._luck = luck
        ends = here.open_line(there), there.open_line(here)
        self._there = ends[1]
        self._across = {ends[0]: ends[1], ends[1]: ends[0]}
        self._wakes, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def spoil(self, *, latency_seconds: float, loss: float) -> None:
        """From now on a packet takes so long, either way, or is lost with that probability."""
        self.latency_seconds, self.loss = latency_seconds, loss

    def lose_power_there(self) -> None:
        """The machine there is off: of what its kernel still has to send for a process that is gone, nothing comes."""
        self._dead |= self._seen

    @property
    def is_carrying_from_there(self) -> bool:
        """Whether anything that was sent there is under way."""
        return any(end != self._there for _, _, end, _ in list(self._under_way))

    def close(self) -> None:
        """Take it down."""
        os.write(self._wake, b".")
        self._thread.join(60)
        for end in (*self._across, self._wakes, self._wake):
            os.close(end)

    def _carry(self) -> None:
        under_way = self._under_way
        while True:
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            found, _, _ = select.select([*self._across, self._wakes], [], [], wait)
            if self._wakes in found:
                return
            now = time.monotonic()
            for end in found:
                packet = os.read(end, _LONGEST_PACKET)
                if not self.is_up or self._is_of_the_dead(end, packet) or self._luck.random() < self.loss:
                    self.lost += 1
                    continue
                self.carried += 1
                heapq.heappush(under_way, (now + self.latency_seconds, self.carried, self._across[end], packet))
            while under_way and under_way[0][0] <= now:
                _, _, end, packet = heapq.heappop(under_way)
                # What is under way while the line goes down is lost as well.
                if self.is_up:
                    # An end that is just being set up or taken down refuses packets, as a wire without a plug would.
                    with contextlib.suppress(OSError):
                        os.write(end, packet)

    def _is_of_the_dead(self, end: int, packet: bytes) -> bool:
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            return False
        ports = packet[(packet[0] & 15) * 4 :]
        port = int.from_bytes(ports[:2] if end == self._there else ports[2:4])
        self._seen.add(port)
        return port in self._dead


@contextlib.contextmanager
def two_places(luck: random.Random) -> Iterator[tuple[Place, Place, Line]]:
    """Yield two places and the line between them. Needs root."""
    with contextlib.ExitStack() as closing:
        here, there = Place("10.77.0.1"), Place("10.77.0.2")
        closing.callback(there.close)
        closing.callback(here.close)
        line = Line(here, there, luck)
        closing.callback(line.close)
        yield here, there, line


def _open_tun(own: str, other: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", _LINE.encode(), _IFF_TUN | _IFF_NO_PI))
    _run("ip", "address", "add", own, "peer", other, "dev", _LINE)
    _run("ip", "link", "set", _LINE, "up")
    return end


def _run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=30, env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})
