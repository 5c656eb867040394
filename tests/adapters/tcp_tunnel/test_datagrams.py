"""Datagrams through the tunnel: whole, back to who asked, and lost rather than waited for."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from mosaic.adapters.tcp_tunnel.client import TunnelClient
from mosaic.core.tunnel_hello import Purpose
from support import virtual_time
from support.tunnel_world import NAME, SECONDS, World, tunnel_world, until

pytestmark = pytest.mark.long

PORT = 5353


class _Echo(asyncio.DatagramProtocol):
    """An app on UDP that answers with the same, and in which order it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # as documented
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        assert self._transport is not None
        self._transport.sendto(b"echo:" + data, addr)


@asynccontextmanager
async def _with_datagrams() -> AsyncIterator[tuple[World, _Echo, TunnelClient]]:
    async with tunnel_world() as world:
        transport, app = await asyncio.get_running_loop().create_datagram_endpoint(_Echo, local_addr=("127.0.0.1", 0))
        world.local_datagrams[PORT] = transport.get_extra_info("sockname")
        world.known[NAME] = replace(world.place, datagrams=frozenset({PORT}))
        try:
            async with world.linked() as client:
                yield world, app, client
        finally:
            transport.close()


def _sender(world: World) -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sender.connect((world.place.address, PORT))
    return sender


@pytest.mark.parametrize("size", [1, 1400, 60_000])
def test_a_datagram_of_any_size_is_answered_whole(size: int) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with _with_datagrams() as (world, _, _):
            with _sender(world) as sender:
                sender.send(bytes(size))
                assert await loop.sock_recv(sender, 65535) == b"echo:" + bytes(size)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_each_sender_is_answered_its_own_and_has_one_connection() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with _with_datagrams() as (world, app, client), contextlib.AsyncExitStack() as closing:
            senders = [closing.enter_context(_sender(world)) for _ in range(5)]
            for turn in range(4):
                for number, sender in enumerate(senders):
                    sender.send(b"%d of %d" % (turn, number))
                    assert await loop.sock_recv(sender, 100) == b"echo:%d of %d" % (turn, number)
            assert app.asked == 20
            assert client.open == 5

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_link_that_takes_nothing_has_datagrams_lost_and_not_kept() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            world.known[NAME] = replace(world.place, datagrams=frozenset({PORT}))
            control, _ = await world.hand_made(Purpose.CONTROL)
            data, _ = await world.hand_made(Purpose.DATA)
            with control, data, _sender(world) as sender:
                sent = 0
                for _ in range(1000):
                    sender.send(bytes(60_000))
                    sent += 60_000
                    await asyncio.sleep(0)
                came, tail, loop = 0, b"", asyncio.get_running_loop()
                while b"at last" not in tail:
                    piece = await loop.sock_recv(data, 65536)
                    came, tail = came + len(piece), tail[-6:] + piece
                    # Once there is room again, the newest come through.
                    sender.send(b"at last")
                assert came < sent // 2

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_who_is_silent_for_two_minutes_is_forgotten() -> None:
    async def main(time: virtual_time.VirtualTime) -> None:
        loop = asyncio.get_running_loop()
        async with _with_datagrams() as (world, _, client):
            with _sender(world) as sender:
                for _ in range(3):
                    sender.send(b"hello")
                    assert await loop.sock_recv(sender, 100) == b"echo:hello"
                    began = time.seconds
                    await asyncio.sleep(100)
                    assert client.open == 1
                await until(lambda: client.open == 0, seconds=1000)
                assert time.seconds - began < 300

    virtual_time.run(main)
