"""A gateway with ten thousand links: how long until it routes them all again, and what a Hive's push takes then."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from link_bench.group import fill, new_link
from link_bench.joined import HOST, Joined, joined
from results.line import report

from mosaic.gateway.config import GatewayConfig

LINKS = 10_000
_COMPARES_SECONDS = 35
"""A gateway compares everything each 30 s; pushes meet it at least once."""


def measure(folder: Path, *, quick: bool) -> None:
    """Print the lines of a gateway with many links."""
    for router in ("splice", "haproxy"):
        own = folder / router
        own.mkdir()
        with joined(own) as world:
            _measure(world, router, seconds=_COMPARES_SECONDS if quick else 2 * _COMPARES_SECONDS)


def _measure(world: Joined, router: str, *, seconds: float) -> None:
    fill(GatewayConfig(state=world.state, name="one", host=HOST), world.hive, LINKS)
    began = time.perf_counter()
    child = world.start_gateway("--router", router)
    report(
        f"link {LINKS} restored at the gateway's start, {router}", time.perf_counter() - began, "s", goal="value<=10"
    )
    took: dict[str, list[float]] = {"added": [], "replaced": [], "removed": []}
    link, other = new_link("one.example.net"), new_link("two.example.net")
    for one in (link, other):
        world.gateway.do(lambda pushed=one: world.hive.push(pushed))
        world.gateway.do(lambda registering=one: world.hive.register(registering))
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        number += 1
        for what, names in (
            ("added", ["one.example.net", f"a{number}.example.net"]),
            ("replaced", ["one.example.net", f"b{number}.example.net"]),
            ("removed", ["one.example.net"]),
        ):
            took[what].append(_milliseconds(lambda names=names: world.hive.push(link, names=names), world))
        time.sleep(0.05)
    for what, some in took.items():
        some.sort()
        name = f"link name {what} beside {LINKS}, {router}"
        report(f"{name}, p50", statistics.median(some), "ms", goal=None)
        report(f"{name}, p99 of {len(some)}", some[len(some) * 99 // 100], "ms", goal="value<=50")
    child.stop(30)


def _milliseconds(push: Callable[[], None], world: Joined) -> float:
    def timed() -> float:
        began = time.perf_counter()
        push()
        return (time.perf_counter() - began) * 1e3

    return world.gateway.do(timed)
