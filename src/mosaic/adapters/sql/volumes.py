"""Volumes: which installation each belongs to, and its seed as ciphertext."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId, HeadHash, InstallationId, VolumeId

_volumes = schema.volumes.c


@dataclass(frozen=True, slots=True)
class Volume:
    """`wrapped_seed` is an envelope under the account's root key. `base` and `newest` are hashes of heads."""

    id: VolumeId
    installation: InstallationId
    kind: str
    wrapped_seed: str
    base: HeadHash | None = None
    newest: HeadHash | None = None


def add(tx: Tx, volume: Volume, *, now_ns: int) -> None:
    """Write a new volume without a head."""
    tx.execute(
        schema.volumes.insert().values(
            id=volume.id,
            installation=volume.installation,
            kind=volume.kind,
            wrapped_seed=volume.wrapped_seed,
            created_ns=now_ns,
        )
    )


def wrap_again(tx: Tx, seeds: Mapping[VolumeId, str]) -> None:
    """Replace the envelopes of these volumes' seeds: another root key opens them from now on."""
    for volume, wrapped_seed in seeds.items():
        tx.execute(update(schema.volumes).where(_volumes.id == volume).values(wrapped_seed=wrapped_seed))


def get(tx: Tx, volume: VolumeId) -> Volume | None:
    """Return one volume."""
    row = tx.execute(select(schema.volumes).where(_volumes.id == volume)).one_or_none()
    return _volume(row) if row else None


def of_installation(tx: Tx, installation: InstallationId) -> list[Volume]:
    """Return the installation's volumes, by kind."""
    query = select(schema.volumes).where(_volumes.installation == installation)
    return [_volume(row) for row in tx.execute(query.order_by(_volumes.kind))]


def data_of(tx: Tx, installation: InstallationId) -> Volume | None:
    """Return the volume with the app's data; None before its Device made one."""
    return next((each for each in of_installation(tx, installation) if each.kind == "data"), None)


def of_account(tx: Tx, account: AccountId) -> list[Volume]:
    """Return the volumes of all the account's installations."""
    installations = schema.installations.c
    query = select(schema.volumes).join(schema.installations, installations.id == _volumes.installation)
    rows = tx.execute(query.where(installations.account == account).order_by(_volumes.created_ns, _volumes.id))
    return [_volume(row) for row in rows]


def account_of(tx: Tx, volume: VolumeId) -> AccountId | None:
    """Return whose volume it is."""
    installations = schema.installations.c
    query = select(installations.account).join(schema.volumes, installations.id == _volumes.installation)
    found = tx.scalar(query.where(_volumes.id == volume))
    return AccountId(found) if found else None


def _volume(row: schema.Row) -> Volume:
    return Volume(
        id=VolumeId(row.id),
        installation=InstallationId(row.installation),
        kind=row.kind,
        wrapped_seed=row.wrapped_seed,
        base=HeadHash(row.base) if row.base else None,
        newest=HeadHash(row.newest) if row.newest else None,
    )
