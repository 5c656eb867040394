"""Deciding what becomes of local data when the Device was granted a lease.

`decide_hold` compares the head that the grant froze with what the ledger says
about the local subvolume. Local data is kept only when it provably goes on
from that head; anything else is set aside, never merged and never deleted
(G1, G5), and nothing is ever started on an empty volume where data is
expected, nor on an older state than the newest acknowledged one (G4). It looks
at nothing itself: the caller brings the facts.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Conflict, Fenced, Refused
from mosaic.core.ids import HeadHash


class EpochIsOld(Fenced):
    """A hold came for an epoch that a later one has replaced."""

    def __init__(self, epoch: Epoch, newest: Epoch) -> None:
        super().__init__(
            f"epoch {epoch} is over: this machine knows of epoch {newest}",
            hint="ask the Hive for the newest lease; `mosaic show NAME` tells who holds it",
        )


class DataExpected(Refused):
    """The volume should have data, and there is neither local data nor a head to restore."""

    code = "data-expected"

    def __init__(self) -> None:
        super().__init__(
            "this volume should have data, but there is none here and the Hive knows of no snapshot",
            hint="do not start the app; look for the data with `mosaic volume show` on the machine that ran it last",
        )


class StillMounted(Conflict):
    """Containers still use the volume."""

    code = "volume-in-use"

    def __init__(self, mounts: int) -> None:
        super().__init__(
            f"the volume is still mounted ({mounts} mounts)",
            hint="stop the app that uses it first: `mosaic stop NAME`",
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """The grant. `base` is None when the volume has never had a head; `adopts`: it begins with another one's state."""

    epoch: Epoch
    base: HeadHash | None
    expect_data: bool
    adopts: bool = False


@dataclass(frozen=True, slots=True)
class LocalData:
    """The live subvolume. `known` says that it is the one that the ledger speaks of.

    `accepted` is the newest accepted head that it descends from, `pending` one
    whose reply was lost; `written_in` and `written_base` are the lease under
    which it was writable last.
    """

    known: bool
    accepted: HeadHash | None
    pending: HeadHash | None
    written_in: Epoch | None
    written_base: HeadHash | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so here now. `local` is None when there is no live subvolume, though `had_data` says there was one.

    `ready_in` is the newest epoch in which one was ready here, whether it is there still or not.
    """

    highest: Epoch
    fenced: Epoch | None
    local: LocalData | None
    mounts: int
    had_data: bool = False
    ready_in: Epoch | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """The local data is the lease's. `pending` says what is now known about a head under way."""

    pending: Literal["open", "accepted", "refused"]


@dataclass(frozen=True, slots=True)
class MakeEmpty:
    """There was never anything: make an empty subvolume, after setting aside what nobody knows."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Restore this head, then set aside what is here."""

    base: HeadHash


@dataclass(frozen=True, slots=True)
class RestoreNewest:
    """Restore the newest head there is, then set aside what is here: the volume was ready in this very epoch.

    Its app has written since the grant, so what the grant froze is an older state.
    """


@dataclass(frozen=True, slots=True)
class Begin:
    """There was never anything: restore the origin's state, after setting aside what nobody knows."""


HoldDecision: TypeAlias = Keep | MakeEmpty | Restore | RestoreNewest | Begin


def decide_hold(asked: Asked, facts: Facts) -> HoldDecision:
    """Return what makes the volume mountable in the asked epoch.

    Raises:
        EpochIsOld: a later epoch is known here, or this one was lost.
        DataExpected: there is nothing, and there should be something.
        StillMounted: the local data must go, and containers use it.
    """
    if asked.epoch < facts.highest or (facts.fenced is not None and asked.epoch <= facts.fenced):
        raise EpochIsOld(asked.epoch, max(facts.highest, facts.fenced or facts.highest))
    if facts.local is not None and facts.local.known and (kept := _goes_on(asked, facts.local)) is not None:
        return kept
    if facts.local is not None and facts.mounts:
        raise StillMounted(facts.mounts)
    if facts.ready_in == asked.epoch:
        return RestoreNewest()
    if asked.base is not None:
        return Restore(asked.base)
    if asked.expect_data or (facts.had_data and facts.local is None):
        raise DataExpected
    return Begin() if asked.adopts else MakeEmpty()


def _goes_on(asked: Asked, local: LocalData) -> Keep | None:
    """Return how local data goes on from the grant's base, or None when it does not."""
    if asked.epoch == local.written_in:
        # Nobody else can have written in this epoch, so what we have descends from what we began with.
        began_there = asked.base == local.written_base
        came_by = asked.base is not None and asked.base in (local.accepted, local.pending)
        return Keep("open") if began_there or came_by else None
    if asked.base == local.accepted:
        # The grant froze this head, so a later one of an older epoch was not accepted and never will be.
        return Keep("refused")
    if local.pending is not None and asked.base == local.pending:
        return Keep("accepted")
    return None
