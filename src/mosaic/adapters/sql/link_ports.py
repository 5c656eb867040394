"""The raw ports that owners wish for their links, and by which port within the tunnel each of them goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from sqlalchemy import delete, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import LinkId
from mosaic.core.raw_ports import RawProtocol

_ports = schema.link_ports.c
_PROTOCOLS: Mapping[str, RawProtocol] = {protocol: protocol for protocol in get_args(RawProtocol)}


@dataclass(frozen=True, slots=True)
class WishedPort:
    """`named` is what EXPOSE calls it. `public` 0 leaves the choice to the gateway."""

    link: LinkId
    protocol: RawProtocol
    named: int
    public: int
    inner: int


def put(tx: Tx, port: WishedPort) -> None:
    """Write it in place of the one of that protocol and name. No other of its link may have its inner port."""
    remove(tx, port)
    tx.execute(
        schema.link_ports.insert().values(
            link=port.link, protocol=port.protocol, named=port.named, public=port.public, inner=port.inner
        )
    )


def remove(tx: Tx, port: WishedPort) -> None:
    """Delete the one of that protocol and name."""
    same = (_ports.link == port.link, _ports.protocol == port.protocol, _ports.named == port.named)
    tx.execute(delete(schema.link_ports).where(*same))


def of_link(tx: Tx, link: LinkId) -> list[WishedPort]:
    """Return a link's ports, by protocol and name."""
    return _by_link(tx, _ports.link == link).get(link, [])


def every(tx: Tx) -> Mapping[LinkId, list[WishedPort]]:
    """Return those of all links."""
    return _by_link(tx, _ports.link.is_not(None))


def move(tx: Tx, link: LinkId, to: LinkId) -> None:
    """Give all ports of a link to another one, which has none."""
    tx.execute(update(schema.link_ports).where(_ports.link == link).values(link=to))


def _by_link(tx: Tx, condition: schema.Condition) -> dict[LinkId, list[WishedPort]]:
    found: dict[LinkId, list[WishedPort]] = {}
    query = select(schema.link_ports).where(condition).order_by(_ports.link, _ports.protocol, _ports.named)
    for row in tx.execute(query):
        link = LinkId(row.link)
        port = WishedPort(link, _PROTOCOLS[row.protocol], row.named, row.public, row.inner)
        found.setdefault(link, []).append(port)
    return found
