"""Routes of a gateway: which name's connections go to which tunnel address. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from mosaic.core.ids import LinkId

TLS_PORT = 8450
"""Of a tunnel address: where TLS goes, with PROXY protocol 2 before it.

In TCP mode these are ports of the gateway's loopback, which a program that listens
at all addresses takes away: so they are none of those that many programs have.
"""

CHALLENGE_PORT = 8451
"""Of a tunnel address: where plain requests for ACME's challenges go, with PROXY protocol 2 before them."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where connections for one name go. `address` is an IPv4 tunnel address, or one of 127.64.0.0/10 in TCP mode."""

    link: LinkId
    address: str


@dataclass(frozen=True, slots=True)
class RouteChanges:
    """What turns one table of routes, by name, into another. What `put` has replaces what was there."""

    put: Mapping[str, Route]
    removed: frozenset[str]

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.put or self.removed)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a name's connections carried since the router started: bytes from and to visitors."""

    open: int = 0
    opened: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


def difference(have: Mapping[str, Route], want: Mapping[str, Route]) -> RouteChanges:
    """Return what to change so that a router that has these routes has those."""
    put = {name: route for name, route in want.items() if have.get(name) != route}
    return RouteChanges(put, frozenset(have.keys() - want.keys()))
