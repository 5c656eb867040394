"""Deciding who may run an installation and write its volumes (G1).

A lease is one row at the Hive. Every function here is a transition: it takes
the lease as it is and returns the lease as it shall be, or raises and changes
nothing. The Hive calls each of them with the row locked, so that a grant and
a head commit can never pass one another. Epochs only grow; the epoch of a
head decides whether it may still come in.

Signatures, storage and the choice of the next holder are left to others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Conflict, Fenced, Unavailable
from mosaic.core.ids import DeviceId, HeadHash, SessionId, VolumeId


class Policy(StrEnum):
    """What happens when the holder falls silent: nothing, or a takeover after a grace."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Holder:
    """One run of one Device. Clones of a machine share the Device and differ in the session."""

    device: DeviceId
    session: SessionId


@dataclass(frozen=True, slots=True)
class AcceptedHead:
    """The newest head that a volume has, as far as a lease needs to know it."""

    hash: HeadHash
    seq: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class OfferedHead:
    """A head that a Device asks the Hive to accept. `previous` is None for a volume's first."""

    hash: HeadHash
    previous: HeadHash | None
    seq: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds an installation, and where its volumes stand.

    `holder` is None while nobody may write. `released` says that the last
    holder gave the lease back itself, so that the newest heads hold all of
    its data; it is True for a lease that was never granted. `newest` has
    every registered volume; None is a volume without a head. `base` is
    `newest` as it was at the last grant: what the holder started from.
    """

    epoch: Epoch
    holder: Holder | None
    released: bool
    policy: Policy
    base: Mapping[VolumeId, HeadHash | None]
    newest: Mapping[VolumeId, AcceptedHead | None]


class LeaseHeld(Conflict):
    """A grant was asked for while somebody holds the lease."""

    code = "lease-held"

    def __init__(self, holder: Holder) -> None:
        super().__init__(
            f"device {holder.device} still holds the lease",
            hint="wait until it has left, or run `mosaic move NAME --to DEVICE --force` and accept what may be lost",
        )


class HeadStale(Conflict):
    """The head does not follow the newest one. `newest` is the head that it must follow."""

    code = "head-stale"

    def __init__(self, newest: AcceptedHead | None) -> None:
        super().__init__(
            f"the newest head is number {newest.seq}, {newest.hash[:12]}" if newest else "the volume has no head yet",
            hint="read the newest head, then offer one that follows it",
        )
        self.newest = newest


class LeaseSuspended(Unavailable):
    """Nobody holds the lease just now, and nobody was granted it since: the asker may get it again."""

    code = "lease-suspended"

    def __init__(self, epoch: Epoch) -> None:
        super().__init__(
            f"the lease of epoch {epoch} is not held at the moment",
            hint="keep the data; the device asks for the lease again by itself",
        )


class HiveBehind(Unavailable):
    """The Device knows a later epoch than the Hive: the Hive went back in time. Never a reason to set data aside."""

    code = "hive-behind"

    def __init__(self, *, known: Epoch, offered: Epoch) -> None:
        super().__init__(
            f"this Hive knows epoch {known}, and the device was granted {offered}: the Hive lost some of its past",
            hint="nothing is lost and apps keep running; stop the Hive, put back its newest backup, and start it again",
        )


def new_lease(volumes: Mapping[VolumeId, AcceptedHead | None], *, policy: Policy = Policy.MANUAL) -> Lease:
    """Return the lease of an installation that nobody has held yet."""
    return Lease(Epoch(1, 0), None, True, policy, {}, dict(volumes))


def grant(lease: Lease, to: Holder, *, term: int = 0) -> Lease:
    """Give the lease to `to` under the next epoch, and freeze the heads that it starts from.

    `term` is the Hive's own (see `rewind.fresh_term`); it only ever raises the epoch's.
    Granting again to the very same session changes nothing (a lost reply).

    Raises:
        LeaseHeld: somebody else holds it; `release` or `revoke` comes first.
    """
    if lease.holder == to:
        return lease
    if lease.holder is not None:
        raise LeaseHeld(lease.holder)
    return _granted(lease, to, term)


def resume(lease: Lease, by: Holder, *, term: int = 0) -> Lease:
    """Give the lease to a new session of the Device that holds it; the older session is fenced.

    Which session is the newest is `session.admit`'s decision and was taken before.

    Raises:
        Fenced: another Device, or nobody, holds it.
    """
    if lease.holder == by:
        return lease
    if lease.holder is None or lease.holder.device != by.device:
        raise fenced(lease)
    return _granted(lease, by, term)


def _granted(lease: Lease, to: Holder, term: int) -> Lease:
    base = {volume: head.hash if head else None for volume, head in lease.newest.items()}
    epoch = Epoch(max(lease.epoch.term, term), lease.epoch.n + 1)
    return replace(lease, epoch=epoch, holder=to, released=False, base=base)


def register_volume(lease: Lease, volume: VolumeId, *, by: Holder, epoch: Epoch) -> Lease:
    """Add a volume that the holder just made the keys of. May be called twice.

    Raises:
        Fenced, LeaseSuspended, HiveBehind: `by` does not hold the lease under `epoch`.
    """
    require_holder(lease, by, epoch)
    if volume in lease.newest:
        return lease
    return replace(lease, newest={**lease.newest, volume: None}, base={**lease.base, volume: None})


def accept_head(lease: Lease, volume: VolumeId, head: OfferedHead, *, by: Holder) -> Lease:
    """Make `head` the newest of `volume`.

    The head that is the newest already is accepted again, whoever asks: it
    is a lost reply, and nothing changes. Otherwise the asker must hold the
    lease under the head's own epoch, and the head must follow the newest.

    Raises:
        Fenced: a later epoch was granted; the asker keeps its state as a conflict.
        HeadStale: the head does not follow the newest.
        LeaseSuspended, HiveBehind: try again later.
    """
    newest = lease.newest.get(volume)
    if newest is not None and newest.hash == head.hash:
        return lease
    require_holder(lease, by, head.epoch)
    expected = (newest.hash, newest.seq + 1) if newest else (None, 1)
    if volume not in lease.newest or (head.previous, head.seq) != expected:
        raise HeadStale(newest)
    accepted = AcceptedHead(head.hash, head.seq, head.epoch)
    return replace(lease, newest={**lease.newest, volume: accepted})


def release(lease: Lease, heads: Mapping[VolumeId, HeadHash | None], *, by: Holder, epoch: Epoch) -> Lease:
    """Take the lease back from a holder that has stopped and replicated its last snapshot.

    `heads` are the heads that the holder's data is safe in; they must be the
    newest, so that a planned hand-over can lose nothing. Releasing again is
    accepted (a lost reply).

    Raises:
        HeadStale: the last snapshot has not arrived.
        Fenced, LeaseSuspended, HiveBehind: as for `accept_head`.
    """
    if lease.released and lease.epoch == epoch:
        return lease
    require_holder(lease, by, epoch)
    for volume, newest in lease.newest.items():
        if volume not in heads or heads[volume] != (newest.hash if newest else None):
            raise HeadStale(newest)
    return replace(lease, holder=None, released=True)


def revoke(lease: Lease) -> Lease:
    """Take the lease away without asking the holder: what it has not replicated becomes a conflict.

    The epoch stays until the next grant, so that the same Device can be granted
    again and find its data in place. Nothing changes when nobody holds it.
    """
    return replace(lease, holder=None)


def force(lease: Lease, to: Holder, *, term: int = 0) -> Lease:
    """Revoke and grant in one step: the owner saw how many seconds would be lost, and went on."""
    return grant(lease if lease.holder == to else revoke(lease), to, term=term)


def require_holder(lease: Lease, by: Holder, epoch: Epoch) -> None:
    """Return when `by` holds the lease under exactly `epoch`.

    Raises:
        HiveBehind: `epoch` is later than any that this Hive granted.
        LeaseSuspended: nobody holds it, and no later epoch was granted.
        Fenced: somebody else was granted it.
    """
    if epoch > lease.epoch:
        raise HiveBehind(known=lease.epoch, offered=epoch)
    if epoch < lease.epoch:
        raise fenced(lease)
    if lease.holder is None:
        raise LeaseSuspended(epoch)
    if lease.holder != by:
        raise fenced(lease)


def fenced(lease: Lease) -> Fenced:
    """Return the refusal for somebody who does not hold the lease any more."""
    who = f"device {lease.holder.device} holds the lease" if lease.holder else "nobody holds the lease"
    return Fenced(
        f"{who} now, under epoch {lease.epoch}",
        hint="the app is stopped here and its newer data is kept: `mosaic volume show NAME` names it",
    )
