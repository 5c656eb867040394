"""Links among gateways for long: much at once, many for minutes, and one fault after another on the way between them.

All is real and lies in places of its own, see `support.netns.whole_world`.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from support.netns.place import Place
from support.netns.places import kill_all, processes_called
from support.netns.tunnel_network import GATEWAY_OUTER, SECOND_GATEWAY_OUTER
from support.netns.visits import downloads, stay_idle, uploads
from support.netns.whole_world import RunningLink, WholeWorld, echoes, whole_world
from support.torture.tally import Tally
from support.waiting import eventually

GIB = 1 << 30
IDLE_SECONDS = 300.0
_MODES = ("userspace", "tcp")
_OUTAGE_SECONDS = 120.0
_BOTH = (GATEWAY_OUTER, SECOND_GATEWAY_OUTER)


def bulk(tally: Tally, folder: Path) -> None:
    """Send a gibibyte up and one down, `tally.count` times in each mode, and compare what arrived."""
    with _links(folder) as (world, links):
        for mode, link in zip(_MODES, links, strict=True):
            for _ in range(tally.count):
                for way, pass_on in (("down", downloads), ("up", uploads)):
                    began = time.monotonic()
                    tally.check(pass_on(world, link.name, GIB), f"a gibibyte {way} by {mode} did not arrive whole")
                    tally.figures[f"{mode}_{way}_mib_s"] = round(1024 / (time.monotonic() - began))


def sockets(tally: Tally, folder: Path, *, idle_seconds: float = IDLE_SECONDS) -> None:
    """Leave `tally.count` WebSockets alone for five minutes, as many in each mode; all of them echo afterwards."""
    with _links(folder) as (world, (first, second)):

        def also_by_the_second() -> None:
            living["tcp"] = stay_idle(world, second.name, tally.count, lambda: time.sleep(idle_seconds))

        living: dict[str, int] = {}
        living["userspace"] = stay_idle(world, first.name, tally.count, also_by_the_second)
    for mode, count in living.items():
        tally.figures[f"{mode}_still_echo"] = count
        tally.check(count == tally.count, f"{tally.count - count} of {tally.count} WebSockets by {mode} ended")


def faults(tally: Tally, folder: Path) -> None:
    """Make `tally.count` faults; after each, both links are reached at both gateways again, and soon."""
    luck = random.Random(tally.seed)
    with _links(folder) as (world, links):
        kinds: list[Callable[[WholeWorld, random.Random], float]] = []
        while tally.figures["faults"] < tally.count and not tally.out_of_time:
            kinds = kinds or luck.sample(_FAULTS, len(_FAULTS))
            fault = kinds.pop()
            tally.last = name = fault.__name__.strip("_")
            began = fault(world, luck)
            tally.figures["faults"] += 1
            try:
                eventually(lambda: _reached(world, links), seconds=_OUTAGE_SECONDS)
            except AssertionError:
                logs = "\n".join(link.log()[-2000:] for link in links)
                tally.fail(f"after {name} not everything was reached within {_OUTAGE_SECONDS:.0f} s: {logs}")
                return
            milliseconds = round((time.monotonic() - began) * 1000)
            tally.figures[f"longest_ms_{name}"] = max(milliseconds, tally.figures[f"longest_ms_{name}"])


def _reached(world: WholeWorld, links: list[RunningLink]) -> bool:
    return all(world.is_reached(link.name, at=at) for link in links for at in _BOTH)


# Each returns when what was disturbed could be well again.


def _home_moves(world: WholeWorld, luck: random.Random) -> float:
    """Its open WebSocket, by WireGuard, survives."""
    with world.web_socket(world.started[0].name) as line:
        world.network.router.change_address(f"198.18.1.{luck.randrange(1, 255)}")
        began = time.monotonic()
        assert echoes(line, b"still here"), "an open WebSocket did not survive another address of its home"
    return began


def _gateway_killed(world: WholeWorld, luck: random.Random) -> float:
    gateway = luck.choice(world.gateways)
    gateway.kill()
    began = time.monotonic()
    gateway.start()
    return began


def _gateways_machine_killed(world: WholeWorld, luck: random.Random) -> float:
    number = luck.randrange(2)
    kill_all(world.gateway_places[number])
    world.gateways[number].kill()
    assert world.is_reached(world.started[0].name, at=_BOTH[1 - number]), "one gateway fell, and the other with it"
    began = time.monotonic()
    world.gateways[number].start()
    return began


def _gateways_wireguard_killed(world: WholeWorld, luck: random.Random) -> float:
    return _kill("wireguard-go", world.gateway_places[luck.randrange(2)])


def _haproxy_killed(world: WholeWorld, _luck: random.Random) -> float:
    return _kill("haproxy", world.gateway_places[0])


def _links_wireguard_killed(world: WholeWorld, _luck: random.Random) -> float:
    return _kill("wireguard-go", world.home)


def _links_caddy_killed(world: WholeWorld, luck: random.Random) -> float:
    return _kill("caddy", world.home, luck)


def _line_falls(world: WholeWorld, luck: random.Random) -> float:
    world.network.router.outer.unplug()
    time.sleep(luck.uniform(0, 20))
    world.network.router.outer.plug_in()
    return time.monotonic()


_FAULTS = [
    _home_moves,
    _gateway_killed,
    _gateways_machine_killed,
    _gateways_wireguard_killed,
    _haproxy_killed,
    _links_wireguard_killed,
    _links_caddy_killed,
    _line_falls,
]


def _kill(name: str, place: Place, luck: random.Random | None = None) -> float:
    pids = processes_called(place, name)
    with suppress(ProcessLookupError):
        os.kill(luck.choice(pids) if luck else pids[0], signal.SIGKILL)
    return time.monotonic()


@contextlib.contextmanager
def _links(folder: Path) -> Iterator[tuple[WholeWorld, list[RunningLink]]]:
    """Yield two gateways, and links by WireGuard and TCP behind them that are reached at both."""
    with whole_world(folder, routers=["haproxy", "splice"]) as world:
        links = []
        for mode in _MODES:
            links.append(world.start(world.publish(f"by-{mode}"), world.large_app(), LINK_MODE=mode))
        for link in links:
            link.wait_until_ready()
        eventually(lambda: _reached(world, links), seconds=_OUTAGE_SECONDS)
        yield world, links
