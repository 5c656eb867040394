"""Ports and parts of loopback that no other test of this machine uses now, in whichever process it runs.

A port that was bound to zero and let go can be anybody's by the time it is used: the system gives it to the next
connection. These lie below what it gives, and are counted up in a file that all processes share.
"""

import fcntl
import os
import socket
from pathlib import Path

_PORTS = range(10000, 20000)
"""Below what Linux gives to connections (ip(7): from 32768 on), and below the raw ports of gateways (from 20000 on)."""

_FOLDER = Path("/tmp")
_TRIES = 200


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that nobody has, and that is given to nobody else until 9,999 others were."""
    for _ in range(_TRIES):
        port = _PORTS[_turn("ports") % len(_PORTS)]
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                # What fades out there keeps nobody from listening.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"{_TRIES} ports one after the other are taken")


def ten_raw_ports() -> int:
    """Return the first of ten of the ports that gateways open, given to nobody else until 999 other tens were."""
    return 20000 + _turn("raw-ports") % 1000 * 10


def own_network() -> str:
    """Return a /22 of loopback, from 127.65.0.0 on, that is given to nobody else until 4,031 others were."""
    number = _turn("networks") % (63 * 64)
    return f"127.{65 + number // 64}.{number % 64 * 4}.0/22"


def _turn(name: str) -> int:
    """Return the next number of a count that all tests of this user share."""
    file = os.open(_FOLDER / f"mosaic-test-{name}-{os.getuid()}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "r+") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        number = int(kept.read() or "0")
        kept.seek(0)
        kept.write(str(number + 1))
        kept.truncate()
    return number
