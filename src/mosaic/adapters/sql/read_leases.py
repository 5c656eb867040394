"""Read leases: which heads somebody reads, so that what they need stays."""

from dataclasses import dataclass

from sqlalchemy import delete, select

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import HeadHash, VolumeId

_leases = schema.read_leases.c


@dataclass(frozen=True, slots=True)
class ReadLease:
    """`since_seq` is the number of the volume's newest head when the lease was given."""

    id: str
    volume: VolumeId
    head: HeadHash
    since_seq: int
    until_ns: int


def get(tx: Tx, lease: str) -> ReadLease | None:
    """Return one lease, however old."""
    row = tx.execute(select(schema.read_leases).where(_leases.id == lease)).one_or_none()
    return _lease(row) if row else None


def put(tx: Tx, lease: ReadLease) -> None:
    """Write a lease, in place of an earlier one of this id. The installation's lease must be locked."""
    end(tx, lease.id)
    tx.execute(
        schema.read_leases.insert().values(
            id=lease.id, volume=lease.volume, head=lease.head, since_seq=lease.since_seq, until_ns=lease.until_ns
        )
    )


def end(tx: Tx, lease: str) -> None:
    """Delete a lease; one that is not there has ended already."""
    tx.execute(delete(schema.read_leases).where(_leases.id == lease))


def held(tx: Tx, volume: VolumeId, *, now_ns: int) -> list[ReadLease]:
    """Return the volume's leases that have not ended. Writes nothing."""
    query = select(schema.read_leases).where(_leases.volume == volume, _leases.until_ns > now_ns)
    return [_lease(row) for row in tx.execute(query)]


def forget_ended(tx: Tx, volume: VolumeId, *, now_ns: int) -> None:
    """Delete the volume's leases that nobody made to last longer."""
    tx.execute(delete(schema.read_leases).where(_leases.volume == volume, _leases.until_ns <= now_ns))


def _lease(row: schema.Row) -> ReadLease:
    return ReadLease(row.id, VolumeId(row.volume), HeadHash(row.head), row.since_seq, row.until_ns)
