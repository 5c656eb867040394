"""Which gateways of a group have a link's tunnel: two, where there are two. Pure.

Those that have it keep it while they live, because the link has to be told of
another one. Who fills a gap is drawn by the link's id (rendezvous hashing), so
all gateways come to the same answer without asking one another.
"""

import hashlib
from collections.abc import Iterable, Sequence

from mosaic.core.ids import LinkId

TUNNELS = 2


def choose(link: LinkId, assigned: Sequence[str], live: Iterable[str]) -> tuple[str, ...]:
    """Return the gateways that a link is told of, the ones that it has first."""
    there = set(live)
    kept = [name for name in assigned if name in there][:TUNNELS]
    others = sorted(there.difference(kept), key=lambda name: _weight(link, name))
    return (*kept, *others[: TUNNELS - len(kept)])


def serves(name: str, link: LinkId, assigned: Sequence[str], live: Iterable[str]) -> bool:
    """Whether a gateway routes the link. One that the link was told of does, even while others think it dead."""
    return name in assigned or name in choose(link, assigned, live)


def _weight(link: LinkId, name: str) -> bytes:
    return hashlib.sha256(f"{link}\n{name}".encode()).digest()
