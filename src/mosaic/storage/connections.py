"""The open connections of a server that answers each in a thread of its own, so that all can be ended at once."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Connections:
    """Used from several threads."""

    def __init__(self) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def open(self, connection: socket.socket) -> Iterator[None]:
        """Know a connection as open while the block runs."""
        with self._guard:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._guard:
                self._open.discard(connection)

    def end_all(self) -> None:
        """End all of them: who keeps one open must not be answered by a server that has stopped."""
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
