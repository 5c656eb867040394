"""Deciding on a link that registers: is it the newest, the same once more, or an earlier one? Pure.

The newest epoch wins, and within an epoch the newest session: the one that
registered last for the first time. A session that another replaced never comes
back, or two containers with one token would replace each other for ever. A
session that is the newest may take another key; it is another
registration then, with an address of its own, and what it had drains.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.epoch import Epoch

DRAIN_NS = 60 * 10**9
"""How long a registration that was replaced keeps its tunnel: its probe says so, and what is open may end."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a link says of itself. `public_key` is None in TCP mode, which has no interface."""

    epoch: Epoch
    session: str
    public_key: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """A registration that was accepted. `ended` is that of one that left, drained or lost its right to be."""

    id: str
    asked: Asking
    ended: bool
    superseded: bool


@dataclass(frozen=True, slots=True)
class Again:
    """The same once more: it keeps its registration."""

    id: str


@dataclass(frozen=True, slots=True)
class New:
    """It is given a registration. Those that `drain` keep their connections for a while, those that `cut` do not."""

    drain: tuple[str, ...]
    cut: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another has the link. `epoch` is the lowest that could have it back."""

    epoch: Epoch


Decision: TypeAlias = Again | New | Superseded


def decide(asking: Asking, known: Sequence[Known], *, floor: Epoch) -> Decision:
    """Return what becomes of a link that asks. `known` are its registrations, the newest last; ended ones too."""
    newest = known[-1] if known else None
    lowest = max(floor, newest.asked.epoch) if newest else floor
    if asking.epoch < lowest:
        return Superseded(lowest)
    if newest is not None and asking.epoch == newest.asked.epoch:
        if asking.session != newest.asked.session and asking.session in _sessions(known, asking.epoch):
            return Superseded(lowest.next())
        if asking == newest.asked and not newest.ended:
            return Again(newest.id)
    there = [one for one in known if not one.ended and not one.superseded]
    return New(
        drain=tuple(one.id for one in there if one.asked.epoch == asking.epoch),
        cut=tuple(one.id for one in there if one.asked.epoch != asking.epoch),
    )


def _sessions(known: Collection[Known], epoch: Epoch) -> set[str]:
    return {one.asked.session for one in known if one.asked.epoch == epoch}
