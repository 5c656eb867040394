"""The whole way from a visitor through a gateway and a tunnel to the app at home, against the app without a link."""

import statistics
from collections import defaultdict
from pathlib import Path

from link_bench.joined import BIG_BYTES, GATEWAY, PLAIN, Joined, joined
from results.line import report

_ANCHOR = "the app behind a Caddy of its own"
_NEW_GOAL = "ratio>=0.65"
_WAYS = (
    ("haproxy", "userspace", "by wireguard-go", ("ratio>=0.45", _NEW_GOAL)),
    ("haproxy", "tcp", "in TCP mode", ("ratio>=0.7", _NEW_GOAL)),
    ("splice", "userspace", "by wireguard-go behind the router in Python", (None, None)),
    ("splice", "tcp", "in TCP mode behind the router in Python", (None, None)),
)
"""The router that a gateway has which many depend on, then the one that an embedded gateway has."""


def measure(folder: Path, *, quick: bool) -> None:
    """Print the lines of the whole path."""
    rounds, seconds = (3, 2.0) if quick else (5, 4.0)
    with joined(folder) as world:
        pushed = False
        for router, mode, said, goals in _WAYS:
            gateway = world.start_gateway("--router", router)
            if not pushed:
                world.allow_and_push()
                pushed = True
            link = world.start_link(LINK_MODE=mode)
            world.wait_until_reached()
            _measure(world, said, goals, rounds, seconds)
            link.stop(30)
            gateway.stop(30)


def _measure(world: Joined, said: str, goals: tuple[str | None, str | None], rounds: int, seconds: float) -> None:
    bulk_goal, new_goal = goals
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for turn in range(rounds):
        for address in (PLAIN, GATEWAY) if turn % 2 else (GATEWAY, PLAIN):
            found["download", address].append(world.download(address))
            found["new", address].append(world.visits(address, seconds=seconds).per_second)
            kept = world.visits(address, seconds=seconds, keeps=True)
            found["kept", address].append(kept.per_second)
            found["median", address].append(kept.median_ms)
    value = {key: statistics.median(some) for key, some in found.items()}
    for what, name, unit, aim in (
        ("download", f"download of {BIG_BYTES >> 20} MiB", "MB/s", bulk_goal),
        ("new", "new TLS connections", "1/s", new_goal),
        ("kept", "requests on 16 kept connections", "1/s", None),
    ):
        report(f"link {name} {said}", value[what, GATEWAY], unit, goal=aim, anchor=_ANCHOR,
               anchor_value=value[what, PLAIN])  # fmt: skip
    added = value["median", GATEWAY] - value["median", PLAIN]
    report(f"link added to the median request {said}", added, "ms", goal="value<=1.5" if new_goal else None)
