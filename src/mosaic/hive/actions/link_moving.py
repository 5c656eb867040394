"""Having another gateway carry a link: saying what that changes, and doing it."""

from mosaic.adapters.sql import events, gateways, link_names, link_ports, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.gateways import Gateway
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.links import Link
from mosaic.core.errors import Conflict
from mosaic.core.ids import AccountId, InstallationId
from mosaic.hive import roll_call
from mosaic.hive.actions.link_gateways import GatewayUnknown
from mosaic.hive.actions.links import NoGateway, find_link, get_link, tell_device
from mosaic.hive.links import asking, moving, view
from mosaic.hive.runtime import Hive
from mosaic.wire import link_api
from mosaic.wire.link_api import LinkMove, MoveLink
from mosaic.wire.links import GatewayAbout


class LinkIsThere(Conflict):
    """The gateway carries the link already."""

    code = "link-is-there"

    def __init__(self, app: str, gateway: str) -> None:
        super().__init__(
            f"{gateway} carries the link of {app} already", hint="`mosaic link gateway list` shows the other gateways"
        )


class GatewaysAreOne(Conflict):
    """Both gateways are of one group, each of which carries every link of it."""

    code = "link-gateways-are-one"

    def __init__(self, one: str, other: str) -> None:
        super().__init__(
            f"{one} and {other} are of one group, and all of a group carry each of its links",
            hint="there is nothing to move; `mosaic link list` shows how the link does",
        )


async def link_move(hive: Hive, who: AccountId, installation: str, gateway: str) -> LinkMove:
    """Say what moving a link to a gateway would change. Changes nothing. Raises as `move_link`."""
    return await hive.read(lambda tx: _plan(tx, hive, *_of(tx, who, installation, gateway)))


async def move_link(hive: Hive, who: AccountId, installation: str, wish: MoveLink) -> link_api.Link:
    """Have another gateway carry a link, if that gateway answers now and lets this Hive in.

    Its token, its domains and its epoch stay. Names that were given out under a domain of the gateway before are
    others. The gateway before is told again until it knows.

    Raises:
        InstallationUnknown, LinkUnknown, GatewayUnknown, NoGateway, LinkIsThere, GatewaysAreOne, NoFreeName.
        GatewaySilent: the gateway does not answer; and what it refuses this Hive with.
    """
    _, _, _, to = await hive.read(lambda tx: _of(tx, who, installation, wish.gateway))
    about = await asking.answered(to, lambda: asking.about(hive, to))
    await asking.note(hive, to, about=about)
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> None:
        roll_call.require_none(tx)
        found, app, before, to = _of(tx, who, installation, wish.gateway)
        link = links.lock(tx, found.id)
        if link is None:
            return
        changed = moving.move(tx, link, to, now_ns=now_ns)
        others = "".join(f" {one.name.name} is {one.to} now." for one in changed)
        left = before.name if before is not None else "its gateway"
        text = f"The link of {app.name} left {left} for {to.name}.{others}"
        events.add(tx, Happened(who, "link-moved", app.id, text), now_ns=now_ns)

    await hive.write(change)
    # It answered just now, however long it did not before.
    hive.links.ask_again(to.id)
    after = await get_link(hive, who, installation)
    await tell_device(hive, InstallationId(after.installation))
    return after


_Between = tuple[Link, Installation, Gateway | None, Gateway]
"""A link, its app, the gateway that it leaves, and the one that is to carry it."""


def _of(tx: Tx, who: AccountId, installation: str, gateway: str) -> _Between:
    link, app = find_link(tx, who, installation)
    to = next((one for one in gateways.every(tx) if gateway in (one.id, one.name, one.url)), None)
    if to is None:
        raise GatewayUnknown(gateway)
    if to.id == link.gateway:
        raise LinkIsThere(app.name, to.name)
    if not to.domains:
        raise NoGateway(to.url)
    before = gateways.get(tx, link.gateway)
    if before is not None and before.about is not None and to.about is not None and _are_one(before.about, to.about):
        raise GatewaysAreOne(before.name, to.name)
    return link, app, before, to


def _are_one(one: GatewayAbout, other: GatewayAbout) -> bool:
    return one.target == other.target and bool(set(one.gateways) & set(other.gateways))


def _plan(tx: Tx, hive: Hive, link: Link, app: Installation, before: Gateway | None, to: Gateway) -> LinkMove:
    others = {one.name.name: one.to for one in moving.renamed(tx, link, to)}
    shown = view.shown(tx, hive, link, app)
    kept = [name for name in shown.names if name.name not in others]
    own = {name.name for name in link_names.of_link(tx, link.id) if not name.given}
    return LinkMove(
        app=app.name,
        leaves=before.name if before is not None else link.gateway,
        gateway=to.name,
        kept=[name.name for name in kept],
        dns=[name.name for name in kept if name.name in own],
        renamed=list(others.items()),
        told=others.get(shown.default_name, shown.default_name),
        target=to.about.target if to.about is not None else "",
        addresses=to.about.addresses if to.about is not None else [],
        ports=len(link_ports.of_link(tx, link.id)),
    )
