"""The requests to a gateway, each in the thread of whoever calls, and what is kept of its answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import anyio

from mosaic.adapters.sql import gateways
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateways import Gateway
from mosaic.core.ids import LinkId
from mosaic.crypto.hive_requests import HiveRequest
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.runtime import Hive
from mosaic.wire.links import DesiredLink, GatewayAbout, LinkStanding

if TYPE_CHECKING:
    from mosaic.adapters.gateway_client import GatewayClient

T = TypeVar("T")

MOST_SECONDS = 60.0
"""Of a request, whatever comes meanwhile: one whose answer comes byte by byte is silent too."""


async def answered(gateway: Gateway, call: Callable[[], T], *, seconds: float = MOST_SECONDS) -> T:
    """Return what one of the requests here does, in a thread of its own. Raises GatewaySilent too."""
    with anyio.move_on_after(seconds):
        return await in_own_thread(call)
    from mosaic.adapters.gateway_client import GatewaySilent

    raise GatewaySilent(gateway.url, f"it did not end its answer within {seconds:g} s")


def put(hive: Hive, gateway: Gateway, link: LinkId, told: DesiredLink) -> LinkStanding:
    """Have a gateway take a link. Raises GatewaySilent, and what the gateway refuses with."""
    with _client(hive, gateway) as client:
        return client.put(link, told)


def delete(hive: Hive, gateway: Gateway, link: LinkId) -> None:
    """Have a gateway forget a link. Raises as `put`."""
    with _client(hive, gateway) as client:
        client.delete(link)


def look(hive: Hive, gateway: Gateway) -> tuple[GatewayAbout, list[LinkStanding]]:
    """Ask a gateway who it is, and what it has of this Hive's links. Raises as `put`."""
    with _client(hive, gateway) as client:
        return client.about(), client.links()


def about(hive: Hive, gateway: Gateway) -> GatewayAbout:
    """Ask a gateway who it is. Raises as `put`."""
    with _client(hive, gateway) as client:
        return client.about()


async def note(hive: Hive, gateway: Gateway, *, about: GatewayAbout | None = None, problem: str = "") -> None:
    """Keep what a gateway said of itself, or why it does not answer. What is known already is not written again."""

    def changed(tx: Tx) -> Gateway | None:
        now = gateways.get(tx, gateway.id)
        if now is None:
            return None
        after = replace(now, about=about or now.about, problem=problem)
        return after if after != now else None

    after = await hive.read(changed)
    if after is not None:
        await hive.write(lambda tx: gateways.put(tx, after), worth="later")


def _client(hive: Hive, gateway: Gateway) -> "GatewayClient":
    # Imported here: an HTTP client takes memory, and most Hives never ask a gateway.
    from mosaic.adapters.gateway_client import GatewayClient

    def sign(request: HiveRequest) -> dict[str, str]:
        return hive.key.sign_request(request, now_ns=hive.clock.wall_ns())

    return GatewayClient(gateway.url, sign, certificate=gateway.certificate)
