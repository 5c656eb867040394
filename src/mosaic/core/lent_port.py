"""Ports of the machine that are lent to a Device's own engine, and the lines in which that is asked for.

The engine's container has a network namespace of its own. So that an app is
found where it would be without isolation, the Device opens the port on the
machine and hands the open socket in; whoever connects there is led to the
same port inside. The socket stays open in the container when the Device ends.

A request is one line, `lend tcp 127.0.0.1 8080` with the socket beside it,
`end tcp 127.0.0.1 8080`, or `list`; the answer is `ok`, or `ok` and a port a
line, or `no` and a reason.
"""

from dataclasses import dataclass
from typing import Literal

LONGEST_LINE = 200

Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True, order=True)
class LentPort:
    """One port at one address of the machine."""

    protocol: Protocol
    host: str
    port: int

    @property
    def is_v6(self) -> bool:
        """Whether the address is one of IPv6."""
        return ":" in self.host


@dataclass(frozen=True, slots=True)
class Lend:
    """Take this port; its socket comes with the line."""

    port: LentPort


@dataclass(frozen=True, slots=True)
class End:
    """Give this port up."""

    port: LentPort


@dataclass(frozen=True, slots=True)
class ListLent:
    """Say which ports you have."""


Request = Lend | End | ListLent


def written(port: LentPort) -> str:
    """Return a port as text."""
    return f"{port.protocol} {port.host} {port.port}"


def read(text: str) -> LentPort | None:
    """Return the port that a text says, None when it is none."""
    words = text.split(" ")
    if len(words) != 3 or not words[1] or not (words[2].isascii() and words[2].isdigit()) or len(words[2]) > 5:
        return None
    number = int(words[2])
    if not 0 < number < 65536 or words[0] not in ("tcp", "udp"):
        return None
    return LentPort("tcp" if words[0] == "tcp" else "udp", words[1], number)


def line(request: Request) -> str:
    """Return a request's line, without its end."""
    match request:
        case Lend(port):
            return f"lend {written(port)}"
        case End(port):
            return f"end {written(port)}"
        case ListLent():
            return "list"


def parse(text: str) -> Request | None:
    """Return the request of a line, None when it is none."""
    if text == "list":
        return ListLent()
    verb, _, rest = text.partition(" ")
    port = read(rest)
    if port is None:
        return None
    return Lend(port) if verb == "lend" else End(port) if verb == "end" else None
