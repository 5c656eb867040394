"""A link's tunnel in TCP mode, to a real tunnel server, and what a supervisor sees of it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters.tcp_tunnel.server import listen
from mosaic.core.link_healing import Probe
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.crypto.secret import Secret
from mosaic.link.by_tcp import TcpTunnel
from mosaic.link.parts import TunnelUndescribed
from mosaic.link.ways import own_address
from mosaic.wire.links import Peer, PublicPort, Registered
from support.tcp_pairs import read, send
from support.tunnel_world import NAME, SECONDS, App, World, serving, tunnel_world, tunnel_world_within_tls, until

pytestmark = pytest.mark.long

EAST = Peer("east", "10.100.0.1", "127.0.0.1:443")


def registered(world: World, *, places: Sequence[str] = (), name: str = NAME) -> Registered:
    """What the gateway gave: its key, and where it takes connections."""
    key = world.place_of(name).tunnel_key.reveal().hex()
    peer = msgspec.structs.replace(EAST, tunnel=list(places) or [f"tcp://127.0.0.1:{world.port}"])
    return Registered(name, world.place_of(name).address, ["chat.example.org"], [peer], probe_seconds=1, tunnel_key=key)


@asynccontextmanager
async def tunnel(*, trusted: str | None = None) -> AsyncIterator[TcpTunnel]:
    made = TcpTunnel(own_address(), trusted=trusted, draw=lambda: 0.1)
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def caddys(address: str) -> AsyncIterator[None]:
    """Apps where Caddy would listen."""
    both = (App(b"caddy:"), TLS_PORT), (App(b"acme:"), CHALLENGE_PORT)
    for app, port in both:
        await app.open(address, port)
    try:
        yield
    finally:
        for app, _ in both:
            app.close()


async def heard(link: TcpTunnel, probe: Probe) -> None:
    """Return when a probe finds this."""
    async with asyncio.timeout(SECONDS):
        while await link.probe(EAST) is not probe:
            await asyncio.sleep(0.01)


def test_what_comes_to_both_ports_of_the_tunnel_is_led_to_caddy_on_loopback() -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            place = await link.open(registered(world))
            async with caddys(place.addresses[0]):
                await heard(link, Probe.GOOD)
                assert await world.asked(b"hello") == b"caddy:hello"
                assert await world.asked(b"token", CHALLENGE_PORT) == b"acme:token"
            assert (place.tls_port, place.challenge_port) == (TLS_PORT, CHALLENGE_PORT)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_caddy_believes_the_address_from_which_visitors_are_led_to_it() -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            place = await link.open(registered(world))
            seen: list[str] = []

            async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                seen.append(writer.get_extra_info("peername")[0])
                await reader.read()
                writer.close()

            async with await asyncio.start_server(met, place.addresses[0], TLS_PORT):
                await heard(link, Probe.GOOD)
                await world.asked(b"hello")
            assert place.trusted == (f"{seen[0]}/32",)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_raw_port_that_is_given_later_is_led_as_well_and_visitors_stay() -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            given = registered(world)
            place = await link.open(given)
            game = App(b"game:")
            await game.open(place.addresses[0], 9000)
            async with caddys(place.addresses[0]):
                await heard(link, Probe.GOOD)
                with await world.visit() as visitor:
                    assert await read(visitor, 6) == b"caddy:"
                    world.known[NAME] = replace(world.place, streams=frozenset({TLS_PORT, CHALLENGE_PORT, 9000}))
                    world.server.update(NAME, world.place)
                    assert (
                        await link.open(msgspec.structs.replace(given, ports=[PublicPort("tcp", 25565, 9000)])) == place
                    )
                    assert await world.asked(b"hi", 9000) == b"game:hi"
                    await send(visitor, b"still here")
                    assert await read(visitor, 10) == b"still here"
            game.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


@pytest.mark.parametrize("lost", ["superseded", "unknown"])
def test_a_gateway_that_has_another_instead_says_so(lost: str) -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            if lost == "unknown":
                given = msgspec.structs.replace(registered(world), registration="another")
            else:
                given, world.newest = registered(world), False
            await link.open(given)
            await heard(link, Probe.UNKNOWN if lost == "unknown" else Probe.SUPERSEDED)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_probe_waits_for_news_and_a_gateway_that_refuses_is_silent() -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            # A server that takes connections and says nothing.
            with socket.create_server(("127.0.0.1", 0)) as mute:
                await link.open(registered(world, places=[f"tcp://127.0.0.1:{mute.getsockname()[1]}"]))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(link.probe(EAST), 0.1)
            await heard(link, Probe.SILENT)
            assert await link.probe(msgspec.structs.replace(EAST, name="west")) is Probe.SILENT

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_link_finds_its_gateway_again_by_itself_after_that_was_away() -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            listener = listen("127.0.0.1", 0)
            port = listener.getsockname()[1]
            given = registered(world, places=[f"tcp://127.0.0.1:{port}"])
            async with serving(world.server_like(), listener):
                place = await link.open(given)
                await heard(link, Probe.GOOD)
            await heard(link, Probe.SILENT)
            await link.renew(["east"])
            async with caddys(place.addresses[0]), serving(world.server_like(), listen("127.0.0.1", port)):
                await heard(link, Probe.GOOD)
                assert await world.asked(b"again") == b"caddy:again"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_where_plain_tcp_is_refused_it_goes_within_tls(tmp_path: Path) -> None:
    async def main() -> None:
        async with tunnel_world_within_tls(tmp_path) as (world, port, authority), tunnel(trusted=authority) as link:
            with socket.socket() as refusing:
                refusing.bind(("127.0.0.1", 0))
                places = [f"tcp://127.0.0.1:{refusing.getsockname()[1]}", f"tls://localhost:{port}"]
                place = await link.open(registered(world, places=places))
                async with caddys(place.addresses[0]):
                    await heard(link, Probe.GOOD)
                    assert await world.asked(b"hello") == b"caddy:hello"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_gateway_whose_name_is_not_proven_is_shown_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with tunnel_world_within_tls(tmp_path) as (world, port, _), tunnel() as link:
            await link.open(registered(world, places=[f"tls://localhost:{port}"]))
            await heard(link, Probe.SILENT)
            assert world.server.standing() == {}

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_another_registration_ends_what_the_one_before_had() -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            world.add("reg-2")
            place = await link.open(registered(world))
            async with caddys(place.addresses[0]):
                await heard(link, Probe.GOOD)
                with await world.visit() as visitor:
                    assert await read(visitor, 6) == b"caddy:"
                    await link.open(registered(world, name="reg-2"))
                    await until(lambda: world.server.standing().get("reg-2"))
                    await until(lambda: not world.server.standing()[NAME].linked)
                assert await world.asked(b"new", name="reg-2") == b"caddy:new"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_once_closed_the_gateway_has_nothing_of_it_and_closing_again_is_no_mistake() -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            await link.open(registered(world))
            await heard(link, Probe.GOOD)
            await link.close()
            await until(lambda: not world.server.standing()[NAME].linked)
            assert world.server.standing()[NAME].idle == 0
            assert await link.probe(EAST) is Probe.SILENT
            await link.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


@pytest.mark.parametrize("lacks", ["key", "half a key", "places"])
def test_a_registration_without_what_this_mode_needs_is_refused(lacks: str) -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            given = registered(world, places=["quic://127.0.0.1:1"] if lacks == "places" else ())
            key = {"key": None, "half a key": "ab" * 16, "places": given.tunnel_key}[lacks]
            with pytest.raises(TunnelUndescribed):
                await link.open(msgspec.structs.replace(given, tunnel_key=key))

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_the_key_is_not_in_what_is_shown_of_a_tunnel() -> None:
    async def main() -> None:
        async with tunnel_world() as world, tunnel() as link:
            given = registered(world)
            assert given.tunnel_key is not None
            await link.open(given)
            shown = repr(link) + repr(vars(link)) + repr(given)
            assert given.tunnel_key not in shown
            assert repr(Secret(bytes.fromhex(given.tunnel_key))) in shown

    asyncio.run(asyncio.wait_for(main(), SECONDS))
