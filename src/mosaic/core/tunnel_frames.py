"""What is said on a proven connection of TCP mode. Numbers are big-endian.

On a **data** connection the gateway speaks once: the opening, a kind (1) and the port
inside the tunnel (2). From then on a stream is bytes both ways, unread. For
datagrams each is sent as its length (2) and its bytes, both ways.

On the **control** connection both send frames of one size, a kind (1) and a
number (8). The link pings; the gateway answers each with the ping's own number, and says
by the kind whether the registration is the newest of its link. It asks for connections
(WANTED, how many) when visitors wait. Frames of a kind that is not known are passed over.
"""

import struct
from dataclasses import dataclass
from enum import Enum

OPENING_BYTES = 3
CONTROL_BYTES = 9
LENGTH_BYTES = 2
LONGEST_DATAGRAM = 65535

_OPENING = struct.Struct("!BH")
_CONTROL = struct.Struct("!BQ")
_LENGTH = struct.Struct("!H")


class Carries(Enum):
    """What a data connection is opened for."""

    STREAM = 1
    DATAGRAMS = 2


class Said(Enum):
    """The kinds of control frames."""

    PING = 1
    NEWEST = 2
    SUPERSEDED = 3
    WANTED = 4


_CARRIED = frozenset(known.value for known in Carries)
_SAID = frozenset(known.value for known in Said)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a data connection is spent on."""

    carries: Carries
    port: int


def write_opening(opening: Opening) -> bytes:
    """Return the OPENING_BYTES of an opening."""
    return _OPENING.pack(opening.carries.value, opening.port)


def read_opening(said: bytes) -> Opening | None:
    """Read exactly OPENING_BYTES; None of what is no opening."""
    kind, port = _OPENING.unpack(said)
    return Opening(Carries(kind), port) if kind in _CARRIED and port else None


def write_control(said: Said, number: int) -> bytes:
    """Return the CONTROL_BYTES of a frame."""
    return _CONTROL.pack(said.value, number)


def read_control(frame: bytes) -> tuple[Said | None, int]:
    """Read exactly CONTROL_BYTES. The kind is None where it is not known here."""
    kind, number = _CONTROL.unpack(frame)
    return (Said(kind) if kind in _SAID else None), number


def write_datagram(datagram: bytes) -> bytes:
    """Return a datagram of at most LONGEST_DATAGRAM bytes as it is sent, its length first."""
    return _LENGTH.pack(len(datagram)) + datagram


def read_length(said: bytes) -> int:
    """Return how long a datagram is, by exactly LENGTH_BYTES before it."""
    length: int = _LENGTH.unpack(said)[0]
    return length
