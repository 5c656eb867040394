"""Asking a port on loopback whether something answers there: the least that a page must do to count as up."""

import contextlib
import re
import socket
import time
from dataclasses import dataclass

DEADLINE_SECONDS = 5.0
LISTEN_SECONDS = 0.3
"""An engine's own proxy takes every connection, and hangs up at once when nothing in the container listens."""

_MOST_BYTES = 1024
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: mosaic\r\nAccept: */*\r\nConnection: close\r\n\r\n"
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a port said, as a clause. `is_well`: HTTP below 500, or it takes connections and speaks something else."""

    is_well: bool
    words: str


def probe(port: int) -> Answer:
    """Ask once. Takes at most some `DEADLINE_SECONDS`, whatever the other side does."""
    until = time.monotonic() + DEADLINE_SECONDS
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as connection:
            return _ask(connection, until)
    except OSError as error:
        return Answer(False, f"takes no connection ({error.strerror or type(error).__name__})")


def _ask(connection: socket.socket, until: float) -> Answer:
    connection.settimeout(LISTEN_SECONDS)
    try:
        said = connection.recv(_MOST_BYTES)
    except TimeoutError:
        return _judged(_answer(connection, until))
    return Answer(bool(said), "speaks first, so it is no HTTP" if said else "hangs up at once")


def _answer(connection: socket.socket, until: float) -> bytes:
    """Return the first bytes of the answer; a server of something else may say nothing, or hang up."""
    said = b""
    with contextlib.suppress(OSError):
        connection.sendall(_REQUEST)
        while b"\n" not in said and len(said) < _MOST_BYTES and (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            more = connection.recv(_MOST_BYTES)
            if not more:
                break
            said += more
    return said


def _judged(said: bytes) -> Answer:
    status = _STATUS.match(said)
    if status is None:
        return Answer(True, "takes connections, and speaks no HTTP")
    return Answer(int(status[1]) < 500, f"answered {int(status[1])}")
