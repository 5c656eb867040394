"""Which snapshots are kept, whatever the clock said when they were taken."""

from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.core.ids import HeadHash
from mosaic.core.retention import Kept, Reason, Retained, Retention, RetentionUnusable, Snapshot, retain

NOTHING = Retention(last=0, hourly=0, daily=0, weekly=0, monthly=0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_NS = 3_600 * 10**9

# Near each other, so that hours and days are shared; and anything that a head can say, or a broken one.
near = st.integers(0, 60 * 24).map(lambda hours: 1_700_000_000 * 10**9 + hours * HOUR_NS // 2)
instants = st.one_of(near, st.integers(-(2**70), 2**70), st.sampled_from([0, -1, 2**64 - 1]))
retentions = st.builds(Retention, *[st.integers(0, 6)] * 5)


def chain_of(times: st.SearchStrategy[int]) -> st.SearchStrategy[list[Snapshot]]:
    def number(taken: list[tuple[int, int]]) -> list[Snapshot]:
        return [
            Snapshot(HeadHash(f"{seq * 7 % 31:02}-{seq}"), seq, instant, pinned=lot == 0)
            for seq, (instant, lot) in enumerate(taken, 1)
        ]

    return st.lists(st.tuples(times, st.integers(0, 9)), max_size=30).map(number)


chains = chain_of(instants)
_SETTINGS = settings(max_examples=30)


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    return (datetime(year, month, day, hour, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) * 1_000


def taken(*instants_ns: int) -> list[Snapshot]:
    return [Snapshot(HeadHash(f"{seq}"), seq, instant) for seq, instant in enumerate(instants_ns, 1)]


def kept(snapshots: list[Snapshot], retention: Retention) -> list[Snapshot]:
    return [one.snapshot for one in retain(snapshots, retention).kept]


def kept_by(snapshots: list[Snapshot], retention: Retention, reason: Reason) -> list[Snapshot]:
    return [one.snapshot for one in retain(snapshots, retention).kept if reason in one.reasons]


@_SETTINGS
@given(chains, retentions)
def test_everything_is_decided_once_and_nothing_is_kept_without_a_reason(
    snapshots: list[Snapshot], retention: Retention
) -> None:
    decided = retain(snapshots, retention)
    assert Counter([*(one.snapshot for one in decided.kept), *decided.let_go]) == Counter(snapshots)
    assert all(one.reasons for one in decided.kept)


@_SETTINGS
@given(chains, retentions)
def test_the_newest_of_the_chain_is_kept_whatever_the_clock_said(
    snapshots: list[Snapshot], retention: Retention
) -> None:
    newest = max(snapshots, key=lambda one: one.seq, default=None)
    assert kept_by(snapshots, retention, Reason.NEWEST) == ([newest] if newest else [])


@_SETTINGS
@given(chains, retentions)
def test_what_is_pinned_is_kept(snapshots: list[Snapshot], retention: Retention) -> None:
    assert {one for one in snapshots if one.pinned} == set(kept_by(snapshots, retention, Reason.PINNED))


@_SETTINGS
@given(chains, retentions)
def test_deciding_again_lets_nothing_go(snapshots: list[Snapshot], retention: Retention) -> None:
    decided = retain(snapshots, retention)
    assert retain([one.snapshot for one in decided.kept], retention) == replace(decided, let_go=())


@_SETTINGS
@given(chains, retentions, retentions)
def test_whoever_wants_more_keeps_all_that_less_would_keep(
    snapshots: list[Snapshot], one: Retention, other: Retention
) -> None:
    more = Retention(*(max(getattr(one, field.name), getattr(other, field.name)) for field in fields(Retention)))
    assert set(kept(snapshots, one)) <= set(kept(snapshots, more))


@_SETTINGS
@given(chains, retentions, st.integers(0, 40))
def test_letting_go_early_loses_nothing_that_is_wanted_later(
    snapshots: list[Snapshot], retention: Retention, until: int
) -> None:
    early = [one for one in snapshots if one.seq <= until]
    later = [one for one in snapshots if one.seq > until]
    # The one that was the newest then may be let go now; but nothing is missing.
    assert kept([*kept(early, retention), *later], retention) == kept(snapshots, retention)


@_SETTINGS
@given(chains, retentions)
def test_no_hour_day_week_or_month_keeps_two_by_its_rule_and_no_rule_keeps_more_than_it_may(
    snapshots: list[Snapshot], retention: Retention
) -> None:
    assert len(kept_by(snapshots, retention, Reason.LAST)) == min(retention.last, len(snapshots))
    for reason, hours in ((Reason.HOURLY, 1), (Reason.DAILY, 24)):
        numbers = [one.instant_ns // (hours * HOUR_NS) for one in kept_by(snapshots, retention, reason)]
        assert len(set(numbers)) == len(numbers) <= getattr(retention, reason.value)


@_SETTINGS
@given(chain_of(st.integers(-(10**10), 10**11).map(lambda seconds: seconds * 10**9)), retentions)
def test_weeks_and_months_are_those_of_the_calendar(snapshots: list[Snapshot], retention: Retention) -> None:
    def date(one: Snapshot) -> datetime:
        return EPOCH + timedelta(seconds=one.instant_ns // 10**9)

    def week(one: Snapshot) -> tuple[int, int]:
        return date(one).isocalendar()[:2]

    def month(one: Snapshot) -> tuple[int, int]:
        return date(one).year, date(one).month

    for reason, bucket in ((Reason.WEEKLY, week), (Reason.MONTHLY, month)):
        newest = {bucket(one): one for one in sorted(snapshots, key=lambda one: one.seq)}
        met = sorted(newest.values(), key=lambda one: one.seq, reverse=True)
        assert kept_by(snapshots, retention, reason) == met[: getattr(retention, reason.value)]


@_SETTINGS
@given(chains, retentions, st.randoms())
def test_the_order_in_which_they_are_given_does_not_matter(
    snapshots: list[Snapshot], retention: Retention, random: Random
) -> None:
    given_ = list(snapshots)
    random.shuffle(given_)
    assert retain(given_, retention) == retain(snapshots, retention)


def test_a_month_of_hours_is_thinned_out_as_the_defaults_say() -> None:
    last = at(2024, 3, 10, 12)
    hours = taken(*(last - hours * HOUR_NS for hours in reversed(range(24 * 400))))
    retention = Retention(last=1)
    assert [len(kept_by(hours, retention, reason)) for reason in Reason] == [1, 0, 1, 24, 7, 4, 12]
    assert kept_by(hours, retention, Reason.MONTHLY)[1].instant_ns == at(2024, 2, 29, 23)
    assert kept_by(hours, retention, Reason.WEEKLY)[1].instant_ns == at(2024, 3, 3, 23)
    assert len(kept(hours, Retention())) <= 87


def test_each_kept_snapshot_says_every_reason() -> None:
    first, second = taken(at(2024, 1, 1), at(2024, 1, 2))
    assert retain([first, second], Retention(last=1, hourly=0, daily=2, weekly=1, monthly=0)).kept == (
        Kept(second, (Reason.NEWEST, Reason.LAST, Reason.DAILY, Reason.WEEKLY)),
        Kept(first, (Reason.DAILY,)),
    )


def test_a_clock_that_was_far_ahead_keeps_nothing_out_for_long() -> None:
    ahead = [at(2400, 1, 1) + hour * HOUR_NS for hour in range(30)]
    right = [at(2024, 1, 1) + hour * HOUR_NS for hour in range(5)]
    snapshots = taken(*ahead, *right)
    assert kept_by(snapshots, replace(NOTHING, hourly=6), Reason.HOURLY) == [*reversed(snapshots[-5:]), snapshots[29]]


def test_a_clock_that_goes_to_and_fro_keeps_one_an_hour() -> None:
    snapshots = taken(*[at(2024, 1, 1, 1), at(2024, 1, 1, 0)] * 3)
    assert kept_by(snapshots, replace(NOTHING, hourly=5), Reason.HOURLY) == [snapshots[5], snapshots[4]]


def test_two_heads_of_the_highest_number_are_both_kept() -> None:
    one, other = Snapshot(HeadHash("a"), 5, 0), Snapshot(HeadHash("b"), 5, 0)
    assert set(kept([one, other], NOTHING)) == {one, other}


def test_a_head_that_is_given_twice_is_never_kept_and_let_go() -> None:
    old, new = taken(0, 1)
    for given_ in ([old, new, replace(old, pinned=True)], [replace(old, pinned=True), old, new]):
        assert retain(given_, NOTHING).let_go == ()


def test_without_snapshots_nothing_is_decided() -> None:
    assert retain([], Retention()) == Retained((), ())


def test_a_number_below_zero_is_refused() -> None:
    with pytest.raises(RetentionUnusable, match="-1 daily"):
        Retention(daily=-1)
