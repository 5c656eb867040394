"""Whether an app fits is known before the first byte, in numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import file_index
from mosaic.core.disk_forecast import (
    MissingBlob,
    NoRoom,
    Room,
    engine_bytes,
    extracted_bytes,
    require_room,
    shortages,
    store_bytes,
)
from mosaic.core.file_index import IndexedFile
from mosaic.core.layer_sizes import LayerSize

GIB = 1024**3
BLOCK = 4096


def room(where: str, free: int, *, disk: str = "", total: int | None = None) -> Room:
    return Room(where, disk or where, BLOCK, free, free if total is None else total)


def test_what_does_not_fit_is_refused_with_both_numbers() -> None:
    with pytest.raises(NoRoom) as told:
        require_room([(room("/x", GIB * 8 // 10), GIB * 12 // 10)], watermark=100)
    assert told.value.message == "it needs 1.2 GiB on /x, 819.2 MiB free"


def test_a_store_and_an_engine_on_one_disk_share_its_room() -> None:
    store, engine = room("/store", 10 * GIB, disk="8:1"), room("/engine", 10 * GIB, disk="8:1")
    assert shortages([(store, 6 * GIB), (engine, 3 * GIB)], watermark=100) == []
    (short,) = shortages([(store, 6 * GIB), (engine, 5 * GIB)], watermark=100)
    assert (short.where, short.needed_bytes) == ("/store", 11 * GIB)
    apart = room("/engine", 10 * GIB, disk="8:2")
    assert shortages([(store, 6 * GIB), (apart, 5 * GIB)], watermark=100) == []


def test_the_watermark_keeps_a_part_of_the_whole_disk_free() -> None:
    disk = room("/x", 2 * GIB, total=20 * GIB)
    assert shortages([(disk, GIB)], watermark=95) == []
    with pytest.raises(NoRoom, match=r"it needs 1\.1 GiB on /x, 2\.0 GiB free, of which 1\.0 GiB stay free"):
        require_room([(disk, GIB + GIB // 10)], watermark=95)
    assert shortages([(room("/full", 0, total=GIB), 0)], watermark=80) == []


def test_what_was_fetched_before_is_not_counted_again() -> None:
    assert store_bytes([MissingBlob(10 * BLOCK + 1)], block_bytes=BLOCK) == 11 * BLOCK
    assert store_bytes([MissingBlob(10 * BLOCK + 1, 4 * BLOCK + 5)], block_bytes=BLOCK) == 7 * BLOCK


def test_an_index_counts_blocks_and_without_one_the_download_is_multiplied() -> None:
    one = IndexedFile("0" * 64, 1, executable=False)
    index = file_index.of({"a/b": one, "c": one}, {"l": "c"}, [])
    assert extracted_bytes(index, 99, block_bytes=BLOCK) == 5 * BLOCK
    assert extracted_bytes(None, 10 * BLOCK, block_bytes=BLOCK) == 40 * BLOCK


def test_layers_count_as_they_are_known_to_be_and_a_few_of_them_twice() -> None:
    known, used, unknown = LayerSize(BLOCK, 9 * BLOCK), LayerSize(BLOCK, 9 * BLOCK, 12 * BLOCK), LayerSize(BLOCK)
    assert engine_bytes([known], block_bytes=BLOCK) == 10 * BLOCK
    assert engine_bytes([used], block_bytes=BLOCK) == 13 * BLOCK
    assert engine_bytes([unknown], block_bytes=BLOCK) == 5 * BLOCK
    assert engine_bytes([unknown] * 10, block_bytes=BLOCK) == 43 * BLOCK


SIZES = st.integers(0, 2**40)


@given(st.lists(st.tuples(st.sampled_from(["/a", "/b", "/c"]), SIZES), max_size=6), SIZES, st.integers(1, 100))
def test_more_room_never_makes_what_fits_fit_less(needs: list[tuple[str, int]], free: int, watermark: int) -> None:
    def short(more: int) -> int:
        rooms = [(room(where, free + more, disk="one", total=2**41), needed) for where, needed in needs]
        return len(shortages(rooms, watermark=watermark))

    assert short(2**30) <= short(0) <= 1
