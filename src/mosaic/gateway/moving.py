"""Turning what router and tunnels have into what is wanted, in an order that is safe to stop after any call."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from mosaic.core.ids import LinkId
from mosaic.core.link_routes import Route
from mosaic.gateway.parts import Parts, Peer, PortKey, PortTarget
from mosaic.gateway.wanted import Wanted

Key = TypeVar("Key")
Value = TypeVar("Value")


def move(
    parts: Parts,
    have: Wanted,
    want: Wanted,
    *,
    endpoints: Mapping[str, str],
    count: Callable[[Collection[str], Collection[PortKey]], None],
) -> None:
    """Change what differs: tunnels are there before a name leads to them, and go after their last connection.

    `endpoints` are for peers that have none. `count` is called with names and raw ports before they are
    removed, because what they carried is forgotten with them.
    """
    _bring(parts, have, want, endpoints)
    # A name that goes to another link takes no connection of the first along.
    gone = [name for name, route in have.routes.items() if _link(want.routes.get(name)) != route.link]
    lost = [key for key, target in have.ports.items() if _owner(want.ports.get(key)) != target.link]
    if gone or lost:
        count(gone, lost)
    if gone:
        parts.router.remove(gone)
    kept = {name: route for name, route in have.routes.items() if name not in gone}
    if routes := _differing(kept, want.routes):
        parts.router.put(routes)
    cut = have.carrying - want.carrying
    if cut:
        parts.router.end_connections(cut)
    _open_ports(parts, have, want, lost, cut)
    _take_away(parts, have, want)


def _bring(parts: Parts, have: Wanted, want: Wanted, endpoints: Mapping[str, str]) -> None:
    if parts.peers is not None and (peers := _peers_to_put(have.peers, want.peers, endpoints)):
        parts.peers.put(peers)
    if parts.tunnels is not None and (tunnels := _differing(have.tunnels, want.tunnels)):
        parts.tunnels.put(tunnels)


def _open_ports(parts: Parts, have: Wanted, want: Wanted, lost: Collection[PortKey], cut: Collection[str]) -> None:
    if parts.ports is None:
        return
    if lost:
        parts.ports.remove(lost)
    kept = {key: target for key, target in have.ports.items() if key not in lost}
    if opened := _differing(kept, want.ports):
        parts.ports.put(opened)
    if cut:
        parts.ports.end_connections(cut)


def _take_away(parts: Parts, have: Wanted, want: Wanted) -> None:
    if parts.tunnels is not None and (ended := have.tunnels.keys() - want.tunnels.keys()):
        parts.tunnels.remove(ended)
    if parts.peers is not None and (left := have.peers.keys() - want.peers.keys()):
        parts.peers.remove(left)


def _peers_to_put(have: Mapping[str, Peer], want: Mapping[str, Peer], endpoints: Mapping[str, str]) -> dict[str, Peer]:
    """Return the peers to add or change. Where one was heard is believed before what is written of it."""
    put: dict[str, Peer] = {}
    for key, peer in want.items():
        there = have.get(key)
        known = endpoints.get(key) if there is None or there.endpoint is None else None
        if there is None or there.address != peer.address or known is not None:
            put[key] = Peer(peer.address, known)
    return put


def _differing(have: Mapping[Key, Value], want: Mapping[Key, Value]) -> dict[Key, Value]:
    return {key: value for key, value in want.items() if have.get(key) != value}


def _owner(target: PortTarget | None) -> LinkId | None:
    return target.link if target is not None else None


def _link(route: Route | None) -> LinkId | None:
    return route.link if route is not None else None
