"""What a web port says, whoever listens there."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from mosaic.adapters import web_probe
from mosaic.adapters.web_probe import probe
from support.unshared import free_port

pytestmark = pytest.mark.long


@contextmanager
def listening(speak: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on a port; `speak` has each connection in turn."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    speak(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def answering(line: bytes) -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(line)

    return speak


@pytest.mark.parametrize(
    ("status", "well"), [(200, True), (302, True), (401, True), (404, True), (500, False), (503, False)]
)
def test_a_page_is_well_below_500(status: int, well: bool) -> None:
    with listening(answering(b"HTTP/1.1 %d Words\r\n\r\n" % status)) as port:
        answer = probe(port)
    assert (answer.is_well, answer.words) == (well, f"answered {status}")


def test_an_engines_proxy_with_nobody_behind_it_is_not_well() -> None:
    with listening(lambda connection: None) as port:
        assert not probe(port).is_well


@pytest.mark.parametrize("speak", [answering(b"-ERR unknown command\r\n"), answering(b"")], ids=["says so", "hangs up"])
def test_something_that_takes_connections_and_is_no_page_is_well(speak: Callable[[socket.socket], None]) -> None:
    with listening(speak) as port:
        assert probe(port).is_well


def test_something_that_greets_first_is_well() -> None:
    with listening(lambda connection: connection.sendall(b"SSH-2.0-x\r\n")) as port:
        assert probe(port).is_well


def test_a_port_that_nobody_has_is_not_well() -> None:
    assert not probe(free_port()).is_well


def test_something_that_never_answers_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_probe, "DEADLINE_SECONDS", 0.5)
    over = threading.Event()

    def keep_silent(connection: socket.socket) -> None:
        over.wait(60)

    with listening(keep_silent) as port:
        answer = probe(port)
        over.set()
    assert answer.words == "takes connections, and speaks no HTTP"


def test_an_answer_that_comes_in_drops_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_probe, "DEADLINE_SECONDS", 0.5)
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(4096)
        while not over.wait(0.05):
            connection.sendall(b"H")

    with listening(drip) as port:
        probe(port)
        over.set()
