"""What is sent stays under the limit, on a clock that only counts."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.bandwidth import Allowance, limited, spend, wait_seconds

rates = st.integers(1, 10_000_000)
objects = st.lists(st.tuples(st.integers(0, 64_000_000), st.booleans(), st.floats(0, 100)), max_size=30)


@given(rates, objects)
def test_what_is_sent_never_exceeds_the_rate_by_more_than_a_second_and_one_object(
    rate: int, wanted: list[tuple[int, bool, float]]
) -> None:
    allowance, now, sent, largest = Allowance(rate), 0.0, 0, 0
    for length, saving, idle in wanted:
        now += idle
        now += wait_seconds(allowance, length if saving else 0, now)
        allowance = spend(allowance, length, now)
        sent, largest = sent + length, max(largest, length)
        assert sent <= rate * (now + 1) + largest + 1


@given(rates, objects)
def test_nobody_waits_longer_than_what_is_sent_takes_at_the_limit(
    rate: int, wanted: list[tuple[int, bool, float]]
) -> None:
    allowance, now, waited, total = Allowance(rate), 0.0, 0.0, 0
    for length, saving, _ in wanted:
        pause = wait_seconds(allowance, length if saving else 0, now)
        now, waited, total = now + pause, waited + pause, total + length
        allowance = spend(allowance, length, now)
    assert waited <= total / rate + 1e-3


@given(rates, objects)
def test_what_was_saved_for_makes_nobody_wait(rate: int, wanted: list[tuple[int, bool, float]]) -> None:
    allowance, now = Allowance(rate), 0.0
    for length, _, idle in wanted:
        now += idle
        now += wait_seconds(allowance, length, now)
        allowance = spend(allowance, length, now)
        # A rounding error at most.
        assert wait_seconds(allowance, 0, now) * rate <= 1


@given(rates, objects)
def test_after_the_wait_it_may_be_sent(rate: int, wanted: list[tuple[int, bool, float]]) -> None:
    allowance, now = Allowance(rate), 0.0
    for length, saving, idle in wanted:
        now += idle
        now += wait_seconds(allowance, length if saving else 0, now)
        assert wait_seconds(allowance, length if saving else 0, now) * rate <= 1
        allowance = spend(allowance, length, now)


@given(rates, st.integers(1, 64_000_000), st.lists(st.integers(0, 1000), max_size=20))
def test_small_objects_in_between_put_a_large_one_off_by_no_more_than_their_own_bytes(
    rate: int, wanted: int, others: list[int]
) -> None:
    allowance, now = Allowance(rate), 0.0
    for other in others:
        pause = wait_seconds(allowance, wanted, now)
        now += pause / 2
        allowance = spend(allowance, other, now, saved=wanted)
    now += wait_seconds(allowance, wanted, now)
    assert now <= (wanted + sum(others)) / rate + 1e-3


def test_without_a_limit_nothing_waits() -> None:
    free = Allowance(None)
    assert wait_seconds(spend(free, 10**12, 0.0), 10**12, 0.0) == 0


def test_a_new_limit_counts_from_now_on_and_the_same_one_forgives_nothing() -> None:
    owing = spend(Allowance(1000, 0.0, 0.0), 100_000, 0.0)
    assert wait_seconds(owing, 0, 0.0) == 100
    assert wait_seconds(limited(owing, 1000, 0.0), 0, 0.0) == 100
    assert wait_seconds(limited(owing, 2000, 5.0), 0, 5.0) == 0
    assert wait_seconds(limited(owing, None, 5.0), 0, 5.0) == 0
