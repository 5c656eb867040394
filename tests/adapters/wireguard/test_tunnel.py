"""Real tunnels of real wireguard-go between places: they carry, they come back, and they follow who moves."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from mosaic.adapters.wireguard import keeping, resolving
from mosaic.adapters.wireguard.door import TunnelPortTaken
from mosaic.adapters.wireguard.tunnel import Tunnel
from mosaic.core.public_key import PublicKey
from support.netns.tunnel_ends import (
    GATEWAY_ADDRESS,
    INTERFACE,
    PROBE_PORT,
    End,
    answers,
    as_peer,
    connect,
    hears,
    reaches,
    says,
)
from support.netns.tunnel_network import GATEWAY_OUTER, TunnelNetwork, tunnel_network
from support.waiting import eventually

pytestmark = [pytest.mark.netns, pytest.mark.long]

INNER = (GATEWAY_ADDRESS, PROBE_PORT)
_TRIES = 20


@pytest.fixture
def network(tmp_path: Path) -> Iterator[TunnelNetwork]:
    """No tunnel is made yet."""
    with tunnel_network(tmp_path) as made:
        yield made


def kill(end: End) -> None:
    """Kill its wireguard-go with SIGKILL."""
    assert end.maker.pid is not None
    os.kill(end.maker.pid, signal.SIGKILL)
    eventually(lambda: not end.do(Tunnel.is_up))


def carries(end: End, other: End) -> bool:
    """Whether what is said to the other's address is heard there."""
    with hears(other.place, other.address, PROBE_PORT) as ear:
        ear.settimeout(1)
        for _ in range(_TRIES):
            # A datagram may be lost, the first through a new tunnel above all.
            says(end.place, b"hello", (other.address, PROBE_PORT))
            with contextlib.suppress(TimeoutError):
                return ear.recv(100) == b"hello"
    return False


def test_both_ends_carry_through_a_router_at_home(network: TunnelNetwork) -> None:
    connect(network.gateway, network.link)
    with answers(network.link.place, network.link.address, 8450):
        assert reaches(network.gateway.place, network.link.address, 8450)
    assert carries(network.link, network.gateway)
    seen = network.gateway.do(Tunnel.peers)[network.link.key.public]
    assert seen.endpoint is not None
    assert seen.endpoint.startswith(network.router.outer.address)
    assert seen.received_bytes > 0 < seen.sent_bytes


@pytest.mark.parametrize("moves", ["the home", "the link"])
def test_who_gets_another_address_goes_on(network: TunnelNetwork, moves: str) -> None:
    link = network.link if moves == "the home" else network.neighbour
    connect(network.gateway, link)
    with hears(network.gateway.place, *INNER) as ear, link.place.do(_datagrams) as mouth:
        # Bound to the tunnel's address, as a connection through it would be.
        mouth.bind((link.address, 0))
        mouth.sendto(b"before", INNER)
        first = ear.recvfrom(100)
        if moves == "the home":
            network.router.change_address("198.18.0.77")
        else:
            network.neighbour_wire.move("198.18.0.77")
        mouth.sendto(b"after", INNER)
        assert (ear.recvfrom(100), first[0]) == ((b"after", first[1]), b"before")
        # And back: the gateway follows whoever proves itself.
        ear.sendto(b"back", first[1])
        mouth.settimeout(60)
        assert mouth.recv(100) == b"back"
    assert network.gateway.do(Tunnel.endpoints)[link.key.public].startswith("198.18.0.77:")


def _datagrams() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def test_a_gateway_that_was_killed_reaches_its_links_where_they_were_last(network: TunnelNetwork) -> None:
    gateway, link = network.gateway, network.link
    connect(gateway, link)
    # Nothing comes from the link by itself, so that what is shown is what the gateway can do.
    link.do(lambda tunnel: tunnel.replace_all([gateway.as_peer(keepalive_seconds=0)], {}))
    written = gateway.do(Tunnel.endpoints)
    kill(gateway)

    gateway.renew_owner()
    gateway.start()
    gateway.do(lambda tunnel: tunnel.replace_all([as_peer(link)], written))

    assert carries(gateway, link)


def test_an_interface_that_is_gone_is_made_again_with_its_peers(network: TunnelNetwork) -> None:
    gateway, link = network.gateway, network.link
    connect(gateway, link)
    link.do(lambda tunnel: tunnel.replace_all([gateway.as_peer(keepalive_seconds=0)], {}))
    assert not gateway.do(Tunnel.mend)

    told: list[str] = []
    gateway.do(lambda tunnel: anyio.run(partial(_keep_until_told, gateway, told)))

    assert "made again" in told[0]
    assert carries(gateway, link)


async def _keep_until_told(end: End, told: list[str]) -> None:
    """Keep it, and kill it as soon as it is kept."""
    looked = threading.Event()

    class Watched:
        """The end's tunnel, and whether it was asked for endpoints."""

        mend = end.tunnel.mend

        def endpoints(self) -> dict[PublicKey, str]:
            found = end.tunnel.endpoints()
            looked.set()
            return found

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:

            def tell(sentence: str) -> None:
                told.append(sentence)
                tasks.cancel_scope.cancel()

            tasks.start_soon(partial(keeping.keep, Watched(), tell=tell))
            await anyio.to_thread.run_sync(looked.wait, 60)
            assert end.maker.pid is not None
            os.kill(end.maker.pid, signal.SIGKILL)


def test_when_its_owner_is_killed_the_next_one_takes_the_interface_over(
    network: TunnelNetwork,
) -> None:
    gateway, link = network.gateway, network.link
    connect(gateway, link)
    ran, shaken = gateway.maker.pid, gateway.do(Tunnel.peers)[link.key.public].last_handshake

    gateway.renew_owner()
    gateway.start()
    changes = gateway.do(lambda tunnel: tunnel.replace_all([as_peer(link)], {}))

    assert not changes
    assert gateway.maker.pid is None
    assert ran is not None
    assert Path(f"/proc/{ran}").exists()
    assert gateway.do(Tunnel.peers)[link.key.public].last_handshake == shaken
    gateway.do(Tunnel.close)
    eventually(lambda: not gateway.place.succeeds("ip", "link", "show", INTERFACE))


def test_what_an_owner_left_half_made_is_no_hindrance(network: TunnelNetwork) -> None:
    gateway, link = network.gateway, network.link
    for end in (gateway, link):
        end.place.do(end.maker.make)
        end.renew_owner()
    connect(gateway, link)
    assert carries(gateway, link)


def test_an_interface_that_was_taken_away_is_made_again(network: TunnelNetwork) -> None:
    gateway, link = network.gateway, network.link
    connect(gateway, link)
    gateway.do(Tunnel.endpoints)
    gateway.place.run("ip", "link", "delete", INTERFACE)
    eventually(lambda: gateway.do(Tunnel.mend))
    assert carries(gateway, link)


def test_an_interface_of_an_earlier_registration_is_made_anew(network: TunnelNetwork) -> None:
    gateway, link = network.gateway, network.link
    connect(gateway, link)
    link.own, link.address = "10.100.1.7/32", "10.100.1.7"
    link.renew_owner()
    link.start()
    gateway.do(lambda tunnel: tunnel.replace_all([as_peer(link)], {}))
    link.do(lambda tunnel: tunnel.replace_all([gateway.as_peer()], {}))
    eventually(link.shakes_hands)

    assert carries(gateway, link)
    assert "10.100.1.0" not in link.place.run("ip", "address")


def test_a_peer_that_is_renewed_shakes_hands_again(network: TunnelNetwork) -> None:
    gateway, link = network.gateway, network.link
    connect(gateway, link)
    before = link.do(Tunnel.peers)[gateway.key.public].last_handshake or 0
    # WireGuard takes who asks again within some milliseconds for a flood, and answers 5 s later.
    eventually(lambda: time.time() > before + 0.2)

    def shaken() -> float:
        return link.do(Tunnel.peers)[gateway.key.public].last_handshake or 0

    link.do(lambda tunnel: tunnel.renew(gateway.key.public))
    eventually(lambda: shaken() > before)
    assert carries(link, gateway)


def test_a_link_has_two_gateways_and_goes_on_with_one(network: TunnelNetwork) -> None:
    first, second, link = network.gateway, network.second_gateway, network.link
    connect(first, link)
    second.start()
    second.do(lambda tunnel: tunnel.replace_all([as_peer(link)], {}))
    link.do(lambda tunnel: tunnel.put([second.as_peer()]))
    eventually(link.shakes_hands)
    assert carries(first, link)
    kill(first)
    assert carries(second, link)
    assert carries(link, second)


@pytest.mark.parametrize("told", ["where it is", "all peers"])
def test_a_gateway_that_moved_is_found_by_asking_for_its_name_again(network: TunnelNetwork, told: str) -> None:
    gateway, link = network.gateway, network.link
    link.place.knows({"gw.test": GATEWAY_OUTER})
    connect(gateway, link)
    network.gateway_wire.move("198.18.0.88")
    link.place.knows({"gw.test": "198.18.0.88"})

    found = link.place.do(lambda: anyio.run(resolving.addresses, "gw.test:51820"))
    assert found == ["198.18.0.88:51820"]
    if told == "where it is":
        link.do(lambda tunnel: tunnel.set_endpoint(gateway.key.public, found[0]))
    else:
        moved = replace(gateway.as_peer(), endpoint=found[0])
        assert link.do(lambda tunnel: tunnel.replace_all([moved], {})).put == (moved,)

    assert carries(link, gateway)


def test_where_udp_is_blocked_nobody_shakes_hands_until_it_is_let_through(network: TunnelNetwork) -> None:
    gateway, link = network.gateway, network.link
    network.router.block_udp()
    gateway.start()
    gateway.do(lambda tunnel: tunnel.replace_all([as_peer(link)], {}))
    link.start()
    link.do(lambda tunnel: tunnel.replace_all([gateway.as_peer()], {}))
    # It has asked, and what it asked did not arrive.
    eventually(lambda: link.do(Tunnel.peers)[gateway.key.public].sent_bytes > 0)
    assert not gateway.shakes_hands()

    network.router.block_udp(blocked=False)
    link.do(lambda tunnel: tunnel.renew(gateway.key.public))
    eventually(gateway.shakes_hands)


@pytest.mark.parametrize("speak", ["socket", "program"])
def test_a_thousand_peers_are_changed_by_what_is_different(network: TunnelNetwork, speak: str) -> None:
    gateway = network.gateway if speak == "socket" else network.spoken_to_by_program[0]
    gateway.start()
    every = [as_peer(link) for link in _many(network, 1010)]

    first = gateway.do(lambda tunnel: tunnel.replace_all(every[:1000], {}))
    assert (len(first.put), first.removed) == (1000, frozenset())
    moved = replace(every[20], networks=every[0].networks, keepalive_seconds=25)
    wanted = [*every[10:20], moved, *every[21:]]
    second = gateway.do(lambda tunnel: tunnel.replace_all(wanted, {}))

    assert {peer.key for peer in second.put} == {moved.key, *(peer.key for peer in every[1000:])}
    assert second.removed == {peer.key for peer in every[:10]}
    there = gateway.do(Tunnel.peers)
    assert {(peer.key, peer.networks, peer.keepalive_seconds) for peer in there.values()} == {
        (peer.key, peer.networks, peer.keepalive_seconds) for peer in wanted
    }
    assert not gateway.do(lambda tunnel: tunnel.replace_all(wanted, {}))


def _many(network: TunnelNetwork, count: int) -> list[End]:
    return [End(network.link.place, f"10.100.{2 + number // 250}.{number % 250}/32") for number in range(count)]


def test_the_program_wg_makes_the_same_tunnel_as_the_socket(network: TunnelNetwork) -> None:
    gateway, link = network.spoken_to_by_program
    connect(gateway, link)
    assert carries(link, gateway)
    gateway.do(lambda tunnel: tunnel.remove([link.key.public]))
    assert gateway.do(Tunnel.peers) == {}


def test_a_port_that_another_program_has_is_named(network: TunnelNetwork) -> None:
    with hears(network.gateway.place, "0.0.0.0", 51820), pytest.raises(TunnelPortTaken, match="51820"):
        network.gateway.start()


def test_wireguard_go_is_given_none_of_our_secrets(network: TunnelNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINK_TOKEN", "lk_aaaaaaaaaaaa_the-secret")
    connect(network.gateway, network.link)
    private = network.link.key.private.reveal()
    assert network.link.maker.pid is not None
    for file in ("environ", "cmdline"):
        seen = Path(f"/proc/{network.link.maker.pid}/{file}").read_bytes()
        assert b"the-secret" not in seen
        assert private.hex().encode() not in seen
    assert b"GOMEMLIMIT=96MiB" in Path(f"/proc/{network.link.maker.pid}/environ").read_bytes()
