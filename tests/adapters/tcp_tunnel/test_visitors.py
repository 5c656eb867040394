"""Visitors of a link in TCP mode: led to the app whole, many at once, and not kept when there is nothing for them."""

import asyncio
import contextlib
import hashlib
import socket
from dataclasses import replace

import pytest

from mosaic.adapters.tcp_tunnel.served import Limits
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.core.tunnel_frames import (
    CONTROL_BYTES,
    OPENING_BYTES,
    Carries,
    Opening,
    Said,
    read_control,
    read_opening,
)
from mosaic.core.tunnel_hello import Purpose, Verdict
from support import virtual_time
from support.tcp_pairs import noise, open_files, read, read_to_end, reset, send
from support.tunnel_world import NAME, SECONDS, tunnel_world, until

pytestmark = pytest.mark.long


def test_megabytes_pass_both_ways_whole_and_an_end_passes_too() -> None:
    async def main() -> None:
        said = noise(6_000_000)
        async with tunnel_world() as world, world.linked():
            answer = await world.asked(said)
            assert hashlib.sha256(answer).digest() == hashlib.sha256(b"tls:" + said).digest()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_the_port_of_the_tunnel_address_says_where_a_visitor_is_led() -> None:
    async def main() -> None:
        async with tunnel_world() as world, world.linked():
            assert await world.asked(b"hello", TLS_PORT) == b"tls:hello"
            assert await world.asked(b"token", CHALLENGE_PORT) == b"acme:token"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_raw_port_is_there_as_long_as_the_registration_has_it() -> None:
    async def main() -> None:
        async with tunnel_world() as world, world.linked():
            world.local[25565] = ("localhost", world.app.port)
            with pytest.raises(ConnectionRefusedError):
                await world.visit(25565)
            world.server.update(NAME, replace(world.place, streams=world.place.streams | {25565}))
            assert await world.asked(b"raw", 25565) == b"tls:raw"
            world.server.update(NAME, world.place)
            await until(lambda: _refuses(world.place.address, 25565))
            assert await world.asked(b"still", TLS_PORT) == b"tls:still"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def _refuses(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port)).close()
    except ConnectionRefusedError:
        return True
    return False


async def _answered(visitor: socket.socket, said: bytes) -> bytes:
    """Return what a visitor is answered until the end, whether that is one or a reset."""
    got = b""
    with contextlib.suppress(ConnectionError):
        await send(visitor, said)
        while piece := await read(visitor, 1):
            got += piece
    return got


def test_three_hundred_at_once_are_all_answered_and_more_connections_wait_afterwards() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(wait_seconds=SECONDS)) as world, world.linked() as client:
            answers = await asyncio.gather(*(world.asked(b"%d" % number) for number in range(300)))
            assert answers == [b"tls:%d" % number for number in range(300)]
            assert 8 < client.wanted <= 64
            await until(lambda: client.idle == client.wanted)
            await until(lambda: client.open == world.server.standing()[NAME].open == 0)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_after_a_calm_no_more_connections_are_made_ahead_than_at_first() -> None:
    async def main(_: virtual_time.VirtualTime) -> None:
        async with tunnel_world() as world, world.linked() as client:
            await asyncio.gather(*(world.asked(b"%d" % number) for number in range(100)))
            most = client.wanted
            assert most > 8
            await asyncio.sleep(31)
            assert client.wanted == most // 2
            await asyncio.sleep(200)
            assert client.wanted == 8

    virtual_time.run(main)


def test_a_link_has_no_more_connections_than_it_was_allowed() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(wait_seconds=SECONDS)) as world:
            client = world.client(most_open=10)
            async with world.linked(client):
                visitors = [await world.visit() for _ in range(12)]
                for visitor in visitors[:10]:
                    assert await read(visitor, 4) == b"tls:"
                await until(lambda: client.open == 10)
                assert client.idle == 0
                assert world.server.standing()[NAME].open == 12
                visitors[0].close()
                assert await read(visitors[10], 4) == b"tls:"
                for visitor in visitors:
                    visitor.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_visitor_for_whom_no_connection_comes_is_let_go_after_a_while_and_its_link_was_asked() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(wait_seconds=0.2)) as world:
            control, _ = await world.hand_made(Purpose.CONTROL)
            with control, await world.visit() as visitor:
                await send(visitor, b"hello")
                said = read_control(await read(control, CONTROL_BYTES))
                assert said == (Said.WANTED, 1)
                with pytest.raises(ConnectionResetError):
                    await read(visitor, 1)
                await until(lambda: world.server.standing()[NAME].open == 0)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_visitor_who_waits_is_given_the_next_connection_that_comes() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(wait_seconds=SECONDS)) as world:
            control, _ = await world.hand_made(Purpose.CONTROL)
            with control, await world.visit() as visitor:
                await send(visitor, b"hello")
                await read(control, CONTROL_BYTES)
                data, _ = await world.hand_made(Purpose.DATA)
                with data:
                    assert read_opening(await read(data, OPENING_BYTES)) == Opening(Carries.STREAM, TLS_PORT)
                    assert await read(data, 5) == b"hello"
                    await send(data, b"you")
                    assert await read(visitor, 3) == b"you"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_the_connection_that_came_last_is_spent_first() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            control, _ = await world.hand_made(Purpose.CONTROL)
            older, _ = await world.hand_made(Purpose.DATA)
            newer, _ = await world.hand_made(Purpose.DATA)
            await until(lambda: world.server.standing()[NAME].idle == 2)
            with control, older, newer, await world.visit():
                assert read_opening(await read(newer, OPENING_BYTES)) == Opening(Carries.STREAM, TLS_PORT)
                assert world.server.standing()[NAME].idle == 1

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_no_more_visitors_wait_than_was_said() -> None:
    async def main() -> None:
        limits = Limits(wait_seconds=SECONDS, waiting_of_registration=2)
        async with tunnel_world(limits) as world:
            control, _ = await world.hand_made(Purpose.CONTROL)
            with control, await world.visit() as one, await world.visit() as two:
                await read(control, 2 * CONTROL_BYTES)
                with await world.visit() as third:
                    assert await read_to_end(third) == b""
                assert world.server.standing()[NAME].open == 2
                one.close()
                two.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_an_app_that_is_not_there_costs_its_visitor_and_nobody_else() -> None:
    async def main() -> None:
        async with tunnel_world() as world, world.linked():
            world.local[CHALLENGE_PORT] = ("127.0.0.1", 1)
            with await world.visit(CHALLENGE_PORT) as visitor:
                assert await _answered(visitor, b"hello") == b""
            assert await world.asked(b"hello") == b"tls:hello"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_reset_passes_through_the_tunnel_and_nothing_is_left_open() -> None:
    async def main() -> None:
        before = open_files()
        async with tunnel_world() as world:
            async with world.linked() as client:
                for _ in range(20):
                    visitor = await world.visit()
                    await send(visitor, noise(100_000))
                    await read(visitor, 50_000)
                    reset(visitor)
                await until(lambda: client.open == world.server.standing()[NAME].open == 0)
                assert await world.asked(b"next") == b"tls:next"
            await until(lambda: world.server.standing()[NAME].idle == 0)
        await asyncio.sleep(0)
        await until(lambda: open_files() == before)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_visitor_who_stalls_stops_the_app_and_harms_no_other_visitor() -> None:
    async def main() -> None:
        sent = 0

        async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            with contextlib.suppress(OSError):
                while True:
                    writer.write(bytes(1 << 16))
                    await writer.drain()
                    sent += 1 << 16

        async with tunnel_world() as world, world.linked():
            app = await asyncio.start_server(endless, "127.0.0.1", 0)
            world.local[CHALLENGE_PORT] = ("127.0.0.1", app.sockets[0].getsockname()[1])
            with await world.visit(CHALLENGE_PORT) as stalled:
                await until(lambda: sent > 1 << 20)
                said = noise(4_000_000)
                assert await world.asked(said) == b"tls:" + said
                before = sent
                assert await world.asked(said) == b"tls:" + said
                assert sent - before < 8 << 20, "nobody read, and more and more was taken from the app"
                assert sent < 64 << 20
                reset(stalled)
            app.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_link_that_reads_nothing_harms_no_other_link() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            control, _ = await world.hand_made(Purpose.CONTROL)
            stalled, verdict = await world.hand_made(Purpose.DATA)
            assert verdict is Verdict.WELCOME
            with control, stalled, await world.visit() as visitor:
                with pytest.raises(BlockingIOError):
                    while True:
                        visitor.send(bytes(1 << 20))
                        await asyncio.sleep(0)
                other = "reg-2"
                world.add(other)
                async with world.linked(name=other):
                    assert await world.asked(b"hello", name=other) == b"tls:hello"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_an_opening_for_a_port_that_the_link_has_not_is_closed() -> None:
    async def main() -> None:
        async with tunnel_world() as world, world.linked():
            del world.local[CHALLENGE_PORT]
            with await world.visit(CHALLENGE_PORT) as visitor:
                assert await _answered(visitor, b"hello") == b""
            assert world.challenges.asked == 0
            assert await world.asked(b"hello") == b"tls:hello"

    asyncio.run(asyncio.wait_for(main(), SECONDS))
