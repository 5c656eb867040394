"""Catalogs that an account's owner believes, and how their last refresh ended."""

import hashlib
from dataclasses import dataclass, field

from sqlalchemy import delete, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId

_catalogs = schema.catalogs.c


@dataclass(frozen=True, slots=True)
class KeptCatalog:
    """`root` is the first root's bytes, `signature` (hex) the owner's over it, the name and the channel.

    `refreshed_ns` is when a refresh last came to its end, None before the first; `problem` why the last one did not.
    """

    account: AccountId
    name: str
    url: str
    channel: str
    root: bytes = field(repr=False)
    signature: str
    added_ns: int
    refreshed_ns: int | None = None
    problem: str | None = None

    @property
    def root_sha256(self) -> str:
        """The first root's hash (hex), which the owner signed."""
        return hashlib.sha256(self.root).hexdigest()


def add(tx: Tx, catalog: KeptCatalog) -> None:
    """Write a new catalog. Its name must be free among the account's."""
    tx.execute(
        schema.catalogs.insert().values(
            account=catalog.account,
            name=catalog.name,
            url=catalog.url,
            channel=catalog.channel,
            root=catalog.root,
            signature=catalog.signature,
            added_ns=catalog.added_ns,
            refreshed_ns=catalog.refreshed_ns,
            problem=catalog.problem,
        )
    )


def get(tx: Tx, account: AccountId, name: str) -> KeptCatalog | None:
    """Return the account's catalog of that name."""
    row = tx.execute(select(schema.catalogs).where(*_is(account, name))).one_or_none()
    return _read(row) if row else None


def of_account(tx: Tx, account: AccountId) -> list[KeptCatalog]:
    """Return the account's catalogs by name."""
    query = select(schema.catalogs).where(_catalogs.account == account)
    return [_read(row) for row in tx.execute(query.order_by(_catalogs.name))]


def every(tx: Tx) -> list[KeptCatalog]:
    """Return the catalogs of all accounts."""
    return [_read(row) for row in tx.execute(select(schema.catalogs))]


def note(tx: Tx, catalog: KeptCatalog, *, refreshed_ns: int | None, problem: str | None) -> None:
    """Keep how a refresh ended, unless the catalog was removed or added anew meanwhile."""
    same = (*_is(catalog.account, catalog.name), _catalogs.signature == catalog.signature)
    tx.execute(update(schema.catalogs).where(*same).values(refreshed_ns=refreshed_ns, problem=problem))


def remove(tx: Tx, account: AccountId, name: str) -> None:
    """Forget a catalog. What was installed from it keeps its name."""
    tx.execute(delete(schema.catalogs).where(*_is(account, name)))


def _is(account: AccountId, name: str) -> tuple[schema.Condition, schema.Condition]:
    return _catalogs.account == account, _catalogs.name == name


def _read(row: schema.Row) -> KeptCatalog:
    return KeptCatalog(
        account=AccountId(row.account),
        name=row.name,
        url=row.url,
        channel=row.channel,
        root=row.root,
        signature=row.signature,
        added_ns=row.added_ns,
        refreshed_ns=row.refreshed_ns,
        problem=row.problem,
    )
