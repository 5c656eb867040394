"""API tokens and browser sessions of accounts. Only a token's SHA-256 is here."""

from dataclasses import dataclass

from sqlalchemy import delete, select

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId

_tokens = schema.tokens.c


@dataclass(frozen=True, slots=True)
class Token:
    """`browser` tokens come as a cookie and need the CSRF header; the others come as a bearer."""

    hash: str
    account: AccountId
    browser: bool
    label: str
    expires_ns: int


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token it is."""

    account: AccountId
    name: str
    browser: bool


def add(tx: Tx, token: Token, *, now_ns: int) -> None:
    """Write a token, and forget all those that have expired."""
    tx.execute(delete(schema.tokens).where(_tokens.expires_ns <= now_ns))
    tx.execute(
        schema.tokens.insert().values(
            hash=token.hash,
            account=token.account,
            browser=token.browser,
            label=token.label,
            created_ns=now_ns,
            expires_ns=token.expires_ns,
        )
    )


def bearer(tx: Tx, token_hash: str, *, now_ns: int) -> Bearer | None:
    """Return whose token this is; None when it is unknown or expired."""
    query = (
        select(_tokens.account, _tokens.browser, schema.accounts.c.name)
        .join(schema.accounts, schema.accounts.c.id == _tokens.account)
        .where(_tokens.hash == token_hash, _tokens.expires_ns > now_ns)
    )
    row = tx.execute(query).one_or_none()
    return Bearer(AccountId(row.account), row.name, row.browser) if row else None


def forget(tx: Tx, token_hash: str) -> None:
    """Forget one token."""
    tx.execute(delete(schema.tokens).where(_tokens.hash == token_hash))


def forget_all(tx: Tx, account: AccountId) -> None:
    """Forget every token of the account: whoever knew the old password is out."""
    tx.execute(delete(schema.tokens).where(_tokens.account == account))
