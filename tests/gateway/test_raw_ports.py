"""Raw ports from end to end: a real `mosaic gateway serve`, a link in TCP mode as it is, and services behind it."""

import asyncio
import contextlib
import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mosaic.adapters.loop_thread import LoopThread
from mosaic.core import expose
from mosaic.link.by_tcp import TcpTunnel
from mosaic.link.relaying import granted, relaying
from mosaic.wire.links import PublicPort, Registered
from support.gateway_process import GatewayProcess, gateway_process
from support.gateway_world import DOMAIN, make_link, start
from support.link_sites import proxy_header
from support.streams import SECONDS, Stream
from support.unshared import ten_raw_ports
from support.waiting import eventually

pytestmark = pytest.mark.long

FIRST = ten_raw_ports()
RANGE = f"{FIRST}-{FIRST + 9}"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    with gateway_process(tmp_path, "--ports", RANGE, "--listen-ports", "127.0.0.1") as made:
        yield made


@contextlib.contextmanager
def a_link(given: Registered, exposed: str) -> Iterator[None]:
    """A link that its gateway knows, with its raw ports and no Caddy."""
    address = f"127.{random.randrange(1, 60)}.{random.randrange(256)}.{random.randrange(1, 250)}"

    async def run() -> None:
        tunnel = TcpTunnel(address, trusted=None, draw=random.random)
        try:
            place = await tunnel.open(given)
            async with relaying(place.addresses[0], granted(expose.parse(exposed).ports, given.ports)):
                await asyncio.Event().wait()
        finally:
            await tunnel.close()

    with LoopThread("link") as loop:
        loop.keep("link", run)
        yield


def answers(service: socket.socket, port: int) -> bool:
    """Whether a visitor of a gateway's UDP port is heard by the service and gets its answer."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as visitor:
        for each in (visitor, service):
            each.settimeout(0.2)
        word = os.urandom(8)
        visitor.sendto(word, ("127.0.0.1", port))
        with contextlib.suppress(OSError):
            said, who = service.recvfrom(4096)
            service.sendto(said[::-1], who)
            return visitor.recv(4096) == word[::-1]
    return False


def test_services_behind_a_link_are_reached_by_raw_ports_until_their_owner_gives_them_back(
    gateway: GatewayProcess,
) -> None:
    wished = [PublicPort("tcp", 0, 8460, 25), PublicPort("udp", FIRST + 5, 8461, 53), PublicPort("tcp", 80, 8462)]
    hive, link = gateway.allow(), make_link(f"notes.{DOMAIN}", ports=wished)
    had = [PublicPort("tcp", FIRST, 8460, 25), PublicPort("udp", FIRST + 5, 8461, 53)]
    assert hive.push(gateway, link).ports == had
    given = start(link, mode="tcp").register(gateway)
    assert given.ports == had
    with (
        socket.create_server(("127.0.0.1", 0)) as mail,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as names,
    ):
        names.bind(("127.0.0.1", 0))
        exposed = f"tcp+proxy://25:127.0.0.1:{mail.getsockname()[1]} udp://53:127.0.0.1:{names.getsockname()[1]}"
        with a_link(given, exposed):
            mail.settimeout(SECONDS)
            eventually(lambda: answers(names, FIRST + 5))
            with Stream(socket.create_connection(("127.0.0.1", FIRST), SECONDS)) as visitor:
                taken, _ = mail.accept()
                with Stream(taken) as service:
                    service.send(b"220 ready")
                    assert visitor.take(9) == b"220 ready"
                    said = os.urandom(500_000)
                    sending = threading.Thread(target=visitor.send, args=(said,))
                    sending.start()
                    head = proxy_header(*visitor.here, visitor.there)
                    assert service.take(len(head) + len(said)) == head + said
                    sending.join()
                    eventually(lambda: answers(names, FIRST + 5))
                    hive.push(gateway, link, ports=wished[1:2])
                    assert visitor.was_ended()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", FIRST), SECONDS)
            eventually(lambda: answers(names, FIRST + 5))
            gateway.kill()
            assert not answers(names, FIRST + 5)
            gateway.start()
            eventually(lambda: answers(names, FIRST + 5))
