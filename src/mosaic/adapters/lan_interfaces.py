"""The interfaces by which this machine is on its owner's network, and their addresses, as the kernel has them.

Those that a default route goes through; where there is none, all that can
speak to many at once. So the bridges and tunnels of a machine, which a
container engine or a VPN makes, are no network of its owner's.
"""

import fcntl
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

# netdevice(7)
_SIOCGIFFLAGS = 0x8913
_SIOCGIFADDR = 0x8915
_UP, _LOOPBACK, _POINT_TO_POINT, _MULTICAST = 0x1, 0x8, 0x10, 0x1000
_REQUEST = "16s24x"
_ADDRESS = slice(20, 24)
_FLAGS = slice(16, 18)

_EVERYWHERE = "00000000"
_ROUTE_UP = 0x1


@dataclass(frozen=True, slots=True)
class LanInterface:
    """One interface and its first IPv4 address."""

    index: int
    name: str
    address: str


def lan_interfaces(*, routes: Path = Path("/proc/net/route")) -> list[LanInterface]:
    """Return them by name; none for a machine without a network. IPv4 alone."""
    seen = [(index, name) for index, name in socket.if_nameindex() if _speaks_to_many(name)]
    led = _default_routes(routes.read_text()) if routes.exists() else set()
    chosen = [(index, name) for index, name in seen if name in led] or [
        (index, name) for index, name in seen if not Path(f"/sys/class/net/{name}/bridge").exists()
    ]
    found = [(index, name, _address(name)) for index, name in sorted(chosen, key=lambda one: one[1])]
    return [LanInterface(index, name, address) for index, name, address in found if address is not None]


def _default_routes(table: str) -> set[str]:
    lines = [line.split() for line in table.splitlines()[1:]]
    return {one[0] for one in lines if len(one) > 7 and one[1] == one[7] == _EVERYWHERE and int(one[3], 16) & _ROUTE_UP}


def _speaks_to_many(name: str) -> bool:
    answer = _ask(name, _SIOCGIFFLAGS)
    flags = struct.unpack("H", answer[_FLAGS])[0] if answer is not None else 0
    return bool(flags & _UP and flags & _MULTICAST and not flags & (_LOOPBACK | _POINT_TO_POINT))


def _address(name: str) -> str | None:
    answer = _ask(name, _SIOCGIFADDR)
    return socket.inet_ntoa(answer[_ADDRESS]) if answer is not None else None


def _ask(name: str, question: int) -> bytes | None:
    """Ask the kernel about an interface. None: it is gone, or has no such thing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            return fcntl.ioctl(asking, question, struct.pack(_REQUEST, name.encode()))
        except OSError:
            return None
