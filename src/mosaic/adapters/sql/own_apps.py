"""Apps of an account's own: of each the newest version, as its owner signed it."""

from dataclasses import dataclass

from sqlalchemy import delete, select

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, AppDigest

_own_apps = schema.own_apps.c


@dataclass(frozen=True, slots=True)
class OwnApp:
    """`digest` is its manifest's, `signature` (hex) the owner's over it (`mosaic.wire.approval`)."""

    account: AccountId
    app: str
    digest: AppDigest
    signature: str
    added_ns: int


def put(tx: Tx, own: OwnApp) -> None:
    """Keep an app, in place of its older version."""
    remove(tx, own.account, own.app)
    tx.execute(
        schema.own_apps.insert().values(
            account=own.account, app=own.app, digest=own.digest, signature=own.signature, added_ns=own.added_ns
        )
    )


def get(tx: Tx, account: AccountId, app: str) -> OwnApp | None:
    """Return the account's app of that name."""
    query = select(schema.own_apps).where(_own_apps.account == account, _own_apps.app == app)
    row = tx.execute(query).one_or_none()
    return _read(row) if row else None


def of_account(tx: Tx, account: AccountId) -> list[OwnApp]:
    """Return all apps of the account's own, by name."""
    query = select(schema.own_apps).where(_own_apps.account == account).order_by(_own_apps.app)
    return [_read(row) for row in tx.execute(query)]


def remove(tx: Tx, account: AccountId, app: str) -> bool:
    """Forget an app; say whether there was one."""
    gone = tx.execute(delete(schema.own_apps).where(_own_apps.account == account, _own_apps.app == app))
    return gone.rowcount == 1


def _read(row: schema.Row) -> OwnApp:
    return OwnApp(AccountId(row.account), row.app, AppDigest(row.digest), row.signature, row.added_ns)
