"""What the router in Python keeps to, beyond what every router does: each limit, and its own end."""

import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from mosaic.adapters.splice_router.crowd import source_of
from mosaic.adapters.splice_router.doors import DoorNotOpened
from mosaic.adapters.splice_router.limits import Limits, within_this_process
from mosaic.adapters.splice_router.router import SpliceRouter
from mosaic.core.link_routes import Traffic
from mosaic.core.proxy_header import ends_of
from support.hellos import real_hello
from support.own_descriptors import own_descriptors
from support.router_world import Doors, RouterWorld, own_source
from support.tunnel_ends import never_accepting
from support.waiting import eventually

pytestmark = pytest.mark.long

LOOPBACK = ("127.0.0.1", 0)


def test_a_silent_connection_is_ended_after_its_time() -> None:
    with _around(Limits(idle_seconds=0.2)) as world:
        tunnel = world.tunnel()
        visitor, arrived = world.meet(tunnel, world.route(tunnel))
        assert visitor.was_ended()
        assert arrived.was_ended()


def test_a_connection_of_which_one_side_has_ended_is_not_kept_for_ever() -> None:
    with _around(Limits(half_closed_seconds=0.2)) as world:
        tunnel = world.tunnel()
        visitor, arrived = world.meet(tunnel, world.route(tunnel))
        visitor.end()
        assert arrived.rest() == b""
        assert visitor.was_ended()


def test_what_is_let_in_has_an_end_in_all_too() -> None:
    with _around(Limits(in_all=3)) as world:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        taken = [world.meet(tunnel, name, source=own_source()) for _ in range(3)]
        assert world.is_turned_away()
        taken[0][0].close()
        taken[0][1].close()
        eventually(lambda: world.router.traffic()[name].open == 2)
        world.meet(tunnel, name)


def test_one_name_does_not_take_the_place_of_all_the_others() -> None:
    with _around(Limits(per_name=2)) as world:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        for _ in range(2):
            world.meet(tunnel, name)
        assert world.is_turned_away(real_hello(name))
        world.meet(tunnel, world.route(tunnel))


def test_a_flood_of_plain_http_leaves_tls_alone() -> None:
    with _around(Limits(in_all=8, hello_seconds=3600.0)) as world:
        tunnel = world.tunnel()
        silent = [world.plain_visitor() for _ in range(2)]
        assert world.plain_visitor().was_ended()
        for _ in range(8):
            world.meet(tunnel, world.route(tunnel))
        assert all(visitor.is_open() for visitor in silent)


def test_a_link_that_answers_a_challenge_too_slowly_is_given_up() -> None:
    with _around(Limits(challenge_seconds=0.2)) as world:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        visitor = world.plain_visitor()
        visitor.send(f"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        tunnel.challenge()
        assert visitor.was_ended()


def test_an_answer_is_not_taken_away_from_who_still_sends() -> None:
    with _around(Limits()) as world:
        visitor = world.plain_visitor()
        visitor.send(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 50000\r\n\r\n" + bytes(50_000))
        # It ends, and is not reset, as closing it unread would.
        assert visitor.rest().startswith(b"HTTP/1.1 308 ")


def test_an_answer_to_a_challenge_has_an_end() -> None:
    with _around(Limits()) as world:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        visitor = world.plain_visitor()
        visitor.send(f"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        tunnel.challenge().stream.send_beside(bytes(10_000_000))
        assert len(visitor.rest()) == 65_536


def test_a_route_that_is_removed_ends_who_still_waits_for_its_tunnel() -> None:
    with _around(Limits(connect_seconds=3600.0)) as world, never_accepting() as address:
        name = world.route(address)
        visitor = world.visitor()
        visitor.send(real_hello(name))
        eventually(lambda: world.router.traffic()[name].open == 1)
        world.router.remove([name])
        assert visitor.was_ended()


def test_a_name_that_is_routed_anew_counts_anew_and_ignores_what_came_before() -> None:
    with _around(Limits()) as world:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        world.meet(tunnel, name)
        world.router.remove([name])
        world.route(tunnel, name)
        assert world.router.traffic()[name] == Traffic()


def test_visitors_over_ipv6_are_told_as_such_and_share_by_their_network() -> None:
    with SpliceRouter(tls=[LOOPBACK, ("::1", 0)], limits=Limits(per_source=1)) as router:
        door, door_6 = router.tls_addresses
        with closing(RouterWorld(Doors(router, door, door, own_descriptors))) as world:
            tunnel = world.tunnel()
            hello = real_hello(world.route(tunnel))
            visitor = world.visitor(door_6)
            visitor.send(hello)
            assert tunnel.arrival().ends == ends_of(visitor.here, visitor.there)
            assert world.visitor(door_6).was_ended()
            world.visitor(door).send(hello)
            tunnel.arrival()


def test_a_port_that_is_taken_is_said_to_be_and_nothing_is_left_open() -> None:
    with SpliceRouter(tls=[LOOPBACK]) as first:
        before = own_descriptors()
        with pytest.raises(DoorNotOpened, match=f"127.0.0.1 port {first.tls_addresses[0][1]}"):
            SpliceRouter(tls=[LOOPBACK], plain=[LOOPBACK, first.tls_addresses[0]])
        assert own_descriptors() == before


def test_closing_ends_every_connection_and_leaves_nothing_open() -> None:
    before = own_descriptors()
    with SpliceRouter(tls=[LOOPBACK], plain=[LOOPBACK]) as router:
        world = RouterWorld(Doors(router, router.tls_addresses[0], router.plain_addresses[0], own_descriptors))
        tunnel = world.tunnel()
        name = world.route(tunnel)
        joined = [world.meet(tunnel, name) for _ in range(5)]
        joined[0][1].send(bytes(100_000))
        half = world.visitor()
        half.send(real_hello(name)[:50])
        router.close()
        assert all(arrived.was_ended() for _, arrived in joined)
        assert half.was_ended()
        router.remove([name])
    world.close()
    assert own_descriptors() == before


def test_routes_may_be_removed_while_it_is_closed() -> None:
    for _ in range(20):
        with SpliceRouter(tls=[LOOPBACK]) as router:
            world = RouterWorld(Doors(router, router.tls_addresses[0], router.tls_addresses[0], own_descriptors))
            tunnel = world.tunnel()
            _, arrived = world.meet(tunnel, world.route(tunnel))
            with ThreadPoolExecutor() as threads:
                done = [threads.submit(router.close), threads.submit(router.end_connections, [tunnel.address])]
            assert [future.result() for future in done] == [None, None]
            assert arrived.was_ended()
            world.close()


def test_names_may_come_and_go_while_visitors_do() -> None:
    with _around(Limits()) as world:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        stop = threading.Event()

        def changing() -> None:
            while not stop.is_set():
                other = world.route(tunnel)
                world.router.traffic()
                world.router.remove([other])

        threads = [threading.Thread(target=changing) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(100):
                visitor, arrived = world.meet(tunnel, name)
                visitor.close()
                arrived.close()
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_no_more_are_let_in_than_there_areown_descriptors_for() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
        assert within_this_process(Limits(in_all=1000)).in_all == 1000
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 3000
        assert within_this_process(Limits(in_all=10**9)).in_all <= before[1] / 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002/64"),
        ("2001:db8:1:2::", "20010db800010002/64"),
        ("fe80::1%eth0", "fe80000000000000/64"),
    ],
)
def test_a_source_is_an_address_of_ipv4_or_a_network_of_ipv6(host: str, source: str) -> None:
    assert source_of(host) == source


@contextmanager
def _around(limits: Limits) -> Iterator[RouterWorld]:
    """Yield a world around a router of its own."""
    with SpliceRouter(tls=[LOOPBACK], plain=[LOOPBACK], limits=limits) as router:
        doors = Doors(router, router.tls_addresses[0], router.plain_addresses[0], own_descriptors)
        with closing(RouterWorld(doors)) as world:
            yield world
