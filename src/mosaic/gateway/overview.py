"""Reading what all links of the database want, and anew those alone that changed since they were read.

Ten thousand links take a second to read, and their changes' numbers some
milliseconds. Whoever writes a link gives it a new number, so one whose number
is known is as it was.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mosaic.adapters.sql.engine import Database
from mosaic.adapters.sql.gateway import gateways, numbers, sightings, views
from mosaic.adapters.sql.gateway.changes import Change
from mosaic.adapters.sql.gateway.gateways import GatewayRow
from mosaic.adapters.sql.gateway.views import LinkView
from mosaic.core.ids import LinkId
from mosaic.core.tunnel_addresses import QUARANTINE_NS


@dataclass(frozen=True, slots=True)
class Overview:
    """The database at one instant.

    `links` are all that are not removed, each with the number of its last change; `views` those that were
    read, all of them if `is_whole`. `endpoints` and `freed` (numbers of tunnel addresses) are as they are written.
    """

    change: Change
    links: Mapping[LinkId, Change]
    views: list[LinkView]
    is_whole: bool
    endpoints: Mapping[str, str]
    freed: list[int]
    rows: list[GatewayRow]


def read(database: Database, gateway: str, known: Mapping[LinkId, Change] | None, *, now_ns: int) -> Overview:
    """Look at the database. `known` has the links that need not be read if that was their last change; None for all."""
    with database.read() as tx:
        change, stamps = views.stamps(tx)
        # Numbers only grow: a database that has lower ones is an older copy, and gives them out once more.
        whole = known is None or any(at > change for at in known.values())
        return Overview(
            change=change,
            links=stamps,
            views=views.every(tx)[1] if whole else views.some(tx, _unknown(stamps, known or {})),
            is_whole=whole,
            endpoints=sightings.endpoints(tx, gateway),
            freed=numbers.freed_since(tx, now_ns - QUARANTINE_NS),
            rows=gateways.every(tx),
        )


def _unknown(stamps: Mapping[LinkId, Change], known: Mapping[LinkId, Change]) -> Collection[LinkId]:
    return [link for link, change in stamps.items() if known.get(link) != change]
