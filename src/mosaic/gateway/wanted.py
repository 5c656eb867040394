"""What a gateway routes for a link, as the database says. Pure: one view in, one wish out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from mosaic.adapters.sql.gateway.registrations import Registration
from mosaic.adapters.sql.gateway.views import LinkView
from mosaic.core.gateway_choice import serves
from mosaic.core.ids import LinkId
from mosaic.core.link_routes import Route
from mosaic.core.tunnel_addresses import TunnelNetwork
from mosaic.gateway.parts import Peer, PortKey, PortTarget, Tunnel
from mosaic.wire.links import Protocol

NEWEST, SUPERSEDED, UNKNOWN = 200, 409, 404
"""What a probe is answered."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of one link, or of many together. `carrying` are the addresses that connections may be open to.

    `probes` has what a registration's probe is answered, and whose it is.
    """

    routes: Mapping[str, Route] = field(default_factory=dict)
    peers: Mapping[str, Peer] = field(default_factory=dict)
    tunnels: Mapping[str, Tunnel] = field(default_factory=dict)
    ports: Mapping[PortKey, PortTarget] = field(default_factory=dict)
    carrying: frozenset[str] = frozenset()
    probes: Mapping[str, tuple[LinkId, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """The gateway that wants it: its name, those that live (itself among them), and the group's network."""

    name: str
    live: Collection[str]
    network: TunnelNetwork


def wanted(view: LinkView, place: Place, *, now_ns: int) -> Wanted:
    """Return what this gateway routes for the link at this moment."""
    link = view.link.id
    living = [one for one in view.registrations if view.lives(one, now_ns)]
    here = [one for one in living if serves(place.name, link, one.gateways, place.live)]
    newest = view.newest
    probes = {one.id: (link, _answer(one, newest, one in living)) for one in view.registrations}
    if newest is None:
        return Wanted()
    route = Route(link, address_of(newest, place.network)) if newest in here else None
    return Wanted(
        routes=dict.fromkeys(view.names, route) if route else {},
        peers={one.asked.public_key: Peer(address_of(one, place.network)) for one in here if one.asked.public_key},
        tunnels={
            one.id: Tunnel(address_of(one, place.network), one.tunnel_key, _inner(view, "tcp"), _inner(view, "udp"))
            for one in here
            if one.tunnel_key is not None
        },
        ports={(port.protocol, port.public): PortTarget(link, route.address, port.inner) for port in view.ports}
        if route
        else {},
        # Whoever had an earlier epoch is no holder any more: what it still serves is not the app's.
        carrying=frozenset(address_of(one, place.network) for one in here if one.asked.epoch == newest.asked.epoch),
        probes=probes,
    )


def together(some: Iterable[Wanted]) -> Wanted:
    """Return what is wanted for many links."""
    routes: dict[str, Route] = {}
    peers: dict[str, Peer] = {}
    tunnels: dict[str, Tunnel] = {}
    ports: dict[PortKey, PortTarget] = {}
    carrying: set[str] = set()
    probes: dict[str, tuple[LinkId, int]] = {}
    for one in some:
        routes.update(one.routes)
        peers.update(one.peers)
        tunnels.update(one.tunnels)
        ports.update(one.ports)
        carrying.update(one.carrying)
        probes.update(one.probes)
    return Wanted(routes, peers, tunnels, ports, frozenset(carrying), probes)


def address_of(one: Registration, network: TunnelNetwork) -> str:
    """Return the address that the registration has on every gateway of the group."""
    return network.loopback_address(one.number) if one.mode == "tcp" else network.address(one.number)


def _inner(view: LinkView, protocol: Protocol) -> frozenset[int]:
    return frozenset(port.inner for port in view.ports if port.protocol == protocol)


def _answer(one: Registration, newest: Registration | None, lives: bool) -> int:
    if one is not newest:
        return SUPERSEDED
    return NEWEST if lives else UNKNOWN
