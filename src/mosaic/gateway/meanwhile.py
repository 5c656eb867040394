"""What is carried out while a gateway looks at all that it has, so that an older look undoes nothing. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from mosaic.core.ids import LinkId
from mosaic.gateway.parts import Peer, PortKey, PortTarget, Tunnel
from mosaic.gateway.wanted import Wanted, together

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class There:
    """What router and tunnels said that they have."""

    addresses: Mapping[str, str]
    peers: Mapping[str, Peer]
    tunnels: Mapping[str, Tunnel]
    ports: Mapping[PortKey, PortTarget]


@dataclass(slots=True)
class Meanwhile:
    """The links that were carried out since a look began, with all that they had before or have now."""

    links: set[LinkId] = field(default_factory=set)
    touched: list[Wanted] = field(default_factory=list)

    def note(self, links: Collection[LinkId], before: Wanted, after: Wanted) -> None:
        """Take note of links that were carried out. One that could not be is compared as all the others."""
        self.links.update(links)
        self.touched += (before, after)

    def left_out_of(self, whole: Wanted) -> Wanted:
        """Return the same without anything that one of these links had or has."""
        if not self.touched:
            return whole
        theirs = together(self.touched)
        return Wanted(
            _without(whole.routes, theirs.routes),
            _without(whole.peers, theirs.peers),
            _without(whole.tunnels, theirs.tunnels),
            _without(whole.ports, theirs.ports),
            whole.carrying - theirs.carrying,
        )


def _without(some: Mapping[Key, Value], others: Mapping[Key, Value]) -> dict[Key, Value]:
    return {key: value for key, value in some.items() if key not in others}
