"""Generations: the versions of its app that an installation ran, one after another, numbered from 1.

The newest one is the present one; of each earlier one it is known which
snapshot was its last.
"""

from dataclasses import dataclass, field

import msgspec
from sqlalchemy import insert, select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.core.ids import AppDigest, HeadHash, InstallationId

_generations = schema.generations.c


@dataclass(frozen=True, slots=True)
class Generation:
    """`images` are what its services were pinned to, known when it is over. `last_head` is None while it is present."""

    installation: InstallationId
    n: int
    app_digest: AppDigest
    label: str
    began_ns: int
    catalog: str | None = None
    approval: str | None = None
    images: dict[str, str] = field(default_factory=dict)
    last_head: HeadHash | None = None


def ensure(tx: Tx, known: Installation) -> Generation:
    """Write the first generation if there is none, and the images that the present one has; return that one.

    The lease must be locked.
    """
    found = present(tx, known.id)
    if found is None:
        return _add(tx, first(known))
    if known.images and found.app_digest == known.app_digest and found.images != known.images:
        _set(tx, found, images=_json(known.images))
    return found


def begin(tx: Tx, before: Installation, after: Installation, *, now_ns: int, last_head: HeadHash | None) -> None:
    """Write that it runs `after`'s version from now on, and that `last_head` is the last snapshot of `before`'s.

    The lease must be locked.
    """
    former = ensure(tx, before)
    _set(tx, former, last_head=last_head)
    _add(tx, _of(after, n=former.n + 1, began_ns=now_ns))


def present(tx: Tx, installation: InstallationId) -> Generation | None:
    """Return the newest one."""
    return next(iter(of(tx, installation)), None)


def of(tx: Tx, installation: InstallationId) -> list[Generation]:
    """Return all of them, the newest first."""
    query = select(schema.generations).where(_generations.installation == installation)
    return [_read(row) for row in tx.execute(query.order_by(_generations.n.desc()))]


def of_version(tx: Tx, installation: InstallationId, digest: AppDigest) -> Generation | None:
    """Return the newest one that ran this version."""
    return next((each for each in of(tx, installation) if each.app_digest == digest), None)


def was_left(tx: Tx, installation: InstallationId, digest: AppDigest) -> bool:
    """Say whether the installation ran this version, wrote snapshots under it, and runs another one since."""
    return any(each.app_digest == digest and each.last_head is not None for each in of(tx, installation))


def first(known: Installation) -> Generation:
    """Return the generation of an installation that was never updated."""
    return _of(known, n=1, began_ns=known.created_ns)


def _of(known: Installation, *, n: int, began_ns: int) -> Generation:
    return Generation(
        installation=known.id,
        n=n,
        app_digest=known.app_digest,
        label=known.label,
        began_ns=began_ns,
        catalog=known.catalog,
        approval=known.approval,
        images=known.images,
    )


def _add(tx: Tx, new: Generation) -> Generation:
    tx.execute(
        insert(schema.generations).values(
            installation=new.installation,
            n=new.n,
            app_digest=new.app_digest,
            catalog=new.catalog,
            approval=new.approval,
            label=new.label,
            images=_json(new.images),
            began_ns=new.began_ns,
        )
    )
    return new


def _set(tx: Tx, known: Generation, **columns: schema.Value) -> None:
    which = (_generations.installation == known.installation, _generations.n == known.n)
    tx.execute(update(schema.generations).where(*which).values(**columns))


def _read(row: schema.Row) -> Generation:
    return Generation(
        installation=InstallationId(row.installation),
        n=row.n,
        app_digest=AppDigest(row.app_digest),
        label=row.label,
        began_ns=row.began_ns,
        catalog=row.catalog,
        approval=row.approval,
        images=msgspec.json.decode(row.images, type=dict[str, str]),
        last_head=HeadHash(row.last_head) if row.last_head else None,
    )


def _json(images: dict[str, str]) -> str:
    return msgspec.json.encode(images).decode()
