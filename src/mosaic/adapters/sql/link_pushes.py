"""What each gateway has of each link: the newest revision that it took, and what it said of it.

A row says that the gateway may have the link; it goes when the gateway has forgotten it.
"""

from dataclasses import dataclass

import msgspec
from sqlalchemy import delete, or_, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import LinkId
from mosaic.wire.links import LinkStanding

_pushes = schema.link_pushes.c
_links = schema.links.c


@dataclass(frozen=True, slots=True)
class Push:
    """`taken_revision` is 0 before the first. `problem` is why the newest was not taken, or ""."""

    link: LinkId
    gateway: str
    taken_revision: int = 0
    problem: str = ""
    standing: LinkStanding | None = None
    heard_ns: int | None = None


def add(tx: Tx, link: LinkId, gateway: str) -> None:
    """Note that the gateway shall have the link."""
    tx.execute(schema.link_pushes.insert().values(link=link, gateway=gateway, taken_revision=0, problem=""))


def of_link(tx: Tx, link: LinkId) -> list[Push]:
    """Return what each gateway has of a link."""
    return [_read(row) for row in tx.execute(select(schema.link_pushes).where(_pushes.link == link))]


def open_ones(tx: Tx) -> list[Push]:
    """Return those of gateways that lack the newest revision, or have a link that is gone: these first."""
    behind = or_(_pushes.taken_revision < _links.revision, _links.removed_ns.is_not(None))
    query = (
        select(schema.link_pushes)
        .join(schema.links, _links.id == _pushes.link)
        .where(behind)
        .order_by(_links.removed_ns.is_(None), _links.created_ns, _links.id)
    )
    return [_read(row) for row in tx.execute(query)]


def of_gateway(tx: Tx, gateway: str) -> list[Push]:
    """Return what a gateway has."""
    return [_read(row) for row in tx.execute(select(schema.link_pushes).where(_pushes.gateway == gateway))]


def took(tx: Tx, push: Push, standing: LinkStanding, *, revision: int, now_ns: int) -> None:
    """Note that it has a revision, and what it said. An older one than it has changes nothing."""
    newer = (*_is(push), _pushes.taken_revision <= revision)
    tx.execute(
        update(schema.link_pushes)
        .where(*newer)
        .values(taken_revision=revision, problem="", standing=_json(standing), heard_ns=now_ns)
    )


def failed(tx: Tx, push: Push, problem: str) -> None:
    """Note why it does not have the newest."""
    tx.execute(update(schema.link_pushes).where(*_is(push)).values(problem=problem))


def heard(tx: Tx, push: Push, standing: LinkStanding | None, *, now_ns: int) -> None:
    """Note what it says now. None: it has nothing of it, and is told again."""
    values = {"standing": _json(standing) if standing is not None else None, "heard_ns": now_ns}
    tx.execute(update(schema.link_pushes).where(*_is(push)).values(**values))


def again(tx: Tx, push: Push) -> None:
    """Have it told once more, for it lost what it took."""
    want_again(tx, push.link, push.gateway)


def want_again(tx: Tx, link: LinkId, gateway: str) -> None:
    """Have a gateway told once more of a link that it has."""
    row = (_pushes.link == link, _pushes.gateway == gateway)
    tx.execute(update(schema.link_pushes).where(*row).values(taken_revision=0))


def forget(tx: Tx, push: Push) -> None:
    """The gateway has forgotten the link."""
    tx.execute(delete(schema.link_pushes).where(*_is(push)))


def _is(push: Push) -> tuple[schema.Condition, schema.Condition]:
    return _pushes.link == push.link, _pushes.gateway == push.gateway


def _json(standing: LinkStanding) -> str:
    return msgspec.json.encode(standing).decode()


def _read(row: schema.Row) -> Push:
    standing = msgspec.json.decode(row.standing, type=LinkStanding) if row.standing else None
    return Push(LinkId(row.link), row.gateway, row.taken_revision, row.problem, standing, row.heard_ns)
