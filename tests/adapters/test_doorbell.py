"""A look comes when it is time, or when somebody rings; many rings are one look, and stopping waits for nobody."""

import socket
from collections.abc import Iterator

import pytest

from mosaic.adapters.doorbell import Doorbell

FOR_EVER = 86400.0


@pytest.fixture
def told() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair()
    with ends[0], ends[1]:
        yield ends


Ends = tuple[socket.socket, socket.socket]


def test_a_ring_ends_the_wait_for_the_next_look(told: Ends) -> None:
    with Doorbell(least_seconds=0) as bell:
        bell.look()
        bell.ring()
        assert bell.wait(told[0], FOR_EVER)


def test_without_a_ring_the_next_look_comes_when_its_time_is_over(told: Ends) -> None:
    with Doorbell(least_seconds=0) as bell:
        bell.look()
        assert bell.wait(told[0], 0)


def test_rings_without_number_are_one_look_and_keep_nobody_waiting(told: Ends) -> None:
    with Doorbell(least_seconds=0) as bell:
        for _ in range(100_000):
            bell.ring()
        assert bell.wait(told[0], FOR_EVER)
        bell.look()
        told[1].send(b".")
        # Were a ring left, the wait would have ended for that.
        assert not bell.wait(told[0], FOR_EVER)


def test_who_rings_again_and_again_waits_between_two_looks_and_a_stop_does_not(told: Ends) -> None:
    with Doorbell(least_seconds=FOR_EVER) as bell:
        bell.look()
        bell.ring()
        told[1].send(b".")
        assert not bell.wait(told[0], FOR_EVER)


def test_a_ring_when_nobody_listens_any_more_is_nothing() -> None:
    with Doorbell() as bell:
        pass
    bell.ring()
