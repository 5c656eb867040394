"""What lies between visitors and links: a router, or the tunnel of TCP mode before it, each in its own process."""

import asyncio
import secrets
import socket
from multiprocessing.connection import Connection

from mosaic.adapters.splice_router.router import SpliceRouter
from mosaic.adapters.tcp_tunnel.client import Credentials, Probe, TunnelClient
from mosaic.adapters.tcp_tunnel.served import Place
from mosaic.adapters.tcp_tunnel.server import TunnelServer, listen
from mosaic.core.ids import LinkId
from mosaic.core.link_routes import TLS_PORT, Route
from mosaic.crypto.secret import Secret

LINK = LinkId("abcdefghijkl")
_REGISTRATION = "measured"


def routes_to(addresses: dict[str, str]) -> dict[str, Route]:
    """Return the routes of names to tunnel addresses."""
    return {name: Route(LINK, address) for name, address in addresses.items()}


def splice_router(ready: Connection, addresses: dict[str, str]) -> None:
    """Be the router in Python."""
    with SpliceRouter(tls=[("127.0.0.1", 0)]) as router:
        router.put(routes_to(addresses))
        ready.send(router.tls_addresses[0])
        ready.poll(None)


def tunnel_server(ready: Connection, places: dict[str, str], key: bytes) -> None:
    """Be the gateway's end of TCP mode, for registrations with these addresses."""
    known = {name: Place(address, Secret(key)) for name, address in places.items()}

    async def find(name: str) -> Place | None:
        return known.get(name)

    async def run() -> None:
        server = TunnelServer(find, lambda _: True)
        listener = listen("127.0.0.1", 0)
        ready.send(listener.getsockname())
        await server.serve(listener)

    asyncio.run(run())


def tunnel_client(ready: Connection, port: int, name: str, key: bytes, local: tuple[str, int]) -> None:
    """Be a link's end of TCP mode, which leads to an address here."""
    told = False

    def probed(probe: Probe) -> None:
        nonlocal told
        if probe is Probe.NEWEST and not told:
            told = True
            ready.send("there")

    async def run() -> None:
        client = TunnelClient(
            "127.0.0.1", port, Credentials(name, Secret(key)), {TLS_PORT: local}, probed,
            draw=lambda: secrets.randbelow(1000) / 1000,
        )  # fmt: skip
        await client.run()

    asyncio.run(run())


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
