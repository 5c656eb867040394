"""Asking the operating system whether a port is free, and taking turns while one is chosen."""

import contextlib
import socket
import time
from collections.abc import Iterator
from threading import Event

_TURN_SECONDS = 10.0
_LOOK_SECONDS = 0.05


def is_free(protocol: str, port: int, *, host: str = "127.0.0.1") -> bool:
    """Ask the operating system whether the port can be bound now."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if protocol != "udp":
            # A port whose last connections are only fading out can be bound by the engine as well.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def turn(name: str) -> Iterator[None]:
    """Hold the turn of that name, one at a time among all processes of a network, in containers or not.

    It is an abstract UNIX socket (unix(7)), which belongs to the network namespace as the ports do, and which the
    kernel lets go when we die. After 10 s the turn is taken as it is: whoever holds it so long does not choose.
    """
    deadline, pause = time.monotonic() + _TURN_SECONDS, Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        while True:
            try:
                held.bind(f"\0{name}")
                break
            except OSError:
                if time.monotonic() > deadline:
                    break
            pause.wait(_LOOK_SECONDS)
        yield
