"""Tunnel addresses: which number a registration has, and the address that it stands for.

A group of gateways has one private network. Number n is its n-th address for a
link that has an interface, and the n-th of 127.64.0.0/10 for one in TCP mode,
so a number is all that is kept. Numbers below FIRST_NUMBER are the gateways' own.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from mosaic.core.errors import Refused, Unavailable

FIRST_NUMBER = 256
"""Of registrations: with the default network, 10.100.1.0."""

QUARANTINE_NS = 3600 * 10**9
"""How long a freed number is kept back: what is on its way to the old link must not reach a new one."""

OWN_QUARANTINE_NS = 10 * 10**9
"""The same for a number that its own link is given again: by then every living gateway has carried its end out."""

DEFAULT_NETWORK = "10.100.0.0/16"
DEFAULT_TCP_NETWORK = "127.64.0.0/10"
_LOOPBACK = IPv4Network(DEFAULT_TCP_NETWORK)
_SMALLEST_PREFIX, _LARGEST_PREFIX = _LOOPBACK.prefixlen, 22


class NetworkUnusable(Refused):
    """A tunnel network has to be a private one of a size that its numbers fit in."""

    code = "tunnel-network-unusable"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:60]} cannot be a tunnel network: it has to be a private IPv4 network "
            f"from /{_SMALLEST_PREFIX} to /{_LARGEST_PREFIX}, written by its first address",
            hint=f"leave `--network` away for {DEFAULT_NETWORK}",
        )


class TcpNetworkUnusable(Refused):
    """Links in TCP mode have addresses that no other machine reaches."""

    code = "tcp-network-unusable"

    def __init__(self, text: str, network: IPv4Network) -> None:
        super().__init__(
            f"{text[:60]} cannot be the network of TCP mode: it has to lie in {_LOOPBACK}, "
            f"be no smaller than {network}, and be written by its first address",
            hint=f"leave `--tcp-network` away for {_LOOPBACK}; gateways on one machine need one each",
        )


class GatewayFull(Unavailable):
    """All tunnel addresses are in use, or were until a moment ago."""

    code = "gateway-full"

    def __init__(self) -> None:
        super().__init__(
            "the gateway has no tunnel address left",
            hint="try again in an hour, or set up a gateway with a larger `--network`",
        )


@dataclass(frozen=True, slots=True)
class TunnelNetwork:
    """The private network of a group of gateways, and of loopback what one gateway has for links in TCP mode."""

    network: IPv4Network
    loopback: IPv4Network = _LOOPBACK

    @property
    def numbers(self) -> range:
        """Numbers that registrations can have."""
        return range(FIRST_NUMBER, self.network.num_addresses - 1)

    def address(self, number: int) -> str:
        """Return the address of a gateway, or of a link with an interface."""
        return str(self.network[number])

    def loopback_address(self, number: int) -> str:
        """Return the address of a link in TCP mode: each gateway's own tunnel server listens there."""
        return str(self.loopback[number])

    def __str__(self) -> str:
        return str(self.network)


def parse(text: str, tcp: str = DEFAULT_TCP_NETWORK) -> TunnelNetwork:
    """Read a network such as `10.100.0.0/16`, and one for TCP mode. Raises NetworkUnusable, TcpNetworkUnusable."""
    try:
        network = IPv4Network(text)
    except ValueError:
        raise NetworkUnusable(text) from None
    fits = _SMALLEST_PREFIX <= network.prefixlen <= _LARGEST_PREFIX
    if not fits or not network.is_private or network.is_loopback or network.is_link_local:
        raise NetworkUnusable(text)
    try:
        loopback = IPv4Network(tcp)
    except ValueError:
        raise TcpNetworkUnusable(tcp, network) from None
    if not loopback.subnet_of(_LOOPBACK) or loopback.prefixlen > network.prefixlen:
        raise TcpNetworkUnusable(tcp, network)
    return TunnelNetwork(network, loopback)


def number_of(network: TunnelNetwork, address: str) -> int | None:
    """Return the number that an address of either network stands for, None of any other address."""
    try:
        given = IPv4Address(address)
    except ValueError:
        return None
    for known in (network.network, network.loopback):
        if given in known:
            return int(given) - int(known.network_address)
    return None


def take(network: TunnelNetwork, next_number: int, freed: tuple[int, int] | None, *, now_ns: int) -> int:
    """Return the number for a new registration.

    `next_number` is the lowest that was never given out, `freed` the number that
    was freed longest ago, and when; it is taken as soon as it may be, so that
    numbers stay few. Raises GatewayFull.
    """
    if freed is not None and freed[1] + QUARANTINE_NS <= now_ns:
        return freed[0]
    if next_number not in network.numbers:
        raise GatewayFull
    return next_number
