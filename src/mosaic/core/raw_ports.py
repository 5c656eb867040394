"""Raw ports: which public port of a gateway leads to which port of which tunnel address. Pure."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mosaic.core.ids import LinkId

RawProtocol = Literal["tcp", "udp"]

PortKey: TypeAlias = tuple[RawProtocol, int]
"""A public port of a gateway."""

INNER_PORTS = range(8460, 8480)
"""Of a tunnel address: where raw ports go. Neither Caddy's, nor any that a gateway may open to the public."""

MOST_RAW_PORTS = len(INNER_PORTS)
"""Of one link, both protocols together."""


class PortRangeUnreadable(ValueError):
    """The text is no range of ports."""


@dataclass(frozen=True, slots=True)
class PortTarget:
    """Where a raw port leads: a port of a link's tunnel address."""

    link: LinkId
    address: str
    port: int


def key_name(key: PortKey) -> str:
    """Return a word for a port that no DNS name is."""
    return f"{key[0]}:{key[1]}"


def parse_range(text: str) -> range:
    """Read `20000-29999`, both ends among them. Raises PortRangeUnreadable."""
    first, dash, last = text.strip().partition("-")
    if not (dash and _is_number(first) and _is_number(last)):
        raise PortRangeUnreadable(f"{text[:40]!r} is no range of ports, such as 20000-29999")
    found = range(int(first), int(last) + 1)
    if not found or found.start < 1 or found.stop > 65536:
        raise PortRangeUnreadable(f"{text[:40]!r} has no port, or ports that are none: they are 1 to 65535")
    if set(found) & set(INNER_PORTS):
        raise PortRangeUnreadable(f"ports {INNER_PORTS.start} to {INNER_PORTS.stop - 1} are those within tunnels")
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5
