"""Trying out how long packets get through a tunnel and back, by pings of that length (ICMP, RFC 792).

It is asked at a link's end. Whoever answers there sends no longer packets than
the link takes, for TCP tells the other end; so a gateway need not be changed.
"""

import os
import socket
import struct
import time

from mosaic.adapters.wireguard.tunnel import Tunnel
from mosaic.core.path_mtu import MTUS, shorter

ANSWER_SECONDS = 1.0
TRIES = 3
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_IP_HEADER, _ICMP_HEADER = 20, 8
_SHORTEST = 100


def settle(tunnel: Tunnel, address: str, *, own: str, longest: int = MTUS[0]) -> int | None:
    """Give the tunnel the longest MTU with which pings from `own` to this address are answered, and return it.

    `longest` is tried first, and then those of MTUS that are shorter. None when not even short pings are answered:
    nothing is changed then. None as well when none of the MTUs is; the tunnel has the shortest then.
    Takes some 12 s at most. Raises TunnelNotMade when it was closed meanwhile.
    """
    if not is_answered(address, own=own, packet_bytes=_SHORTEST):
        return None
    mtu: int | None = longest
    while mtu is not None:
        tunnel.set_mtu(mtu)
        if is_answered(address, own=own, packet_bytes=mtu):
            return mtu
        mtu = shorter(mtu)
    return None


def is_answered(address: str, *, own: str, packet_bytes: int, tries: int = TRIES) -> bool:
    """Whether a ping of this length, with all headers, comes back to `own`. Each try that fails takes a second."""
    with _open() as line:
        try:
            # Only what is sent from there goes by the tunnel.
            line.bind((own, 0))
        except OSError:
            return False
        for number in range(tries):
            body = os.urandom(packet_bytes - _IP_HEADER - _ICMP_HEADER)
            try:
                line.sendto(_echo(number, body), (address, 0))
            except OSError:
                # As when there is no route, or the interface is down: nobody answers.
                return False
            if _returns(line, body):
                return True
    return False


def _open() -> socket.socket:
    """Containers may ping without any right; elsewhere root may open what needs CAP_NET_RAW."""
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    except PermissionError:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _echo(number: int, body: bytes) -> bytes:
    head = struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, number)
    return struct.pack("!BBHHH", _ECHO_REQUEST, 0, _checksum(head + body), os.getpid() & 0xFFFF, number) + body


def _returns(line: socket.socket, body: bytes) -> bool:
    deadline = time.monotonic() + ANSWER_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        line.settimeout(left)
        try:
            packet = line.recv(65536)
        except OSError:
            return False
        # A raw socket gives the IP header as well, and what others are answered; the body is random.
        if packet.endswith(body) and packet[-len(body) - _ICMP_HEADER] == _ECHO_REPLY:
            return True
    return False


def _checksum(words: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    even = words + bytes(len(words) % 2)
    total = sum(int.from_bytes(even[place : place + 2]) for place in range(0, len(even), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
