"""A place that passes packets on between others, each on a wire of its own: the internet, or a router at home."""

from ipaddress import IPv4Address
from itertools import count
from pathlib import Path

from support.netns.place import Place

UP = "outward"
"""What the interface of a place is called that leads to its hub."""


class Wire:
    """A veth pair between a place and its hub. The place has one address on it, and its default route."""

    def __init__(self, hub: "Hub", place: Place, address: str, end: str) -> None:
        self.hub, self.place, self.address = hub, place, address
        self._end = end
        hub.run("ip", "link", "add", end, "type", "veth", "peer", "name", UP, "netns", place.network)
        hub.run("ip", "address", "add", hub.address, "dev", end)
        self.plug_in()

    def plug_in(self) -> None:
        """Have it carry. It does from the beginning."""
        self.hub.run("ip", "link", "set", self._end, "up")
        self.place.run("ip", "link", "set", UP, "up")
        self._give(self.address)

    def unplug(self) -> None:
        """Have it carry nothing. The place sees that its wire is without a signal, and keeps address and routes."""
        self.hub.run("ip", "link", "set", self._end, "down")

    def move(self, address: str) -> None:
        """Give the place another address instead of the one that it has; nobody has the old one then."""
        self.place.run("ip", "address", "delete", f"{self.address}/32", "dev", UP)
        self.hub.run("ip", "route", "delete", self.address, "dev", self._end)
        self.address = address
        self._give(address)

    def set_longest(self, packet_bytes: int) -> None:
        """Carry no longer packets than this (1280 is the shortest that IPv6 allows)."""
        self.hub.run("ip", "link", "set", self._end, "mtu", str(packet_bytes))
        self.place.run("ip", "link", "set", UP, "mtu", str(packet_bytes))

    def set_longest_at_hub(self, packet_bytes: int) -> None:
        """Let the hub pass on no longer packets, which the place learns by ICMP alone, if at all."""
        self.hub.run("ip", "link", "set", self._end, "mtu", str(packet_bytes))

    def _give(self, address: str) -> None:
        self.place.run("ip", "address", "replace", f"{address}/32", "dev", UP)
        self.place.run("ip", "route", "replace", self.hub.address, "dev", UP, "src", address)
        self.place.run("ip", "route", "replace", "default", "via", self.hub.address, "dev", UP, "src", address)
        self.hub.run("ip", "route", "replace", address, "dev", self._end)


class Hub(Place):
    """Its `address` is the same on every wire."""

    def __init__(self, name: str, folder: Path, address: str) -> None:
        super().__init__(name, folder)
        self.address = address
        self._given: list[str] = []
        self.do(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))

    def join(self, place: Place, address: str | None = None) -> Wire:
        """Lay a wire to a place, and give it this address or the next free one."""
        free = (str(IPv4Address(self.address) + number) for number in count(1))
        own = address or next(each for each in free if each not in self._given)
        self._given.append(own)
        return Wire(self, place, own, f"to{len(self._given)}")

    def lose_icmp(self, *, lost: bool = True) -> None:
        """Tell nobody any more that a packet was too long, or could not be delivered: many firewalls do that."""
        drop = "icmp type destination-unreachable drop" if lost else ""
        self.filter(
            f"""table ip told
            delete table ip told
            table ip told {{
                chain out {{ type filter hook output priority 0; {drop}
                }}
                chain on {{ type filter hook forward priority 0; {drop}
                }}
            }}"""
        )


def internet(folder: Path) -> Hub:
    """Make a network for all to meet on; its addresses are those that RFC 2544 sets apart."""
    return Hub("internet", folder, "198.18.0.1")
