"""Deciding what a Hive's answer to a head means.

A commit's reply can be lost, so its outcome is one of three: accepted, lost
to somebody else, or unknown. An unknown outcome is resolved by reading the
newest head; it is never taken for a loss, because that would fence a healthy
writer, and never for a success.
"""

from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.ids import HeadHash


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The head is the volume's newest, for good."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """The head has not arrived: the volume's newest is still the one before it."""


@dataclass(frozen=True, slots=True)
class GiveWay:
    """Somebody else's head is there: what we have is unreplicated state of a lost lease."""

    newest: HeadHash | None


Outcome: TypeAlias = Acknowledge | SendAgain | GiveWay


def resolve(pending: HeadHash, *, previous: HeadHash | None, newest: HeadHash | None) -> Outcome:
    """Return what became of a pending head, given the volume's newest head now."""
    if newest == pending:
        return Acknowledge()
    if newest == previous:
        return SendAgain()
    return GiveWay(newest)
