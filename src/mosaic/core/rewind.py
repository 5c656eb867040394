"""What to do when a Hive went back in time (an old backup, a lossy database failover).

A Hive cannot tell by itself that it was restored. Three rules make it safe:

- At every start it takes a term that no earlier run can have used, and
  suspends its leases until their holders ask again (`fresh_term`, `suspend`).
- Devices report the highest epoch and the accepted heads that they know.
  When one knows more than the Hive (`knows_more`), all grants and garbage
  collection freeze until every Device has reported or was waived (`RollCall`).
- Then the longest valid chain of each volume is adopted (`adopt`), and the
  Device that held the latest epoch is the one to grant again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId, VolumeId
from mosaic.core.lease import AcceptedHead, Lease, OfferedHead, revoke

SALT_BITS = 32


@dataclass(frozen=True, slots=True)
class Recollection:
    """What one Device knows of one installation.

    `epoch` is the highest that it was granted or heard of; `held` says that
    it was granted this epoch itself and has not released it. `chains` are
    accepted heads whose signatures the caller checked, oldest first.
    """

    device: DeviceId
    epoch: Epoch
    held: bool
    chains: Mapping[VolumeId, Sequence[OfferedHead]]


@dataclass(frozen=True, slots=True)
class RollCall:
    """Which Devices a Hive that lost some of its past still has to hear from."""

    behind: bool
    awaited: frozenset[DeviceId]

    @property
    def frozen(self) -> bool:
        """Whether grants and garbage collection must wait."""
        return self.behind and bool(self.awaited)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The lease after adoption. `claimant` held the latest epoch, None when nobody who reported did."""

    lease: Lease
    claimant: DeviceId | None


def fresh_term(known: Iterable[int], salt: int) -> int:
    """Return a term above all `known` ones that no other run of this Hive has taken.

    Two runs restored from the same backup count up to the same number; the
    random `salt` (32 bits) keeps their terms apart all the same.
    """
    return ((max(known, default=0) >> SALT_BITS) + 1 << SALT_BITS) | (salt & ((1 << SALT_BITS) - 1))


def suspend(lease: Lease) -> Lease:
    """Return what a lease is when its Hive starts: nobody's, until the holder has asked again.

    Holders keep running meanwhile (G10); their heads are refused as
    `lease-suspended`, which is tried again, never as `fenced`.
    """
    return revoke(lease)


def knows_more(lease: Lease, report: Recollection) -> bool:
    """Say whether a Device knows of a grant or an accepted head that the Hive does not."""
    if report.epoch > lease.epoch:
        return True
    return any(_longer(chain, lease.newest.get(volume)) for volume, chain in report.chains.items())


def _longer(chain: Sequence[OfferedHead], newest: AcceptedHead | None) -> bool:
    return bool(chain) and (newest is None or (chain[-1].epoch, chain[-1].seq) > (newest.epoch, newest.seq))


def hear(roll: RollCall, device: DeviceId, *, more: bool) -> RollCall:
    """Note that `device` has reported on everything; `more` says whether it knew more than the Hive."""
    return RollCall(roll.behind or more, roll.awaited - {device})


def waive(roll: RollCall, device: DeviceId) -> RollCall:
    """Go on without `device`: the owner decided that it will not come back with anything."""
    return RollCall(roll.behind, roll.awaited - {device})


def adopt(lease: Lease, reports: Sequence[Recollection], *, term: int) -> Adopted:
    """Take over the longest valid chain of each volume, and raise the term.

    A chain is valid when each head follows the one before it and it does not
    contradict the Hive's own newest head. The latest epoch wins, then the
    highest number: a later grant started from all that was accepted before.
    Devices keep the newest heads only, so a chain may begin above the Hive's
    own: what lies between is history that nobody knows any more, and no data.

    A lease that was released stays so when nobody tells of anything later: its
    newest heads still hold all of its data, as what is in the trash relies on.
    """
    newest: dict[VolumeId, AcceptedHead | None] = dict(lease.newest)
    for report in reports:
        for volume, chain in report.chains.items():
            if _valid(chain, lease.newest.get(volume)) and _longer(chain, newest.get(volume)):
                last = chain[-1]
                newest[volume] = AcceptedHead(last.hash, last.seq, last.epoch)
    latest = max([lease.epoch, *(report.epoch for report in reports)])
    holders = [report.device for report in reports if report.held and report.epoch == latest]
    epoch = Epoch(max(latest.term, term), latest.n)
    later = any(knows_more(lease, each) or (each.held and each.epoch == lease.epoch) for each in reports)
    released = lease.released and not later
    adopted = replace(lease, epoch=epoch, holder=None, released=released, newest=newest)
    return Adopted(adopted, holders[0] if len(holders) == 1 else None)


def _valid(chain: Sequence[OfferedHead], newest: AcceptedHead | None) -> bool:
    linked = all(
        after.previous == before.hash and after.seq == before.seq + 1 and after.epoch >= before.epoch
        for before, after in pairwise(chain)
    )
    if not linked or newest is None:
        return linked
    if chain and chain[0].seq > newest.seq + 1:
        return chain[0].epoch >= newest.epoch
    # The Hive's own newest head must be on the chain, or the chain would replace history that others have seen.
    ours = {newest.hash} & {head.hash for head in chain}
    return bool(ours) or (bool(chain) and chain[0].previous == newest.hash)
