"""The tunnel within TLS: the same promises, to a gateway whose name is proven."""

import asyncio
import contextlib
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.adapters.tcp_tunnel.client import Probe
from mosaic.adapters.tcp_tunnel.within_tls import TlsDialing
from mosaic.core.tunnel_frames import LENGTH_BYTES, write_datagram
from mosaic.core.tunnel_place import ALPN
from mosaic.crypto import ca
from support.link_ends import serving_context
from support.own_descriptors import own_descriptors
from support.tcp_pairs import noise, open_files, read, read_to_end, reset, send
from support.tunnel_world import NAME, SECONDS, served_within_tls, tunnel_world, tunnel_world_within_tls, until

pytestmark = pytest.mark.long


def test_megabytes_pass_both_ways_whole_and_an_end_passes_for_one_direction_alone(tmp_path: Path) -> None:
    async def main() -> None:
        said = noise(3_000_000)
        async with tunnel_world_within_tls(tmp_path) as (world, port, authority):
            client = world.client(host="localhost", port=port, connect=TlsDialing(authority).connect)
            async with world.linked(client):
                assert await world.asked(said) == b"tls:" + said
                answers = await asyncio.gather(*(world.asked(b"%d" % number) for number in range(40)))
                assert answers == [b"tls:%d" % number for number in range(40)]

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_reset_passes_both_ways_and_nothing_is_left_open(tmp_path: Path) -> None:
    async def main() -> None:
        before = open_files()
        async with tunnel_world_within_tls(tmp_path) as (world, port, authority):
            client = world.client(host="localhost", port=port, connect=TlsDialing(authority).connect)
            async with world.linked(client):
                visitor = await world.visit()
                await send(visitor, b"half a")
                assert await read(visitor, 10) == b"tls:half a"
                reset(visitor)
                await until(lambda: client.open == world.server.standing()[NAME].open == 0)
                other = await world.visit()
                assert await read(other, 4) == b"tls:"
            with other, pytest.raises(ConnectionResetError):
                await read_to_end(other)
        await until(lambda: open_files() == before)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_connection_whose_other_side_never_says_that_it_ends_is_closed_with_its_loop(tmp_path: Path) -> None:
    authority = ca.make_ca("the gateway's", datetime.now(UTC))
    context = serving_context(tmp_path, authority, "localhost")
    context.set_alpn_protocols([ALPN])
    both_said, over = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as connection:
            connection.sendall(write_datagram(b""))
            assert connection.recv(LENGTH_BYTES) == write_datagram(b"")
            assert connection.recv(1) == b""
            both_said.set()
            over.wait(SECONDS)

    async def main(port: int) -> None:
        connection = await TlsDialing(authority.certificate_pem).connect("localhost", port)
        with connection:
            assert await read_to_end(connection) == b""
        await until(both_said.is_set)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,))
        serving.start()
        before = own_descriptors()
        asyncio.run(asyncio.wait_for(main(listener.getsockname()[1]), SECONDS))
        # The server's own end is still open.
        assert own_descriptors() == before + 1
        over.set()
        serving.join(SECONDS)


def test_who_serves_no_longer_ends_what_came_by_it_and_leaves_nothing_running(tmp_path: Path) -> None:
    async def main() -> None:
        before, wrong = asyncio.all_tasks(), list[object]()
        asyncio.get_running_loop().set_exception_handler(lambda _, told: wrong.append(told))
        async with tunnel_world() as world, contextlib.AsyncExitStack() as serving:
            port, authority = await serving.enter_async_context(served_within_tls(tmp_path, world))
            client = world.client(host="localhost", port=port, connect=TlsDialing(authority).connect)
            async with world.linked(client):
                with await world.visit() as visitor:
                    assert await read(visitor, 4) == b"tls:"
                    await serving.aclose()
                    with pytest.raises(ConnectionResetError):
                        await read_to_end(visitor)
                await until(lambda: not world.server.standing()[NAME].linked)
        await until(lambda: asyncio.all_tasks() == before)
        assert wrong == []

    asyncio.run(asyncio.wait_for(main(), SECONDS))


@pytest.mark.parametrize("trusted", [True, False])
def test_a_gateway_whose_name_is_not_proven_is_told_nothing(tmp_path: Path, trusted: bool) -> None:
    async def main() -> None:
        async with tunnel_world_within_tls(tmp_path) as (world, port, authority):
            # The right authority for another name, or the right name from nobody that is trusted.
            host, connect = ("127.0.0.1", TlsDialing(authority)) if trusted else ("localhost", TlsDialing())
            client = world.client(host=host, port=port, connect=connect.connect)
            running = asyncio.create_task(client.run())
            await until(lambda: Probe.SILENT in world.probes)
            assert world.server.standing() == {}
            running.cancel()
            await asyncio.wait({running})

    asyncio.run(asyncio.wait_for(main(), SECONDS))
