"""Wishes that an installation runs another version of its app: all that there were, of which one may be open."""

from dataclasses import dataclass, replace
from typing import Literal

import msgspec
from sqlalchemy import select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, AppDigest, InstallationId
from mosaic.wire.storage import Failure

_updates = schema.updates.c

Outcome = Literal["done", "failed", "called-off"]

CUT_SHORT = "update-cut-short"
"""The code of a failure that says nothing of the version: something else came between."""


@dataclass(frozen=True, slots=True)
class Update:
    """A wish: run `app_digest`, which `catalog` or `approval` (hex) vouches for, in the place of `from_digest`.

    It is over at `ended_ns`, None before: with an `outcome`, with a `failure`
    unless it is done, and with what was written in the trial `kept` as a
    conflict snapshot of that name, if anything was. `by_itself`: nobody asked.
    """

    id: str
    installation: InstallationId
    from_digest: AppDigest
    app_digest: AppDigest
    label: str
    gate_seconds: int
    by_itself: bool
    asked_ns: int
    catalog: str | None = None
    approval: str | None = None
    ended_ns: int | None = None
    outcome: Outcome | None = None
    failure: Failure | None = None
    kept: str | None = None


def add(tx: Tx, wish: Update) -> None:
    """Write a new wish. None may be open; the lease must be locked."""
    before = newest(tx, wish.installation)
    # Their order is that of their instants, whatever clocks do.
    asked_ns = wish.asked_ns if before is None else max(wish.asked_ns, before.asked_ns + 1)
    tx.execute(
        schema.updates.insert().values(
            id=wish.id,
            installation=wish.installation,
            from_digest=wish.from_digest,
            app_digest=wish.app_digest,
            catalog=wish.catalog,
            approval=wish.approval,
            label=wish.label,
            gate_seconds=wish.gate_seconds,
            by_itself=wish.by_itself,
            asked_ns=asked_ns,
        )
    )


def newest(tx: Tx, installation: InstallationId) -> Update | None:
    """Return the installation's newest wish, open or over."""
    query = select(schema.updates).where(_updates.installation == installation)
    row = tx.execute(query.order_by(_updates.asked_ns.desc()).limit(1)).one_or_none()
    return _read(row) if row else None


def of_id(tx: Tx, installation: InstallationId, wish: str) -> Update | None:
    """Return one of the installation's wishes."""
    query = select(schema.updates).where(_updates.installation == installation, _updates.id == wish)
    row = tx.execute(query).one_or_none()
    return _read(row) if row else None


def not_done(tx: Tx, installation: InstallationId, digest: AppDigest) -> Update | None:
    """Return the newest wish for this version since the last one that was done; None when there is none."""
    query = select(schema.updates).where(_updates.installation == installation)
    for row in tx.execute(query.order_by(_updates.asked_ns.desc())):
        if row.outcome == "done":
            return None
        if row.app_digest == digest:
            return _read(row)
    return None


def open_one(tx: Tx, installation: InstallationId) -> Update | None:
    """Return the installation's wish that is not over yet."""
    found = newest(tx, installation)
    return found if found is not None and found.ended_ns is None else None


def of_account(tx: Tx, account: AccountId) -> dict[InstallationId, Update]:
    """Return the newest wish of each of the account's installations."""
    installations = schema.installations.c
    query = select(schema.updates).join(schema.installations, installations.id == _updates.installation)
    rows = tx.execute(query.where(installations.account == account).order_by(_updates.asked_ns))
    return {each.installation: each for each in map(_read, rows)}


def failures(tx: Tx, installation: InstallationId, digest: AppDigest) -> int:
    """Return how often this version failed on the installation by itself."""
    query = select(_updates.failure).where(_updates.installation == installation, _updates.app_digest == digest)
    told = [_failure(text) for text in tx.scalars(query.where(_updates.outcome == "failed"))]
    return sum(1 for each in told if each is None or each.code != CUT_SHORT)


def was_called_off(tx: Tx, installation: InstallationId, digest: AppDigest) -> bool:
    """Say whether the installation's owner ever took a wish for this version back."""
    query = select(_updates.id).where(_updates.installation == installation, _updates.app_digest == digest)
    return tx.scalar(query.where(_updates.outcome == "called-off").limit(1)) is not None


def end(
    tx: Tx, wish: Update, outcome: Outcome, *, now_ns: int, failure: Failure | None = None, kept: str | None = None
) -> Update:
    """Close a wish. The lease must be locked."""
    told = msgspec.json.encode(failure).decode() if failure is not None else None
    query = update(schema.updates).where(_updates.id == wish.id)
    tx.execute(query.values(ended_ns=now_ns, outcome=outcome, failure=told, kept=kept))
    return replace(wish, ended_ns=now_ns, outcome=outcome, failure=failure, kept=kept)


def _read(row: schema.Row) -> Update:
    return Update(
        id=row.id,
        installation=InstallationId(row.installation),
        from_digest=AppDigest(row.from_digest),
        app_digest=AppDigest(row.app_digest),
        label=row.label,
        gate_seconds=row.gate_seconds,
        by_itself=row.by_itself,
        asked_ns=row.asked_ns,
        catalog=row.catalog,
        approval=row.approval,
        ended_ns=row.ended_ns,
        outcome=_outcome(row.outcome),
        failure=_failure(row.failure),
        kept=row.kept,
    )


def _outcome(text: str | None) -> Outcome | None:
    return msgspec.convert(text, Outcome) if text is not None else None


def _failure(text: str | None) -> Failure | None:
    return msgspec.json.decode(text, type=Failure) if text is not None else None
