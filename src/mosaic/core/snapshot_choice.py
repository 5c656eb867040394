"""Choosing one snapshot of a volume by what a person typed behind `--at`.

A snapshot is named by its sequence number (`1204`), by the beginning of its
head's hash (`7f3a9c`), or by an instant: then the newest one at or before it
is meant, as the snapshots' own instants say.

What an instant leaves open is the latest that it can be: `2026-11-20` is that
day's last nanosecond, and `2026-11-20 14:00` that minute's. So whatever a list
of snapshots shows can be typed.

Which time zone a text without one is in is left to the caller, and so is what
now is.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias, assert_never

from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import HeadHash
from mosaic.core.retention import Snapshot

SHORT_HASH = 12
"""How many characters of a hash are shown to name a snapshot by."""

_LONGEST_SEQ = 9
"""Digits alone are a sequence number up to here: a volume needs 475 years for more. Longer ones begin a hash."""

_HASH = re.compile(r"[0-9a-f]{4,64}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MOST_AGO = 10**6

_UNITS = {
    "second": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "s": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "m": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "h": timedelta(hours=1),
    "day": _DAY,
    "d": _DAY,
    "week": 7 * _DAY,
    "w": 7 * _DAY,
    "month": 30 * _DAY,
    "year": 365 * _DAY,
}

_AGO = re.compile(r"(\d{1,7}|an?) ?([a-z]+) ago", re.ASCII)
_INSTANT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d|today|yesterday)"
    r"(?:[ t]+(?P<minute>\d\d?:\d\d)(?P<second>:\d\d)?(?P<fraction>\.\d{1,9})? ?(?P<zone>z|utc|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)

Local: TypeAlias = Callable[[datetime], datetime]
"""Gives a time without a zone the zone that the person who typed it lives in."""


class AtUnreadable(Refused):
    """The text behind `--at` names no snapshot and no instant."""

    code = "at-unreadable"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is not a snapshot's number or hash, and not an instant",
            hint="give for instance `1204`, `7f3a9c41`, `2026-11-20`, `2026-11-20 14:00`, `yesterday 18:30` "
            "or `2 hours ago`",
        )


class SnapshotUnknown(NotFound):
    """The volume has no snapshot that is named so, or none that is old enough."""

    code = "snapshot-unknown"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="`mosaic volume snapshots NAME` shows those that there are")


class SnapshotAmbiguous(Refused):
    """More than one snapshot is named so."""

    code = "snapshot-ambiguous"

    def __init__(self, text: str, heads: list[HeadHash]) -> None:
        named = ", ".join(head[:SHORT_HASH] for head in heads[:3])
        super().__init__(f"{text} names {len(heads)} snapshots", hint=f"type more of a hash: {named}")


@dataclass(frozen=True, slots=True)
class ByHash:
    """The snapshot whose head's hash begins so."""

    beginning: str


@dataclass(frozen=True, slots=True)
class BySeq:
    """The snapshot of this sequence number."""

    seq: int


@dataclass(frozen=True, slots=True)
class ByInstant:
    """The newest snapshot at or before an instant."""

    instant_ns: int


At: TypeAlias = ByHash | BySeq | ByInstant


def parse_at(text: str, *, now_ns: int, local: Local) -> At:
    """Read what was typed.

    Raises:
        AtUnreadable: it means nothing, or a day that no calendar has.
    """
    plain = " ".join(text.lower().split())
    if plain.isascii() and plain.isdigit() and len(plain) <= _LONGEST_SEQ:
        return BySeq(int(plain))
    if _HASH.fullmatch(plain):
        return ByHash(plain)
    try:
        return ByInstant(_instant_ns(plain, now_ns, local))
    except (ValueError, OverflowError, OSError):
        # A zone's own arithmetic may fail at the calendar's ends, by any of these.
        raise AtUnreadable(text) from None


def choose(snapshots: Iterable[Snapshot], at: At) -> Snapshot:
    """Return the one snapshot that is meant. Their order does not matter.

    Raises:
        SnapshotUnknown: there is none.
        SnapshotAmbiguous: there are several.
    """
    match at:
        case ByHash(beginning):
            named = [one for one in snapshots if one.head.startswith(beginning)]
            return _only(named, f"{beginning!r}", f"no snapshot's hash begins with {beginning!r}")
        case BySeq(seq):
            named = [one for one in snapshots if one.seq == seq]
            return _only(named, f"number {seq}", f"no snapshot has the number {seq}")
        case ByInstant(instant_ns):
            old_enough = [one for one in snapshots if one.instant_ns <= instant_ns]
            if not old_enough:
                raise SnapshotUnknown("every snapshot is younger than that")
            return max(old_enough, key=lambda one: (one.instant_ns, one.seq, one.head))
        case _:
            assert_never(at)


def _only(named: list[Snapshot], text: str, nothing: str) -> Snapshot:
    once = {one.head: one for one in named}
    if not once:
        raise SnapshotUnknown(nothing)
    if len(once) > 1:
        raise SnapshotAmbiguous(text, sorted(once))
    return next(iter(once.values()))


def _instant_ns(plain: str, now_ns: int, local: Local) -> int:
    ago = _AGO.fullmatch(plain)
    if ago:
        return now_ns - _ago_ns(ago[1], ago[2])
    found = _INSTANT.fullmatch(plain)
    if found is None:
        raise ValueError(plain)
    day = _day(found["day"], now_ns, local)
    if found["minute"] is None:
        return _zoned_ns(datetime.combine(day, time()) + _DAY, None, local) - 1
    hour, minute = found["minute"].split(":")
    start = datetime.combine(day, time(int(hour), int(minute)))
    if found["second"] is None:
        if found["fraction"]:
            raise ValueError(plain)
        return _zoned_ns(start + timedelta(minutes=1), found["zone"], local) - 1
    start = start.replace(second=int(found["second"][1:]))
    if found["fraction"] is None:
        return _zoned_ns(start + timedelta(seconds=1), found["zone"], local) - 1
    digits = found["fraction"][1:]
    left_open_ns: int = 10 ** (9 - len(digits))
    return _zoned_ns(start, found["zone"], local) + (int(digits) + 1) * left_open_ns - 1


def _ago_ns(count: str, unit: str) -> int:
    length = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    number = 1 if count in ("a", "an") else int(count)
    if length is None or number > _MOST_AGO:
        raise ValueError(unit)
    seconds = number * int(length.total_seconds())
    return seconds * 1_000_000_000


def _day(text: str, now_ns: int, local: Local) -> date:
    if text[0].isdigit():
        return date.fromisoformat(text)
    now = _EPOCH + timedelta(microseconds=now_ns // 1000)
    # What day it is where the person lives: the offset that holds there at about this time.
    here = now.replace(tzinfo=None) + (local(now.replace(tzinfo=None)).utcoffset() or timedelta())
    return here.date() if text == "today" else here.date() - _DAY


def _zoned_ns(naive: datetime, zone: str | None, local: Local) -> int:
    if zone is None:
        # An hour that a clock showed twice is the later one: the latest that it can be.
        zoned = local(naive.replace(fold=1))
    elif zone in ("z", "utc"):
        zoned = naive.replace(tzinfo=UTC)
    else:
        zoned = datetime.fromisoformat(f"{naive.isoformat()}{zone}")
    return (zoned - _EPOCH) // timedelta(microseconds=1) * 1000
