"""Where links would listen: addresses of 127.64.0.0/10 with both ports of a tunnel, whose arrivals a test takes."""

import contextlib
import random
import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.core.needs_more import NeedsMore
from mosaic.core.proxy_header import Ends, Head, read
from support.streams import SECONDS, Stream

_TRIES = 50


@dataclass(frozen=True, slots=True)
class Arrival:
    """A connection that a router brought. `ends` is what the head before it told."""

    ends: Ends | None
    stream: Stream


class TunnelEnd:
    """One tunnel address. What arrives there waits until the test takes it."""

    def __init__(self) -> None:
        self.address, self._tls, self._challenges = _both_ports()
        self._arrived: list[Stream] = []

    def arrival(self) -> Arrival:
        """Return the next connection for TLS, with its head read."""
        return self._next(self._tls)

    def challenge(self) -> Arrival:
        """Return the next connection for a challenge, with its head read."""
        return self._next(self._challenges)

    def anything_waits(self) -> bool:
        """Whether a connection arrived that the test did not take."""
        return bool(select.select([self._tls, self._challenges], [], [], 0)[0])

    def close(self) -> None:
        """Listen no longer, and close what arrived."""
        for listening in (self._tls, self._challenges):
            listening.close()
        for stream in self._arrived:
            stream.close()

    def _next(self, listening: socket.socket) -> Arrival:
        taken, _ = listening.accept()
        stream = Stream(taken)
        self._arrived.append(stream)
        head = b""
        while isinstance(said := read(head), NeedsMore):
            piece = stream.take(said.at_least - len(head))
            assert piece, f"it ended within its head, after {head!r}"
            head += piece
        assert isinstance(said, Head), f"no head of PROXY protocol 2: {head!r}"
        return Arrival(said.ends, stream)


def _both_ports() -> tuple[str, socket.socket, socket.socket]:
    """Listen on an address that nobody else has: other tests run beside this one."""
    for _ in range(_TRIES):
        address = unused_address()
        with contextlib.ExitStack() as closing:
            try:
                opened = [closing.enter_context(_listening(address, port)) for port in (TLS_PORT, CHALLENGE_PORT)]
            except OSError:
                continue
            closing.pop_all()
            return address, opened[0], opened[1]
    raise AssertionError("no address of 127.64.0.0/10 has both ports free")


def unused_address() -> str:
    """Return an address of TCP mode's network where most likely nobody listens."""
    return f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.{random.randint(1, 254)}"


@contextlib.contextmanager
def never_accepting() -> Iterator[str]:
    """Yield a tunnel address whose port takes no connection and refuses none, as a machine that is away."""
    with contextlib.ExitStack() as closing:
        address = unused_address()
        closing.enter_context(socket.create_server((address, TLS_PORT), backlog=0))
        for _ in range(3):
            filling = closing.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex((address, TLS_PORT))
        yield address


def _listening(address: str, port: int) -> socket.socket:
    listening = socket.create_server((address, port), backlog=1024)
    listening.settimeout(SECONDS)
    return listening
