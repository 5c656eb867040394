"""Accepted heads: the signed bytes of each, which is a volume's newest, and which were let go.

The rows are kept for good, because a chain is followed through them. What a
head that was let go points at may be gone.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.core.retention import Snapshot
from mosaic.wire.head import Head

_heads = schema.heads.c
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Accepted:
    """One head as it was accepted. `pin` is what it is pinned as, None when it is not."""

    hash: HeadHash
    seq: int
    signed: bytes
    accepted_ns: int
    pin: str | None


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
    """Return the volume's newest kept heads whose numbers are higher than `above`, and lower than `before` if given."""
    query = select(schema.heads).where(_heads.volume == volume, _heads.seq > above, _heads.let_go_ns.is_(None))
    if before is not None:
        query = query.where(_heads.seq < before)
    return [_accepted(row) for row in tx.execute(query.order_by(_heads.seq.desc()).limit(limit))]


def numbered(tx: Tx, volume: VolumeId, seqs: Collection[int]) -> list[Accepted]:
    """Return the volume's kept heads of these numbers, the newest first. A few hundred at once."""
    query = select(schema.heads).where(_heads.volume == volume, _heads.seq.in_(seqs), _heads.let_go_ns.is_(None))
    return [_accepted(row) for row in tx.execute(query.order_by(_heads.seq.desc()))]


def _accepted(row: schema.Row) -> Accepted:
    return Accepted(HeadHash(row.hash), row.seq, bytes(row.signed), row.accepted_ns, row.pin)


def kept(tx: Tx, volume: VolumeId) -> list[Snapshot]:
    """Return every head of the volume that was not let go."""
    query = select(_heads.hash, _heads.seq, _heads.instant_ns, _heads.pin)
    rows = tx.execute(query.where(_heads.volume == volume, _heads.let_go_ns.is_(None)))
    return [Snapshot(HeadHash(row.hash), row.seq, row.instant_ns, row.pin is not None) for row in rows]


def is_kept(tx: Tx, volume: VolumeId, head: HeadHash) -> bool:
    """Return whether the volume has this head, and it was not let go."""
    query = select(_heads.hash).where(_heads.hash == head, _heads.volume == volume, _heads.let_go_ns.is_(None))
    return tx.scalar(query) is not None


def kept_of(tx: Tx, hashes: Collection[HeadHash]) -> set[HeadHash]:
    """Return which of these heads were not let go."""
    query = select(_heads.hash).where(_heads.hash.in_(hashes), _heads.let_go_ns.is_(None))
    return {HeadHash(row.hash) for row in tx.execute(query)}


def let_go(tx: Tx, heads: Sequence[HeadHash], *, now_ns: int) -> None:
    """Note that these heads are not kept any more. The lease must be locked."""
    for at in range(0, len(heads), _AT_ONCE):
        some = heads[at : at + _AT_ONCE]
        tx.execute(
            update(schema.heads).where(_heads.hash.in_(some), _heads.let_go_ns.is_(None)).values(let_go_ns=now_ns)
        )


def were_let_go(tx: Tx, volume: VolumeId, heads: Sequence[HeadHash]) -> list[HeadHash]:
    """Return which of these heads of the volume were let go."""
    query = select(_heads.hash).where(_heads.volume == volume, _heads.hash.in_(heads), _heads.let_go_ns.is_not(None))
    return [HeadHash(row.hash) for row in tx.execute(query)]


def pin(tx: Tx, volume: VolumeId, head: HeadHash, name: str | None) -> None:
    """Pin a head under a name, or take the pin away. The lease must be locked."""
    tx.execute(update(schema.heads).where(_heads.hash == head, _heads.volume == volume).values(pin=name))


def pin_of(tx: Tx, volume: VolumeId, head: HeadHash) -> str | None:
    """Return what the head is pinned as, None when it is not."""
    return tx.scalar(select(_heads.pin).where(_heads.hash == head, _heads.volume == volume))


def instants(tx: Tx, hashes: Iterable[HeadHash]) -> dict[HeadHash, int]:
    """Return the instants (ns) of the snapshots that these heads stand for."""
    query = select(_heads.hash, _heads.instant_ns).where(_heads.hash.in_(list(hashes)))
    return {HeadHash(row.hash): row.instant_ns for row in tx.execute(query)}
