"""Which heads can still be gone back to, by what the store keeps."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.ids import HeadHash
from mosaic.core.past_heads import still_there


@dataclass(frozen=True)
class Head:
    hash: HeadHash
    seq: int


def chain(count: int) -> list[Head]:
    return [Head(HeadHash(f"{seq:064x}"), seq) for seq in range(count, 0, -1)]


@given(st.integers(1, 12), st.sets(st.integers(1, 12)))
def test_what_retention_let_go_is_gone_and_what_is_newer_than_any_mirror_is_there(
    count: int, mirrored: set[int]
) -> None:
    heads = chain(count)
    kept = {(one.seq, str(one.hash)) for one in heads if one.seq in mirrored}
    found = {one.seq for one in still_there(heads, kept)}
    newest = max((seq for seq, _ in kept), default=0)
    assert found == {seq for seq, _ in kept} | set(range(newest + 1, count + 1))


def test_a_store_without_mirrors_hides_nothing() -> None:
    assert list(still_there(chain(3), set())) == chain(3)


def test_a_mirror_of_another_head_of_that_number_does_not_count() -> None:
    heads = chain(2)
    assert list(still_there(heads, {(2, str(heads[0].hash)), (1, "ff" * 32)})) == heads[:1]
