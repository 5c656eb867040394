"""How a link does, as a gateway tells its Hive and its operator."""

from collections.abc import Collection, Mapping

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import gateways, sightings, views
from mosaic.adapters.sql.gateway.sightings import Sighting
from mosaic.adapters.sql.gateway.views import LinkView
from mosaic.core.gateway_choice import serves
from mosaic.core.ids import LinkId
from mosaic.wire.links import LinkStanding


def of_hive(tx: Tx, hive: str, *, now_ns: int) -> list[LinkStanding]:
    """Return how all of a Hive's links do."""
    return _standings(tx, views.of_hive(tx, hive), now_ns)


def every(tx: Tx, *, now_ns: int) -> list[tuple[str, LinkStanding]]:
    """Return how all links do, each after its Hive's key."""
    _, found = views.every(tx)
    return list(zip((view.link.hive for view in found), _standings(tx, found, now_ns), strict=True))


def one(tx: Tx, link: LinkId, *, now_ns: int) -> LinkStanding:
    """Return how a link does that is there."""
    view = views.one(tx, link)
    assert view is not None
    return _standings(tx, [view], now_ns)[0]


def _standings(tx: Tx, found: list[LinkView], now_ns: int) -> list[LinkStanding]:
    live = [row.name for row in gateways.live(gateways.every(tx), now_ns=now_ns)]
    seen = sightings.total(tx, [view.link.id for view in found] if len(found) == 1 else None)
    return [_standing(view, live, seen, now_ns) for view in found]


def _standing(view: LinkView, live: Collection[str], seen: Mapping[LinkId, Sighting], now_ns: int) -> LinkStanding:
    link, newest = view.link, view.newest
    there = newest if newest is not None and view.lives(newest, now_ns) else None
    total = seen.get(link.id, Sighting())
    return LinkStanding(
        id=link.id,
        revision=link.revision,
        names=list(view.names),
        registered=there is not None,
        epoch=str(there.asked.epoch) if there else None,
        mode=there.mode if there else None,
        gateways=sorted(name for name in live if serves(name, link.id, there.gateways, live)) if there else [],
        seen=total.seen_ns / 1e9 if total.seen_ns else None,
        ports=view.public_ports,
        received_bytes=total.received_bytes,
        sent_bytes=total.sent_bytes,
    )
