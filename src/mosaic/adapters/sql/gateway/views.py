"""A link whole, with its registrations: what a gateway needs to route it. Read for one link, for some, or for all."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Select, select

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import changes, links, registrations, schema
from mosaic.adapters.sql.gateway.changes import Change
from mosaic.adapters.sql.gateway.links import Link, Port, Token
from mosaic.adapters.sql.gateway.registrations import Registration
from mosaic.core import registering
from mosaic.core.ids import LinkId
from mosaic.wire.links import PublicPort

_links = schema.links.c
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link at one instant. `registrations` have the newest last, and ended ones among them."""

    link: Link
    names: tuple[str, ...]
    tokens: tuple[Token, ...]
    ports: tuple[Port, ...]
    registrations: tuple[Registration, ...]

    @property
    def newest(self) -> Registration | None:
        """The registration that has the link, if it has not ended."""
        return self.registrations[-1] if self.registrations else None

    @property
    def public_ports(self) -> list[PublicPort]:
        """Its ports as its Hive and the link itself are told of them."""
        named = {port.inner: port.named for port in self.link.wanted.ports}
        return [PublicPort(port.protocol, port.public, port.inner, named.get(port.inner, 0)) for port in self.ports]

    def lives(self, one: Registration, now_ns: int) -> bool:
        """Whether the registration may have its tunnel. That follows before anybody wrote its end."""
        if one.ended_ns is not None or self.link.removed or one.asked.epoch < self.link.epoch:
            return False
        if not any(token.sha256 == one.token and token.good(now_ns) for token in self.tokens):
            return False
        return one.superseded_ns is None or now_ns < one.superseded_ns + registering.DRAIN_NS

    def due_ns(self, now_ns: int) -> int | None:
        """Return when a registration ends by itself, None if none does. One that should have ended is due now."""
        due = [at for one in self.registrations if one.ended_ns is None for at in self._ends(one, now_ns)]
        return min(due, default=None)

    def _ends(self, one: Registration, now_ns: int) -> list[int]:
        if not self.lives(one, now_ns):
            return [now_ns]
        until = [token.until_ns for token in self.tokens if token.sha256 == one.token and token.until_ns is not None]
        drained = [one.superseded_ns + registering.DRAIN_NS] if one.superseded_ns is not None else []
        return [*until, *drained]


def one(tx: Tx, link: LinkId) -> LinkView | None:
    """Return one link, a removed one too."""
    found = _views(tx, select(_links.id).where(_links.id == link))
    return found[0] if found else None


def changed(tx: Tx, since: Change) -> tuple[Change, list[LinkView]]:
    """Return the newest change, and the links that were changed after `since`, removed ones too."""
    return changes.newest(tx), _views(tx, select(_links.id).where(_links.change > since))


def stamps(tx: Tx) -> tuple[Change, dict[LinkId, Change]]:
    """Return the newest change, and the last change of every link that is not removed."""
    rows = tx.execute(select(_links.id, _links.change).where(_links.removed_ns.is_(None)))
    return changes.newest(tx), {LinkId(row.id): row.change for row in rows}


def some(tx: Tx, wanted: Collection[LinkId]) -> list[LinkView]:
    """Return these links, removed ones too."""
    ids = sorted(wanted)
    parts = (ids[first : first + _AT_ONCE] for first in range(0, len(ids), _AT_ONCE))
    return [view for part in parts for view in _views(tx, select(_links.id).where(_links.id.in_(part)))]


def every(tx: Tx) -> tuple[Change, list[LinkView]]:
    """Return the newest change and all links that are not removed."""
    return changes.newest(tx), _views(tx, select(_links.id).where(_links.removed_ns.is_(None)))


def of_hive(tx: Tx, hive: str) -> list[LinkView]:
    """Return a Hive's links, without the removed ones."""
    return _views(tx, select(_links.id).where(_links.hive == hive, _links.removed_ns.is_(None)))


def _views(tx: Tx, which: Select[str]) -> list[LinkView]:
    found = [links.link_of(row) for row in tx.execute(select(schema.links).where(_links.id.in_(which)))]
    names: dict[str, list[str]] = defaultdict(list)
    for row in tx.execute(select(schema.names).where(schema.names.c.link.in_(which))):
        names[row.link].append(row.name)
    tokens: dict[str, list[Token]] = defaultdict(list)
    for row in tx.execute(select(schema.tokens).where(schema.tokens.c.link.in_(which))):
        tokens[row.link].append(Token(row.sha256, row.until_ns))
    ports: dict[str, list[Port]] = defaultdict(list)
    for row in tx.execute(select(schema.ports).where(schema.ports.c.link.in_(which))):
        ports[row.link].append(Port(row.protocol, row.public, row.inner, row.chosen))
    there: dict[str, list[Registration]] = defaultdict(list)
    query = select(schema.registrations).where(schema.registrations.c.link.in_(which))
    for row in tx.execute(query.order_by(schema.registrations.c.n)):
        there[row.link].append(registrations.registration_of(row))
    return [
        LinkView(
            link=link,
            names=tuple(sorted(names[link.id])),
            tokens=tuple(tokens[link.id]),
            ports=tuple(sorted(ports[link.id], key=lambda port: (port.protocol, port.public))),
            registrations=tuple(there[link.id]),
        )
        for link in sorted(found, key=lambda link: link.id)
    ]
