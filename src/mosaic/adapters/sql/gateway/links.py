"""Links as their Hives want them: names, tokens, ports, the lowest epoch.

A removed link stays as its id: a request that was recorded before it was
removed can't bring it back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import delete, select, update

from mosaic.adapters.sql import schema as hive_schema
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import schema
from mosaic.adapters.sql.gateway.changes import Change
from mosaic.core import epoch
from mosaic.core.epoch import Epoch
from mosaic.core.ids import LinkId
from mosaic.wire.links import DesiredLink, Protocol, TokenHash

_links = schema.links.c
_names = schema.names.c
_tokens = schema.tokens.c
_ports = schema.ports.c


@dataclass(frozen=True, slots=True)
class Link:
    """`wanted` is what its Hive said last; `epoch` is its floor."""

    id: LinkId
    hive: str
    revision: int
    wanted: DesiredLink
    epoch: Epoch
    change: Change
    removed: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A hash by which the link may register; `until_ns` None is for no end."""

    sha256: str
    until_ns: int | None

    def good(self, now_ns: int) -> bool:
        """Whether it is good now."""
        return self.until_ns is None or now_ns < self.until_ns


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A raw port of every gateway that leads to the link. With `chosen` the gateway chose `public` itself."""

    protocol: Protocol
    public: int
    inner: int
    chosen: bool


def get(tx: Tx, link: LinkId) -> Link | None:
    """Return a link, a removed one too."""
    row = tx.execute(select(schema.links).where(_links.id == link)).one_or_none()
    return link_of(row) if row else None


def of_hive(tx: Tx, hive: str) -> list[Link]:
    """Return a Hive's links, without the removed ones."""
    query = select(schema.links).where(_links.hive == hive, _links.removed_ns.is_(None)).order_by(_links.id)
    return [link_of(row) for row in tx.execute(query)]


def put(tx: Tx, link: LinkId, hive: str, wanted: DesiredLink, change: Change) -> None:
    """Write what its Hive wants, the ports apart. Its names must be free, or its own."""
    values = {
        "revision": wanted.revision,
        "wanted": msgspec.json.encode(wanted).decode(),
        "account": wanted.account,
        "epoch": str(epoch.parse(wanted.epoch)),
        "change": change,
    }
    if tx.execute(update(schema.links).where(_links.id == link).values(values)).rowcount == 0:
        tx.execute(schema.links.insert().values(id=link, hive=hive, **values))
    tx.execute(delete(schema.names).where(_names.link == link))
    tx.execute(delete(schema.tokens).where(_tokens.link == link))
    for name in sorted(set(wanted.names)):
        tx.execute(schema.names.insert().values(name=name, link=link))
    for token in wanted.tokens:
        tx.execute(schema.tokens.insert().values(link=link, sha256=token.sha256, until_ns=_until_ns(token)))


def touch(tx: Tx, link: LinkId, change: Change) -> None:
    """Write that something of the link changed, so that every gateway looks at it."""
    tx.execute(update(schema.links).where(_links.id == link).values(change=change))


def remove(tx: Tx, link: LinkId, change: Change, *, now_ns: int) -> None:
    """Remove all of it but its id."""
    for table in (schema.names, schema.tokens, schema.ports):
        tx.execute(delete(table).where(table.c.link == link))
    tx.execute(update(schema.links).where(_links.id == link).values(removed_ns=now_ns, change=change))


def names(tx: Tx, link: LinkId) -> list[str]:
    """Return the names that are routed to it."""
    return list(tx.scalars(select(_names.name).where(_names.link == link).order_by(_names.name)))


def owner_of(tx: Tx, some: Collection[str]) -> dict[str, LinkId]:
    """Return which of these names are some link's, and whose."""
    rows = tx.execute(select(schema.names).where(_names.name.in_(sorted(some))))
    return {row.name: LinkId(row.link) for row in rows}


def tokens(tx: Tx, link: LinkId) -> list[Token]:
    """Return the hashes by which it may register."""
    rows = tx.execute(select(schema.tokens).where(_tokens.link == link))
    return [Token(row.sha256, row.until_ns) for row in rows]


def ports(tx: Tx, link: LinkId) -> list[Port]:
    """Return its ports."""
    query = select(schema.ports).where(_ports.link == link).order_by(_ports.protocol, _ports.public)
    return [Port(row.protocol, row.public, row.inner, row.chosen) for row in tx.execute(query)]


def taken_ports(tx: Tx, besides: LinkId) -> set[tuple[Protocol, int]]:
    """Return the public ports of all other links."""
    rows = tx.execute(select(_ports.protocol, _ports.public).where(_ports.link != besides))
    return {(row.protocol, row.public) for row in rows}


def put_ports(tx: Tx, link: LinkId, some: Sequence[Port]) -> None:
    """Write its ports in place of those it had."""
    tx.execute(delete(schema.ports).where(_ports.link == link))
    for port in some:
        tx.execute(
            schema.ports.insert().values(
                protocol=port.protocol, public=port.public, link=link, inner=port.inner, chosen=port.chosen
            )
        )


def link_of(row: hive_schema.Row) -> Link:
    """Return the link of a whole row."""
    return Link(
        id=LinkId(row.id),
        hive=row.hive,
        revision=row.revision,
        wanted=msgspec.json.decode(row.wanted, type=DesiredLink),
        epoch=epoch.parse(row.epoch),
        change=row.change,
        removed=row.removed_ns is not None,
    )


def _until_ns(token: TokenHash) -> int | None:
    return None if token.until is None else int(token.until * 1e9)
