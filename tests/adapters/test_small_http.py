"""A small web server answers what is asked of it, many times over one connection, and ends what is no question."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from mosaic.adapters.small_http import MOST_OF_SOURCE, answering


@pytest.fixture
def port() -> Iterator[int]:
    """A server that answers with the path."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with answering(listener, lambda path: (200 if path == "/here" else 404, path.encode())):
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield int(listener.getsockname()[1])
    loop.call_soon_threadsafe(ended.set)
    thread.join(30)
    loop.close()


def heard(port: int, *pieces: bytes) -> bytes:
    """Return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        whole = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                whole += more
        return whole


def test_questions_in_one_connection_are_answered_in_their_order(port: int) -> None:
    close = b"GET /gone HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = heard(port, b"GET /here HTTP/1.1\r\nHo", b"st: x\r\n\r\n" + close)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")
    assert b"/hereHTTP/1.1 404 Not Found" in answer
    assert answer.endswith(b"/gone")


@pytest.mark.parametrize("said", [b"POST /here HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"GET  /here HTTP/1.1\r\n\r\n"])
def test_what_is_no_question_is_closed(port: int, said: bytes) -> None:
    assert heard(port, said).startswith(b"HTTP/1.1 400 Bad Request")


def test_one_that_never_ends_its_question_is_closed(port: int) -> None:
    assert heard(port, b"GET /here HTTP/1.1\r\nX: " + b"x" * 20_000) == b""


def test_who_does_not_take_his_answers_is_asked_nothing_more(port: int) -> None:
    questions = b"GET /%b HTTP/1.1\r\n\r\n" % (b"x" * 4000) * 16
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection, pytest.raises(TimeoutError):
        for _ in range(1024):
            connection.sendall(questions)


def test_one_address_has_so_many_connections_and_others_are_answered(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_OF_SOURCE):
            open_one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            open_one.sendall(b"GET /here HTTP/1.1\r\n\r\n")
            assert open_one.recv(4096).startswith(b"HTTP/1.1 200 OK")
        with contextlib.suppress(ConnectionError):
            assert heard(port, b"GET /here HTTP/1.1\r\n\r\n") == b""
        other = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30, ("127.0.0.2", 0)))
        other.sendall(b"GET /here HTTP/1.1\r\n\r\n")
        assert other.recv(4096).startswith(b"HTTP/1.1 200 OK")
