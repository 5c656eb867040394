"""This machine itself as one more place on a hub: what its engine starts gets out as from behind a router at home.

The engine's own rules hide the containers behind the machine's address on that wire, and let nothing in.
"""

import contextlib
import secrets
from collections.abc import Iterator
from ipaddress import ip_network

from mosaic.adapters import process
from support.netns.hub import Hub

_NETWORK_BITS = 24


@contextlib.contextmanager
def machine_at_home(hub: Hub, address: str) -> Iterator[None]:
    """Lay a wire from the hub to this machine while the block runs, over which it reaches the hub's network."""
    ours, theirs = f"wire{secrets.token_hex(4)}", "machine"
    _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", hub.network)
    try:
        hub.run("ip", "address", "add", hub.address, "dev", theirs)
        hub.run("ip", "link", "set", theirs, "up")
        hub.run("ip", "route", "replace", address, "dev", theirs)
        _ip("address", "add", f"{address}/32", "dev", ours)
        _ip("link", "set", ours, "up")
        _ip("route", "add", hub.address, "dev", ours, "src", address)
        everywhere = ip_network(f"{hub.address}/{_NETWORK_BITS}", strict=False)
        _ip("route", "add", str(everywhere), "via", hub.address, "dev", ours, "src", address)
        yield
    finally:
        _ip("link", "delete", ours)


def _ip(*words: str) -> None:
    process.run(["ip", *words], deadline_seconds=60)
