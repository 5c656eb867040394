"""What a gateway says of itself to whoever draws curves, in the text format of Prometheus (exposition format 0.0.4).

A page of text lines needs no library. Sums of bytes are of all gateways and come
from the database, so they go on where they were after a restart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import gateways, sightings
from mosaic.adapters.sql.gateway.sightings import Sighting
from mosaic.core.ids import LinkId
from mosaic.gateway.agent import Agent, Tally


@dataclass(frozen=True, slots=True)
class Sums:
    """What the database has: of each link what it carried, and how many gateways live."""

    carried: Mapping[LinkId, Sighting]
    living: int


def sums(tx: Tx, *, now_ns: int) -> Sums:
    """Read it."""
    return Sums(sightings.total(tx), len(gateways.live(gateways.every(tx), now_ns=now_ns)))


def page(agent: Agent, found: Sums) -> bytes:
    """Return the page."""
    return "".join(_lines(agent.tally(), found)).encode()


def _lines(tally: Tally, found: Sums) -> Iterable[str]:
    yield from _gauge("mosaic_gateway_living", "Gateways of the group that live.", found.living)
    yield from _gauge("mosaic_gateway_links", "Links that this gateway routes.", tally.links)
    yield from _gauge("mosaic_gateway_names", "Names that this gateway routes.", tally.names)
    yield from _gauge("mosaic_gateway_peers", "Tunnels by WireGuard.", tally.peers)
    yield from _gauge("mosaic_gateway_tunnels", "Tunnels by TCP.", tally.tunnels)
    yield from _gauge("mosaic_gateway_change", "The last change of the group that is routed by.", tally.change)
    yield from _gauge("mosaic_gateway_open_connections", "Open connections of visitors.", tally.open)
    name = "mosaic_link_bytes_total"
    yield f"# HELP {name} Bytes from visitors (received) and to them (sent), by link.\n# TYPE {name} counter\n"
    for link, one in sorted(found.carried.items()):
        yield f'{name}{{link="{link}",direction="received"}} {one.received_bytes}\n'
        yield f'{name}{{link="{link}",direction="sent"}} {one.sent_bytes}\n'


def _gauge(name: str, means: str, value: int) -> Iterable[str]:
    yield f"# HELP {name} {means}\n# TYPE {name} gauge\n{name} {value}\n"
