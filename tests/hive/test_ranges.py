"""Which part of a file a `Range` asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.hive.ranges import BeyondTheEnd, Part, part_of

sizes = st.integers(0, 50)
ends = st.none() | st.integers(0, 60)


@given(sizes, ends, ends)
def test_a_range_is_what_a_slice_of_the_content_would_be(size: int, first: int | None, last: int | None) -> None:
    content = bytes(range(size))
    asked = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None:
        wanted = content[max(0, size - last) :] if last is not None else None
    elif last is not None and last < first:
        wanted = None
    else:
        wanted = content[first : None if last is None else last + 1]
    if wanted == b"":
        with pytest.raises(BeyondTheEnd):
            part_of(asked, size)
        return
    part = part_of(asked, size)
    assert (None if part is None else content[part.first : part.first + part.length]) == wanted


@pytest.mark.parametrize(
    "asked", [None, "", "bytes", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=٣-٤"]
)
def test_what_is_no_range_asks_for_everything(asked: str | None) -> None:
    assert part_of(asked, 10) is None


def test_the_last_bytes_can_be_asked_for_alone() -> None:
    assert part_of("bytes=-3", 10) == Part(7, 3)
