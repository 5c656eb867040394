"""Wishes to go back to an earlier snapshot: of each installation the one that is open, or the last one."""

from dataclasses import dataclass, replace

from sqlalchemy import delete, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, AppDigest, HeadHash, InstallationId, VolumeId

_restores = schema.restores.c


@dataclass(frozen=True, slots=True)
class Restore:
    """A wish: `volume` shall be what `head` has, or its conflict snapshot `conflict`, and run `app_digest` then.

    It is over at `ended_ns`, None before: with a `failure`, or with the head
    `saved` having what was there before.
    """

    installation: InstallationId
    id: str
    volume: VolumeId
    head: HeadHash | None
    conflict: str | None
    app_digest: AppDigest
    asked_ns: int
    ended_ns: int | None = None
    saved: HeadHash | None = None
    failure: str | None = None


def put(tx: Tx, restore: Restore) -> None:
    """Write a new wish in the place of the last one. The lease must be locked."""
    tx.execute(delete(schema.restores).where(_restores.installation == restore.installation))
    tx.execute(
        schema.restores.insert().values(
            installation=restore.installation,
            id=restore.id,
            volume=restore.volume,
            head=restore.head,
            conflict=restore.conflict,
            app_digest=restore.app_digest,
            asked_ns=restore.asked_ns,
        )
    )


def get(tx: Tx, installation: InstallationId) -> Restore | None:
    """Return the installation's newest wish, open or over."""
    row = tx.execute(select(schema.restores).where(_restores.installation == installation)).one_or_none()
    return _read(row) if row else None


def open_one(tx: Tx, installation: InstallationId) -> Restore | None:
    """Return the installation's wish that is not over yet."""
    found = get(tx, installation)
    return found if found is not None and found.ended_ns is None else None


def awaited(tx: Tx, volume: VolumeId) -> list[HeadHash]:
    """Return which of the volume's heads somebody is going back to."""
    query = select(_restores.head).where(_restores.volume == volume, _restores.ended_ns.is_(None))
    return [HeadHash(head) for head in tx.scalars(query.where(_restores.head.is_not(None)))]


def of_account(tx: Tx, account: AccountId) -> dict[InstallationId, Restore]:
    """Return the newest wish of each of the account's installations."""
    installations = schema.installations.c
    query = select(schema.restores).join(schema.installations, installations.id == _restores.installation)
    found = (_read(row) for row in tx.execute(query.where(installations.account == account)))
    return {each.installation: each for each in found}


def end(tx: Tx, restore: Restore, *, now_ns: int, saved: HeadHash | None = None, failure: str | None = None) -> Restore:
    """Close a wish. The lease must be locked."""
    ended = replace(restore, ended_ns=now_ns, saved=saved, failure=failure)
    query = update(schema.restores).where(_restores.installation == restore.installation, _restores.id == restore.id)
    tx.execute(query.values(ended_ns=now_ns, saved=saved, failure=failure))
    return ended


def _read(row: schema.Row) -> Restore:
    return Restore(
        installation=InstallationId(row.installation),
        id=row.id,
        volume=VolumeId(row.volume),
        head=HeadHash(row.head) if row.head else None,
        conflict=row.conflict,
        app_digest=AppDigest(row.app_digest),
        asked_ns=row.asked_ns,
        ended_ns=row.ended_ns,
        saved=HeadHash(row.saved) if row.saved else None,
        failure=row.failure,
    )
