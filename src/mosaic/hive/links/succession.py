"""The link of an app that is given new keys: another installation takes its place, and needs a link of its own.

Its names and wished ports go over. The link is a new one, because epochs begin anew with an installation,
and gateways refuse lower ones.
"""

from mosaic.adapters.sql import link_names, link_ports, link_pushes, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.links import Link
from mosaic.core.ids import InstallationId, LinkId
from mosaic.crypto.tokens import new_id
from mosaic.hive.links import wanted


def follow(tx: Tx, older: InstallationId, newer: InstallationId, *, now_ns: int) -> None:
    """Give what leads to one installation to the one that takes its place. Without a link nothing happens."""
    link = links.of_installation(tx, older)
    if link is None:
        return
    new = Link(LinkId(new_id()), link.account, newer, link.gateway, link.created_ns)
    links.add(tx, new)
    link_pushes.add(tx, new.id, new.gateway)
    link_names.move(tx, link.id, new.id)
    link_ports.move(tx, link.id, new.id)
    links.mark_removed(tx, link.id, now_ns=now_ns)
    wanted.refresh(tx, new.id, now_ns=now_ns)
