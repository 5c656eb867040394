"""What a link's supervisor needs of others: a gateway's API, and a tunnel in each mode."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from mosaic.adapters.caddy_link import Place
from mosaic.core.errors import Unavailable
from mosaic.core.link_healing import Probe
from mosaic.wire.links import Leave, Mode, Peer, Register, Registered


class TunnelUndescribed(Unavailable):
    """A registration lacks what its mode needs."""

    code = "link-tunnel-undescribed"

    def __init__(self, mode: str) -> None:
        super().__init__(
            f"the gateway gave a registration for {mode} by which no gateway can be reached",
            hint="link and gateway need versions that fit; another mode is tried, if there is one",
        )


class GatewayApi(Protocol):
    """One gateway, as `adapters.gateway_registration` asks it, in threads."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    def register(self, asked: Register) -> Registered:
        """Ask for a place; asking the same again returns the same."""
        ...

    def leave(self, left: Leave) -> None:
        """Say that this link stops."""
        ...


class LinkTunnel(Protocol):
    """The link's end of a tunnel in one mode. Used by one task at a time, but for `probe`."""

    @property
    def public_key(self) -> str | None:
        """WireGuard's (base64), made when this was; None in TCP mode."""
        ...

    async def open(self, registered: Registered) -> Place:
        """Make it, or change it to another registration, and return where Caddy has to listen. Raises a MosaicError."""
        ...

    async def renew(self, gateways: Collection[str]) -> None:
        """Make new sessions with these gateways, their endpoints' names looked up again. Raises a MosaicError."""
        ...

    async def probe(self, peer: Peer) -> Probe:
        """Ask a gateway's inside whether it has this registration. Raises nothing: what fails is silent."""
        ...

    async def close(self) -> None:
        """Take it down. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """A mode that may be tried here, and what makes a tunnel in it, with a key of its own."""

    mode: Mode
    make: Callable[[], LinkTunnel]


Ways = Sequence[Way]
"""The best first; never none."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything is waited for, in seconds."""

    register_pause: float = 1.0
    longest_pause: float = 60.0
    patience: float = 90.0
    """How long a token may be unknown that was never known: a Hive tells its gateways, and they may hear late."""

    first_probe: float = 1.0
    """Between two rounds while no probe comes back; longer with each registration that did not help."""

    longest_probe_pause: float = 30.0

    probe_deadline: float = 2.0
    check_pause: float = 1.0
    check_deadline: float = 15.0
    refresh: float = 300.0
    """Between two looks at which names the gateway routes now."""

    leave_deadline: float = 3.0
