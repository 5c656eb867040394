"""Each volume is audited once a night, at a moment of its own, whatever the clock and the machine do."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.auditing import FIRST_HOUR, HOURS, OVERDUE_SECONDS, Suspects, is_due, is_suspect, suspects

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
MIDNIGHT_NS = 20_000 * DAY_NS

volumes = st.text("0123456789abcdef", min_size=64, max_size=64)
offsets = st.integers(-12 * 4, 14 * 4).map(lambda quarters: quarters * 900)
minutes = st.integers(1, 60)


def local_hour(now_ns: int, offset_seconds: int) -> float:
    return (now_ns + offset_seconds * 10**9) % DAY_NS / HOUR_NS


@given(volumes, offsets, minutes)
def test_a_machine_that_is_always_on_audits_each_volume_once_in_every_night(
    volume: str, offset: int, step: int
) -> None:
    now, since, begun = MIDNIGHT_NS, MIDNIGHT_NS, []
    while now < MIDNIGHT_NS + 5 * DAY_NS:
        now += step * 60 * 10**9
        if is_due(volume, since_ns=since, now_ns=now, offset_seconds=offset):
            since = now
            begun.append(now)
    assert 4 <= len(begun) <= 6
    for now in begun:
        assert FIRST_HOUR <= local_hour(now, offset) < FIRST_HOUR + HOURS + 1
    assert all(later - earlier > 20 * HOUR_NS for earlier, later in pairwise(begun))


@given(volumes, offsets)
def test_a_machine_that_is_off_at_night_audits_by_day_once_it_is_overdue(volume: str, offset: int) -> None:
    noon = MIDNIGHT_NS + 12 * HOUR_NS - offset * 10**9
    assert not is_due(volume, since_ns=noon, now_ns=noon + DAY_NS, offset_seconds=offset)
    assert is_due(volume, since_ns=noon, now_ns=noon + OVERDUE_SECONDS * 10**9, offset_seconds=offset)


@given(volumes, st.integers(0, 2**62), st.integers(0, 2**62), offsets)
def test_a_clock_that_went_back_begins_no_audit(volume: str, one: int, other: int, offset: int) -> None:
    assert not is_due(volume, since_ns=max(one, other) + 1, now_ns=min(one, other), offset_seconds=offset)


def test_volumes_are_spread_over_the_night() -> None:
    moments = set()
    for number in range(200):
        volume = f"{number:064x}"
        now = MIDNIGHT_NS
        while not is_due(volume, since_ns=MIDNIGHT_NS, now_ns=now, offset_seconds=0):
            now += 60 * 10**9
        moments.add(now)
    assert len(moments) > 100


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 60))
def test_everything_after_the_trusted_snapshot_is_suspect_and_nothing_else(trusted: int, newest: int, seq: int) -> None:
    found = suspects(trusted=trusted, newest=newest)
    assert is_suspect(seq, [found] if found else []) == (trusted < seq <= newest)


def test_of_several_ranges_each_counts() -> None:
    found = [Suspects(2, 3), Suspects(7, 7)]
    assert [seq for seq in range(10) if is_suspect(seq, found)] == [2, 3, 7]
