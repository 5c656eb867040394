"""Registrations: one tunnel each. Those that ended stay a while, so that an old session is known again."""

from dataclasses import dataclass, field

import msgspec
from sqlalchemy import delete, select, update

from mosaic.adapters.sql import schema as hive_schema
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import numbers, schema
from mosaic.core import epoch
from mosaic.core.ids import LinkId
from mosaic.core.registering import Asking, Known
from mosaic.wire.links import Mode

KEPT = 20
"""How many of a link's ended registrations are known; more only while their numbers are kept back for it."""

_registrations = schema.registrations.c


@dataclass(frozen=True, slots=True)
class Registration:
    """`n` grows from one to the next. `token` is the hash that it was made by; `gateways` those that it was told of."""

    id: str
    link: LinkId
    n: int
    asked: Asking
    mode: Mode
    number: int
    token: str
    gateways: tuple[str, ...]
    at_ns: int
    tunnel_key: str | None = field(default=None, repr=False)
    superseded_ns: int | None = None
    ended_ns: int | None = None

    @property
    def known(self) -> Known:
        """What decides on the next one."""
        return Known(self.id, self.asked, self.ended_ns is not None, self.superseded_ns is not None)


def add(tx: Tx, new: Registration) -> None:
    """Write one, and forget the link's oldest that have ended and whose numbers may be anybody's."""
    tx.execute(
        schema.registrations.insert().values(
            id=new.id,
            link=new.link,
            n=new.n,
            epoch=str(new.asked.epoch),
            session=new.asked.session,
            mode=new.mode,
            public_key=new.asked.public_key,
            number=new.number,
            tunnel_key=new.tunnel_key,
            token=new.token,
            gateways=msgspec.json.encode(new.gateways).decode(),
            at_ns=new.at_ns,
        )
    )
    old = select(_registrations.id).where(_registrations.link == new.link, _registrations.ended_ns.is_not(None))
    gone = list(tx.scalars(old.order_by(_registrations.n.desc()).offset(KEPT)))
    if gone:
        forgotten = _registrations.id.in_(gone) & ~numbers.is_kept_back(now_ns=new.at_ns)
        tx.execute(delete(schema.registrations).where(forgotten))


def get(tx: Tx, registration: str) -> Registration | None:
    """Return one that is known still."""
    row = tx.execute(select(schema.registrations).where(_registrations.id == registration)).one_or_none()
    return registration_of(row) if row else None


def of_link(tx: Tx, link: LinkId) -> list[Registration]:
    """Return those of a link that are known, the newest last."""
    query = select(schema.registrations).where(_registrations.link == link).order_by(_registrations.n)
    return [registration_of(row) for row in tx.execute(query)]


def with_key(tx: Tx, public_key: str) -> Registration | None:
    """Return the one that has a tunnel with this key now."""
    query = select(schema.registrations).where(
        _registrations.public_key == public_key, _registrations.ended_ns.is_(None)
    )
    row = tx.execute(query).one_or_none()
    return registration_of(row) if row else None


def supersede(tx: Tx, registration: str, *, now_ns: int) -> None:
    """Write that another took its place."""
    tx.execute(update(schema.registrations).where(_registrations.id == registration).values(superseded_ns=now_ns))


def keep(tx: Tx, registration: str, *, gateways: tuple[str, ...], token: str, mode: Mode) -> None:
    """Write which gateways it was told of, and which token it showed last."""
    text = msgspec.json.encode(gateways).decode()
    tx.execute(
        update(schema.registrations)
        .where(_registrations.id == registration)
        .values(gateways=text, token=token, mode=mode)
    )


def end(tx: Tx, ending: Registration, *, now_ns: int) -> None:
    """Write that its tunnel is no more, and free its number."""
    tx.execute(
        update(schema.registrations).where(_registrations.id == ending.id).values(ended_ns=now_ns, tunnel_key=None)
    )
    numbers.free(tx, ending.number, now_ns=now_ns)


def registration_of(row: hive_schema.Row) -> Registration:
    """Return the registration of a whole row."""
    return Registration(
        id=row.id,
        link=LinkId(row.link),
        n=row.n,
        asked=Asking(epoch.parse(row.epoch), row.session, row.public_key),
        mode=row.mode,
        number=row.number,
        token=row.token,
        gateways=msgspec.json.decode(row.gateways, type=tuple[str, ...]),
        at_ns=row.at_ns,
        tunnel_key=row.tunnel_key,
        superseded_ns=row.superseded_ns,
        ended_ns=row.ended_ns,
    )
