"""Deciding which snapshots of a volume are kept.

`retain` looks at what there is and at what the owner wants, and says which
snapshots stay, why each one does, and which are let go. It deletes nothing
and reads no clock.

Newer and older are the chain's order, never the instants': a clock may be
wrong, go backwards, or show the same time twice. The instant only says into
which hour, day, week (from Monday) and month of UTC a snapshot falls. Each
rule goes from the newest snapshot to the oldest and keeps the first one that
it meets of each hour (day, …) until it has met as many as it may keep. So a
clock that was in the year 2400 for a day fills some hours, and only until
newer snapshots have filled others.

Letting go early loses nothing: what a rule would keep later, it keeps now.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TypeAlias

from mosaic.core.errors import Refused
from mosaic.core.ids import HeadHash

_HOUR_NS = 3_600 * 1_000_000_000
_DAY_NS = 24 * _HOUR_NS
_MONDAY = 3
"""1970 began on a Thursday, three days after a Monday."""

_DAYS_OF_400_YEARS = 146_097
_MARCH_OF_YEAR_0 = 719_468
"""Days from the first of March of the year 0 to 1970."""


class RetentionUnusable(Refused):
    """A number of snapshots to keep is below zero."""

    code = "retention-unusable"

    def __init__(self, rule: str, count: int) -> None:
        super().__init__(
            f"{count} {rule} snapshots cannot be kept", hint=f"give 0 or more; 0 keeps none for being {rule}"
        )


class Reason(Enum):
    """Why a snapshot is kept."""

    NEWEST = "newest"
    PINNED = "pinned"
    LAST = "last"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Retention:
    """How many snapshots each rule keeps; one snapshot may serve several rules.

    The defaults keep the last ten minutes of a snapshot every 15 seconds, then
    a day by hours, a week by days, a month by weeks and a year by months: at
    most 87 snapshots.
    """

    last: int = 40
    hourly: int = 24
    daily: int = 7
    weekly: int = 4
    monthly: int = 12

    def __post_init__(self) -> None:
        for rule in self.__slots__:
            count: int = getattr(self, rule)
            if count < 0:
                raise RetentionUnusable(rule, count)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot as its head says it. `seq` is its place in the chain; the instant may be wrong."""

    head: HeadHash
    seq: int
    instant_ns: int
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that stays, and why: at least one reason, in the order in which `Reason` lists them."""

    snapshot: Snapshot
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Retained:
    """What is decided of each snapshot, the newest first."""

    kept: tuple[Kept, ...]
    let_go: tuple[Snapshot, ...]


Bucket: TypeAlias = Callable[[int], int]
"""Returns the number of the hour (day, week, month) that an instant falls into."""


def retain(snapshots: Iterable[Snapshot], retention: Retention) -> Retained:
    """Return which snapshots are kept and which are let go. Their order does not matter.

    The newest of the chain and all pinned ones are kept whatever the numbers
    say. A head that is given twice is one, and pinned if either is.
    """
    ordered = _newest_first(snapshots)
    kept_for: dict[HeadHash, list[Reason]] = {}
    for reason, heads in _rules(ordered, retention):
        for head in heads:
            kept_for.setdefault(head, []).append(reason)
    return Retained(
        kept=tuple(Kept(one, tuple(kept_for[one.head])) for one in ordered if one.head in kept_for),
        let_go=tuple(one for one in ordered if one.head not in kept_for),
    )


def _newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    # Within a head, the pinned one comes last and stays in the dictionary.
    once = {one.head: one for one in sorted(snapshots, key=lambda one: (one.pinned, one.seq, one.instant_ns))}
    return sorted(once.values(), key=lambda one: (one.seq, one.head), reverse=True)


def _rules(ordered: Sequence[Snapshot], retention: Retention) -> Iterator[tuple[Reason, Iterable[HeadHash]]]:
    # A conflict may have two heads of one number: which one is the newest is not for this to decide.
    yield Reason.NEWEST, [one.head for one in ordered if one.seq == ordered[0].seq]
    yield Reason.PINNED, [one.head for one in ordered if one.pinned]
    yield Reason.LAST, [one.head for one in ordered[: retention.last]]
    yield Reason.HOURLY, _first_of_each(ordered, _hour, retention.hourly)
    yield Reason.DAILY, _first_of_each(ordered, _day, retention.daily)
    yield Reason.WEEKLY, _first_of_each(ordered, _week, retention.weekly)
    yield Reason.MONTHLY, _first_of_each(ordered, _month, retention.monthly)


def _first_of_each(ordered: Sequence[Snapshot], bucket: Bucket, count: int) -> Iterable[HeadHash]:
    newest: dict[int, HeadHash] = {}
    for one in ordered:
        newest.setdefault(bucket(one.instant_ns), one.head)
    return islice(newest.values(), count)


def _hour(instant_ns: int) -> int:
    return instant_ns // _HOUR_NS


def _day(instant_ns: int) -> int:
    return instant_ns // _DAY_NS


def _week(instant_ns: int) -> int:
    return (_day(instant_ns) + _MONDAY) // 7


def _month(instant_ns: int) -> int:
    """Return the months since the year 0. A head may say any instant, and `datetime` ends with the year 9999."""
    era, day = divmod(_day(instant_ns) + _MARCH_OF_YEAR_0, _DAYS_OF_400_YEARS)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day_of_year = day - (365 * year + year // 4 - year // 100)
    # Years that begin in March have their leap day at the end, and months of 153 days in five.
    return (400 * era + year) * 12 + (5 * day_of_year + 2) // 153 + 2
