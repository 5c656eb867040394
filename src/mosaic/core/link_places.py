"""Where the public reaches a gateway, as it says itself: `host:port` of each of its group. Pure."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

TLS_PORT = 443


@dataclass(frozen=True, slots=True)
class Place:
    """A host, by name or address, and a port."""

    host: str
    port: int


def places_of(told: Sequence[str], addresses: Sequence[str], target: str) -> list[Place]:
    """Return the places that a gateway tells; of an older one that tells none, its addresses, or its name, at 443."""
    found = [place for place in map(_place, told) if place is not None]
    return found or [Place(host, TLS_PORT) for host in addresses or ([target] if target else [])]


def addresses_of(host: str) -> list[str] | None:
    """Return the address that is written as a host, None for a name, which DNS has to be asked for."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return None


def _place(text: str) -> Place | None:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return None
    return Place(host, int(port))
