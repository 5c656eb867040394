"""Waiting for the next look: for a time, until somebody rings, or until the system says stop.

Rings that come between two looks are one. After a look that was rung for, the
next one waits a little: who rings rings several times for one thing.
"""

import contextlib
import select
import socket
import time
from types import TracebackType

LEAST_SECONDS = 5.0
"""Between the beginnings of two looks, when rings ask for them."""


class Doorbell:
    """Rung by any thread, waited at by one. Used in a `with` block."""

    def __init__(self, *, least_seconds: float = LEAST_SECONDS) -> None:
        self._least_seconds = least_seconds
        self._rung, self._rings = socket.socketpair()
        for end in (self._rung, self._rings):
            end.setblocking(False)
        self._looked_at = time.monotonic()

    def __enter__(self) -> "Doorbell":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rung.close()
        self._rings.close()

    def ring(self) -> None:
        """Have the next look come soon."""
        # Full: then nobody has looked since, and will. Closed: nobody looks any more.
        with contextlib.suppress(OSError):
            self._rings.send(b".")

    def look(self) -> None:
        """Begin a look: it is for all that rang before, and whoever rings from now on means a later one."""
        with contextlib.suppress(BlockingIOError):
            while self._rung.recv(4096):
                pass
        self._looked_at = time.monotonic()

    def wait(self, told: socket.socket, seconds: float) -> bool:
        """Return True when it is time for the next look, and False when a byte came from `told`."""
        woken = select.select([told, self._rung], [], [], seconds)[0]
        if self._rung in woken and told not in woken:
            left = self._looked_at + self._least_seconds - time.monotonic()
            woken = select.select([told], [], [], max(0.0, left))[0]
        return told not in woken
