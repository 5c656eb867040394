"""The inside of a gateway: where links ask through their tunnels whether their registration is the newest."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.netns.place import Place


@dataclass
class Inside:
    """`answers` has a status for each registration; any other gets 404. Who asked is in `asked`."""

    answers: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: tuple[str, int], inside: Inside) -> None:
        super().__init__(place, _Answers)
        self.inside = inside


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.inside.asked.append(self.client_address[0])
        self.send_response(server.inside.answers.get(self.path.removeprefix("/probe/"), 404))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def inside(place: Place, address: str, port: int) -> Iterator[Inside]:
    """Serve it while the block runs. The address is there already."""
    made = Inside()
    server = place.do(lambda: _Server((address, port), made))
    thread = threading.Thread(target=lambda: place.do(lambda: server.serve_forever(0.05)))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
