"""What Hives want, written into the group's database. One transaction each: what is refused changes nothing.

All of it may be repeated. A request that somebody recorded does no harm either:
an older revision is refused, and a removed link never comes back.
"""

import re
from collections.abc import Collection

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import changes, gateways, hives, links, registrations, sightings
from mosaic.adapters.sql.gateway.links import Link, Port
from mosaic.core import epoch, name_grants
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import LinkId
from mosaic.core.link_token import is_link_id
from mosaic.core.name_grants import Grants
from mosaic.core.raw_ports import INNER_PORTS, MOST_RAW_PORTS, PortKey
from mosaic.gateway.registering import end_dead
from mosaic.wire.links import DesiredLink, PublicPort

MOST_NAMES = 100
MOST_TOKENS = 10
_LONGEST_ACCOUNT = 200
_LARGEST = 2**62
_HASH = re.compile(r"[0-9a-f]{64}")


class HiveNotAllowed(Refused):
    """The signature is right, and its key no allowed Hive's."""

    code = "hive-not-allowed"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"this gateway does not know the Hive {key}",
            hint=f"its operator allows it with `mosaic gateway allow {key} --domain DOMAIN`",
        )


class DesiredLinkUnreadable(Refused):
    """A part of what the Hive wants is no such thing, or too much."""

    code = "desired-link-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"this link cannot be taken: {reason}", hint="use a Hive of the same version as its gateway")


class NameOfAnother(Conflict):
    """A name is routed to another link."""

    code = "name-of-another"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is another link's", hint="choose another name, or take it from that link first")


class LinkOfAnother(Conflict):
    """A link with this id is another Hive's."""

    code = "link-of-another"

    def __init__(self) -> None:
        super().__init__("a link with this id is another Hive's", hint="make a new link, which has another id")


class LinkRemoved(Conflict):
    """The link was removed, and no link comes back."""

    code = "link-removed"

    def __init__(self) -> None:
        super().__init__("this link was removed", hint="make a new link, which has another id")


class LinkRevisionOld(Conflict):
    """The gateway has a later revision of the link, or another one of the same number."""

    code = "link-revision-old"

    def __init__(self, has: int) -> None:
        super().__init__(
            f"the gateway has revision {has} of this link already",
            hint=f"look at what the gateway has, then send what is wanted as revision {has + 1} or later",
        )


def put(
    tx: Tx,
    key: str,
    link: LinkId,
    wanted: DesiredLink,
    *,
    port_range: Collection[int] | None,
    now_ns: int,
    had: Collection[Port] = (),
) -> None:
    """Take what the Hive with this key wants of a link. `port_range` None is for a gateway without raw ports.

    A new link's ports that are the gateway's to choose stay those that it `had` elsewhere, where they are free.
    Ports that cannot be had are left out: names and tokens never wait for a port.
    Raises DesiredLinkUnreadable, HiveNotAllowed, NameNotOfHive, NameOfAnother, LinkOfAnother, LinkRemoved,
    LinkRevisionOld.
    """
    check(link, wanted)
    change = changes.next_change(tx)
    hive = hives.get(tx, key)
    if hive is None:
        # It was allowed when it asked; what is written after `disallow` nobody would take away again.
        raise HiveNotAllowed(key)
    found, has = links.get(tx, link), links.ports(tx, link)
    if found is not None and _is_had(found, key, wanted):
        # One that another link had may be free now.
        ports = _ports(wanted.ports, has, links.taken_ports(tx, link), port_range)
        if sorted(ports) != sorted(has):
            links.put(tx, link, key, wanted, change)
            links.put_ports(tx, link, ports)
        return
    grants = Grants(hive.domains, hives.domains_of_others(tx, key), reserved_names(tx), hive.vouches)
    for name in wanted.names:
        name_grants.check(name, grants)
    for name, owner in sorted(links.owner_of(tx, wanted.names).items()):
        if owner != link:
            raise NameOfAnother(name)
    links.put(tx, link, key, wanted, change)
    links.put_ports(tx, link, _ports(wanted.ports, has or had, links.taken_ports(tx, link), port_range))
    end_dead(tx, link, now_ns=now_ns, change=change)


def remove(tx: Tx, hive: str, link: LinkId, *, now_ns: int) -> None:
    """Remove a Hive's link for ever; also one that never came, which may be on its way. Raises LinkOfAnother."""
    if not is_link_id(link):
        raise DesiredLinkUnreadable("its id is none")
    change = changes.next_change(tx)
    found = links.get(tx, link)
    if found is not None and found.hive != hive:
        raise LinkOfAnother
    if found is not None and found.removed:
        return
    if found is None:
        links.put(tx, link, hive, DesiredLink(0, "", [], []), change)
    links.remove(tx, link, change, now_ns=now_ns)
    sightings.forget(tx, link)
    for one in registrations.of_link(tx, link):
        if one.ended_ns is None:
            registrations.end(tx, one, now_ns=now_ns)


def reserved_names(tx: Tx) -> frozenset[str]:
    """Return the names of the group itself."""
    rows = gateways.every(tx)
    return frozenset(name.lower() for row in rows for name in (row.about.host, row.about.target))


def check(link: LinkId, wanted: DesiredLink) -> None:
    """Return when every part is what it should be, and not too much. Raises DesiredLinkUnreadable."""
    if not is_link_id(link):
        raise DesiredLinkUnreadable("its id is none")
    if not 0 <= wanted.revision <= _LARGEST or len(wanted.account) > _LONGEST_ACCOUNT or "\0" in wanted.account:
        raise DesiredLinkUnreadable("its revision or account is out of bounds")
    counts = ((wanted.names, MOST_NAMES, "names"), (wanted.tokens, MOST_TOKENS, "tokens"))
    for some, most, what in (*counts, (wanted.ports, MOST_RAW_PORTS, "ports")):
        if len(some) > most:
            raise DesiredLinkUnreadable(f"it has more than {most} {what}")
    for token in wanted.tokens:
        if not _HASH.fullmatch(token.sha256) or not (token.until is None or 0 <= token.until < 1e10):
            raise DesiredLinkUnreadable("a token's hash or end is none")
    if len({token.sha256 for token in wanted.tokens}) != len(wanted.tokens):
        raise DesiredLinkUnreadable("it has a token twice")
    inner = {port.inner for port in wanted.ports}
    if len(inner) != len(wanted.ports) or not all(port in INNER_PORTS for port in inner):
        raise DesiredLinkUnreadable("its ports within the tunnel are none, or one is there twice")
    try:
        epoch.parse(wanted.epoch[:40])
    except ValueError:
        raise DesiredLinkUnreadable("its epoch is none") from None


def _is_had(found: Link, hive: str, wanted: DesiredLink) -> bool:
    """Return whether this very thing was taken before. Raises LinkOfAnother, LinkRemoved, LinkRevisionOld."""
    if found.hive != hive:
        raise LinkOfAnother
    if found.removed:
        raise LinkRemoved
    if wanted.revision > found.revision:
        return False
    if wanted != found.wanted:
        raise LinkRevisionOld(found.revision)
    return True


def _ports(
    wanted: Collection[PublicPort], had: Collection[Port], taken: set[PortKey], port_range: Collection[int] | None
) -> list[Port]:
    """Return the ports that can be had. One that the gateway chose before stays the same, for its inner port."""
    if port_range is None:
        return []
    kept = {(port.protocol, port.inner): port.public for port in had if port.chosen}
    ports: list[Port] = []
    used = set(taken)
    for port in sorted(wanted, key=lambda port: (port.public == 0, port.protocol, port.inner)):
        before = kept.get((port.protocol, port.inner))
        wished = (port.public,) if port.public else (before, port.named, *port_range)
        free = (one for one in wished if one in port_range and (port.protocol, one) not in used)
        public = next(free, None)
        if public is not None:
            used.add((port.protocol, public))
            ports.append(Port(port.protocol, public, port.inner, port.public == 0))
    return ports
