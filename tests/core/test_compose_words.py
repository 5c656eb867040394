"""What plain words of a compose file mean: as compose takes them (tests/adapters/docker asks it), save dates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.compose_words import number_in


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *[("12", 12), ("+12", 12), ("-0", 0), ("0", 0), ("1_000", 1000), ("1_", 1), ("-_1", -1)],
        *[("010", 8), ("0o17", 15), ("0O17", 15), ("-010", -8), ("0_7", 7), ("0x1F", 31), ("0x_1f", 31), ("0b11", 3)],
        *[("089", 89.0), ("08.5", 8.5), ("1.10", 1.1), (".5", 0.5), ("+.5", 0.5), ("1.", 1.0), ("1e3", 1000.0)],
        *[(str(2**64 - 1), 2**64 - 1), (str(2**64), 2.0**64), (f"-{2**63}", -(2**63)), (f"+{2**63}", 2.0**63)],
        *[("0x" + "f" * 17, "0x" + "f" * 17), ("1e999", "1e999"), (".inf", ".inf"), ("-.inf", "-.inf")],
        *[("12:30", "12:30"), ("12:30:00", "12:30:00"), ("190:20:30.15", "190:20:30.15"), ("2020-01-01", "2020-01-01")],
        *[("_1", "_1"), ("._5", "._5"), ("0o8", "0o8"), ("0b2", "0b2"), ("-", "-"), (".", "."), ("1.2.3", "1.2.3")],
        *[("٣", "٣"), ("1٣", "1٣"), ("", ""), ("0x", "0x"), ("1e", "1e"), ("1 2", "1 2")],
    ],
)
def test_a_word_is_the_number_that_compose_reads_or_stays_text(word: str, meant: object) -> None:
    found = number_in(word)
    assert (type(found), found) == (type(meant), meant)


@given(st.text("-+.0123456789_xXoObBeEaf", max_size=90))
def test_a_number_fits_where_it_goes_and_anything_else_stays_the_word(word: str) -> None:
    found = number_in(word)
    if isinstance(found, str):
        assert found == word
    elif isinstance(found, int):
        assert -(2**63) <= found < 2**64
    else:
        assert abs(found) != float("inf") and found == found


@given(st.integers(-(2**70), 2**70))
def test_a_whole_number_is_never_another_one(number: int) -> None:
    assert number_in(str(number)) == (number if -(2**63) <= number < 2**64 else float(number))
