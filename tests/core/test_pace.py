"""How often a volume is replicated."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.pace import (
    LONGEST_PAUSE_SECONDS,
    RELEASING_SECONDS,
    pause_after_look_seconds,
    pause_seconds,
    pause_while_releasing_seconds,
)

intervals = st.floats(0.01, 3600)
durations = st.floats(0, 100_000)


@given(intervals, st.floats(0, 1))
def test_short_rounds_begin_one_interval_after_another(interval: float, part: float) -> None:
    took = part * interval / 2
    assert abs(took + pause_seconds(interval, took) - interval) < 1e-6


@given(intervals, st.floats(0, LONGEST_PAUSE_SECONDS))
def test_at_least_half_of_the_time_belongs_to_the_apps(interval: float, took: float) -> None:
    assert pause_seconds(interval, took) >= min(took, LONGEST_PAUSE_SECONDS)


@given(intervals, durations)
def test_no_round_however_long_puts_the_next_one_off_for_long(interval: float, took: float) -> None:
    assert 0 <= pause_seconds(interval, took) <= max(interval, LONGEST_PAUSE_SECONDS)


@given(intervals, durations)
def test_rounds_never_begin_more_often_than_the_interval_says(interval: float, took: float) -> None:
    assert took + pause_seconds(interval, took) >= interval - 1e-6


@given(st.floats(0, 18))
def test_looking_for_changes_costs_at_most_a_fiftieth_of_a_processor(look: float) -> None:
    assert look <= 0.02 * (look + pause_after_look_seconds(look)) + 1e-9


@given(durations)
def test_no_look_however_long_puts_the_next_one_off_by_more_than_a_quarter_of_an_hour(look: float) -> None:
    assert pause_after_look_seconds(look) <= 900


@given(intervals, durations)
def test_a_volume_that_is_given_away_waits_for_no_interval_and_leaves_half_of_the_time(
    interval: float, took: float
) -> None:
    pause = pause_while_releasing_seconds(interval, took)
    assert pause <= max(RELEASING_SECONDS, took)
    assert pause >= min(took, LONGEST_PAUSE_SECONDS)
