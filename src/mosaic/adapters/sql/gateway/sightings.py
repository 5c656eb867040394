"""What each gateway saw of its tunnels: the last endpoints of peers, probes, and what every link carried."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, func, select, text

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import schema
from mosaic.core.ids import LinkId

_endpoints = schema.endpoints.c
_seen = schema.seen.c

# One statement for ten thousand links, as both databases write it. One that was removed meanwhile is not written again.
_ADD = text(
    "INSERT INTO gw_seen (gateway, link, seen_ns, received_bytes, sent_bytes) "
    "SELECT :gateway, id, :at, :received, :sent FROM gw_links WHERE id = :link AND removed_ns IS NULL "
    "ON CONFLICT (gateway, link) DO UPDATE SET "
    "seen_ns = CASE WHEN gw_seen.seen_ns < excluded.seen_ns THEN excluded.seen_ns ELSE gw_seen.seen_ns END, "
    "received_bytes = gw_seen.received_bytes + excluded.received_bytes, "
    "sent_bytes = gw_seen.sent_bytes + excluded.sent_bytes"
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a gateway adds to what it told before. `seen_ns` is 0 when no probe came; bytes are since the last time."""

    seen_ns: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


def endpoints(tx: Tx, gateway: str) -> dict[str, str]:
    """Return by public key where a gateway heard its peers last."""
    rows = tx.execute(select(schema.endpoints).where(_endpoints.gateway == gateway))
    return {row.public_key: row.endpoint for row in rows}


def put_endpoints(tx: Tx, gateway: str, put: Mapping[str, str], removed: Collection[str]) -> None:
    """Write where peers were heard, and forget those that are no more."""
    gone = sorted({*put, *removed})
    for first in range(0, len(gone), 500):
        some = gone[first : first + 500]
        tx.execute(delete(schema.endpoints).where(_endpoints.gateway == gateway, _endpoints.public_key.in_(some)))
    rows = [{"gateway": gateway, "public_key": key, "endpoint": where} for key, where in put.items()]
    if rows:
        tx.execute(schema.endpoints.insert(), rows)


def add(tx: Tx, gateway: str, sightings: Mapping[LinkId, Sighting]) -> None:
    """Add what was seen of links to what is written of them."""
    rows = [
        {"gateway": gateway, "link": link, "at": one.seen_ns, "received": one.received_bytes, "sent": one.sent_bytes}
        for link, one in sorted(sightings.items())
    ]
    if rows:
        tx.execute(_ADD, rows)


def forget(tx: Tx, link: LinkId) -> None:
    """Remove what was seen of a link."""
    tx.execute(delete(schema.seen).where(_seen.link == link))


def total(tx: Tx, links: Collection[LinkId] | None = None) -> dict[LinkId, Sighting]:
    """Return what all gateways saw of these links together; of all links for None."""
    query = select(
        _seen.link, func.max(_seen.seen_ns), func.sum(_seen.received_bytes), func.sum(_seen.sent_bytes)
    ).group_by(_seen.link)
    if links is not None:
        query = query.where(_seen.link.in_(sorted(links)))
    return {LinkId(link): Sighting(int(at), int(got), int(sent)) for link, at, got, sent in tx.execute(query)}
