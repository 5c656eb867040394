"""What is typed behind `--at`, and which snapshot it means."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.core.errors import MosaicError
from mosaic.core.ids import HeadHash
from mosaic.core.retention import Snapshot
from mosaic.core.snapshot_choice import (
    SHORT_HASH,
    At,
    AtUnreadable,
    ByHash,
    ByInstant,
    BySeq,
    Local,
    SnapshotAmbiguous,
    SnapshotUnknown,
    choose,
    parse_at,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_NS = 10**9
NOW = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)
HOUR_OF_TWO = datetime(2026, 10, 25, tzinfo=UTC)
"""The night in which Berlin's clocks show 02:30 twice."""

_SETTINGS = settings(max_examples=30)
instants = st.integers(0, 2**32 * SECOND_NS)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"])


def ns(when: datetime) -> int:
    return (when - EPOCH) // timedelta(microseconds=1) * 1000


def living_in(zone: str) -> Local:
    return lambda naive: naive.replace(tzinfo=ZoneInfo(zone))


def typed(text: str, *, zone: str = "UTC", now: datetime = NOW) -> At:
    return parse_at(text, now_ns=ns(now), local=living_in(zone))


def meant(text: str, *, zone: str = "UTC") -> datetime:
    """The instant that a text means, of which the last nanosecond before a full second is told as that second."""
    at = typed(text, zone=zone)
    assert isinstance(at, ByInstant)
    return EPOCH + timedelta(microseconds=(at.instant_ns + 1) // 1000)


def heads_of(count: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=count, unique=True)


chains = st.tuples(heads_of(12), st.lists(instants, min_size=12, max_size=12)).map(
    lambda both: [
        Snapshot(HeadHash(head), seq, instant) for seq, (head, instant) in enumerate(zip(*both, strict=False), 1)
    ]
)


@_SETTINGS
@given(chains, instants, zones)
def test_the_newest_snapshot_at_or_before_an_instant_is_meant(
    snapshots: list[Snapshot], instant_ns: int, zone: str
) -> None:
    second = instant_ns // SECOND_NS
    local = (EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(zone))
    at = typed(f"{local.isoformat(sep=' ')[:19]}.{instant_ns % SECOND_NS:09}{local.isoformat()[19:25]}", zone=zone)
    assert at == ByInstant(instant_ns)
    past = [one for one in snapshots if one.instant_ns <= instant_ns]
    if not past:
        with pytest.raises(SnapshotUnknown):
            choose(snapshots, at)
        return
    found = choose(snapshots, at)
    assert found in past
    assert not [one for one in past if one.instant_ns > found.instant_ns]


@_SETTINGS
@given(chains, st.integers(0, 11), zones)
def test_whatever_a_list_shows_of_a_snapshot_names_it(snapshots: list[Snapshot], index: int, zone: str) -> None:
    if not snapshots:
        return
    # One in a second: what a list shows is to the second.
    once = list({one.instant_ns // SECOND_NS: one for one in snapshots}.values())
    one = once[index % len(once)]
    shown = (EPOCH + timedelta(seconds=one.instant_ns // SECOND_NS)).astimezone(ZoneInfo(zone))
    assert choose(once, typed(str(one.seq))) == one
    assert choose(once, typed(one.head[:SHORT_HASH])) == one
    assert choose(once, typed(one.head)) == one
    if not shown.fold and shown.replace(fold=1).utcoffset() == shown.utcoffset():
        assert choose(once, typed(f"{shown:%Y-%m-%d %H:%M:%S}", zone=zone)) == one
    assert choose(once, typed(shown.isoformat(), zone=zone)) == one


@_SETTINGS
@given(st.one_of(st.text(max_size=40), st.text("0123456789-: .agohdzT+", max_size=25)), zones)
def test_any_text_is_read_or_refused_with_examples_of_what_can_be_typed(text: str, zone: str) -> None:
    try:
        typed(text, zone=zone)
    except MosaicError as error:
        assert isinstance(error, AtUnreadable)
        assert "2 hours ago" in error.hint


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-20 14:00", datetime(2026, 11, 20, 14, 1, tzinfo=UTC)),
        ("2026-11-20T14:00:07", datetime(2026, 11, 20, 14, 0, 8, tzinfo=UTC)),
        ("2026-11-20 14:00:07Z", datetime(2026, 11, 20, 14, 0, 8, tzinfo=UTC)),
        ("2026-11-20 14:00 +02:00", datetime(2026, 11, 20, 12, 1, tzinfo=UTC)),
        ("  Yesterday   9:30 ", datetime(2026, 11, 20, 9, 31, tzinfo=UTC)),
        ("today", datetime(2026, 11, 22, tzinfo=UTC)),
    ],
)
def test_what_an_instant_leaves_open_is_the_latest_that_it_can_be(text: str, instant: datetime) -> None:
    assert meant(text) == instant


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("2 hours ago", timedelta(hours=2)),
        ("an hour ago", timedelta(hours=1)),
        ("90min ago", timedelta(minutes=90)),
        ("a week ago", timedelta(days=7)),
        ("3 Months Ago", timedelta(days=90)),
    ],
)
def test_a_time_ago_counts_from_now(text: str, ago: timedelta) -> None:
    assert typed(text) == ByInstant(ns(NOW - ago))


def test_a_time_without_a_zone_is_in_the_zone_of_whoever_typed_it() -> None:
    assert meant("2026-07-01 14:00", zone="Europe/Berlin") == datetime(2026, 7, 1, 12, 1, tzinfo=UTC)
    assert meant("2026-12-01 14:00", zone="Europe/Berlin") == datetime(2026, 12, 1, 13, 1, tzinfo=UTC)


def test_a_time_that_a_clock_showed_twice_is_the_later_one() -> None:
    assert meant("2026-10-25 02:30", zone="Europe/Berlin") == HOUR_OF_TWO + timedelta(hours=1, minutes=31)


def test_yesterday_is_the_day_before_where_the_person_lives() -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    at = typed("yesterday 12:00", zone="Europe/Berlin", now=late)
    assert at == ByInstant(ns(datetime(2026, 11, 21, 11, 1, tzinfo=UTC)) - 1)


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30", "2026-11-20 25:00", "9999-12-31", "7f3", "5 parsecs ago"])
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(AtUnreadable):
        typed(text)


def test_digits_alone_are_a_number_unless_only_a_hash_is_so_long() -> None:
    assert typed("123456789") == BySeq(123456789)
    assert typed("123456789012") == ByHash("123456789012")


def test_the_beginning_of_several_hashes_is_refused_with_more_of_each() -> None:
    two = [Snapshot(HeadHash(f"abcd{end}" + "0" * 59), seq, 0) for seq, end in enumerate("ef", 1)]
    with pytest.raises(SnapshotAmbiguous) as caught:
        choose(two, typed("abcd"))
    assert "abcde0000000, abcdf0000000" in caught.value.hint


def test_two_branches_with_one_number_are_told_apart_by_hash() -> None:
    two = [Snapshot(HeadHash(digit * 64), 7, 0) for digit in "ab"]
    with pytest.raises(SnapshotAmbiguous):
        choose(two, typed("7"))
    assert choose(two, typed("bbbb")) == two[1]
