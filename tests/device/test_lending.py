"""Isolated mode: what apps publish in the Device's own engine is open on the machine, and nothing else."""

from pathlib import Path

import anyio
import pytest

from mosaic.adapters.docker.sights import Container, Published
from mosaic.adapters.port_lending import PortLending, PortNotLent
from mosaic.core.lent_port import LentPort
from mosaic.device.lending import keep_lent, lent_pairs, published
from support.fake_engine import FakeEngine

pytestmark = pytest.mark.long

WEB = LentPort("tcp", "127.0.0.1", 8080)
GAME = LentPort("udp", "0.0.0.0", 9000)
TAKEN = LentPort("tcp", "127.0.0.1", 8081)
LEFT_OVER = LentPort("tcp", "127.0.0.1", 7000)


class Lending(PortLending):
    """Stands for the container: it cannot have the port TAKEN at first, and has one of an app that is gone."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.has = {LEFT_OVER}
        self.refusals = 1

    def lent(self) -> frozenset[LentPort]:
        return frozenset(self.has)

    def lend(self, port: LentPort) -> None:
        if port == TAKEN and self.refusals:
            self.refusals -= 1
            raise PortNotLent("port 8081", "Address already in use")
        self.has.add(port)

    def end(self, port: LentPort) -> None:
        self.has.discard(port)


class Publishing(FakeEngine):
    """An engine with one container that publishes what it is told."""

    def __init__(self, ports: list[LentPort]) -> None:
        super().__init__()
        self.ports = ports

    async def containers(self, label: str) -> list[Container]:
        return [container(*self.ports)]


def container(*ports: LentPort) -> Container:
    shown = tuple(Published(port.host, port.port, 80, port.protocol) for port in ports)
    return Container("c", "p", "web", "i", "running", None, None, {}, shown)


def test_what_is_published_is_lent_as_it_was_published() -> None:
    sctp = Published("0.0.0.0", 5000, 5000, "sctp")
    every = Container("d", "p", "sip", "i", "running", None, None, {}, (sctp,))
    assert published([container(WEB, GAME), every]) == {WEB, GAME}


def test_what_is_published_is_lent_what_is_not_is_taken_back_and_a_refused_port_is_tried_again() -> None:
    lending = Lending()

    async def run() -> None:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:

                async def keep() -> None:
                    await keep_lent(Publishing([WEB, GAME, TAKEN]), lending, label="mosaic.device=d")

                tasks.start_soon(keep)
                while lending.has != {WEB, GAME, TAKEN}:
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()

    anyio.run(run)
    assert lending.refusals == 0


def test_a_port_that_is_open_for_an_app_of_ours_is_no_other_programs() -> None:
    assert anyio.run(lent_pairs, Lending()) == {("tcp", 7000)}
    assert anyio.run(lent_pairs, None) == set()
