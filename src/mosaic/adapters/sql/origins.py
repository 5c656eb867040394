"""What forks begin with: of each one a snapshot of another installation's volume."""

from dataclasses import dataclass

from sqlalchemy import select

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import HeadHash, InstallationId, VolumeId


@dataclass(frozen=True, slots=True)
class Origin:
    """The fork's data begins with what `head` of `volume` has."""

    installation: InstallationId
    volume: VolumeId
    head: HeadHash


def add(tx: Tx, origin: Origin) -> None:
    """Write what a new installation begins with."""
    tx.execute(schema.origins.insert().values(installation=origin.installation, volume=origin.volume, head=origin.head))


def get(tx: Tx, installation: InstallationId) -> Origin | None:
    """Return what the installation began with, None when it is no fork."""
    query = select(schema.origins).where(schema.origins.c.installation == installation)
    row = tx.execute(query).one_or_none()
    return Origin(InstallationId(row.installation), VolumeId(row.volume), HeadHash(row.head)) if row else None
