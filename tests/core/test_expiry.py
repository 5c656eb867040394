"""When metadata is called old, and when a machine signs it again by itself."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.expiry import DAY_SECONDS, Periods, freshness, is_due

instants = st.integers(0, 2**33)
periods = st.integers(1, 365 * DAY_SECONDS)


@given(instants, periods, st.integers(0, 400 * DAY_SECONDS))
def test_it_is_signed_again_before_it_is_warned_of(expires_at: int, period: int, left: int) -> None:
    now = expires_at - left
    judged = freshness(expires_at=expires_at, period=period, now=now)
    assert (judged == "expired") == (left == 0)
    assert judged == "good" or is_due(expires_at=expires_at, period=period, now=now)


def test_what_was_just_signed_is_good_and_not_due() -> None:
    for role in ("root", "targets", "channel-stable", "snapshot", "timestamp"):
        period = Periods().of(role)
        assert freshness(expires_at=period, period=period, now=0) == "good"
        assert not is_due(expires_at=period, period=period, now=0)


def test_a_machines_roles_are_short_and_those_in_a_drawer_are_long() -> None:
    days = {
        role: Periods().of(role) // DAY_SECONDS for role in ("root", "targets", "channel-x", "snapshot", "timestamp")
    }
    assert days == {"root": 365, "targets": 365, "channel-x": 90, "snapshot": 30, "timestamp": 7}
