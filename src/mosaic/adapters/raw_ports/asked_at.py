"""UDP sockets that say at which address of this machine a datagram came, and answer from there.

A socket that is bound to every address would answer from the one that the
route back has, which is not always the one that was asked; then nobody
takes it for an answer. Source: ip(7) IP_PKTINFO, ipv6(7) IPV6_PKTINFO.
"""

import socket
import struct
from typing import TypeAlias

from mosaic.adapters.splice_router.doors import Address, DoorNotOpened

Ancillary: TypeAlias = list[tuple[int, int, bytes]]

_IP_PKTINFO = 8
_V4 = struct.Struct("=i4s4s")
_V6 = struct.Struct("=16sI")
_ANCILLARY_BYTES = 128
_BUFFER_BYTES = 1024 * 1024
LONGEST_DATAGRAM = 65535


def opened(address: Address) -> socket.socket:
    """Return a socket that is bound there. Raises DoorNotOpened."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        made.bind(address)
    except OSError as error:
        made.close()
        raise DoorNotOpened(address, error.strerror or str(error)) from None
    return made


def received(at: socket.socket) -> tuple[bytes, Address, Ancillary]:
    """Return a datagram, who sent it, and what an answer is sent with. Raises OSError."""
    said, ancillary, _, sender = at.recvmsg(LONGEST_DATAGRAM, _ANCILLARY_BYTES)
    return said, sender, [found for level, kind, value in ancillary if (found := _answering(level, kind, value))]


def answer(at: socket.socket, said: bytes, to: Address, ancillary: Ancillary) -> None:
    """Send from where it was asked. Raises OSError."""
    at.sendmsg([said], ancillary, 0, to)


def _answering(level: int, kind: int, value: bytes) -> tuple[int, int, bytes] | None:
    """Return what has an answer leave from where the datagram came; the interface is left to the route."""
    if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(value) >= _V4.size:
        _, _, asked = _V4.unpack_from(value)
        return level, kind, _V4.pack(0, asked, bytes(4))
    if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(value) >= _V6.size:
        asked, interface = _V6.unpack_from(value)
        return level, kind, _V6.pack(asked, interface if asked[:2] == b"\xfe\x80" else 0)
    return None
