"""What a Router does when it is asked for too much: every wait ends, and honest visitors are served meanwhile."""

import pytest

from support.hellos import real_hello
from support.router_world import RouterWorld, own_source
from support.streams import Stream
from support.tunnel_ends import never_accepting
from support.waiting import eventually

STALLED = 300
PER_SOURCE = 500


class LimitsConformance:
    """Nobody may stop it for the others."""

    @pytest.mark.long
    def test_hellos_that_never_end_are_closed_and_an_honest_visitor_is_served_meanwhile(
        self, world: RouterWorld
    ) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        half = real_hello(name)[:100]
        stalled = [world.visitor(source=own_source()) for _ in range(STALLED)]
        silent = [world.visitor(source=own_source()), world.plain_visitor(source=own_source())]
        for visitor in stalled:
            visitor.send(half)
        world.plain_visitor().send(b"GET / HTTP/1.1\r\n")
        _, arrived = world.meet(tunnel, name)
        assert all(visitor.was_ended() for visitor in stalled)
        for visitor in silent:
            # Of HTTP some say that it took too long before they close.
            visitor.rest()
        assert arrived.is_open()
        assert not tunnel.anything_waits()

    @pytest.mark.long
    def test_a_tunnel_that_does_not_answer_is_given_up(self, world: RouterWorld) -> None:
        with never_accepting() as address:
            name = world.route(address)
            assert world.is_turned_away(real_hello(name))

    def test_one_source_has_no_more_than_its_share_and_others_have_theirs(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        greedy = own_source()
        hello = real_hello(name)
        taken: list[tuple[Stream, Stream]] = []
        for _ in range(PER_SOURCE):
            taken.append(world.meet(tunnel, name, source=greedy))
        assert _is_refused(world, greedy, hello)
        assert not tunnel.anything_waits()
        world.meet(tunnel, name, source=own_source())
        for visitor, arrived in taken:
            visitor.close()
            arrived.close()
        eventually(lambda: world.router.traffic()[name].open == 1)
        # What was given back can be taken again.
        world.meet(tunnel, name, source=greedy)


def _is_refused(world: RouterWorld, source: str, hello: bytes) -> bool:
    """Whether who comes from there is sent away, as soon as he connects or when he asks."""
    try:
        with world.visitor(source=source) as visitor:
            visitor.send(hello)
            return visitor.was_ended()
    except (ConnectionResetError, BrokenPipeError):
        return True
