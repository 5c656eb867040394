"""What a gateway asks of whoever routes its connections. Two do: HAProxy, and one in Python."""

from collections.abc import Collection, Mapping
from typing import Protocol

from mosaic.core.link_routes import Route, Traffic


class Router(Protocol):
    """Reads a connection's name and passes it on unread, with PROXY protocol 2 before it. Threads may share it.

    Names are lower-case and have no dot at the end. What a call changed holds for
    every connection that is opened after it returned.
    """

    def put(self, routes: Mapping[str, Route]) -> None:
        """Add these routes, or replace those of the same names. Open connections stay with the route they came by."""

    def remove(self, names: Collection[str]) -> None:
        """Remove these routes and end their open connections. Names that have none are no error."""

    def end_connections(self, addresses: Collection[str]) -> None:
        """End the open connections to these tunnel addresses; their routes stay."""

    def addresses(self) -> dict[str, str]:
        """Return the tunnel address of every name that is routed now, as the router itself has it."""

    def traffic(self, names: Collection[str] | None = None) -> dict[str, Traffic]:
        """Return what the connections of these names carried, those that are routed; of all that are for None."""
