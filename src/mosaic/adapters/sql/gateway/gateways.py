"""The gateways of the group: how links reach them, which live, and how far each has come."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import func, select, update

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import schema
from mosaic.core.errors import Refused
from mosaic.core.tunnel_addresses import FIRST_NUMBER

_gateways = schema.gateways.c


class TooManyGateways(Refused):
    """A group has as many gateways as it has addresses for them."""

    code = "too-many-gateways"

    def __init__(self) -> None:
        super().__init__(
            f"this group has {FIRST_NUMBER - 1} gateways already",
            hint="use the name of one that is gone with `--name`, or begin a group with another database",
        )


class GatewayAddresses(msgspec.Struct, frozen=True):
    """How a gateway is reached: `public` is `host:port` of its TLS; see `mosaic.wire.links.Peer` for the others."""

    host: str
    target: str
    public: str
    addresses: list[str] = []
    endpoint: str | None = None
    public_key: str | None = None
    tunnel: list[str] = []
    version: str = ""


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """`number` is its inner address. `applied` is the last change that it routes by."""

    name: str
    number: int
    about: GatewayAddresses
    lease_until_ns: int
    applied: int


def join(tx: Tx, name: str, about: GatewayAddresses) -> int:
    """Write how a gateway is reached and return its number, the same at every start. Raises TooManyGateways."""
    text = msgspec.json.encode(about).decode()
    known = tx.scalar(select(_gateways.number).where(_gateways.name == name))
    if known is not None:
        tx.execute(update(schema.gateways).where(_gateways.name == name).values(about=text))
        return int(known)
    number = int(tx.scalar(select(func.max(_gateways.number))) or 0) + 1
    if number >= FIRST_NUMBER:
        raise TooManyGateways
    tx.execute(schema.gateways.insert().values(name=name, number=number, about=text, lease_until_ns=0, applied=0))
    return number


def lease(tx: Tx, name: str, *, until_ns: int) -> None:
    """Write until when the gateway is taken for living, if nothing is heard of it."""
    tx.execute(update(schema.gateways).where(_gateways.name == name).values(lease_until_ns=until_ns))


def applied(tx: Tx, name: str, change: int) -> None:
    """Write that the gateway routes by every change up to this one."""
    tx.execute(update(schema.gateways).where(_gateways.name == name).values(applied=change))


def every(tx: Tx) -> list[GatewayRow]:
    """Return all gateways that ever were of the group, by number."""
    return [
        GatewayRow(
            row.name, row.number, msgspec.json.decode(row.about, type=GatewayAddresses), row.lease_until_ns, row.applied
        )
        for row in tx.execute(select(schema.gateways).order_by(_gateways.number))
    ]


def live(rows: list[GatewayRow], *, now_ns: int) -> list[GatewayRow]:
    """Return those that live."""
    return [row for row in rows if row.lease_until_ns > now_ns]
