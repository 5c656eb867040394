"""What a gateway has its bytes carried by. The real ones are adapters; all calls may block, and threads may share them.

All are told what shall be and say what is: what differs is put right each time
it is compared, whoever changed it.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mosaic.core.link_routes import Traffic
from mosaic.core.raw_ports import PortKey as PortKey
from mosaic.core.raw_ports import PortTarget as PortTarget
from mosaic.gateway.router import Router


@dataclass(frozen=True, slots=True)
class Peer:
    """A link with an interface. `endpoint` is `IP:port` of where it was heard last, None until then."""

    address: str
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A link in TCP mode: its address, of 127.64.0.0/10, the key (hex) that proves its connections, its raw ports."""

    address: str
    key: str = field(repr=False)
    streams: frozenset[int] = frozenset()
    datagrams: frozenset[int] = frozenset()


class Peers(Protocol):
    """A WireGuard interface. Keys are public keys in base64."""

    def put(self, peers: Mapping[str, Peer]) -> None:
        """Add or change peers. One whose `endpoint` is None keeps what it has."""

    def remove(self, keys: Collection[str]) -> None:
        """Remove peers. Keys that are not there are no error."""

    def seen(self) -> dict[str, Peer]:
        """Return all peers as the interface itself has them."""


class Tunnels(Protocol):
    """A server of TCP mode. Keys are registrations."""

    def put(self, tunnels: Mapping[str, Tunnel]) -> None:
        """Take these links' connections, and lead what comes to a tunnel's address into them."""

    def remove(self, registrations: Collection[str]) -> None:
        """Take none of these any more, and end what is open. Those that are not there are no error."""

    def there(self) -> dict[str, Tunnel]:
        """Return all that may prove themselves."""

    def answer_by(self, probe: Callable[[str], int]) -> None:
        """Answer probes of registrations as this says (200 for the newest), which does not block."""


class RawPorts(Protocol):
    """Public TCP and UDP ports that lead into tunnels."""

    def put(self, ports: Mapping[PortKey, PortTarget]) -> None:
        """Open these, or lead them elsewhere from now on: connections stay where they are, datagrams do not.

        One that cannot be opened here is not there after that, and hinders no other.
        """

    def remove(self, ports: Collection[PortKey]) -> None:
        """Close these, and end their connections."""

    def end_connections(self, addresses: Collection[str]) -> None:
        """End what is open to these tunnel addresses; the ports stay."""

    def there(self) -> dict[PortKey, PortTarget]:
        """Return all that are open."""

    def traffic(self) -> dict[PortKey, Traffic]:
        """Return what each open port carried."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one gateway has. Without `peers` links come by TCP alone, without `tunnels` by WireGuard alone.

    `renewed` is set by whoever started one of them again: all is compared soon after that.
    """

    router: Router
    peers: Peers | None = None
    tunnels: Tunnels | None = None
    ports: RawPorts | None = None
    renewed: threading.Event = field(default_factory=threading.Event)
