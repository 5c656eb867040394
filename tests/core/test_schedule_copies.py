"""When the Hive's own database is copied."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.schedule_copies import LATER_SECONDS, SOON_SECONDS, pause_seconds

since = st.floats(0, 1e6)


@given(since, st.booleans())
def test_what_nobody_else_knows_never_waits_longer_than_what_devices_could_tell_again(
    waited: float, urgent: bool
) -> None:
    assert pause_seconds(waited, urgent=True, failures=0) <= pause_seconds(waited, urgent=urgent, failures=0)


@given(st.booleans())
def test_the_first_copy_is_made_at_once(urgent: bool) -> None:
    assert pause_seconds(float("inf"), urgent=urgent, failures=0) <= 0


@given(st.integers(1, 100), st.booleans())
def test_a_place_that_fails_is_tried_ever_more_rarely_and_never_given_up(failures: int, urgent: bool) -> None:
    pause = pause_seconds(0, urgent=urgent, failures=failures)
    assert SOON_SECONDS < pause <= 3 * LATER_SECONDS
    assert pause <= pause_seconds(0, urgent=urgent, failures=failures + 1)
