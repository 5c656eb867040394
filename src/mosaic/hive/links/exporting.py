"""Links as they are wanted, for a gateway that this Hive does not tell itself."""

from collections.abc import Iterable

from mosaic.adapters.sql import gateways, installations, link_pushes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.links import Link
from mosaic.hive.links import wanted
from mosaic.wire.link_export import ExportedLink


def of(tx: Tx, some: Iterable[Link]) -> list[ExportedLink]:
    """Return all of these links, without those that are removed."""
    return [_exported(tx, link) for link in some if link.removed_ns is None and link.wanted]


def _exported(tx: Tx, link: Link) -> ExportedLink:
    app, gateway = installations.get(tx, link.installation), gateways.get(tx, link.gateway)
    standings = [push.standing for push in link_pushes.of_link(tx, link.id) if push.gateway == link.gateway]
    return ExportedLink(
        link.id,
        app.name if app is not None else "",
        gateway.name if gateway is not None else "",
        wanted.told(link, link.gateway),
        # What the gateway chose itself is not in what is wanted of it.
        [port for standing in standings if standing is not None for port in standing.ports],
    )
