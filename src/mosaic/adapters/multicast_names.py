"""Having names on the network by multicast DNS: the socket and the thread's loop around `core.local_names`.

The socket is bound to the group's address, so that nobody who is not on one of
our networks reaches it, and it shares its port with other programs of the
machine that do the same (RFC 6762, 15.1). IPv4 alone.
"""

import contextlib
import math
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from mosaic.adapters.lan_interfaces import LanInterface, lan_interfaces
from mosaic.core import multicast_dns as dns
from mosaic.core.local_names import Heard, LocalNames, Sending

LOOK_SECONDS = 10.0
"""How often the interfaces are looked at."""

_MOST_BYTES = 9000
_FIRST_WAIT_SECONDS = 0.25
"""At most, and by chance: machines that start together are not to speak together (8.1)."""

# ip(7); the module of this Python lacks both.
_IP_PKTINFO = 8
_IP_MULTICAST_ALL = 49
_IN_PKTINFO = struct.Struct("=I4s4s")
_MREQN = struct.Struct("=4s4si")

Interfaces = Callable[[], Sequence[LanInterface]]
Change = Callable[[Mapping[str, str]], None]


class NamesOnNetwork:
    """Names of this machine. `run` blocks until `stop`; the others may be called from any thread.

    `changed` is called from within `run` with each label's name, whenever those that are held are others.
    """

    def __init__(self, changed: Change, *, interfaces: Interfaces = lan_interfaces, port: int = dns.PORT) -> None:
        self._changed = changed
        self._interfaces = interfaces
        self._port = port
        self._wanted: frozenset[str] = frozenset()
        self._over = threading.Event()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)

    def want(self, labels: Collection[str]) -> None:
        """Have these names and no others."""
        self._wanted = frozenset(labels)
        self._wake()

    def stop(self) -> None:
        """End `run`. The names are taken back."""
        self._over.set()
        self._wake()

    def run(self) -> None:
        """Have the names until `stop`. Raises OSError where the machine has no multicast DNS to be had."""
        with self._theirs, self._ours, _opened(self._port) as line:
            self._serve(line)

    def _serve(self, line: socket.socket) -> None:
        names, joined, told = LocalNames(port=self._port), set[int](), dict[str, str]()
        # Not select(): it knows no descriptor above 1023, and a Device may have more.
        ready = select.poll()
        for one in (line, self._theirs):
            ready.register(one, select.POLLIN)
        looked, first = -LOOK_SECONDS, time.monotonic() + random.random() * _FIRST_WAIT_SECONDS  # noqa: S311 (a pause)
        while not self._over.is_set():
            now = time.monotonic()
            if now - looked >= LOOK_SECONDS:
                found = {one.index: one.address for one in self._interfaces()}
                joined = _join(line, found, joined)
                names.move(found, now)
                looked = now
            _send(line, names.want(self._wanted, max(now, first)), self._port)
            _send(line, names.due(now), self._port)
            if names.held != told:
                told = names.held
                self._changed(told)
            wait = max(0.0, min(names.next_due(), looked + LOOK_SECONDS) - time.monotonic())
            for descriptor, _ in ready.poll(math.ceil(wait * 1000)):
                if descriptor == self._theirs.fileno():
                    self._theirs.recv(1024)
                elif (heard := _receive(line, joined)) is not None:
                    _send(line, names.heard(heard, time.monotonic()), self._port)
        _send(line, names.want((), time.monotonic()), self._port)

    def _wake(self) -> None:
        # Full: it is about to wake. Closed: it has ended.
        with contextlib.suppress(OSError):
            self._ours.send(b"!")


def _opened(port: int) -> socket.socket:
    with contextlib.ExitStack() as closing:
        line = closing.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        # Only what comes by an interface that we joined on, whatever others of this machine joined.
        line.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        line.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        line.bind((dns.GROUP, port))
        line.setblocking(False)
        closing.pop_all()
    return line


def _join(line: socket.socket, wanted: Mapping[int, str], joined: set[int]) -> set[int]:
    """Join the group on every interface that we are not on, and return those that we are on. May be called again."""
    now = joined & wanted.keys()
    for index in wanted.keys() - now:
        asked = _MREQN.pack(socket.inet_aton(dns.GROUP), bytes(4), index)
        # Refused where it is in the group already: the interface went and came back under its number.
        with contextlib.suppress(OSError):
            line.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, asked)
        now.add(index)
    return now


def _receive(line: socket.socket, joined: Collection[int]) -> Heard | None:
    try:
        packet, beside, _, source = line.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(_IN_PKTINFO.size))
    except OSError:
        return None
    found = [
        _IN_PKTINFO.unpack(about)[0]
        for level, kind, about in beside
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO
    ]
    message = dns.read(packet)
    if message is None or not found or found[0] not in joined:
        return None
    return Heard(message, found[0], (source[0], source[1]))


def _send(line: socket.socket, sendings: Sequence[Sending], port: int) -> None:
    for one in sendings:
        by = [(socket.IPPROTO_IP, _IP_PKTINFO, _IN_PKTINFO.pack(one.interface, bytes(4), bytes(4)))]
        # An interface that has just gone, or whose queue is full: who asks asks again.
        with contextlib.suppress(OSError):
            line.sendmsg([one.packet], by, 0, one.to or (dns.GROUP, port))
