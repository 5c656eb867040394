"""What a Router does with what is sent: every byte, both ways, each direction's end, and whoever goes away."""

import hashlib
import random

from mosaic.core.link_routes import Traffic
from support.hellos import real_hello
from support.router_world import RouterWorld, new_name
from support.tunnel_ends import unused_address
from support.waiting import eventually

MEGABYTES = 24


class StreamsConformance:
    """Passed on unread."""

    def test_megabytes_up_and_down_at_once_arrive_byte_for_byte(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        visitor, arrived = world.meet(tunnel, world.route(tunnel))
        up, down = (random.Random(seed).randbytes(MEGABYTES * 2**20) for seed in (1, 2))
        sending = [visitor.send_beside(up), arrived.send_beside(down)]
        # Read in turns: neither direction may have to wait until the other is through.
        taken_up, taken_down = hashlib.sha256(), hashlib.sha256()
        for _ in range(MEGABYTES):
            taken_up.update(arrived.take(2**20))
            taken_down.update(visitor.take(2**20))
        for thread in sending:
            thread.join()
        assert taken_up.digest() == hashlib.sha256(up).digest()
        assert taken_down.digest() == hashlib.sha256(down).digest()

    def test_a_reader_that_stops_for_a_while_loses_nothing(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        visitor, arrived = world.meet(tunnel, name)
        content = random.Random(3).randbytes(MEGABYTES * 2**20)
        sending = arrived.send_beside(content)
        assert visitor.take(10) == content[:10]
        # Meanwhile others are served.
        world.meet(tunnel, name)
        assert visitor.take(len(content) - 10) == content[10:]
        sending.join()

    def test_a_visitor_who_has_sent_all_still_gets_his_answer(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        visitor, arrived = world.meet(tunnel, world.route(tunnel))
        visitor.send(b"question")
        visitor.end()
        assert arrived.rest() == b"question"
        arrived.send(b"answer" * 100_000)
        arrived.end()
        assert visitor.rest() == b"answer" * 100_000

    def test_a_link_that_has_sent_all_still_hears_its_visitor(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        visitor, arrived = world.meet(tunnel, world.route(tunnel))
        arrived.send(b"all")
        arrived.end()
        assert visitor.rest() == b"all"
        visitor.send(b"late" * 100_000)
        visitor.end()
        assert arrived.rest() == b"late" * 100_000

    def test_a_visitor_who_ends_right_after_his_hello_is_heard(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        hello = real_hello(world.route(tunnel))
        visitor = world.visitor()
        visitor.send(hello)
        visitor.end()
        arrived = tunnel.arrival().stream
        assert arrived.rest() == hello
        arrived.send(b"answer")
        arrived.close()
        assert visitor.rest() == b"answer"

    def test_an_idle_connection_carries_small_words_both_ways(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        pairs = [world.meet(tunnel, name) for _ in range(50)]
        for _ in range(3):
            for visitor, arrived in pairs:
                visitor.send(b"ping")
                assert arrived.take(4) == b"ping"
                arrived.send(b"pong")
                assert visitor.take(4) == b"pong"
        assert all(visitor.is_open() and arrived.is_open() for visitor, arrived in pairs)

    def test_who_goes_away_without_a_word_is_missed_on_the_other_side(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        visitor, arrived = world.meet(tunnel, name)
        visitor.abort()
        assert arrived.was_ended()
        visitor, arrived = world.meet(tunnel, name)
        arrived.abort()
        assert visitor.was_ended()

    def test_a_tunnel_that_takes_nothing_closes_its_visitor_without_an_answer(self, world: RouterWorld) -> None:
        name = world.route(unused_address())
        assert world.is_turned_away(real_hello(name))

    def test_nothing_of_connections_that_are_over_is_kept_open(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        eventually(lambda: _opened(world, name) == 0)
        before = world.doors.descriptors()
        for number in range(60):
            visitor, arrived = world.meet(tunnel, name)
            if number % 3 == 0:
                visitor.abort()
            elif number % 3 == 1:
                arrived.send(bytes(100_000))
                visitor.abort()
            else:
                visitor.close()
                arrived.close()
            arrived.close()
        # A few more may be kept for use again, and none for each connection.
        eventually(lambda: world.doors.descriptors() < before + 20, seen=world.doors.descriptors)
        eventually(lambda: _opened(world, name) == 0)

    def test_what_a_names_connections_carried_is_counted(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name, unused = world.route(tunnel), world.route(tunnel)
        visitor, arrived = world.meet(tunnel, name)
        hello = len(real_hello(name))
        visitor.send(bytes(300_000))
        arrived.take(300_000)
        arrived.send(bytes(700_000))
        visitor.take(700_000)
        # While it is open already: some connections live for days.
        eventually(lambda: world.router.traffic()[name] == Traffic(1, 1, 300_000 + hello, 700_000),
                   seen=lambda: world.router.traffic()[name])  # fmt: skip
        visitor.close()
        arrived.close()
        world.meet(tunnel, name)
        eventually(lambda: world.router.traffic()[name] == Traffic(1, 2, 300_000 + 2 * hello, 700_000),
                   seen=lambda: world.router.traffic()[name])  # fmt: skip
        assert world.router.traffic()[unused] == Traffic()
        # Of some names it is told without the others; one that nobody routes has carried nothing.
        some = [name, new_name()]
        assert world.router.traffic(some) == {name: Traffic(1, 2, 300_000 + 2 * hello, 700_000)}
        world.router.remove([name])
        assert name not in world.router.traffic()
        assert world.router.traffic(some) == {}


def _opened(world: RouterWorld, name: str) -> int:
    return world.router.traffic()[name].open
