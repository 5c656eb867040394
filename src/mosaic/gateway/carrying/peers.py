"""The `Peers` of a gateway: the peers of its WireGuard interface, each with the one address that it may use."""

from collections.abc import Collection, Mapping
from ipaddress import IPv4Network

from mosaic.adapters.wireguard.tunnel import Tunnel
from mosaic.core.peers import SeenPeer, WantedPeer
from mosaic.core.public_key import PublicKey
from mosaic.gateway.parts import Peer

_NOWHERE = ""


class WireguardPeers:
    """Of a tunnel that was started. Peers that its interface has from before are kept, until all is compared."""

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        seen = tunnel.peers()
        # What is taken over is remembered as if it was told, or an interface that is made again would not have it.
        tunnel.replace_all(
            [WantedPeer(key, peer.networks) for key, peer in seen.items()],
            {key: peer.endpoint for key, peer in seen.items() if peer.endpoint is not None},
        )

    def put(self, peers: Mapping[str, Peer]) -> None:
        """Add or change peers. One whose `endpoint` is None keeps what it has."""
        self._tunnel.put(
            WantedPeer(PublicKey(key), frozenset({IPv4Network(peer.address)}), peer.endpoint)
            for key, peer in peers.items()
        )

    def remove(self, keys: Collection[str]) -> None:
        """Remove peers. Keys that are not there are no error."""
        self._tunnel.remove([PublicKey(key) for key in keys])

    def seen(self) -> dict[str, Peer]:
        """Return all peers as the interface itself has them."""
        return {key: Peer(_address(peer), peer.endpoint) for key, peer in self._tunnel.peers().items()}


def _address(peer: SeenPeer) -> str:
    """Return the address of a peer of ours. One that has another number of them has none that anybody wants."""
    networks = list(peer.networks)
    alone = len(networks) == 1 and networks[0].prefixlen == networks[0].max_prefixlen
    return str(networks[0].network_address) if alone else _NOWHERE
