"""Each try is shorter than the last, and the last fits through the shortest line that IPv6 allows."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.path_mtu import MTUS, shorter

WIREGUARD_ADDS = 80
"""Over IPv6: 40 for it, 8 for UDP, 32 of its own."""


@given(st.integers(0, 9000))
def test_every_try_is_shorter_until_nothing_is_left(mtu: int) -> None:
    following = shorter(mtu)
    assert following is None or following < mtu
    assert (following is None) == (mtu <= MTUS[-1])


def test_the_last_fits_through_1280_bytes() -> None:
    assert MTUS[-1] + WIREGUARD_ADDS <= 1280
