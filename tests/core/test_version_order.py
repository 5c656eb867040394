"""Which of two versions is the later one."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.version_order import is_later

NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4)
versions = st.builds(
    lambda numbers, end: ".".join(map(str, numbers)) + end, NUMBERS, st.sampled_from(["", "rc1", "rc2", "a1", ".dev3"])
)


def test_numbers_are_compared_as_numbers_and_a_release_comes_after_what_led_to_it() -> None:
    rising = [
        "nothing",
        "0",
        "0.1.dev1",
        "0.1a2",
        "0.1b1",
        "0.1rc1",
        "0.1rc2",
        "0.1",
        "0.1.1",
        "0.9.1",
        "0.10.0",
        "1.0",
    ]
    assert all(is_later(after, before) for before, after in itertools.pairwise(rising))
    assert not is_later("1.0.0", "1.0")
    assert not is_later("1", "1.0")


@given(versions, versions, versions)
def test_later_is_an_order(one: str, two: str, three: str) -> None:
    assert not is_later(one, one)
    assert not (is_later(one, two) and is_later(two, one))
    assert not (is_later(one, two) and is_later(two, three)) or is_later(one, three)
