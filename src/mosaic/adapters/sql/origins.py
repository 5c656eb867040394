"""What forks begin with: of each one a snapshot of another installation's volume."""

from dataclasses import dataclass

from sqlalchemy import and_, not_, select

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.failover import TRASH_NS
from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.core.placement import Phase


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


def awaited(tx: Tx, volume: VolumeId, *, now_ns: int) -> list[HeadHash]:
    """Return which of the volume's heads a fork is still to begin with; one that has left the trash never will."""
    forks, theirs = schema.installations.c, schema.volumes.c
    begun = select(theirs.installation).where(theirs.kind == "data", theirs.newest.is_not(None))
    gone = and_(forks.phase == Phase.TRASHED.value, forks.since_ns <= now_ns - TRASH_NS)
    query = select(schema.origins.c.head).join(schema.installations, forks.id == schema.origins.c.installation)
    query = query.where(schema.origins.c.volume == volume, forks.id.not_in(begun), not_(gone))
    return [HeadHash(head) for head in tx.scalars(query)]
