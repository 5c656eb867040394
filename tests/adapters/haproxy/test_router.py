"""Telling a real HAProxy its routes: what the conformance suite does not ask, because it is about this program."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from threading import Thread

import pytest

from mosaic.adapters.haproxy import words
from mosaic.adapters.haproxy.configuration import ROUTES_FILE
from mosaic.adapters.haproxy.router import HaproxyRouter, RouteRefused
from mosaic.adapters.haproxy.routes_file import RoutesFile
from mosaic.adapters.haproxy.running import HaproxyProcess
from mosaic.adapters.haproxy.runtime import HaproxySilent, Runtime
from mosaic.core.link_routes import Route, Traffic, difference
from support.haproxies import OneHaproxy, haproxy
from support.hellos import built_hello, real_hello, server_name
from support.kill_points import Killed, KillPoints
from support.router_world import LINK, Doors, RouterWorld, new_name, own_source
from support.streams import Stream
from support.waiting import eventually

pytestmark = pytest.mark.acme

ADDRESS = "10.100.1.0"
HOSTILE = ["a.example;show info", "a.example\nshow info", "a b", "<<", "@1", "#0", "", "A.example", "a.example.", "-"]


@pytest.fixture
def one() -> Iterator[OneHaproxy]:
    """One that runs."""
    with haproxy() as made:
        yield made


@pytest.fixture
def world(one: OneHaproxy) -> Iterator[RouterWorld]:
    """Visitors and tunnel addresses around it."""
    made = RouterWorld(Doors(one.router, one.tls, one.plain, one.descriptors))
    yield made
    made.close()


def kept(one: OneHaproxy) -> dict[str, str]:
    """Return what the file has."""
    return RoutesFile(one.folder / ROUTES_FILE).read()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_before_anything_is_told(one: OneHaproxy, name: str) -> None:
    with pytest.raises(RouteRefused):
        one.router.put({"good.example": Route(LINK, ADDRESS), name: Route(LINK, ADDRESS)})
    one.router.remove([name])
    assert one.router.addresses() == kept(one) == {}


@pytest.mark.parametrize("address", ["10.100.1.0;show info", "10.100.1.0\nb.example 10.0.0.1", "localhost", "::1", ""])
def test_a_hostile_address_is_refused_before_anything_is_told(one: OneHaproxy, address: str) -> None:
    with pytest.raises(RouteRefused):
        one.router.put({"good.example": Route(LINK, ADDRESS), "a.example": Route(LINK, address)})
    assert one.router.addresses() == kept(one) == {}


def test_what_is_put_while_it_is_away_it_has_when_it_comes(one: OneHaproxy) -> None:
    one.router.put({"a.example": Route(LINK, ADDRESS), "b.example": Route(LINK, ADDRESS)})
    one.process.stop()
    with pytest.raises(HaproxySilent):
        one.router.put({"c.example": Route(LINK, ADDRESS)})
    with pytest.raises(HaproxySilent):
        one.router.remove(["a.example"])
    one.start()
    assert one.router.addresses() == {"b.example": ADDRESS, "c.example": ADDRESS}


def test_one_that_hangs_is_not_waited_for(one: OneHaproxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.adapters.haproxy.runtime.DEADLINE_SECONDS", 0.2)
    pid = one.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(HaproxySilent):
            one.router.addresses()
    finally:
        os.kill(pid, signal.SIGCONT)


def test_what_was_changed_behind_its_back_is_seen_and_mended(one: OneHaproxy) -> None:
    want = {f"n{number}.example": Route(LINK, f"10.100.1.{number}") for number in range(100)}
    one.router.put(want)
    by_hand = Runtime(one.folder / "admin.sock")
    by_hand.ask("del map routes.map n7.example;del map routes.map n8.example")
    by_hand.ask("set map routes.map n9.example 10.0.0.1")
    by_hand.ask("add map routes.map foreign.example 10.0.0.1")
    have = {name: Route(LINK, address) for name, address in one.router.addresses().items()}
    changes = difference(have, want)
    assert changes.put.keys() == {"n7.example", "n8.example", "n9.example"}
    assert changes.removed == {"foreign.example"}
    one.router.put(changes.put)
    one.router.remove(changes.removed)
    assert one.router.addresses() == kept(one) == {name: route.address for name, route in want.items()}


def test_killed_anywhere_in_a_change_it_is_mended_by_who_comes_next(
    world: RouterWorld, one: OneHaproxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = KillPoints()
    asked = Runtime.ask

    def ask(self: Runtime, command: str) -> str:
        with points.around():
            return asked(self, command)

    monkeypatch.setattr(Runtime, "ask", ask)
    tunnel = world.tunnel()
    staying = world.route(tunnel)
    visitor, arrived = world.meet(tunnel, staying)
    at = 0
    is_killed = True
    while is_killed:
        at += 1
        leaving, new = (world.route(tunnel) for _ in range(2))
        meeting = world.meet(tunnel, leaving)
        one.router.remove([new])
        want = {staying: Route(LINK, tunnel.address), new: Route(LINK, tunnel.address)}
        is_killed = _killed(one.router, points, at, new=new, leaving=leaving, route=want[new])
        # Another process begins: it takes over what runs, looks, and mends.
        HaproxyProcess(one.folder).start(one.settings)
        router = HaproxyRouter(one.folder)
        have = {name: Route(LINK, address) for name, address in router.addresses().items()}
        changes = difference(have, want)
        router.put(changes.put)
        router.remove(changes.removed)
        assert router.addresses() == kept(one) == {name: route.address for name, route in want.items()}
        assert meeting[0].was_ended()
        router.remove([new])
    assert at > 8
    visitor.send(b"still")
    assert arrived.take(5) == b"still"


def _killed(router: HaproxyRouter, points: KillPoints, at: int, *, new: str, leaving: str, route: Route) -> bool:
    """Make a change, killed at one of its points; return False when it has fewer."""
    points.passed, points.at = 0, at
    try:
        router.put({new: route})
        router.remove([leaving])
    except Killed:
        return True
    finally:
        points.at = None
    return False


def test_visitors_of_ipv6_are_told_by_their_address_and_limited_by_their_network(one: OneHaproxy) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    settings = replace(one.settings, tls=(*one.settings.tls, ("::1", one.tls[1])), per_source=2)
    one.process.start(settings)
    world = RouterWorld(Doors(one.router, ("::1", one.tls[1]), one.plain, one.descriptors))
    with ExitStack() as closing:
        closing.callback(world.close)
        tunnel = world.tunnel()
        name = world.route(tunnel)
        for _ in range(2):
            visitor = world.visitor()
            visitor.send(real_hello(name))
            ends = tunnel.arrival().ends
            assert ends is not None
            assert (str(ends.source), ends.source_port) == ("::1", visitor.here[1])
        assert _is_refused(world, world.doors.tls, name)
        assert "key=:: use=2" in Runtime(one.folder / "admin.sock").ask("show table tls-sources")
        # IPv4 has limits of its own.
        beside = world.visitor(one.tls)
        beside.send(real_hello(name))
        tunnel.arrival()
        world.router.remove([name])
        assert visitor.was_ended()
        assert beside.was_ended()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have the kernel end a connection")
def test_who_has_ended_his_own_direction_is_ended_as_well_and_holds_up_nobody(world: RouterWorld) -> None:
    tunnel = world.tunnel()
    name, other = world.route(tunnel), world.route(tunnel)
    half, arrived = world.meet(tunnel, name)
    half.end()
    assert arrived.rest() == b""
    visitor, _ = world.meet(tunnel, other)
    world.router.remove([name])
    assert half.was_ended()
    world.router.remove([other])
    assert visitor.was_ended()


def test_one_dot_at_the_end_of_a_name_is_no_part_of_it_and_two_are(world: RouterWorld) -> None:
    tunnel = world.tunnel()
    name = world.route(tunnel).encode()
    world.visitor().send(built_hello(server_name(name + b".")))
    assert tunnel.arrival().stream.take(1) == b"\x16"
    assert world.is_turned_away(built_hello(server_name(name + b"..")))
    assert not tunnel.anything_waits()


def test_a_flood_of_plain_http_leaves_tls_alone(world: RouterWorld, one: OneHaproxy) -> None:
    one.process.start(replace(one.settings, connections=32, per_source=8))
    tunnel = world.tunnel()
    name = world.route(tunnel)
    # As many as are let in there, and some that wait.
    for _ in range(12):
        world.plain_visitor()
    for _ in range(8):
        world.meet(tunnel, name)


def test_a_name_that_is_routed_anew_counts_anew(world: RouterWorld) -> None:
    tunnel = world.tunnel()
    name = world.route(tunnel)
    world.meet(tunnel, name)
    world.router.remove([name])
    world.route(tunnel, name)
    assert world.router.traffic()[name] == Traffic()


def test_one_name_cannot_take_all_connections(world: RouterWorld, one: OneHaproxy) -> None:
    one.process.start(replace(one.settings, per_name=3))
    tunnel = world.tunnel()
    name, other = world.route(tunnel), world.route(tunnel)
    open_now = [world.meet(tunnel, name, source=own_source()) for _ in range(3)]
    assert world.is_turned_away(real_hello(name))
    world.meet(tunnel, other)
    open_now[0][0].close()
    open_now[0][1].close()
    eventually(lambda: world.router.traffic()[name].open == 2)
    world.meet(tunnel, name)


def test_it_says_how_busy_it_is(world: RouterWorld, one: OneHaproxy) -> None:
    tunnel = world.tunnel()
    name = world.route(tunnel)
    world.meet(tunnel, name)
    assert world.is_turned_away(real_hello("nobody.example"))
    eventually(lambda: (one.router.load().open, one.router.load().opened) == (1, 2), seen=one.router.load)
    load = one.router.load()
    assert (load.most, load.refused) == (one.settings.connections, 1)


def test_threads_may_share_it(one: OneHaproxy) -> None:
    def change(thread: int) -> None:
        for number in range(20):
            one.router.put({f"n{number}.t{thread}.example": Route(LINK, ADDRESS)})
            one.router.remove([f"n{number - 1}.t{thread}.example"])

    threads = [Thread(target=change, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.router.addresses() == kept(one) == {f"n19.t{thread}.example": ADDRESS for thread in range(4)}


def _is_refused(world: RouterWorld, door: tuple[str, int], name: str) -> bool:
    try:
        with world.visitor(door) as visitor:
            visitor.send(real_hello(name))
            return visitor.was_ended()
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_a_name_that_goes_takes_no_connection_with_it_of_one_that_comes_meanwhile(
    world: RouterWorld, one: OneHaproxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunnel = world.tunnel()
    leaving, coming = world.route(tunnel), new_name()
    asked = Runtime.ask
    met: list[tuple[Stream, Stream]] = []

    def ask(self: Runtime, command: str) -> str:
        said = asked(self, command)
        if command == words.OPEN_SESSIONS and not met:
            # Another thread's change, as soon as this one has looked.
            asked(self, words.add_route(coming, tunnel.address))
            met.append(world.meet(tunnel, coming))
        return said

    monkeypatch.setattr(Runtime, "ask", ask)
    one.router.remove([leaving])
    visitor, arrived = met[0]
    visitor.send(b"still")
    assert arrived.take(5) == b"still"


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
