"""Taking in links from a file, as if their Hive had pushed them: for a gateway whose Hive is gone, or does not use it.

The operator's `mosaic gateway allow` decides which Hive's word counts, and for
which names, as it does for what is pushed. Taking the same file in again changes
nothing; what a Hive pushed later is kept, and a link that was removed here stays so.
"""

import time

import msgspec

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import hives, links
from mosaic.adapters.sql.gateway.links import Port
from mosaic.core.errors import MosaicError
from mosaic.core.ids import LinkId
from mosaic.crypto import link_exports
from mosaic.gateway import pushing
from mosaic.gateway.config import GatewayConfig
from mosaic.gateway.pushing import HiveNotAllowed
from mosaic.gateway.serve import open_database
from mosaic.wire.link_export import ExportedLink
from mosaic.wire.links import DesiredLink


class TakenLink(msgspec.Struct, frozen=True):
    """A link of the file. `problem` is why it was not taken in, "" when it was."""

    id: str
    app: str
    names: list[str]
    problem: str = ""


class TakenIn(msgspec.Struct, frozen=True):
    """What came of a file of this Hive, written at an instant (ns since 1970)."""

    hive: str
    at_ns: int
    links: list[TakenLink]


def take_in(config: GatewayConfig, content: bytes, *, port_range: range | None) -> TakenIn:
    """Take in what can be: each link whole or not at all, and all of them in one transaction.

    Raw ports are of `port_range`, as this group's gateways are told it; None takes in none, and leaves those of
    a link that is here already.

    Raises LinkExportUnreadable, HiveNotAllowed; then nothing was changed.
    """
    export = link_exports.read(content)
    database = open_database(config)
    try:
        with database.write() as tx:
            if hives.get(tx, export.hive) is None:
                raise HiveNotAllowed(export.hive)
            taken = [_taken(tx, export.hive, link, port_range) for link in export.links]
    finally:
        database.close()
    return TakenIn(export.hive, export.at_ns, taken)


def _taken(tx: Tx, hive: str, link: ExportedLink, port_range: range | None) -> TakenLink:
    # As the gateway before had chosen them; who was told a port need not be told another.
    had = [Port(port.protocol, port.public, port.inner, chosen=True) for port in link.ports]
    here = links.ports(tx, LinkId(link.id))
    shown = TakenLink(link.id, link.app, link.wanted.names)
    try:
        # It refuses before it writes anything of the link.
        pushing.put(tx, hive, LinkId(link.id), link.wanted, port_range=port_range, had=had, now_ns=time.time_ns())
    except MosaicError as error:
        return msgspec.structs.replace(shown, problem=error.message)
    if port_range is None:
        links.put_ports(tx, LinkId(link.id), [port for port in here if _is_wanted(port, link.wanted)])
    return shown


def _is_wanted(port: Port, wanted: DesiredLink) -> bool:
    """Whether it is one of those that the link shall have, where the gateway may choose or where it was wished."""
    wishes = {(one.protocol, one.inner): one.public for one in wanted.ports}
    return wishes.get((port.protocol, port.inner)) == (0 if port.chosen else port.public)
