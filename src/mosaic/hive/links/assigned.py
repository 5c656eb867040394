"""What a Device is told of the link of an installation that it runs, or shall run."""

from mosaic.adapters.sql import gateways, link_names, links
from mosaic.adapters.sql.engine import Tx
from mosaic.core.goal import Goal
from mosaic.core.ids import InstallationId
from mosaic.hive.links import wanted
from mosaic.wire.device_links import AssignedLink


def of(tx: Tx, installation: InstallationId, goal: Goal) -> AssignedLink | None:
    """Return the installation's link; None without one, and for a Device that does not run it."""
    link = links.of_installation(tx, installation) if goal in (Goal.RUN, Goal.PREPARE) else None
    gateway = gateways.get(tx, link.gateway) if link is not None else None
    if link is None or gateway is None:
        return None
    names = [name.name for name in link_names.of_link(tx, link.id) if name.claim.counts]
    epoch = wanted.since(link, links.places(tx, of=link.id).get(link.id))
    return AssignedLink(link.id, names, link.token_number, gateway.url, gateway.certificate or "", epoch)
