"""Patterns match what regular expressions of the same text match, and never take long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.text_pattern import MAX_COUNT, MAX_SIGNS, PatternUnreadable, read_pattern

PIECES = st.sampled_from(["a", "[a-c]", "[ab.-]", r"\.", "[b-d0-9]", "-", r"[\]x]"])
COUNTS = st.sampled_from(["", "*", "+", "?", "{2}", "{1,3}", "{2,}"])
PATTERNS = st.lists(st.tuples(PIECES, COUNTS).map("".join), min_size=1, max_size=6).map("".join)


@given(PATTERNS, st.text("abcd.-x]09", max_size=12))
def test_a_pattern_matches_what_a_regular_expression_of_the_same_text_matches(pattern: str, word: str) -> None:
    assert read_pattern(pattern).matches(word) == (re.fullmatch(pattern, word) is not None)


@given(st.text(max_size=40))
def test_whatever_is_written_is_read_or_refused_with_a_reason(text: str) -> None:
    try:
        read_pattern(text).matches(text)
    except PatternUnreadable as unreadable:
        assert str(unreadable)


UNKNOWN = ["", "a|b", "(a)", "^a", "a$", ".", "[", "[]", "[^a]", "[z-a]", r"\d", "a{2", "a{3,2}", "a{99999}", "*"]
UNKNOWN += [f"[{'a' * MAX_SIGNS}]"]


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_a_pattern_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(PatternUnreadable):
        read_pattern(text)


def test_a_pattern_that_would_keep_a_regular_expression_busy_for_years_is_quick() -> None:
    pattern = read_pattern("a*" * 30 + "b")

    assert not pattern.matches("a" * MAX_COUNT)
