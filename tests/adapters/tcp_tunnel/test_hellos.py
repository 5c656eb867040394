"""Who may put a connection into a registration's tunnel: whoever has its key, in time, and not too many."""

import asyncio
import contextlib
import random
import socket

import pytest

from mosaic.adapters.tcp_tunnel.dialing import dial
from mosaic.adapters.tcp_tunnel.hello import introduce
from mosaic.adapters.tcp_tunnel.served import Limits, Place
from mosaic.adapters.tcp_tunnel.server import source_of
from mosaic.core.errors import Unavailable
from mosaic.core.tunnel_hello import (
    NONCE_BYTES,
    Challenge,
    Judged,
    Purpose,
    Verdict,
    answer,
    challenge,
    read_challenge,
    read_verdict,
    refusal,
)
from mosaic.crypto.secret import Secret
from support.tcp_pairs import connected, read, read_to_end, send
from support.tunnel_world import NAME, SECONDS, World, tunnel_world, until

pytestmark = pytest.mark.long

WRONG = Secret(bytes(32))
_CHALLENGE = len(challenge(bytes(NONCE_BYTES)))
_VERDICT = len(refusal(Verdict.LATER))


async def _challenged(world: World) -> tuple[socket.socket, bytes]:
    connection = await dial("127.0.0.1", world.port)
    got = read_challenge(await read(connection, _CHALLENGE))
    assert isinstance(got, Challenge)
    return connection, got.nonce


def test_a_wrong_key_and_an_unknown_registration_hear_the_same_and_are_closed() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            for name, key in ((NAME, WRONG), ("nobody", world.place.tunnel_key)):
                connection, verdict = await world.hand_made(Purpose.DATA, name=name, key=key)
                with connection:
                    assert verdict is Verdict.UNKNOWN
                    assert await read_to_end(connection) == b""
            assert world.server.standing() == {}, "who proved nothing has no address opened"

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_an_answer_that_was_overheard_is_worth_nothing() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            first, nonce = await _challenged(world)
            key = world.place.tunnel_key.reveal()
            said = answer(key, NAME, Purpose.DATA, gateway_nonce=nonce, link_nonce=random.randbytes(NONCE_BYTES))
            with first:
                await send(first, said)
                judged = read_verdict(await read(first, _VERDICT))
                assert isinstance(judged, Judged)
                assert judged.verdict is Verdict.WELCOME
                second, other = await _challenged(world)
                assert other != nonce
                with second:
                    await send(second, said)
                    assert await read_to_end(second) == refusal(Verdict.UNKNOWN)
                await until(lambda: world.server.standing()[NAME].idle == 1)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


@pytest.mark.parametrize("said", [b"", b"\x01\x01\x05", b"\x01\x01\x05reg-1" + bytes(30)])
def test_a_hello_that_does_not_come_in_time_is_closed(said: bytes) -> None:
    async def main() -> None:
        async with tunnel_world(Limits(hello_seconds=0.5)) as world:
            connection, _ = await _challenged(world)
            with connection:
                await send(connection, said)
                assert await read_to_end(connection) == b""

    asyncio.run(asyncio.wait_for(main(), SECONDS))


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\x01\x01\x00"])
def test_what_is_no_hello_is_closed_at_once(said: bytes) -> None:
    async def main() -> None:
        async with tunnel_world(Limits(hello_seconds=SECONDS)) as world:
            connection, _ = await _challenged(world)
            with connection:
                await send(connection, said)
                # A reset, where it did not read all of it.
                with contextlib.suppress(ConnectionResetError):
                    assert await read_to_end(connection) == b""

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_one_source_has_only_so_many_that_prove_nothing_and_those_that_prove_themselves_do_not_count() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(unproven_of_source=3, hello_seconds=SECONDS)) as world:
            proven = [await world.hand_made(Purpose.DATA) for _ in range(6)]
            silent = [await _challenged(world) for _ in range(3)]
            with await dial("127.0.0.1", world.port) as one_more:
                assert await read_to_end(one_more) == b""
            for connection, _ in silent:
                connection.close()
            again, verdict = await world.hand_made(Purpose.DATA)
            assert verdict is Verdict.WELCOME
            for connection, _ in [*proven, (again, verdict)]:
                connection.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_more_than_a_registration_may_have_are_told_to_come_later() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(idle_of_registration=2)) as world:
            held = [await world.hand_made(Purpose.DATA) for _ in range(3)]
            assert [verdict for _, verdict in held] == [Verdict.WELCOME, Verdict.WELCOME, Verdict.LATER]
            control, verdict = await world.hand_made(Purpose.CONTROL)
            assert verdict is Verdict.WELCOME
            for connection, _ in [*held, (control, verdict)]:
                connection.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_all_registrations_together_have_no_more_idle_than_was_said() -> None:
    async def main() -> None:
        async with tunnel_world(Limits(idle=2)) as world:
            world.add("reg-2")
            held = [await world.hand_made(Purpose.DATA, name=name) for name in (NAME, "reg-2", NAME)]
            assert [verdict for _, verdict in held] == [Verdict.WELCOME, Verdict.WELCOME, Verdict.LATER]
            held[0][0].close()
            await until(lambda: world.server.standing()[NAME].idle == 0)
            again, verdict = await world.hand_made(Purpose.DATA, name="reg-2")
            assert verdict is Verdict.WELCOME
            for connection, _ in [*held, (again, verdict)]:
                connection.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_an_idle_connection_that_speaks_before_it_is_spoken_to_is_closed() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            connection, _ = await world.hand_made(Purpose.DATA)
            with connection:
                await until(lambda: world.server.standing()[NAME].idle == 1)
                await send(connection, b"x")
                with pytest.raises(ConnectionResetError):
                    await read(connection, 1)
                assert world.server.standing()[NAME].idle == 0

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_gateway_that_cannot_look_says_later_and_is_believed_when_it_can() -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            place = world.place
            world.known[NAME] = Unavailable("the database does not answer", hint="start it")
            connection, verdict = await world.hand_made(Purpose.DATA, key=place.tunnel_key)
            connection.close()
            assert verdict is Verdict.LATER
            world.known[NAME] = place
            connection, verdict = await world.hand_made(Purpose.DATA)
            connection.close()
            assert verdict is Verdict.WELCOME

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_an_address_that_somebody_else_has_is_said_to_the_log_and_the_link_comes_later(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> None:
        async with tunnel_world() as world:
            key = world.place.tunnel_key
            with socket.create_server((world.place.address, 8450)):
                connection, verdict = await world.hand_made(Purpose.DATA)
                connection.close()
                assert verdict is Verdict.LATER
            connection, verdict = await world.hand_made(Purpose.DATA)
            connection.close()
            assert verdict is Verdict.WELCOME
            logged = capsys.readouterr().err
            assert "tunnel_address_not_opened" in logged
            assert key.reveal().hex() not in logged

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def test_a_link_does_not_believe_a_gateway_that_has_not_its_key() -> None:
    async def main() -> None:
        link, gateway = await connected()
        with link, gateway:
            await send(gateway, challenge(bytes(NONCE_BYTES)) + bytes([1, Verdict.WELCOME.value]) + bytes(32))
            with pytest.raises(ConnectionAbortedError, match="not the gateway"):
                await introduce(link, WRONG, NAME, Purpose.CONTROL, random.randbytes)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.100.1.0", "0.0.0.0", "127.128.0.1"])
def test_a_place_that_others_than_this_machine_or_its_own_programs_could_use_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"127\.64\.0\.0/10"):
        Place(address, WRONG)


@pytest.mark.parametrize("shown", [repr(Place("127.64.1.2", Secret(b"k" * 32))), str(Secret(b"k" * 32))])
def test_no_key_is_shown(shown: str) -> None:
    assert "kkkk" not in shown


@pytest.mark.parametrize(
    ("source", "whose"),
    [
        (("198.51.100.7", 4000), "198.51.100.7"),
        (("2001:db8:1:2:3:4:5:6", 4000, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::9", 4000, 0, 0), "2001:db8:1:2::/64"),
        (("::ffff:198.51.100.7", 4000, 0, 0), "198.51.100.7"),
        (("fe80::1%eth0", 4000, 0, 2), "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_customer_is_one_source_with_all_addresses_of_his_network(source: object, whose: str) -> None:
    assert source_of(source) == whose
