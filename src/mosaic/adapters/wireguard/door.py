"""What is asked of a WireGuard interface: wireguard-go by its socket, the kernel's by the program `wg`."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mosaic.core.errors import Refused, Unavailable
from mosaic.core.peers import SeenPeer, WantedPeer
from mosaic.core.public_key import PublicKey
from mosaic.crypto.secret import Secret


@dataclass(frozen=True, slots=True)
class SeenInterface:
    """An interface as it is. `listen_port` is its UDP port, 0 while it has none; `has_key` says whether it has one."""

    listen_port: int
    has_key: bool
    peers: Mapping[PublicKey, SeenPeer]


class Door(Protocol):
    """Threads may share it. What fails half way may have changed a part; look again."""

    def look(self) -> SeenInterface:
        """Return what is there. Raises InterfaceSilent."""

    def tell(
        self,
        *,
        private_key: Secret | None = None,
        listen_port: int | None = None,
        put: Iterable[WantedPeer] = (),
        removed: Collection[PublicKey] = (),
    ) -> None:
        """Change what is given and leave the rest. A peer that is removed and put begins with a handshake.

        Raises InterfaceSilent, InterfaceRefused, TunnelPortTaken.
        """


class InterfaceSilent(Unavailable):
    """Nobody answers for a WireGuard interface."""

    code = "tunnel-interface-silent"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the tunnel's interface {name} does not answer: {reason}",
            hint="it is made again by itself; the log of wireguard-go beside this one says why it ended",
        )


class InterfaceRefused(Refused):
    """A WireGuard interface did not take what it was told."""

    code = "tunnel-interface-refused"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the tunnel's interface {name} refused what it was told: {reason}",
            hint="is NET_ADMIN allowed here? The log of wireguard-go has the line that it refused",
        )


class TunnelPortTaken(Refused):
    """Another program has the UDP port of the tunnel."""

    code = "tunnel-port-taken"

    def __init__(self, port: int) -> None:
        super().__init__(
            f"another program has UDP port {port}", hint="`ss -lunp` says which; end it, or choose another port"
        )
