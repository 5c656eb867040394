"""A server that never falls silent and never ends its answer: one byte, again and again."""

import contextlib
import socket
import threading
from collections.abc import Iterator

_PAUSE_SECONDS = 0.05


@contextlib.contextmanager
def dripping_server(begins: bytes) -> Iterator[str]:
    """Serve on loopback; each connection is told these bytes, and then one more after the other. Yields its URL."""
    over = threading.Event()

    def drip(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            line.sendall(begins)
            while not over.wait(_PAUSE_SECONDS):
                line.sendall(b"x")

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listener.accept()
                threading.Thread(target=drip, args=(line,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            # A close alone does not wake whoever accepts.
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
