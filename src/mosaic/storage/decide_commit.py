"""Deciding what became of a head that was sent to the Hive.

A commit's reply can be lost, so its outcome is one of three: accepted, lost
to somebody else, or unknown. An unknown outcome is resolved by reading the
newest head; it is never taken for a loss, because that would fence a healthy
writer, and never for a success.
"""

from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.epoch import Epoch
from mosaic.core.ids import HeadHash


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The head is the volume's newest, for good."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """The head has not arrived: the volume's newest is still the one before it."""


@dataclass(frozen=True, slots=True)
class AskLater:
    """The Hive knows less than it acknowledged to us once: it went back in time, and must catch up first."""


@dataclass(frozen=True, slots=True)
class GiveWay:
    """Somebody else's head is there: what we have is unreplicated state of a lost lease."""


Outcome: TypeAlias = Acknowledge | SendAgain | AskLater | GiveWay


@dataclass(frozen=True, slots=True)
class Place:
    """A head's hash and its place in the volume's history."""

    head: HeadHash
    epoch: Epoch
    seq: int


def resolve(pending: HeadHash, *, previous: Place | None, newest: Place | None) -> Outcome:
    """Return what became of a pending head, given the head it follows and the volume's newest one now."""
    if newest is not None and newest.head == pending:
        return Acknowledge()
    if newest == previous:
        return SendAgain()
    if newest is None or (previous is not None and (newest.epoch, newest.seq) < (previous.epoch, previous.seq)):
        return AskLater()
    return GiveWay()
