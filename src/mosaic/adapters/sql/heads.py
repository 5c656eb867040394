"""Accepted heads, kept for good: the signed bytes of each, and which is a volume's newest."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.wire.head import Head

_heads = schema.heads.c


@dataclass(frozen=True, slots=True)
class Accepted:
    """One head as it was accepted."""

    hash: HeadHash
    seq: int
    signed: bytes
    accepted_ns: int


def add(tx: Tx, head_hash: HeadHash, head: Head, signed: bytes, *, now_ns: int) -> None:
    """Write an accepted head and make it the volume's newest. The lease must be locked."""
    tx.execute(
        schema.heads.insert().values(
            hash=head_hash,
            volume=head.volume,
            seq=head.seq,
            term=head.epoch.term,
            n=head.epoch.n,
            instant_ns=head.instant_ns,
            signed=signed,
            accepted_ns=now_ns,
        )
    )
    tx.execute(update(schema.volumes).where(schema.volumes.c.id == head.volume).values(newest=head_hash))


def signed(tx: Tx, volume: VolumeId, head_hash: HeadHash) -> bytes | None:
    """Return the bytes of one accepted head of the volume."""
    found = tx.scalar(select(_heads.signed).where(_heads.hash == head_hash, _heads.volume == volume))
    return bytes(found) if found is not None else None


def newest(tx: Tx, volume: VolumeId) -> tuple[HeadHash, bytes] | None:
    """Return the volume's newest head and its bytes."""
    query = select(_heads.hash, _heads.signed).join(schema.volumes, schema.volumes.c.newest == _heads.hash)
    row = tx.execute(query.where(schema.volumes.c.id == volume)).one_or_none()
    return (HeadHash(row.hash), bytes(row.signed)) if row else None


def between(tx: Tx, volume: VolumeId, above: int, before: int | None, *, limit: int) -> list[Accepted]:
    """Return the volume's newest heads whose numbers are higher than `above`, and lower than `before` if given."""
    query = select(schema.heads).where(_heads.volume == volume, _heads.seq > above)
    if before is not None:
        query = query.where(_heads.seq < before)
    return [_accepted(row) for row in tx.execute(query.order_by(_heads.seq.desc()).limit(limit))]


def numbered(tx: Tx, volume: VolumeId, seqs: Collection[int]) -> list[Accepted]:
    """Return the volume's heads of these numbers, the newest first. A few hundred at once."""
    query = select(schema.heads).where(_heads.volume == volume, _heads.seq.in_(seqs))
    return [_accepted(row) for row in tx.execute(query.order_by(_heads.seq.desc()))]


def _accepted(row: schema.Row) -> Accepted:
    return Accepted(HeadHash(row.hash), row.seq, bytes(row.signed), row.accepted_ns)


def instants(tx: Tx, hashes: Iterable[HeadHash]) -> dict[HeadHash, int]:
    """Return the instants (ns) of the snapshots that these heads stand for."""
    query = select(_heads.hash, _heads.instant_ns).where(_heads.hash.in_(list(hashes)))
    return {HeadHash(row.hash): row.instant_ns for row in tx.execute(query)}
