"""A small internet with a gateway on it, a home with a link behind its router, and another link without one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.wireguard.wg_program import WgProgram
from support.netns.home_router import HomeRouter
from support.netns.hub import Hub, Wire, internet
from support.netns.place import Place
from support.netns.tunnel_ends import SECOND_GATEWAY_ADDRESS, End, GatewayEnd

GATEWAY_OUTER, SECOND_GATEWAY_OUTER = "198.18.0.10", "198.18.0.11"


@dataclass
class TunnelNetwork:
    """`link` is at home; `neighbour` has an address of the internet, and so has a second gateway.

    `behind_link` is the place of `link` as the hub of what lies behind it.
    `spoken_to_by_program` are other ends in the places of gateway and link, which `wg` speaks to.
    """

    internet: Hub
    router: HomeRouter
    gateway: GatewayEnd
    gateway_wire: Wire
    second_gateway: GatewayEnd
    link: End
    behind_link: Hub
    neighbour: End
    neighbour_wire: Wire
    spoken_to_by_program: tuple[GatewayEnd, End]


@contextmanager
def tunnel_network(folder: Path) -> Iterator[TunnelNetwork]:
    """Yield all of it, wired; no tunnel is made yet."""
    with ExitStack() as closing:

        def closed(place: Place) -> Place:
            closing.callback(place.close)
            return place

        hub = internet(folder)
        closed(hub)
        router = HomeRouter("router", folder, hub)
        closed(router)
        behind_link = Hub("link", folder, "172.18.0.1")
        closed(behind_link)
        router.join(behind_link)
        gateway, second, neighbour = (closed(Place(name, folder)) for name in ("gateway", "second", "neighbour"))
        gateway_wire, neighbour_wire = hub.join(gateway, GATEWAY_OUTER), hub.join(neighbour)
        hub.join(second, SECOND_GATEWAY_OUTER)
        made = TunnelNetwork(
            internet=hub,
            router=router,
            gateway=GatewayEnd(gateway, GATEWAY_OUTER),
            gateway_wire=gateway_wire,
            second_gateway=GatewayEnd(second, SECOND_GATEWAY_OUTER, inner_address=SECOND_GATEWAY_ADDRESS),
            link=End(behind_link, "10.100.1.0/32"),
            behind_link=behind_link,
            neighbour=End(neighbour, "10.100.1.1/32"),
            neighbour_wire=neighbour_wire,
            spoken_to_by_program=(
                GatewayEnd(gateway, GATEWAY_OUTER, speak=WgProgram),
                End(behind_link, "10.100.1.0/32", speak=WgProgram),
            ),
        )
        for end in (made.gateway, made.second_gateway, made.link, made.neighbour, *made.spoken_to_by_program):
            closing.callback(end.close)
        yield made
