"""One end of a TCP connection in a test's hands. Every wait has a deadline, and what came is compared byte for byte."""

import contextlib
import socket
import struct
import threading
from types import TracebackType

SECONDS = 60.0
_RESET = struct.pack("ii", 1, 0)


class Stream:
    """A connected socket, blocking, with a deadline for each wait."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def here(self) -> tuple[str, int]:
        """Its own address and port."""
        host, port, *_ = self.socket.getsockname()
        return host, port

    @property
    def there(self) -> tuple[str, int]:
        """Address and port of the other side."""
        host, port, *_ = self.socket.getpeername()
        return host, port

    def send(self, content: bytes) -> None:
        """Send it all."""
        self.socket.sendall(content)

    def send_beside(self, content: bytes) -> threading.Thread:
        """Send it all in a thread of its own, so that the test can read meanwhile. A stream that breaks ends it."""

        def sending() -> None:
            with contextlib.suppress(OSError):
                self.socket.sendall(content)

        thread = threading.Thread(target=sending, daemon=True)
        thread.start()
        return thread

    def take(self, count: int) -> bytes:
        """Return exactly so many bytes; fewer when the stream ends before."""
        taken = bytearray()
        while len(taken) < count and (piece := self.socket.recv(min(count - len(taken), 2**20))):
            taken += piece
        return bytes(taken)

    def rest(self) -> bytes:
        """Return what comes until the other side ends its direction."""
        taken = bytearray()
        while piece := self.socket.recv(2**20):
            taken += piece
        return bytes(taken)

    def was_ended(self) -> bool:
        """Whether the other side ends it, in whatever way, and sends nothing before."""
        try:
            return self.socket.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            return True

    def is_open(self) -> bool:
        """Whether the other side has neither ended it nor sent anything."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.socket.settimeout(SECONDS)
        return False

    def end(self) -> None:
        """Send nothing any more; what comes can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Go away without a word, as a program that is killed with bytes unread."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()

    def close(self) -> None:
        """Close it."""
        self.socket.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
