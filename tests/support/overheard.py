"""A line to a Hive on loopback that somebody listens in on: what a Device says, with its session's token in it."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BEARER = re.compile(rb"[Aa]uthorization: [Bb]earer ([!-~]+)\r\n")


class Overheard:
    """`url` is where the line begins."""

    def __init__(self, port: int) -> None:
        self._hive = port
        self._said = bytearray()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def tokens(self) -> set[str]:
        """Return every bearer token that was said so far."""
        return {found.decode() for found in _BEARER.findall(bytes(self._said))}

    def take_connections(self) -> None:
        """Pass on whatever comes, both ways, until the line is cut."""
        with suppress(OSError):
            while True:
                device, _ = self._listener.accept()
                hive = socket.create_connection(("127.0.0.1", self._hive), timeout=30)
                hive.settimeout(None)
                self._open += [device, hive]
                for source, sink, is_kept in ((device, hive, True), (hive, device, False)):
                    threading.Thread(target=self._pass_on, args=(source, sink, is_kept), daemon=True).start()

    def cut(self) -> None:
        """End every connection, and take no other."""
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_kept: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if is_kept:
                    self._said += piece
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def overheard(port: int) -> Iterator[Overheard]:
    """Yield a line to that port of this machine."""
    line = Overheard(port)
    taking = threading.Thread(target=line.take_connections)
    taking.start()
    try:
        yield line
    finally:
        line.cut()
        taking.join(60)
