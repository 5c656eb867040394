"""A raw TCP port leads whoever comes into a tunnel, unread, and says who he is."""

import os
import socket

import pytest

from mosaic.adapters.raw_ports.limits import Limits
from mosaic.core.ids import LinkId
from mosaic.core.proxy_header import ends_of
from mosaic.core.raw_ports import PortKey, PortTarget
from support.raw_ports_world import HERE, INNER, LINK, PortWorld
from support.streams import Stream


def test_bytes_pass_both_ways_unread_and_the_tunnel_is_told_who_visits() -> None:
    with PortWorld() as world:
        tunnel = world.tunnel()
        visitor = world.visitor(world.opened("tcp", tunnel.address))
        arrival = tunnel.arrival()
        assert arrival.ends == ends_of(visitor.here, visitor.there)
        up, down = os.urandom(3_000_000), os.urandom(2_000_000)
        sending, answering = visitor.send_beside(up), arrival.stream.send_beside(down)
        assert arrival.stream.take(len(up)) == up
        assert visitor.take(len(down)) == down
        sending.join()
        answering.join()


def test_visitors_of_ipv6_are_told_as_they_are() -> None:
    with PortWorld(hosts=(HERE, "::1")) as world:
        tunnel = world.tunnel()
        port = world.opened("tcp", tunnel.address)
        with Stream(socket.create_connection(("::1", port))) as visitor:
            assert tunnel.arrival().ends == ends_of(visitor.here, ("::1", port))
        world.visitor(port)
        assert tunnel.arrival().ends is not None


def test_a_service_may_speak_first_and_either_side_may_end_first() -> None:
    with PortWorld() as world:
        tunnel = world.tunnel()
        visitor = world.visitor(world.opened("tcp", tunnel.address))
        arrived = tunnel.arrival().stream
        arrived.send(b"220 ready")
        assert visitor.take(9) == b"220 ready"
        visitor.send(b"bye")
        visitor.end()
        assert arrived.rest() == b"bye"
        arrived.send(b"221 closing")
        arrived.end()
        assert visitor.rest() == b"221 closing"


def test_who_comes_after_a_port_was_led_elsewhere_goes_there_and_who_was_there_stays() -> None:
    with PortWorld() as world:
        first, second = world.tunnel(), world.tunnel()
        port = world.opened("tcp", first.address)
        stays = world.visitor(port)
        arrived = first.arrival().stream
        world.lead(("tcp", port), second.address)
        world.visitor(port)
        second.arrival()
        stays.send(b"still here")
        assert arrived.take(10) == b"still here"
        world.relay.end_connections([first.address])
        assert stays.was_ended()
        world.visitor(port)
        second.arrival()


def test_a_port_that_is_closed_ends_its_connections_and_takes_no_more() -> None:
    with PortWorld() as world:
        tunnel = world.tunnel()
        port, other = world.opened("tcp", tunnel.address), world.opened("tcp", tunnel.address)
        visitor = world.visitor(port)
        tunnel.arrival()
        world.relay.remove([("tcp", port), ("udp", 9)])
        assert visitor.was_ended()
        with pytest.raises(ConnectionRefusedError):
            world.visitor(port)
        assert world.relay.there() == {("tcp", other): PortTarget(LINK, tunnel.address, 8450)}
        world.visitor(other)
        tunnel.arrival()


def test_a_port_that_another_program_has_hinders_no_other(capfd: pytest.CaptureFixture[str]) -> None:
    with PortWorld() as world, socket.create_server((HERE, 0)) as taken:
        tunnel = world.tunnel()
        key: PortKey = ("tcp", taken.getsockname()[1])
        fine = world.opened("tcp", tunnel.address)
        world.relay.put({key: PortTarget(LINK, tunnel.address, INNER)})
        assert set(world.relay.there()) == {("tcp", fine)}
        assert "raw_port_not_opened" in capfd.readouterr().err
        taken.close()
        world.relay.put({key: PortTarget(LINK, tunnel.address, INNER)})
        assert key in world.relay.there()


def test_a_port_that_the_operator_did_not_name_is_not_opened() -> None:
    with PortWorld(within=range(1, 20000)) as world, pytest.raises(AssertionError, match="no port of 20"):
        world.opened("tcp", "127.64.0.1")


def test_a_visitor_of_a_tunnel_that_refuses_is_ended() -> None:
    with PortWorld() as world:
        tunnel = world.tunnel()
        port = world.opened("tcp", tunnel.address)
        tunnel.close()
        assert world.visitor(port).was_ended()


def test_one_source_and_one_port_have_no_more_connections_than_they_may() -> None:
    with PortWorld(Limits(connections_of_source=2, connections_of_port=3)) as world:
        tunnel = world.tunnel()
        port, other = world.opened("tcp", tunnel.address), world.opened("tcp", tunnel.address)
        first = world.visitor(port)
        tunnel.arrival()
        world.visitor(other)
        tunnel.arrival()
        assert world.visitor(other).was_ended()
        for source in ("127.0.0.2", "127.0.0.3"):
            world.visitor(port, source=source)
            tunnel.arrival()
        assert world.visitor(port, source="127.0.0.4").was_ended()
        first.abort()
        world.wait(lambda: world.relay.traffic()["tcp", port].open == 2)
        world.visitor(port, source="127.0.0.4")
        tunnel.arrival()


def test_what_a_port_carried_is_counted_while_it_is_open_and_after() -> None:
    with PortWorld() as world:
        tunnel = world.tunnel()
        port = world.opened("tcp", tunnel.address, link=LinkId("l"))
        visitor = world.visitor(port)
        arrived = tunnel.arrival().stream
        visitor.send(b"x" * 1000)
        arrived.take(1000)
        arrived.send(b"y" * 300)
        visitor.take(300)
        seen = world.relay.traffic()["tcp", port]
        assert (seen.open, seen.opened, seen.received_bytes, seen.sent_bytes) == (1, 1, 1000, 300)
        visitor.abort()
        world.wait(lambda: not world.relay.traffic()["tcp", port].open)
        after = world.relay.traffic()["tcp", port]
        assert (after.opened, after.received_bytes, after.sent_bytes) == (1, 1000, 300)


def test_a_relay_that_is_closed_has_nothing_open_and_says_so() -> None:
    with PortWorld() as world:
        tunnel = world.tunnel()
        port = world.opened("tcp", tunnel.address)
        visitor = world.visitor(port)
        tunnel.arrival()
        world.relay.close()
        assert visitor.was_ended()
        world.relay.close()
        world.relay.put({("tcp", port): PortTarget(LINK, tunnel.address, INNER)})
        assert world.relay.there() == {}
