"""Each account's part of the names that Mosaic gives out. Chosen once; nobody else ever gets it."""

from sqlalchemy import select

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId

_labels = schema.account_labels.c


def get(tx: Tx, account: AccountId) -> str | None:
    """Return the account's label, None before it has one."""
    return tx.scalar(select(_labels.label).where(_labels.account == account))


def is_taken(tx: Tx, label: str) -> bool:
    """Say whether any account has it, or had it."""
    return tx.scalar(select(_labels.label).where(_labels.label == label)) is not None


def choose(tx: Tx, account: AccountId, label: str, *, now_ns: int) -> None:
    """Write the account's label. It must have none, and nobody else this one."""
    tx.execute(schema.account_labels.insert().values(label=label, account=account, chosen_ns=now_ns))
