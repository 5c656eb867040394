"""One word for what a snapshot is worth."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.consistency import APP_CONSISTENT, APP_STOPPED, FUZZY, label


def test_each_flag_has_its_word_and_none_is_what_a_power_cut_leaves() -> None:
    assert [label(flags) for flags in (0, APP_STOPPED, APP_CONSISTENT, FUZZY)] == [
        "crash-consistent",
        "stopped",
        "app-consistent",
        "fuzzy",
    ]


@given(st.integers(0, 255))
def test_a_fuzzy_snapshot_is_never_called_anything_better(flags: int) -> None:
    assert (label(flags) == "fuzzy") == bool(flags & FUZZY)
