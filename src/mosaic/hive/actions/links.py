"""Public ways to apps: making one, its domains, another token, and taking it away."""

from mosaic.adapters.sql import events, gateways, installations, link_names, link_pushes, links, placements
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.gateways import Gateway
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.links import Link
from mosaic.core import domain_name
from mosaic.core.errors import Conflict, NotFound, Refused
from mosaic.core.ids import AccountId, InstallationId, LinkId
from mosaic.crypto.tokens import new_id
from mosaic.hive import roll_call
from mosaic.hive.finding import InstallationUnknown, find_installation
from mosaic.hive.links import doctor, naming, proving, pushing, tokens, view, wanted
from mosaic.hive.runtime import Hive
from mosaic.wire import link_api
from mosaic.wire.link_api import AddLink, RotateToken
from mosaic.wire.link_doctor import LinkLook


class LinkUnknown(NotFound):
    """The installation has no link."""

    code = "link-unknown"

    def __init__(self, app: str) -> None:
        super().__init__(f"{app} has no link", hint=f"`mosaic link add {app}` makes one; `mosaic link list` shows all")


class NameUnknown(NotFound):
    """The link has no such name."""

    code = "link-name-unknown"

    def __init__(self, app: str, name: str) -> None:
        super().__init__(f"{name[:80]!r} is no name of {app}'s link", hint="`mosaic link list` shows its names")


class NoGateway(Refused):
    """No gateway lets this Hive give out names."""

    code = "no-gateway"

    def __init__(self, silent: str | None) -> None:
        if silent is None:
            super().__init__(
                "this Hive uses no gateway yet, and a link needs one", hint="add one: `mosaic link gateway add URL`"
            )
        else:
            super().__init__(
                f"the gateway {silent} does not let this Hive give out names yet",
                hint=f"`mosaic link gateway add {silent}` says what to type at the gateway",
            )


class GatewayUnclear(Refused):
    """Several gateways could be meant, or the one that was named gives this Hive no names."""

    code = "link-gateway-unclear"

    def __init__(self, known: list[str], named: str | None = None) -> None:
        said = f"{named[:80]!r} gives this Hive no names" if named else "which gateway is meant is not clear"
        super().__init__(
            f"{said}; there is {', '.join(known) or 'none'}",
            hint="name one with `mosaic link add NAME --gateway GATEWAY`",
        )


class LinkKeepsGateway(Conflict):
    """A link stays at its gateway while names are added: to move it is another wish."""

    code = "link-keeps-gateway"

    def __init__(self, app: str, gateway: str) -> None:
        super().__init__(
            f"the link of {app} is at {gateway}",
            hint=f"`mosaic link move {app} --to GATEWAY` says what moving it changes, and asks",
        )


async def list_links(hive: Hive, who: AccountId) -> list[link_api.Link]:
    """Return the account's links, the oldest first."""

    def look(tx: Tx) -> list[link_api.Link]:
        apps = {app.id: app for app in installations.of_account(tx, who)}
        return [view.shown(tx, hive, link, apps[link.installation]) for link in links.of_account(tx, who)]

    return await hive.read(look)


async def hear_of_links(hive: Hive, who: AccountId) -> None:
    """Have the gateways of the account's links say how those do now. Takes two seconds at most; raises nothing of it.

    What a gateway did not say now is shown as it said it last, and when that was.
    """

    def used(tx: Tx) -> list[Gateway]:
        at = {link.gateway for link in links.of_account(tx, who)}
        return [one for one in gateways.every(tx) if one.id in at]

    await pushing.hear(hive, await hive.read(used))


async def get_link(hive: Hive, who: AccountId, installation: str) -> link_api.Link:
    """Return an installation's link. Raises InstallationUnknown, LinkUnknown."""
    return await hive.read(lambda tx: view.shown(tx, hive, *find_link(tx, who, installation)))


async def look_at_link(hive: Hive, who: AccountId, installation: str) -> LinkLook:
    """Look at a link from where this Hive runs, and say what is wrong. Changes nothing.

    Raises InstallationUnknown, LinkUnknown.
    """

    def found(tx: Tx) -> tuple[Link, link_api.Link]:
        link, app = find_link(tx, who, installation)
        return link, view.shown(tx, hive, link, app)

    link, shown = await hive.read(found)
    return await doctor.look(hive, link, shown)


async def add_link(hive: Hive, who: AccountId, installation: str, wish: AddLink) -> link_api.Link:
    """Make an installation's link, or give it further domains. Each domain is looked up in DNS at once.

    Raises:
        InstallationUnknown, NoGateway, GatewayUnclear, LinkKeepsGateway.
        DomainNameUnusable, WildcardNotServed, NameOfAnother, NameInUse, TooManyDomains.
        LabelUnusable, LabelTaken, LabelChosen, NoFreeName.
    """
    domains = [naming.checked(domain) for domain in wish.domains]
    now_ns, link_id = hive.clock.wall_ns(), LinkId(new_id())

    def change(tx: Tx) -> LinkId:
        roll_call.require_none(tx)
        app = find_installation(tx, who, installation)
        link = links.of_installation(tx, app.id)
        if link is None:
            link = _make(tx, app, wish, link_id, now_ns=now_ns)
        else:
            _require_same(tx, link, app, wish)
            naming.label_of(tx, who, wish.label, now_ns=now_ns)
        label = naming.label_of(tx, who, None, now_ns=now_ns)
        for domain in domains:
            if naming.claim(tx, link, label, domain, now_ns=now_ns):
                text = f"{app.name} shall be reached at {domain}."
                events.add(tx, Happened(who, "link-name-added", app.id, text), now_ns=now_ns)
        wanted.refresh(tx, link.id, now_ns=now_ns)
        return link.id

    made = await hive.write(change)
    hive.links.changed.wake()
    for name in await hive.read(lambda tx: link_names.of_link(tx, made)):
        if not name.given and name.name in domains:
            await proving.look_at(hive, name)
    hive.links.claimed.wake()
    after = await get_link(hive, who, installation)
    await tell_device(hive, InstallationId(after.installation))
    return after


async def remove_link(hive: Hive, who: AccountId, installation: str, domain: str | None = None) -> None:
    """Take a link away, or one domain of it. Gateways are told at once, and again until they know.

    Raises InstallationUnknown, LinkUnknown, NameUnknown.
    """
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> InstallationId:
        link, app = find_link(tx, who, installation)
        if domain is None:
            _remove(tx, link, app, now_ns=now_ns)
            return app.id
        wished = domain_name.normalise(domain, wildcard=True)
        name = next((one for one in link_names.of_link(tx, link.id) if one.name == wished), None)
        if name is None:
            raise NameUnknown(app.name, domain)
        before = view.shown(tx, hive, link, app).names
        link_names.remove(tx, name)
        wanted.refresh(tx, link.id, now_ns=now_ns)
        first = link_api.default_of(app.name, before)
        after = link_api.default_of(app.name, [one for one in before if one.name != name.name])
        told = f" Its app is told {after} as its name from now on." if after != first else ""
        text = f"{app.name} is not reached at {name.name} any more.{told}"
        events.add(tx, Happened(who, "link-name-removed", app.id, text), now_ns=now_ns)
        return app.id

    changed = await hive.write(change)
    hive.links.changed.wake()
    await tell_device(hive, changed)


async def rotate_link(hive: Hive, who: AccountId, installation: str, wish: RotateToken) -> link_api.Link:
    """Give a link another token. Raises InstallationUnknown, LinkUnknown."""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> None:
        found, _ = find_link(tx, who, installation)
        link = links.lock(tx, found.id)
        if link is not None:
            tokens.rotate(tx, link, ends_older=wish.now, now_ns=now_ns)

    await hive.write(change)
    after = await get_link(hive, who, installation)
    await tell_device(hive, InstallationId(after.installation))
    return after


def _make(tx: Tx, app: Installation, wish: AddLink, link_id: LinkId, *, now_ns: int) -> Link:
    gateway = _choose(gateways.every(tx), wish.gateway)
    label = naming.label_of(tx, app.account, wish.label, now_ns=now_ns)
    link = Link(link_id, app.account, app.id, gateway.id, now_ns)
    links.add(tx, link)
    link_pushes.add(tx, link.id, gateway.id)
    naming.give(tx, link, app.name, label, gateway.domains[0], now_ns=now_ns)
    given = link_names.of_link(tx, link.id)[0]
    text = f"{app.name} is to be reached from anywhere, at {given.name}."
    events.add(tx, Happened(app.account, "link-added", app.id, text), now_ns=now_ns)
    return link


def _remove(tx: Tx, link: Link, app: Installation, *, now_ns: int) -> None:
    links.mark_removed(tx, link.id, now_ns=now_ns)
    text = f"{app.name} has no link any more; it is reached as before at home."
    events.add(tx, Happened(link.account, "link-removed", app.id, text), now_ns=now_ns)


def _choose(known: list[Gateway], wished: str | None) -> Gateway:
    useful = [one for one in known if one.domains]
    if wished is not None:
        named = [one for one in useful if wished in (one.id, one.name, one.url)]
        if not named:
            raise GatewayUnclear([one.name for one in useful], wished)
        return named[0]
    if not useful:
        raise NoGateway(known[0].url if known else None)
    if len(useful) > 1:
        raise GatewayUnclear([one.name for one in useful])
    return useful[0]


def _require_same(tx: Tx, link: Link, app: Installation, wish: AddLink) -> None:
    if wish.gateway is None:
        return
    present = gateways.get(tx, link.gateway)
    if present is not None and wish.gateway not in (present.id, present.name, present.url):
        raise LinkKeepsGateway(app.name, present.name)


def find_link(tx: Tx, who: AccountId, installation: str) -> tuple[Link, Installation]:
    """Return an installation with its link, one in the trash too. Raises InstallationUnknown, LinkUnknown."""
    # An app in the trash keeps its link, until somebody takes it away.
    in_trash = installations.find(tx, who, installation.replace("\0", ""), trashed=True)
    try:
        app = find_installation(tx, who, installation)
    except InstallationUnknown:
        if in_trash is None:
            raise
        app = in_trash
    link = links.of_installation(tx, app.id)
    if link is None:
        raise LinkUnknown(app.name)
    return link, app


async def tell_device(hive: Hive, installation: InstallationId) -> None:
    """Have the Device that runs the app told of its link as it is now."""
    placement = await hive.read(lambda tx: placements.get(tx, installation))
    if placement is not None:
        hive.connections.wake({placement.home})
