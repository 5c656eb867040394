"""The words of `ip` (ip(8)) that make an interface, and give it addresses, an MTU and routes. Pure."""

import zlib
from ipaddress import IPv4Interface, IPv6Interface
from typing import TypeAlias

from mosaic.core.peers import Network

PROGRAM = "ip"
Interface: TypeAlias = IPv4Interface | IPv6Interface
"""An address and the network that it is in, as `10.100.0.1/16`."""

_BEFORE_ALL_TABLES = "50"
_BEHIND_WHAT_COMES_IN = "51"
_FIRST_TABLE = 1 << 30
_AFTER_ALL_ROUTES = "4294967295"


def add_wireguard(name: str) -> list[str]:
    """Have the kernel make an interface. It is down, and has neither key nor peers."""
    return [PROGRAM, "link", "add", "dev", name, "type", "wireguard"]


def show_wireguard(name: str) -> list[str]:
    """Fail unless the kernel has a WireGuard interface of that name."""
    return [PROGRAM, "-details", "link", "show", "dev", name, "type", "wireguard"]


def show_addresses(name: str) -> list[str]:
    """Print its addresses as JSON."""
    return [PROGRAM, "-json", "address", "show", "dev", name]


def show_routes() -> list[str]:
    """Print all routes as JSON, with those to the machine's own addresses."""
    return [PROGRAM, "-json", "route", "show", "table", "all"]


def delete(name: str) -> list[str]:
    """Take an interface away. A wireguard-go that has it ends."""
    return [PROGRAM, "link", "delete", "dev", name]


def up(name: str, *, mtu: int) -> list[str]:
    """Set its longest packet (bytes), and set it up."""
    return [PROGRAM, "link", "set", "dev", name, "mtu", str(mtu), "up"]


def address(name: str, own: Interface) -> list[str]:
    """Give it an address; one that it has is no error."""
    return [PROGRAM, "address", "replace", str(own), "dev", name]


def route(name: str, network: Network) -> list[str]:
    """Send there through it what has the interface's address as its own; a route that is there is no error.

    It lies in a table of the interface's own, which nothing else looks into (`from_address`).
    """
    return [PROGRAM, "route", "replace", str(network), "dev", name, "table", table_of(name)]


def no_other_route(name: str, *, version: int) -> list[str]:
    """Have nothing else in that table lead anywhere, by any table behind it neither."""
    return [PROGRAM, f"-{version}", "route", "replace", "unreachable", "default", "table", table_of(name)]


def forget_routes(name: str, *, version: int) -> list[str]:
    """Empty that table. Fails when there is none."""
    return [PROGRAM, f"-{version}", "route", "flush", "table", table_of(name)]


def from_address(name: str, own: Interface) -> list[str]:
    """Have what is sent from this address go by the interface's own table, and by no other."""
    rule = ["from", str(own.ip), "lookup", table_of(name)]
    return [PROGRAM, f"-{own.version}", "rule", "add", *rule, "pref", _BEHIND_WHAT_COMES_IN]


def from_no_address(name: str, *, version: int) -> list[str]:
    """Take one such rule away, whichever its address. Fails when there is none."""
    rule = ["lookup", table_of(name), "pref", _BEHIND_WHAT_COMES_IN]
    return [PROGRAM, f"-{version}", "rule", "delete", *rule]


def table_of(name: str) -> str:
    """Return the number of an interface's own table of routes: far from those that people give."""
    return str(_FIRST_TABLE + zlib.crc32(name.encode()) % _FIRST_TABLE)


def refuse_without(network: Network) -> list[str]:
    """Refuse what is for a network while no interface has it, which would leave by the default route else."""
    return [PROGRAM, "route", "replace", *_refusal(network)]


def refuse_no_more(network: Network) -> list[str]:
    """Take such a refusal away. Fails when there is none."""
    return [PROGRAM, "route", "delete", *_refusal(network)]


def pass_nothing_on(name: str, *, version: int) -> list[str]:
    """Have no route for packets that come from it and are for somebody else, of this version of IP.

    A container of Docker forwards, and an app's database lies behind it. This
    holds where there are no nftables; the machine's own addresses come before it.
    """
    return [PROGRAM, f"-{version}", "rule", "add", *_rule(name)]


def pass_on_again(name: str, *, version: int) -> list[str]:
    """Take one such rule away. Fails when there is none."""
    return [PROGRAM, f"-{version}", "rule", "delete", *_rule(name)]


def _refusal(network: Network) -> list[str]:
    return ["unreachable", str(network), "metric", _AFTER_ALL_ROUTES]


def _rule(name: str) -> list[str]:
    return ["iif", name, "pref", _BEFORE_ALL_TABLES, "blackhole"]
