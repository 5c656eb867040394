"""The head that a router puts before a connection, so that who answers it knows who asks: PROXY protocol 2.

Only connections of TCP over IPv4 and IPv6 have ends that are told. A head of the
router's own (LOCAL), of a UNIX socket or of any other kind is read as one without.
What may follow the addresses (TLVs) is passed over.

Source: HAProxy, "The PROXY protocol, versions 1 & 2", 2.2.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from mosaic.core.needs_more import NeedsMore

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MOST_BYTES = 4096
"""Of a head that is read. The format allows 64 KiB; what routers send has less than 600."""

_HEAD = 16
_LOCAL, _PROXY = 0x20, 0x21
_UNKNOWN, _TCP_4, _TCP_6 = 0x00, 0x11, 0x21
_PORT_BYTES = 2

Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a TCP connection as its first router saw them: who asks, and where it was asked."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int


@dataclass(frozen=True, slots=True)
class Head:
    """A head that was read. `size` is where what it precedes begins; `ends` is None where it tells none."""

    size: int
    ends: Ends | None


@dataclass(frozen=True, slots=True)
class NoHead:
    """The bytes are no head of version 2, or one that is too long."""


Reading: TypeAlias = NeedsMore | Head | NoHead


def ends_of(source: tuple[str, int], destination: tuple[str, int]) -> Ends:
    """Return the ends from addresses as sockets give them. IPv4 that a socket of IPv6 took is told as IPv4."""
    ends = Ends(_plain(source[0]), source[1], _plain(destination[0]), destination[1])
    return ends if ends.source.version == ends.destination.version else _both_v6(ends)


def encode(ends: Ends | None) -> bytes:
    """Return the head that tells these ends; None says that the router itself asks. Both have one family."""
    if ends is None:
        return SIGNATURE + bytes([_LOCAL, _UNKNOWN, 0, 0])
    addresses = ends.source.packed + ends.destination.packed
    ports = ends.source_port.to_bytes(_PORT_BYTES, "big") + ends.destination_port.to_bytes(_PORT_BYTES, "big")
    family = _TCP_4 if ends.source.version == 4 else _TCP_6
    size = len(addresses) + len(ports)
    return SIGNATURE + bytes([_PROXY, family]) + size.to_bytes(2, "big") + addresses + ports


def read(received: bytes) -> Reading:
    """Read the head from the first bytes of a connection. Never raises; what follows the head is not looked at."""
    if received[: len(SIGNATURE)] != SIGNATURE[: len(received)]:
        return NoHead()
    if len(received) > len(SIGNATURE) and received[len(SIGNATURE)] not in (_LOCAL, _PROXY):
        return NoHead()
    if len(received) < _HEAD:
        return NeedsMore(_HEAD)
    command, family = received[12], received[13]
    size = _HEAD + int.from_bytes(received[14:_HEAD], "big")
    if size > MOST_BYTES:
        return NoHead()
    if len(received) < size:
        return NeedsMore(size)
    if command == _LOCAL or family not in (_TCP_4, _TCP_6):
        return Head(size, None)
    ends = _ends(received[_HEAD:size], 4 if family == _TCP_4 else 16)
    return Head(size, ends) if ends is not None else NoHead()


def _ends(block: bytes, width: int) -> Ends | None:
    """Read both addresses and both ports; None when the block is too short for them."""
    after = 2 * width
    if len(block) < after + 2 * _PORT_BYTES:
        return None
    return Ends(
        ip_address(block[:width]),
        int.from_bytes(block[after : after + 2], "big"),
        ip_address(block[width:after]),
        int.from_bytes(block[after + 2 : after + 4], "big"),
    )


@lru_cache(maxsize=1024)
def _plain(text: str) -> Address:
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


def _both_v6(ends: Ends) -> Ends:
    return Ends(_as_v6(ends.source), ends.source_port, _as_v6(ends.destination), ends.destination_port)


def _as_v6(address: Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")
