"""A raw UDP port has a flow for each source, is bounded, and answers from where it was asked."""

import socket
from contextlib import closing

from mosaic.adapters.raw_ports.limits import Limits
from support.raw_ports_world import PortWorld
from support.streams import SECONDS


def test_each_visitor_is_somebody_else_to_the_tunnel_and_gets_his_own_answers() -> None:
    with PortWorld() as world:
        inside, ada, bob = world.inside(), world.datagrams(), world.datagrams()
        port = world.opened("udp", inside.where[0])
        as_ada, as_bob = world.answered(ada, port, inside), world.answered(bob, port, inside)
        assert as_ada != as_bob
        assert world.answered(ada, port, inside) == as_ada
        inside.ask(b"by the way", as_bob)
        assert bob.take()[0] == b"by the way"
        seen = world.relay.traffic()["udp", port]
        assert (seen.open, seen.opened) == (2, 2)
        assert (seen.received_bytes, seen.sent_bytes) == (3 * 8, 3 * 11 + 10)


def test_long_and_empty_datagrams_pass_whole() -> None:
    with PortWorld() as world:
        inside, visitor = world.inside(), world.datagrams()
        port = world.opened("udp", inside.where[0])
        for said in (b"", b"z" * 60_000):
            visitor.ask(said, ("127.0.0.1", port))
            heard, who = inside.take()
            assert heard == said
            inside.ask(said, who)
            assert visitor.take()[0] == said


def test_an_answer_comes_from_the_address_that_was_asked() -> None:
    with PortWorld(hosts=("0.0.0.0",)) as world:
        inside, visitor = world.inside(), world.datagrams("127.0.0.5")
        port = world.opened("udp", inside.where[0])
        world.answered(visitor, port, inside, at="127.0.0.9")
        world.answered(visitor, port, inside, at="127.0.0.8")


def test_visitors_of_ipv6_are_answered_from_where_they_asked() -> None:
    with (
        PortWorld(hosts=("::",)) as world,
        closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as visitor,
    ):
        inside = world.inside()
        port = world.opened("udp", inside.where[0])
        visitor.settimeout(SECONDS)
        visitor.sendto(b"hello", ("::1", port))
        said, who = inside.take()
        inside.ask(said.upper(), who)
        answer, (host, number, *_) = visitor.recvfrom(100)
        assert (answer, host, number) == (b"HELLO", "::1", port)


def test_a_port_that_is_led_elsewhere_leads_all_there_at_once() -> None:
    with PortWorld() as world:
        first, second, visitor = world.inside(), world.inside(), world.datagrams()
        port = world.opened("udp", first.where[0])
        world.answered(visitor, port, first)
        world.lead(("udp", port), second.where[0])
        world.answered(visitor, port, second)


def test_sources_that_nobody_answers_give_way_and_who_is_answered_stays() -> None:
    with PortWorld(Limits(flows_of_port=3)) as world:
        inside, known = world.inside(), world.datagrams()
        port = world.opened("udp", inside.where[0])
        as_known = world.answered(known, port, inside)
        for number in range(10):
            world.datagrams().ask(bytes([number]), ("127.0.0.1", port))
            assert inside.take()[0] == bytes([number])
        assert world.answered(known, port, inside) == as_known
        world.answered(world.datagrams(), port, inside)


def test_where_all_are_answered_a_new_source_waits_its_turn() -> None:
    with PortWorld(Limits(flows_of_port=2)) as world:
        inside, ada, bob, late = world.inside(), world.datagrams(), world.datagrams(), world.datagrams()
        port = world.opened("udp", inside.where[0])
        world.answered(ada, port, inside)
        world.answered(bob, port, inside)
        late.ask(b"let me in", ("127.0.0.1", port))
        world.wait(lambda: world.relay.traffic()["udp", port].received_bytes == 8 + 8 + 9)
        world.answered(ada, port, inside)
        assert world.relay.traffic()["udp", port].opened == 2


def test_one_source_has_no_more_flows_than_it_may() -> None:
    with PortWorld(Limits(flows_of_source=1)) as world:
        inside, first, second = world.inside(), world.datagrams("127.0.0.2"), world.datagrams("127.0.0.2")
        port = world.opened("udp", inside.where[0])
        world.answered(first, port, inside)
        second.ask(b"me too", ("127.0.0.1", port))
        world.answered(world.datagrams("127.0.0.3"), port, inside)
        world.wait(lambda: world.relay.traffic()["udp", port].received_bytes == 8 + 6 + 8)
        assert world.relay.traffic()["udp", port].opened == 2


def test_who_was_silent_for_long_is_forgotten_and_begins_anew() -> None:
    with PortWorld(Limits(unanswered_seconds=0.05, silent_seconds=0.05)) as world:
        inside, visitor = world.inside(), world.datagrams()
        port = world.opened("udp", inside.where[0])
        visitor.ask(b"hello", ("127.0.0.1", port))
        _, before = inside.take()
        inside.ask(b"yes", before)
        world.wait(lambda: world.relay.traffic()["udp", port].open == 0)
        visitor.ask(b"again", ("127.0.0.1", port))
        assert inside.take()[0] == b"again"
        assert world.relay.traffic()["udp", port].opened == 2


def test_a_tunnel_without_a_listener_loses_datagrams_and_nothing_else() -> None:
    with PortWorld() as world:
        inside, visitor = world.inside(), world.datagrams()
        where = inside.where[0]
        port = world.opened("udp", where)
        inside.socket.close()
        for _ in range(5):
            visitor.ask(b"anybody?", ("127.0.0.1", port))
        world.wait(lambda: world.relay.traffic()["udp", port].received_bytes == 40)
        later = world.inside()
        world.lead(("udp", port), later.where[0])
        world.answered(visitor, port, later)
