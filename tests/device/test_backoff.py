"""How long a Device waits before it tries again."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.device.backoff import MOST_SECONDS, NEAR_ATTEMPTS, NEAR_SECONDS, before_connecting, bound, jittered

attempts = st.integers(1, 10_000)
draws = st.floats(0, 1, exclude_max=True)


@given(attempts, draws)
def test_a_wait_grows_with_the_attempts_and_never_beyond_a_minute(attempt: int, draw: float) -> None:
    assert 0 <= jittered(attempt, lambda: draw) <= bound(attempt) <= min(MOST_SECONDS, bound(attempt + 1))


@given(attempts, draws)
def test_a_hive_that_starts_with_its_device_is_met_at_once_and_a_dead_one_is_not_pestered(
    attempt: int, draw: float
) -> None:
    near = before_connecting(attempt, lambda: draw, same_machine=True)
    far = before_connecting(attempt, lambda: draw, same_machine=False)
    assert near <= far
    assert near <= NEAR_SECONDS if attempt <= NEAR_ATTEMPTS else near == far
