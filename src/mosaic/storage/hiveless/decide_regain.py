"""Deciding how a volume without a Hive is held: at its creation, after a restart, after a reboot.

The store is the log, so its newest head says who may write. `decide_regain`
compares it with what the ledger says about the data here. Data is gone on with
only when the newest head is one of this machine's own; a volume is taken over
only when a person asked for that (G1); and nothing is begun empty where the
log has a head (G4).
"""

from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.epoch import Epoch
from mosaic.core.ids import HeadHash

FIRST = Epoch(1, 1)
"""The epoch of a volume's first holder, who finds an empty log."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that was signed, and may have been put: its hash, the head that it goes on from, and its epoch."""

    head: HeadHash
    previous: HeadHash | None
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says.

    `accepted` and `pending` are the newest acknowledged head and one under
    way, `epoch` the one in which the data here was written (None: there is no
    data), `base` the head that this epoch began with. `take_over` says that a
    person asked for the volume, whoever has it.
    """

    accepted: HeadHash | None = None
    pending: HeadHash | None = None
    epoch: Epoch | None = None
    base: HeadHash | None = None
    claim: Claimed | None = None
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class Newest:
    """The log's newest head."""

    head: HeadHash
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold this epoch, from this base."""

    epoch: Epoch
    base: HeadHash | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Sign a claim on top of the newest head, remember it, and put it."""


@dataclass(frozen=True, slots=True)
class PutClaim:
    """Put the claim that is remembered: it may not have arrived, and its slot is free or its own."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody else wrote or claimed since: what is here is set aside."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The log knows less than it acknowledged to us once."""


Regain: TypeAlias = Hold | Claim | PutClaim | Lost | Behind


def decide_regain(known: Known, newest: Newest | None) -> Regain:
    """Return how the volume comes to be held here."""
    if newest is None:
        is_new = known.accepted is None and known.claim is None
        return Hold(known.epoch or FIRST, known.base) if is_new else Behind()
    if known.epoch == newest.epoch and newest.head in (known.accepted, known.pending):
        return Hold(newest.epoch, known.base)
    claim = known.claim
    if claim is not None and newest.head == claim.head:
        return Hold(claim.epoch, claim.head)
    if claim is not None and newest.head == claim.previous:
        return PutClaim()
    if claim is not None and newest.epoch >= claim.epoch:
        # Somebody was faster. Claiming once more would go back and forth between two who were both asked to.
        return Lost()
    # A claim that is remembered here came too late: the holder before has its slot, so it will never be accepted.
    return Claim() if known.take_over else Lost()


def is_ours(known: Known, newest: Newest | None) -> bool:
    """Return whether a volume that is held without having asked the log may stay held."""
    match decide_regain(known, newest):
        case Hold(epoch):
            return known.epoch is None or epoch == known.epoch
        case _:
            return False
