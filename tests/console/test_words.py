"""Figures as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.hive.console import words

NS = words.NS


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (2_140_000, "2.1 MB"), (99_960_000, "100 MB"),
        (412_000_000, "412 MB"), (18_600_000_000, "18.6 GB"), (999_700_000_000, "1 TB"),
    ],
)  # fmt: skip
def test_bytes_are_said_in_three_digits_with_a_unit(count: int, said: str) -> None:
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0.2 s"), (6, "6 s"), (38.4, "38 s"), (59.7, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(-5, "0 s ago"), (6, "6 s ago"), (190, "3 min ago"), (7300, "2 h ago"), (86400, "1 day ago")]
)
def test_an_age_is_said_in_its_largest_unit_and_never_in_the_future(seconds: int, said: str) -> None:
    assert words.ago(10**18 - seconds * NS, 10**18) == said


@given(st.integers(min_value=0, max_value=10**18))
def test_every_size_has_a_unit_and_at_most_three_digits(count: int) -> None:
    figure, unit = words.size(count).split(" ")
    assert unit in ("B", "kB", "MB", "GB", "TB", "PB")
    assert len(figure.replace(".", "")) <= 4


@given(st.text(max_size=40))
def test_what_is_ended_is_never_ended_twice(text: str) -> None:
    assert words.stopped(words.stopped(text)) == words.stopped(text)
