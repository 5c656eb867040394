"""Join tokens: each lets one Device in, once. Only the hash of the secret is here."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import delete, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, DeviceId
from mosaic.wire.account import OwnerAdmission

_tokens = schema.join_tokens.c
_KEPT_NS = 24 * 3600 * 10**9


@dataclass(frozen=True, slots=True)
class JoinToken:
    """`admission` is the owner's, when the token carries it. `used_by` is None while it is unused."""

    secret_hash: str
    account: AccountId
    name: str
    admission: OwnerAdmission | None
    expires_ns: int
    used_by: DeviceId | None = None


def add(tx: Tx, token: JoinToken, *, now_ns: int) -> bool:
    """Write a new token and forget the ones long expired. False, and nothing written, if its secret was used before."""
    tx.execute(delete(schema.join_tokens).where(_tokens.expires_ns < now_ns - _KEPT_NS))
    if tx.scalar(select(_tokens.secret_hash).where(_tokens.secret_hash == token.secret_hash)) is not None:
        return False
    tx.execute(
        schema.join_tokens.insert().values(
            secret_hash=token.secret_hash,
            account=token.account,
            name=token.name,
            admission=msgspec.json.encode(token.admission).decode() if token.admission else None,
            expires_ns=token.expires_ns,
            used_by=None,
        )
    )
    return True


def lock(tx: Tx, secret_hash: str) -> JoinToken | None:
    """Return the token, locked until the transaction ends, so that two Devices cannot both use it."""
    row = tx.execute(
        select(schema.join_tokens).where(_tokens.secret_hash == secret_hash).with_for_update()
    ).one_or_none()
    if row is None:
        return None
    admission = msgspec.json.decode(row.admission, type=OwnerAdmission) if row.admission else None
    used_by = DeviceId(row.used_by) if row.used_by else None
    return JoinToken(row.secret_hash, AccountId(row.account), row.name, admission, row.expires_ns, used_by)


def withdraw(tx: Tx, account: AccountId, name: str) -> None:
    """Forget the unused tokens that were made for a Device of that name: whoever has them was meant to be it."""
    unused = _tokens.used_by.is_(None)
    tx.execute(delete(schema.join_tokens).where(_tokens.account == account, _tokens.name == name, unused))


def use(tx: Tx, secret_hash: str, device: DeviceId) -> None:
    """Mark it as used."""
    tx.execute(update(schema.join_tokens).where(_tokens.secret_hash == secret_hash).values(used_by=device))
