"""Accounts: names, password verifiers, and escrowed keys as ciphertext."""

from dataclasses import dataclass, field

import msgspec
from sqlalchemy import func, select, true, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId
from mosaic.wire.account import AccountKeys

_accounts = schema.accounts.c


@dataclass(frozen=True, slots=True)
class Account:
    """`keys` and `auth_verifier` are None until a passphrase was set."""

    id: AccountId
    name: str
    password: str = field(repr=False)
    keys: AccountKeys | None
    auth_verifier: str | None = field(repr=False)


def add(tx: Tx, account: Account, *, now_ns: int) -> None:
    """Write a new account. Its name must not be taken."""
    tx.execute(
        schema.accounts.insert().values(
            id=account.id,
            name=account.name,
            password=account.password,
            keys=msgspec.json.encode(account.keys).decode() if account.keys else None,
            keys_version=account.keys.version if account.keys else 0,
            auth_verifier=account.auth_verifier,
            created_ns=now_ns,
        )
    )


def count(tx: Tx) -> int:
    """Return how many accounts there are."""
    return tx.scalar(select(func.count()).select_from(schema.accounts)) or 0


def get(tx: Tx, account: AccountId) -> Account | None:
    """Return the account of that id."""
    return _one(tx, _accounts.id == account)


def by_name(tx: Tx, name: str) -> Account | None:
    """Return the account of that name."""
    return _one(tx, _accounts.name == name)


def only(tx: Tx) -> Account | None:
    """Return the only account; None when there is none, or several."""
    return _one(tx, true()) if count(tx) == 1 else None


def is_first(tx: Tx, account: AccountId) -> bool:
    """Return whether this is the account that set the Hive up."""
    first = select(_accounts.id).order_by(_accounts.created_ns, _accounts.id).limit(1)
    return tx.scalar(first) == account


def lock(tx: Tx, account: AccountId) -> None:
    """Keep anybody else from changing the account until the transaction's end."""
    tx.execute(select(_accounts.id).where(_accounts.id == account).with_for_update())


def set_password(tx: Tx, account: AccountId, verifier: str) -> None:
    """Replace the password's verifier."""
    tx.execute(update(schema.accounts).where(_accounts.id == account).values(password=verifier))


def set_keys(tx: Tx, account: AccountId, keys: AccountKeys, auth_verifier: str) -> bool:
    """Write the keys if theirs is the version after the stored one; say whether it was."""
    written = tx.execute(
        update(schema.accounts)
        .where(_accounts.id == account, _accounts.keys_version == keys.version - 1)
        .values(keys=msgspec.json.encode(keys).decode(), keys_version=keys.version, auth_verifier=auth_verifier)
    )
    return written.rowcount == 1


def _one(tx: Tx, condition: schema.Condition) -> Account | None:
    row = tx.execute(select(schema.accounts).where(condition)).one_or_none()
    if row is None:
        return None
    keys = msgspec.json.decode(row.keys, type=AccountKeys) if row.keys else None
    return Account(AccountId(row.id), row.name, row.password, keys, row.auth_verifier)
