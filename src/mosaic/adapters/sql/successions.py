"""Successions: of each installation that is given new keys, which one takes its place. One is open until it ended."""

from dataclasses import dataclass

from sqlalchemy import delete, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, InstallationId

_successions = schema.successions.c


@dataclass(frozen=True, slots=True)
class Succession:
    """`successor` takes the place of `installation`. Over at `ended_ns`.

    With a `failure` it goes back to how it was, and has once it is over.
    """

    installation: InstallationId
    successor: InstallationId
    asked_ns: int
    ended_ns: int | None = None
    failure: str | None = None


def put(tx: Tx, new: Succession) -> None:
    """Write a new one in the place of one that failed."""
    tx.execute(delete(schema.successions).where(_successions.installation == new.installation))
    values = {"installation": new.installation, "successor": new.successor, "asked_ns": new.asked_ns}
    tx.execute(schema.successions.insert().values(**values))


def get(tx: Tx, installation: InstallationId) -> Succession | None:
    """Return the newest of the installation that is, or was, to be succeeded."""
    return _one(tx, _successions.installation == installation)


def open_of(tx: Tx, installation: InstallationId) -> Succession | None:
    """Return the open one that the installation is in, as the older or as the newer one."""
    is_in = (_successions.installation == installation) | (_successions.successor == installation)
    return _one(tx, is_in & _successions.ended_ns.is_(None))


def open_named(tx: Tx, account: AccountId, name: str) -> Succession | None:
    """Return the open one of the account's app of that name, or of that id."""
    installations = schema.installations.c
    of_account = select(installations.id).where(
        installations.account == account, (installations.name == name) | (installations.id == name)
    )
    return _one(tx, _successions.installation.in_(of_account) & _successions.ended_ns.is_(None))


def fail(tx: Tx, found: Succession, failure: str) -> None:
    """Write why it goes back to how it was. It stays open until it has."""
    query = update(schema.successions).where(_successions.installation == found.installation)
    tx.execute(query.values(failure=failure))


def end(tx: Tx, found: Succession, *, now_ns: int, failure: str | None = None) -> None:
    """Close it."""
    query = update(schema.successions).where(_successions.installation == found.installation)
    tx.execute(query.values(ended_ns=now_ns, failure=failure))


def _one(tx: Tx, condition: schema.Condition) -> Succession | None:
    row = tx.execute(select(schema.successions).where(condition).limit(1)).one_or_none()
    if row is None:
        return None
    return Succession(
        InstallationId(row.installation), InstallationId(row.successor), row.asked_ns, row.ended_ns, row.failure
    )
