"""The peers of a WireGuard interface: which changes turn those that are there into those that are wanted. Pure.

A peer's endpoint is where it was heard from last, so nobody *wants* one of a
link: it comes to its gateway. What is known of endpoints is a note, written
down each REMEMBER_SECONDS, and given back to a peer that has none. Without it
a gateway that is started again stays silent until each link notices by itself.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

from mosaic.core.public_key import PublicKey

Network: TypeAlias = IPv4Network | IPv6Network

REMEMBER_SECONDS = 60
"""How often a gateway writes down where its peers are."""


@dataclass(frozen=True, slots=True)
class WantedPeer:
    """A peer as it shall be. What comes from it bears a source of `networks`, and what is sent there goes to it.

    `endpoint` is `IP:port` of where to reach it; None leaves that to the peer.
    With `keepalive_seconds` (0 for never) a packet is sent whenever it was silent so long.
    """

    key: PublicKey
    networks: frozenset[Network]
    endpoint: str | None = None
    keepalive_seconds: int = 0


@dataclass(frozen=True, slots=True)
class SeenPeer:
    """A peer as it is. `last_handshake` is in seconds since 1970, None for never; bytes are since it was put."""

    key: PublicKey
    networks: frozenset[Network]
    endpoint: str | None = None
    keepalive_seconds: int = 0
    last_handshake: float | None = None
    received_bytes: int = 0
    sent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PeerChanges:
    """What turns one set of peers into another. What is put replaces all but the endpoint, and that if it has one."""

    put: tuple[WantedPeer, ...]
    removed: frozenset[PublicKey]

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.put or self.removed)


@dataclass(frozen=True, slots=True)
class EndpointChanges:
    """What to write down of endpoints, and what to strike."""

    put: Mapping[PublicKey, str]
    removed: frozenset[PublicKey]

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.put or self.removed)


def difference(
    have: Mapping[PublicKey, SeenPeer], want: Iterable[WantedPeer], known: Mapping[PublicKey, str]
) -> PeerChanges:
    """Return what to change so that these peers become those; `known` endpoints are for those that have none.

    An endpoint that a peer has is left alone: it was heard from there.

    Raises:
        ValueError: two of the wanted have one key or share an address, which WireGuard gives to one of them only.
    """
    wanted = _by_key(want)
    put = (_needed(have.get(peer.key), peer, known.get(peer.key)) for peer in wanted.values())
    return PeerChanges(tuple(peer for peer in put if peer is not None), frozenset(have.keys() - wanted.keys()))


def remembered(
    before: Mapping[PublicKey, str], seen: Mapping[PublicKey, SeenPeer], wanted: Collection[PublicKey]
) -> dict[PublicKey, str]:
    """Return where the wanted peers are, or were last: an interface that is just being made again has seen nobody."""
    now = {key: seen[key].endpoint if key in seen else None for key in wanted}
    return {key: known for key, endpoint in now.items() if (known := endpoint or before.get(key)) is not None}


def to_note(before: Mapping[PublicKey, str], after: Mapping[PublicKey, str]) -> EndpointChanges:
    """Return what to write down of what is remembered, when `before` is written."""
    put = {key: endpoint for key, endpoint in after.items() if before.get(key) != endpoint}
    return EndpointChanges(put, frozenset(before.keys() - after.keys()))


def _needed(seen: SeenPeer | None, wanted: WantedPeer, known: str | None) -> WantedPeer | None:
    """Return how to put the peer, None if it is as it shall be."""
    endpoint = wanted.endpoint or known
    if seen is None:
        return replace(wanted, endpoint=endpoint)
    if seen.endpoint is not None:
        endpoint = None
    same = seen.networks == wanted.networks and seen.keepalive_seconds == wanted.keepalive_seconds
    return None if same and endpoint is None else replace(wanted, endpoint=endpoint)


def _by_key(want: Iterable[WantedPeer]) -> dict[PublicKey, WantedPeer]:
    wanted: dict[PublicKey, WantedPeer] = {}
    owners: dict[Network, PublicKey] = {}
    for peer in want:
        if peer.key in wanted:
            raise ValueError(f"the peer {peer.key} is wanted twice")
        wanted[peer.key] = peer
        for network in peer.networks:
            if owners.setdefault(network, peer.key) != peer.key:
                raise ValueError(f"{network} is wanted for two peers")
    return wanted
