"""The networks that a machine or container reaches besides tunnels, into which no gateway may lead.

A gateway says which addresses are the tunnel's, and a route to one counts before
that of the whole network around it. So one that said an app's own address would be
sent what Caddy passes on to the app, after its decryption.
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

import msgspec

from mosaic.adapters import process
from mosaic.adapters.wireguard import ip_words
from mosaic.core.errors import Unavailable
from mosaic.core.peers import Network

DEADLINE_SECONDS = 20.0
_OWN = "mosaic"
"""How interfaces of tunnels begin."""


class TunnelNetworkTaken(Unavailable):
    """A gateway's tunnel has an address that is somebody else's here."""

    code = "link-tunnel-network-taken"

    def __init__(self, address: str, where: str) -> None:
        super().__init__(
            f"the gateway's tunnel has the address {address}, which is {where}",
            hint="have the gateway use another private network (`mosaic gateway serve --network`), or the app",
        )


class _Route(msgspec.Struct):
    """One route as `ip --json route` prints it."""

    dst: str = ""
    dev: str = ""


def networks() -> dict[Network, str]:
    """Return where this machine has routes of its own, each with the interface. Tunnels and the default are none."""
    finished = process.run(ip_words.show_routes(), deadline_seconds=DEADLINE_SECONDS)
    routes = msgspec.json.decode(finished.stdout, type=list[_Route], strict=False)
    near = [one for one in routes if one.dev and not one.dev.startswith(_OWN) and one.dst not in ("", "default")]
    return {ip_network(one.dst, strict=False): one.dev for one in near}


def require_free(addresses: Iterable[str]) -> None:
    """Take addresses of a tunnel only where they are private, and of no network that this machine is on.

    Raises:
        TunnelNetworkTaken: see there.
    """
    near = networks()
    for text in addresses:
        address = ip_address(text)
        if not address.is_private:
            raise TunnelNetworkTaken(text, "one of the public internet")
        for network, interface in near.items():
            if address in network:
                raise TunnelNetworkTaken(text, f"in {network}, which this machine reaches by {interface}")
