"""HAProxy's runtime socket: one connection per line of commands, a deadline on every wait. Has no state."""

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from mosaic.adapters.haproxy import words
from mosaic.core.errors import Refused, Unavailable

DEADLINE_SECONDS = 10.0
_READ_BYTES = 262_144
_MOST_BYTES = 256 * 1024 * 1024
"""Of an answer. 50,000 connections are listed in a tenth of it."""

_CREDENTIALS = struct.Struct("=iII")
"""`struct ucred` of unix(7): process, user and group."""

LINE_BYTES = 8192
"""HAProxy takes a line that fits its buffer, which is twice as large."""


class HaproxySilent(Unavailable):
    """HAProxy's runtime socket does not answer, or not as it should."""

    code = "haproxy-silent"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"HAProxy does not answer: {reason}",
            hint="the gateway starts it again by itself; its log says why it ended: `haproxy.log` beside its socket",
        )


class HaproxyRefused(Refused):
    """HAProxy did not take what it was told. One that ran before goes on with what it had."""

    code = "haproxy-refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(
            f"HAProxy refused: {sentence}", hint="does another program have one of its ports? `ss -tlnp` names it"
        )


class Runtime:
    """The socket in HAProxy's folder. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, command: str) -> str:
        """Return what one command answers. Raises HaproxySilent."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        received = bytearray()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(DEADLINE_SECONDS)
                connection.connect(str(self._path))
                connection.sendall(command.encode("ascii") + b"\n")
                while read := connection.recv(_READ_BYTES):
                    received += read
                    if time.monotonic() > deadline or len(received) > _MOST_BYTES:
                        raise HaproxySilent("it does not come to an end")
        except OSError as error:
            raise HaproxySilent(error.strerror or str(error)) from error
        return received.decode("utf-8", errors="replace")

    def pidfd(self) -> int | None:
        """Return a pidfd of whoever listens on the socket, answering or not; None for nobody. The caller closes it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, contextlib.suppress(OSError):
            connection.settimeout(DEADLINE_SECONDS)
            connection.connect(str(self._path))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            found = os.pidfd_open(_CREDENTIALS.unpack(credentials)[0])
            # Its number is another's by now only if it has ended, and our connection with it.
            if not _has_ended(connection):
                return found
            os.close(found)
        return None

    def ask_each(self, commands: Iterable[str]) -> list[str]:
        """Return what each of these commands answers, in their order. Raises HaproxySilent."""
        found: list[str] = []
        for line in words.lines_of(commands, LINE_BYTES):
            said = words.answers(self.ask(";".join(line)))
            if len(said) != len(line):
                raise HaproxySilent(f"{len(line)} commands had {len(said)} answers")
            found += said
        return found


def _has_ended(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLHUP)
    return bool(poll.poll(0))
