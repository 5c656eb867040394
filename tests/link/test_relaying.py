"""Raw ports: bytes and datagrams pass both ways, unread."""

import contextlib
import socket
import threading
from collections.abc import Callable
from contextlib import closing

import anyio
import pytest
from anyio import to_thread

from mosaic.core.expose import RawPort
from mosaic.link.relaying import granted, relaying
from mosaic.wire.links import PublicPort
from support.link_sites import proxy_header
from support.raw_ports_world import PortWorld
from support.streams import Stream
from support.unshared import free_port
from support.waiting import eventually

PATIENCE_SECONDS = 60
HEAD = proxy_header("192.0.2.44")


def through(
    port: RawPort, inner: int, visit: Callable[[], None], *, address: str = "127.0.0.1", allowed: tuple[str, ...] = ()
) -> None:
    """Visit while the port is passed on."""

    async def run() -> None:
        async with relaying(address, [(port, inner)], allowed=allowed):
            await to_thread.run_sync(visit)

    anyio.run(run)


def test_a_connection_is_passed_to_the_service_and_may_end_one_way_first() -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:

        def serve() -> None:
            taken, _ = service.accept()
            with taken:
                said = b""
                while piece := taken.recv(4096):
                    said += piece
                taken.sendall(said[::-1])

        def visit() -> None:
            with socket.create_connection(("127.0.0.1", inner), timeout=PATIENCE_SECONDS) as line:
                # Cut where nobody who reads a head may rely on it to be whole.
                line.sendall(HEAD[:7])
                line.sendall(HEAD[7:] + b"abc" * 50_000)
                line.shutdown(socket.SHUT_WR)
                said = b""
                while piece := line.recv(65536):
                    said += piece
            assert said == b"cba" * 50_000

        thread = threading.Thread(target=serve)
        thread.start()
        inner = free_port()
        through(RawPort("tcp", 25565, "127.0.0.1", service.getsockname()[1]), inner, visit)
        thread.join(PATIENCE_SECONDS)


def test_a_service_that_is_not_there_ends_the_connection() -> None:
    inner, nobody = free_port(), free_port()

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", inner), timeout=PATIENCE_SECONDS) as line:
            line.sendall(HEAD)
            assert line.recv(1) == b""

    through(RawPort("tcp", 25565, "127.0.0.1", nobody), inner, visit)


def heard(service: socket.socket, count: int) -> bytes:
    """Return the first bytes of the next connection."""
    taken, _ = service.accept()
    with taken:
        said = b""
        while len(said) < count and (piece := taken.recv(count - len(said))):
            said += piece
        return said


def test_a_service_that_takes_it_is_told_who_visits_and_others_are_not() -> None:
    for tells_visitor, first in ((True, HEAD + b"hello"), (False, b"hello")):
        with socket.create_server(("127.0.0.1", 0)) as service:
            inner = free_port()

            def visit(inner: int = inner, service: socket.socket = service, first: bytes = first) -> None:
                with socket.create_connection(("127.0.0.1", inner), timeout=PATIENCE_SECONDS) as line:
                    line.sendall(HEAD + b"hello")
                    assert heard(service, len(first)) == first

            port = RawPort("tcp", 25, "127.0.0.1", service.getsockname()[1], tells_visitor)
            through(port, inner, visit)


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n\r\n", HEAD[:20], proxy_header("198.51.100.7") + b"let me in"]
)
def test_who_is_not_allowed_or_does_not_come_from_the_gateway_reaches_no_service(said: bytes) -> None:
    inner = free_port()
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.setblocking(False)

        def visit() -> None:
            with Stream(socket.create_connection(("127.0.0.1", inner))) as line:
                line.send(said)
                # It may have been turned away by now.
                with contextlib.suppress(OSError):
                    line.end()
                assert line.was_ended()
            with pytest.raises(BlockingIOError):
                service.accept()
            with socket.create_connection(("127.0.0.1", inner), timeout=PATIENCE_SECONDS) as line:
                line.sendall(HEAD + b"hello")
                service.setblocking(True)
                assert heard(service, 5) == b"hello"

        port = RawPort("tcp", 25565, "127.0.0.1", service.getsockname()[1])
        through(port, inner, visit, allowed=("192.0.2.0/24",))


def test_datagrams_pass_only_where_everybody_may_visit(capfd: pytest.CaptureFixture[str]) -> None:
    inner = free_port()

    def visit() -> None:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
            free.bind(("127.0.0.1", inner))

    through(RawPort("udp", 34197, "127.0.0.1", 9), inner, visit, allowed=("192.0.2.0/24",))
    assert "LINK_ALLOW is set" in capfd.readouterr().err


def test_a_link_opens_what_its_gateway_gave_by_the_names_that_expose_has(capfd: pytest.CaptureFixture[str]) -> None:
    game, mail, other = (RawPort("tcp", number, "app", 1) for number in (25565, 25, 143))
    given = [PublicPort("tcp", 20007, 8460, named=25565), PublicPort("tcp", 25, 8461), PublicPort("udp", 143, 8462)]
    assert granted([game, mail, other], given) == [(game, 8460), (mail, 8461)]
    assert "tcp://143:app:1" in capfd.readouterr().err


def test_a_visitor_of_the_gateways_port_reaches_the_service_and_is_known_to_it() -> None:
    with PortWorld() as world, socket.create_server(("127.0.0.1", 0)) as service:
        inside = world.inside().where
        port = world.opened("tcp", inside[0], inner=inside[1])

        def visit() -> None:
            visitor = world.visitor(port)
            visitor.send(b"hello")
            host, number = visitor.here
            first = proxy_header(host, number, (visitor.there[0], port)) + b"hello"
            assert heard(service, len(first)) == first

        wished = RawPort("tcp", 25, "127.0.0.1", service.getsockname()[1], tells_visitor=True)
        through(wished, inside[1], visit, address=inside[0])


def is_answered(line: socket.socket, inner: int) -> bool:
    """Whether the service answers already: its address is looked up after its port is open."""
    line.sendto(b"there?", ("127.0.0.1", inner))
    try:
        return line.recv(4096) == b"THERE?"
    except TimeoutError:
        return False


def test_datagrams_find_their_way_back_to_each_visitor() -> None:
    inner = free_port()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as service:
        service.bind(("127.0.0.1", 0))
        service.settimeout(PATIENCE_SECONDS)

        def serve() -> None:
            piece = b""
            while piece != b"end":
                piece, visitor = service.recvfrom(4096)
                service.sendto(piece.upper(), visitor)

        def visit() -> None:
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as line:
                line.settimeout(0.05)
                eventually(lambda: is_answered(line, inner))
            lines = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
            for _ in range(2):
                for line, word in zip(lines, (b"one", b"two"), strict=True):
                    line.settimeout(PATIENCE_SECONDS)
                    line.sendto(word, ("127.0.0.1", inner))
                    assert line.recv(4096) == word.upper()
            lines[0].sendto(b"end", ("127.0.0.1", inner))
            for line in lines:
                line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        through(RawPort("udp", 34197, "127.0.0.1", service.getsockname()[1]), inner, visit)
        thread.join(PATIENCE_SECONDS)


def test_a_port_that_cannot_be_opened_leaves_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        through(RawPort("tcp", 1, "127.0.0.1", 1), taken.getsockname()[1], lambda: None)
    assert "link_port_not_opened" in capfd.readouterr().err
