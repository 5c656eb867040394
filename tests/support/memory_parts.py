"""A router and tunnels in memory that keep their contracts: what a gateway is told, and which connections are open.

They stand for processes that outlive a gateway's own, so a test hands the same ones to the gateway that starts again.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from mosaic.core.link_routes import Route, Traffic
from mosaic.gateway.parts import Parts, Peer, PortKey, PortTarget, Tunnel
from support.kill_points import KillPoints


@dataclass(eq=False)
class Visit:
    """A visitor's connection."""

    name: str
    address: str
    open: bool = True


class MemoryRouter:
    """See `mosaic.gateway.router.Router`."""

    def __init__(self, kills: KillPoints | None = None) -> None:
        self._lock = threading.Lock()
        self._kills = kills
        self._routes: dict[str, str] = {}
        self._carried: dict[str, Traffic] = {}
        self.visits: list[Visit] = []

    def put(self, routes: Mapping[str, Route]) -> None:
        with self._effect(), self._lock:
            self._routes.update({name: route.address for name, route in routes.items()})

    def remove(self, names: Collection[str]) -> None:
        with self._effect(), self._lock:
            for name in names:
                self._routes.pop(name, None)
                self._carried.pop(name, None)
            self._end(lambda visit: visit.name in names)

    def end_connections(self, addresses: Collection[str]) -> None:
        with self._effect(), self._lock:
            self._end(lambda visit: visit.address in addresses)

    def addresses(self) -> dict[str, str]:
        with self._lock:
            return dict(self._routes)

    def traffic(self, names: Collection[str] | None = None) -> dict[str, Traffic]:
        with self._lock:
            asked = self._routes if names is None else self._routes.keys() & set(names)
            return {name: self._carried.get(name, Traffic()) for name in asked}

    def visit(self, name: str, *, received: int = 0, sent: int = 0) -> Visit | None:
        """Come as a visitor; None when nobody has the name."""
        with self._lock:
            if name not in self._routes:
                return None
            before = self._carried.get(name, Traffic())
            self._carried[name] = replace(
                before, received_bytes=before.received_bytes + received, sent_bytes=before.sent_bytes + sent
            )
            visit = Visit(name, self._routes[name])
            self.visits.append(visit)
            return visit

    def restart(self) -> None:
        """Forget everything, as a router does that was killed."""
        with self._lock:
            self._routes, self._carried = {}, {}
            self._end(lambda _: True)

    def drift(self, routes: Mapping[str, str], removed: Collection[str]) -> None:
        """Change routes behind the gateway's back."""
        with self._lock:
            self._routes.update(routes)
            for name in removed:
                self._routes.pop(name, None)

    def _end(self, is_meant: Callable[[Visit], bool]) -> None:
        for visit in self.visits:
            if is_meant(visit):
                visit.open = False

    def _effect(self) -> AbstractContextManager[None]:
        return self._kills.around() if self._kills is not None else nullcontext()


class MemoryPeers:
    """See `mosaic.gateway.parts.Peers`. Refuses what WireGuard silently breaks: two peers with one address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._peers: dict[str, Peer] = {}

    def put(self, peers: Mapping[str, Peer]) -> None:
        with self._lock:
            for key, peer in peers.items():
                before = self._peers.get(key)
                endpoint = peer.endpoint or (before.endpoint if before else None)
                self._peers[key] = Peer(peer.address, endpoint)
            addresses = [peer.address for peer in self._peers.values()]
            assert len(addresses) == len(set(addresses)), "two peers have one address"

    def remove(self, keys: Collection[str]) -> None:
        with self._lock:
            for key in keys:
                self._peers.pop(key, None)

    def seen(self) -> dict[str, Peer]:
        with self._lock:
            return dict(self._peers)

    def hear(self, key: str, endpoint: str) -> None:
        """Be spoken to by a peer from there."""
        with self._lock:
            self._peers[key] = replace(self._peers[key], endpoint=endpoint)


class MemoryTunnels:
    """See `mosaic.gateway.parts.Tunnels`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tunnels: dict[str, Tunnel] = {}

    def put(self, tunnels: Mapping[str, Tunnel]) -> None:
        with self._lock:
            self._tunnels.update(tunnels)

    def remove(self, registrations: Collection[str]) -> None:
        with self._lock:
            for registration in registrations:
                self._tunnels.pop(registration, None)

    def there(self) -> dict[str, Tunnel]:
        with self._lock:
            return dict(self._tunnels)

    def answer_by(self, probe: Callable[[str], int]) -> None:
        self.probe = probe


class MemoryPorts:
    """See `mosaic.gateway.parts.RawPorts`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ports: dict[PortKey, PortTarget] = {}
        self.cut: set[str] = set()
        """Addresses to which connections were ended."""
        self.carried: dict[PortKey, Traffic] = {}
        self.others: set[PortKey] = set()
        """What another program of the machine has."""

    def put(self, ports: Mapping[PortKey, PortTarget]) -> None:
        with self._lock:
            self._ports.update((key, target) for key, target in ports.items() if key not in self.others)

    def remove(self, ports: Collection[PortKey]) -> None:
        with self._lock:
            for port in ports:
                self._ports.pop(port, None)
                self.carried.pop(port, None)

    def end_connections(self, addresses: Collection[str]) -> None:
        self.cut.update(addresses)

    def there(self) -> dict[PortKey, PortTarget]:
        with self._lock:
            return dict(self._ports)

    def traffic(self) -> dict[PortKey, Traffic]:
        with self._lock:
            return {key: self.carried.get(key, Traffic()) for key in self._ports}


@dataclass
class MemoryParts:
    """All of one gateway."""

    router: MemoryRouter = field(default_factory=MemoryRouter)
    peers: MemoryPeers = field(default_factory=MemoryPeers)
    tunnels: MemoryTunnels = field(default_factory=MemoryTunnels)
    ports: MemoryPorts = field(default_factory=MemoryPorts)

    @property
    def parts(self) -> Parts:
        return Parts(self.router, self.peers, self.tunnels, self.ports)
