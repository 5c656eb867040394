"""Which packs are condemned, and when one may be deleted."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.collecting import GRACE_SECONDS, Condemned, Limits, PackUse, Waiting, condemn, due

DAY_NS = 24 * 3600 * 10**9
LIMITS = Limits(settled_seconds=100, rewrite_bytes=1000, small_bytes=50, merged=3, worth_bytes=0)


@st.composite
def pack_uses(draw: st.DrawFn) -> list[PackUse]:
    names = draw(st.lists(st.binary(min_size=2, max_size=2), unique=True, max_size=12))
    sizes = [draw(st.integers(1, 400)) for _ in names]
    return [
        PackUse(
            name, size, draw(st.integers(0, size)), draw(st.sampled_from([0.0, 99.0, 100.0, 1e9])), draw(st.booleans())
        )
        for name, size in zip(names, sizes, strict=True)
    ]


waitings = st.builds(
    Waiting,
    st.builds(Condemned, st.binary(min_size=2, max_size=2), st.integers(0, 9), st.integers(0, 2**64 - 1)),
    st.floats(0, 4 * GRACE_SECONDS),
)


@given(pack_uses())
def test_a_pack_that_was_just_met_or_is_damaged_and_needed_is_never_condemned(packs: list[PackUse]) -> None:
    chosen = set(condemn(packs, LIMITS))
    for one in packs:
        if one.known_seconds < LIMITS.settled_seconds or (one.needed_bytes and not one.is_sound):
            assert one.pack not in chosen


@given(pack_uses())
def test_no_more_is_written_anew_than_the_budget_says(packs: list[PackUse]) -> None:
    chosen = set(condemn(packs, LIMITS))
    assert sum(one.needed_bytes for one in packs if one.pack in chosen) <= LIMITS.rewrite_bytes


@given(pack_uses())
def test_all_settled_garbage_goes_at_once_however_small_the_budget(packs: list[PackUse]) -> None:
    chosen = set(condemn(packs, replace(LIMITS, rewrite_bytes=0)))
    assert chosen == {one.pack for one in packs if one.needed_bytes == 0 and one.known_seconds >= 100}


@given(pack_uses())
def test_the_order_in_which_packs_are_listed_decides_nothing(packs: list[PackUse]) -> None:
    assert condemn(packs, LIMITS) == condemn(packs[::-1], LIMITS)


def test_small_packs_are_merged_only_when_there_are_enough_of_them() -> None:
    small = [PackUse(bytes([number]), 40, 40, 1e9) for number in range(3)]
    assert len(condemn(small, LIMITS)) == 3
    assert condemn(small[:2], LIMITS) == ()


def test_a_pack_that_is_half_needed_or_more_is_left_as_it_is() -> None:
    assert condemn([PackUse(b"a", 200, 100, 1e9)], LIMITS) == ()
    assert condemn([PackUse(b"a", 200, 99, 1e9)], LIMITS) == (b"a",)


def test_nothing_is_done_for_a_few_bytes_but_for_many_packs() -> None:
    few = [PackUse(bytes([number]), 40, 0, 1e9) for number in range(3)]
    assert condemn(few, replace(LIMITS, worth_bytes=121, worth_packs=4)) == ()
    assert len(condemn(few, replace(LIMITS, worth_bytes=120, worth_packs=4))) == 3
    assert len(condemn(few, replace(LIMITS, worth_bytes=121, worth_packs=3))) == 3


@given(st.lists(waitings, max_size=6), st.integers(0, 2**64 - 1), st.one_of(st.none(), st.integers(0, 9)))
def test_nothing_is_deleted_before_a_day_passed_on_the_steady_clock(
    waiting: list[Waiting], now_ns: int, oldest_reader: int | None
) -> None:
    for pack in due(waiting, now_ns=now_ns, oldest_reader=oldest_reader):
        assert any(one.condemned.pack == pack and one.waited_seconds >= GRACE_SECONDS for one in waiting)


@pytest.mark.parametrize(
    ("waited_seconds", "since_ns", "oldest_reader", "is_due"),
    [
        (GRACE_SECONDS, DAY_NS, None, True),
        (GRACE_SECONDS - 1, DAY_NS, None, False),
        (GRACE_SECONDS, DAY_NS - 1, None, False),
        (GRACE_SECONDS, -5 * DAY_NS, None, True),
        (GRACE_SECONDS, DAY_NS, 4, False),
        (GRACE_SECONDS, DAY_NS, 5, True),
    ],
    ids=["a day", "too early", "too early by the wall", "a clock that was ahead", "an older reader", "a newer reader"],
)
def test_a_condemned_pack_is_due_when_all_of_it_is_over(
    waited_seconds: float, since_ns: int, oldest_reader: int | None, is_due: bool
) -> None:
    now_ns = 100 * DAY_NS
    waiting = [Waiting(Condemned(b"a", 5, now_ns - since_ns), waited_seconds)]
    assert due(waiting, now_ns=now_ns, oldest_reader=oldest_reader) == ((b"a",) if is_due else ())
