"""The gateways that this Hive uses: where they are, by what they are believed, and what they said of themselves."""

from dataclasses import dataclass, field

import msgspec
from sqlalchemy import delete, func, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.wire.links import GatewayAbout

_gateways = schema.gateways.c
_links = schema.links.c


@dataclass(frozen=True, slots=True)
class Gateway:
    """`certificate` (PEM) and its `fingerprint` are of one that no public authority signed; both None otherwise.

    `about` is None until it lets this Hive in; `problem` is why it does not answer, or "".
    """

    id: str
    url: str
    added_ns: int
    fingerprint: str | None = None
    certificate: str | None = field(default=None, repr=False)
    about: GatewayAbout | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """What people call it: its own name, or its address before it said one."""
        return self.about.name if self.about is not None else self.url

    @property
    def domains(self) -> list[str]:
        """The domains under which this Hive may give out names there."""
        return self.about.domains if self.about is not None else []


def put(tx: Tx, gateway: Gateway) -> None:
    """Write it, in place of what was kept of the same one."""
    values = {
        "url": gateway.url,
        "fingerprint": gateway.fingerprint,
        "certificate": gateway.certificate,
        "about": msgspec.json.encode(gateway.about).decode() if gateway.about is not None else None,
        "problem": gateway.problem,
    }
    written = tx.execute(update(schema.gateways).where(_gateways.id == gateway.id).values(**values))
    if not written.rowcount:
        tx.execute(schema.gateways.insert().values(id=gateway.id, added_ns=gateway.added_ns, **values))


def every(tx: Tx) -> list[Gateway]:
    """Return all of them, the first that was added first."""
    query = select(schema.gateways).order_by(_gateways.added_ns, _gateways.id)
    return [_read(row) for row in tx.execute(query)]


def get(tx: Tx, gateway: str) -> Gateway | None:
    """Return the one of that id."""
    row = tx.execute(select(schema.gateways).where(_gateways.id == gateway)).one_or_none()
    return _read(row) if row else None


def by_url(tx: Tx, url: str) -> Gateway | None:
    """Return the one at that address."""
    row = tx.execute(select(schema.gateways).where(_gateways.url == url)).one_or_none()
    return _read(row) if row else None


def count_links(tx: Tx, gateway: str) -> int:
    """Return how many links it has or has not forgotten yet."""
    query = select(func.count()).select_from(schema.links).where(_links.gateway == gateway)
    return tx.scalar(query) or 0


def remove(tx: Tx, gateway: str) -> None:
    """Forget it. No link may be there, and none may be noted as one that it has."""
    tx.execute(delete(schema.gateways).where(_gateways.id == gateway))


def _read(row: schema.Row) -> Gateway:
    about = msgspec.json.decode(row.about, type=GatewayAbout) if row.about else None
    return Gateway(row.id, row.url, row.added_ns, row.fingerprint, row.certificate, about, row.problem)
