"""Raw ports of links: wishing for one, and giving it back."""

from mosaic.adapters.sql import events, gateways, link_ports, link_pushes, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.link_ports import WishedPort
from mosaic.adapters.sql.links import Link
from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import AccountId, InstallationId
from mosaic.core.raw_ports import INNER_PORTS, MOST_RAW_PORTS, RawProtocol
from mosaic.hive import roll_call
from mosaic.hive.actions.links import find_link, get_link, tell_device
from mosaic.hive.links import wanted
from mosaic.hive.runtime import Hive
from mosaic.wire import link_api
from mosaic.wire.link_api import AddPort

_LAST_PORT = 65535


class LinkPortUnusable(Refused):
    """A number that is no port."""

    code = "link-port-unusable"

    def __init__(self, number: int | str) -> None:
        said = repr(number[:20]) if isinstance(number, str) else number
        super().__init__(
            f"{said} is no port", hint="ports are 1 to 65535; a public one of 0 leaves the choice to the gateway"
        )


class LinkPortNotOffered(Refused):
    """The link's gateway opens no such port."""

    code = "link-port-not-offered"

    def __init__(self, gateway: str, offered: tuple[int, int] | None) -> None:
        if offered is None:
            super().__init__(
                f"the gateway {gateway} opens no raw ports",
                hint="whoever runs it can: `mosaic gateway serve --ports 20000-29999`",
            )
        else:
            super().__init__(
                f"the gateway {gateway} opens ports {offered[0]} to {offered[1]} alone",
                hint="choose one of them, or leave `--public` out: the gateway chooses one",
            )


class TooManyPorts(Refused):
    """A link has as many raw ports as one can have."""

    code = "link-ports-too-many"

    def __init__(self) -> None:
        super().__init__(
            f"a link has {MOST_RAW_PORTS} raw ports at most", hint="give one back: `mosaic link port remove`"
        )


class PortUnknown(NotFound):
    """The link has no such raw port."""

    code = "link-port-unknown"

    def __init__(self, app: str, protocol: str, named: int) -> None:
        super().__init__(f"{app}'s link has no {protocol} port {named}", hint="`mosaic link list` shows its ports")


async def add_link_port(hive: Hive, who: AccountId, installation: str, wish: AddPort) -> link_api.Link:
    """Have the gateway open a port for a link. Wishing for the same again has the gateway try again.

    Raises InstallationUnknown, LinkUnknown, LinkPortUnusable, LinkPortNotOffered, TooManyPorts.
    """
    for number, least in ((wish.named, 1), (wish.public, 0)):
        if not least <= number <= _LAST_PORT:
            raise LinkPortUnusable(number)
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> None:
        roll_call.require_none(tx)
        link, app = find_link(tx, who, installation)
        links.lock(tx, link.id)
        _require_offered(tx, link, wish.public)
        had = link_ports.of_link(tx, link.id)
        before = next((one for one in had if (one.protocol, one.named) == (wish.protocol, wish.named)), None)
        inner = before.inner if before is not None else _free_inner(had)
        link_ports.put(tx, WishedPort(link.id, wish.protocol, wish.named, wish.public, inner))
        if not wanted.refresh(tx, link.id, now_ns=now_ns):
            for push in link_pushes.of_link(tx, link.id):
                link_pushes.again(tx, push)
        if before is None:
            text = f"{app.name} shall be reached from anywhere at a {wish.protocol} port for its {wish.named}."
            events.add(tx, Happened(who, "link-port-added", app.id, text), now_ns=now_ns)

    await hive.write(change)
    hive.links.changed.wake()
    after = await get_link(hive, who, installation)
    await tell_device(hive, InstallationId(after.installation))
    return after


async def remove_link_port(hive: Hive, who: AccountId, installation: str, protocol: RawProtocol, named: int) -> None:
    """Give a link's port back. Raises InstallationUnknown, LinkUnknown, PortUnknown."""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> InstallationId:
        link, app = find_link(tx, who, installation)
        links.lock(tx, link.id)
        had = link_ports.of_link(tx, link.id)
        port = next((one for one in had if (one.protocol, one.named) == (protocol, named)), None)
        if port is None:
            raise PortUnknown(app.name, protocol, named)
        link_ports.remove(tx, port)
        wanted.refresh(tx, link.id, now_ns=now_ns)
        text = f"{app.name} is not reached at a {protocol} port for its {named} any more."
        events.add(tx, Happened(who, "link-port-removed", app.id, text), now_ns=now_ns)
        return app.id

    changed = await hive.write(change)
    hive.links.changed.wake()
    await tell_device(hive, changed)


def _require_offered(tx: Tx, link: Link, public: int) -> None:
    gateway = gateways.get(tx, link.gateway)
    if gateway is None or gateway.about is None:
        return
    offered = gateway.about.port_range
    if offered is None or (public and not offered[0] <= public <= offered[1]):
        raise LinkPortNotOffered(gateway.name, offered)


def _free_inner(had: list[WishedPort]) -> int:
    used = {port.inner for port in had}
    free = next((port for port in INNER_PORTS if port not in used), None)
    if free is None:
        raise TooManyPorts
    return free
