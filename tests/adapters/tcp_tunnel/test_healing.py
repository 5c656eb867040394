"""A link that loses its gateway, and a gateway that loses a link: what is told, and how they come together again."""

import asyncio
import random
import socket

import pytest

from mosaic.adapters.tcp_tunnel.client import Credentials, Probe, TunnelClient
from mosaic.adapters.tcp_tunnel.hello import ask
from mosaic.adapters.tcp_tunnel.served import Limits, Place
from mosaic.adapters.tcp_tunnel.server import TunnelServer, listen
from mosaic.core.tunnel_frames import CONTROL_BYTES, Said, read_control, write_control
from mosaic.core.tunnel_hello import NONCE_BYTES, Purpose, Verdict, welcome
from mosaic.crypto.secret import Secret
from support import virtual_time
from support.tcp_pairs import open_files, read, read_to_end, send
from support.tunnel_world import NAME, SECONDS, serving, tunnel_world, until
from support.unshared import free_port

pytestmark = pytest.mark.long


def test_a_gateway_that_dies_and_comes_back_has_its_link_back() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            first = TunnelServer(world.find, lambda _: True)
            listener = listen("127.0.0.1", port := free_port())
            client = TunnelClient(
                "127.0.0.1",
                port,
                Credentials(NAME, world.place.tunnel_key),
                world.local,
                world.probes.append,
                draw=lambda: 0.1,
                ping_seconds=0.2,
            )
            running = asyncio.create_task(client.run())
            async with serving(first, listener) as server:
                await until(lambda: client.idle >= 8)
                assert await world.asked(b"one") == b"tls:one"
                visitor = await world.visit()
                assert await read(visitor, 4) == b"tls:"
                server.cancel()
                with visitor, pytest.raises(ConnectionResetError):
                    await read(visitor, 1)
            await until(lambda: Probe.SILENT in world.probes)
            assert client.idle == 0
            world.probes.clear()
            async with serving(TunnelServer(world.find, lambda _: True), listen("127.0.0.1", port)):
                await until(lambda: client.idle >= 8)
                assert await world.asked(b"two") == b"tls:two"
                await until(lambda: Probe.NEWEST in world.probes)
            running.cancel()
            await asyncio.wait({running})

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_what_is_dropped_ends_at_once_and_does_not_come_back() -> None:
    async def main() -> None:
        async with tunnel_world() as world, world.linked() as client:
            world.add("reg-2")
            async with world.linked(name="reg-2"):
                visitor = await world.visit()
                assert await read(visitor, 4) == b"tls:"
                place = world.place
                del world.known[NAME]
                world.server.drop(NAME)
                with visitor, pytest.raises(ConnectionResetError):
                    await read(visitor, 1)
                await until(lambda: Probe.UNKNOWN in world.probes)
                assert client.idle == client.open == 0
                with pytest.raises(ConnectionError):
                    (await asyncio.open_connection(place.address, 8450))[1].close()
                assert list(world.server.standing()) == ["reg-2"]
                assert await world.asked(b"other", name="reg-2") == b"tls:other"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_visitor_who_waits_is_sent_away_when_the_registration_is_dropped() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(wait_seconds=SECONDS)) as world:
            control, _ = await world.hand_made(Purpose.CONTROL)
            with control, await world.visit() as visitor:
                await read(control, CONTROL_BYTES)
                world.server.drop(NAME)
                assert await read_to_end(visitor) == b""
                assert await read_to_end(control) == b""

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_registration_that_is_dropped_while_it_is_looked_up_is_not_let_in() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            looking, go_on = asyncio.Event(), asyncio.Event()

            async def find(name: str) -> Place | None:
                found = await world.find(name)
                looking.set()
                await go_on.wait()
                return found

            server, listener = TunnelServer(find, lambda _: True), listen("127.0.0.1", 0)
            port = listener.getsockname()[1]
            async with serving(server, listener):
                joining = asyncio.create_task(world.hand_made(Purpose.CONTROL, port=port))
                await looking.wait()
                del world.known[NAME]
                server.drop(NAME)
                go_on.set()
                connection, verdict = await joining
                connection.close()
                assert verdict is Verdict.UNKNOWN
                assert server.standing() == {}

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_link_that_comes_while_visitors_wait_is_asked_for_as_many() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(wait_seconds=SECONDS)) as world:
            first, _ = await world.hand_made(Purpose.CONTROL)
            one, two = await world.visit(), await world.visit()
            with one, two:
                await read(first, 2 * CONTROL_BYTES)
                first.close()
                await until(lambda: not world.server.standing()[NAME].linked)
                second, _ = await world.hand_made(Purpose.CONTROL)
                with second:
                    assert read_control(await read(second, CONTROL_BYTES)) == (Said.WANTED, 2)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_link_that_was_superseded_is_told_by_its_probe() -> None:
    async def main() -> None:
        async with tunnel_world() as world, world.linked(world.client(ping_seconds=0.5)):
            await until(lambda: Probe.NEWEST in world.probes)
            world.newest = False
            await until(lambda: Probe.SUPERSEDED in world.probes)
            assert await world.asked(b"drains") == b"tls:drains"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


_FULL = Limits(idle_of_registration=0)
_ANY = ("127.0.0.1", 0)


async def _mute_gateway(key: Secret, met: list[socket.socket]) -> tuple[asyncio.Task[None], int]:
    """A gateway that proves itself, and then is as if the line had been cut."""
    listener = listen("127.0.0.1", 0)
    loop = asyncio.get_running_loop()

    async def serve() -> None:
        with listener:
            while True:
                connection, _ = await loop.sock_accept(listener)
                nonce = random.randbytes(NONCE_BYTES)
                met.append(connection)
                await send(connection, welcome(key.reveal(), await ask(connection, nonce), gateway_nonce=nonce))

    return asyncio.create_task(serve()), listener.getsockname()[1]


def test_a_gateway_that_says_nothing_any_more_is_given_up_with_all_that_waits_there_and_tried_again() -> None:
    async def main() -> None:
        key, met, probes = Secret(bytes(range(32))), list[socket.socket](), list[Probe]()
        gateway, port = await _mute_gateway(key, met)
        client = TunnelClient(
            "127.0.0.1", port, Credentials(NAME, key), {}, probes.append, draw=lambda: 0.1, ping_seconds=0.3
        )
        running = asyncio.create_task(client.run())
        await until(lambda: client.idle == 8)
        first = met[:9]
        await until(lambda: len(met) >= 18)
        assert probes[:2] == [Probe.SILENT, Probe.SILENT]
        assert Probe.NEWEST not in probes
        for connection in first[1:]:
            assert await read_to_end(connection) == b""
        for task in (running, gateway):
            task.cancel()
        await asyncio.wait({running, gateway})
        for connection in met:
            connection.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_gateway_that_is_not_there_is_tried_ever_less_often() -> None:
    async def main(time: virtual_time.VirtualTime) -> None:
        probes = list[Probe]()
        port = free_port()
        credentials = Credentials(NAME, Secret(bytes(32)))
        client = TunnelClient("127.0.0.1", port, credentials, {}, probes.append, draw=lambda: 0.9)
        running = asyncio.create_task(client.run())
        await asyncio.sleep(60)
        assert set(probes) == {Probe.SILENT}
        assert 8 <= len(probes) <= 14
        running.cancel()
        await asyncio.wait({running})

    virtual_time.run(main)


def test_a_gateway_that_takes_no_more_connections_is_asked_ever_less_often() -> None:
    async def main(time: virtual_time.VirtualTime) -> None:
        hellos = list[bytes]()

        def nonce(count: int) -> bytes:
            hellos.append(random.randbytes(count))
            return hellos[-1]

        async with tunnel_world() as world:
            server, listener = TunnelServer(world.find, lambda _: True, limits=_FULL, random_bytes=nonce), listen(*_ANY)
            async with serving(server, listener):
                running = asyncio.create_task(world.client(port=listener.getsockname()[1], ping_seconds=5).run())
                await asyncio.sleep(60)
                assert server.standing()[NAME].linked
                # Eight at each try, and the control connection once.
                assert 64 < len(hellos) < 800
                running.cancel()
                await asyncio.wait({running})

    virtual_time.run(main)


def test_a_link_that_says_nothing_any_more_keeps_no_connections() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(silent_seconds=1.0)) as world:
            control, _ = await world.hand_made(Purpose.CONTROL)
            data, _ = await world.hand_made(Purpose.DATA)
            with control, data:
                await until(lambda: world.server.standing()[NAME].idle == 1)
                assert await read_to_end(control) == b""
                assert await read_to_end(data) == b""
                assert not world.server.standing()[NAME].linked

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_link_that_begins_anew_has_what_waited_before_closed_and_its_visitors_kept() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            first, _ = await world.hand_made(Purpose.CONTROL)
            used, _ = await world.hand_made(Purpose.DATA)
            with first, used, await world.visit() as visitor:
                await read(used, 3)
                old, _ = await world.hand_made(Purpose.DATA)
                second, _ = await world.hand_made(Purpose.CONTROL)
                with old, second:
                    assert await read_to_end(old) == b""
                    assert await read_to_end(first) == b""
                    await send(second, write_control(Said.PING, 7))
                    assert read_control(await read(second, CONTROL_BYTES)) == (Said.NEWEST, 7)
                    await send(used, b"still here")
                    assert await read(visitor, 10) == b"still here"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_registration_whose_link_has_gone_gives_its_address_back_after_a_while() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(linger_seconds=0.1)) as world:
            async with world.linked(world.client(ping_seconds=0.5)):
                await until(lambda: len(world.probes) > 2)
                assert await world.asked(b"hello") == b"tls:hello"
            await until(lambda: not world.server.standing())
            with pytest.raises(ConnectionError):
                await world.visit()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_link_that_stops_leaves_nothing_behind_whatever_it_was_doing() -> None:
    async def main() -> None:
        before = open_files()
        async with tunnel_world() as world:
            for _ in range(3):
                async with world.linked():
                    visitor = await world.visit()
                    assert await read(visitor, 4) == b"tls:"
                with visitor, pytest.raises(ConnectionResetError):
                    await read(visitor, 1)
        await until(lambda: open_files() == before)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_frame_of_a_kind_that_is_not_known_is_passed_over_by_both() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            control, _ = await world.hand_made(Purpose.CONTROL)
            with control:
                await send(control, b"\xff" + bytes(8) + write_control(Said.PING, 3))
                assert read_control(await read(control, CONTROL_BYTES)) == (Said.NEWEST, 3)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_one_link_is_at_two_gateways_and_one_of_them_may_go() -> None:
    async def main() -> None:
        async with tunnel_world() as one, tunnel_world() as other:
            other.known[NAME] = Place(other.place.address, one.place.tunnel_key)
            other.local.update(one.local)
            async with one.linked():
                async with other.linked():
                    assert await one.asked(b"a") == b"tls:a"
                    assert await other.asked(b"b") == b"tls:b"
                assert await one.asked(b"c") == b"tls:c"
            assert one.app.asked == 3

    asyncio.run(asyncio.wait_for(main(), SECONDS))
