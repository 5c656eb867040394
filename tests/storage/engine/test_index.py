"""The index is only a copy of the packs' footers."""

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.blobs import ObjectMissing
from mosaic.storage.engine import pack as packs
from mosaic.storage.engine.damage import PackDamaged
from mosaic.storage.engine.index import ChunkIndex, fetch_footer
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.pack import Kind, PackWriter, object_name, pack_of
from mosaic.storage.engine.replicate import replicate
from mosaic.wire.blobs import ObjectEntry
from support.stores import MemoryStore
from support.volumes import KEYS, Machine

FORGED_BYTES = 2**32 - 100


def many_blobs(count: int) -> tuple[bytes, bytes]:
    pack = bytes(16)
    writer = PackWriter(KEYS.volume, KEYS.current.data, 1, pack, bytes(32))
    for number in range(count):
        writer.add(number.to_bytes(32, "big"), Kind.CHUNK, b"x", plain_length=1, compressed=False)
    return pack, writer.finish()


def test_an_index_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"content")
    store = MemoryStore()
    here = Machine(store)
    here.known = ChunkIndex(tmp_path / "index")
    state = here.replicate(source)
    here.known.close()
    (tmp_path / "index").unlink()
    here.known = ChunkIndex(tmp_path / "index")
    assert here.replicate(source).root == state.root
    assert store.puts == 1


class ForgedStore(MemoryStore):
    """Says that it has a pack of 4 GiB, and counts how much of it is asked for at once."""

    asked_bytes = 0

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        del prefix
        yield ObjectEntry(object_name(bytes(16)), FORGED_BYTES)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        del name, offset
        self.asked_bytes = max(self.asked_bytes, length)
        table = (FORGED_BYTES - 100) // 41 * 41 - 41
        return bytes(min(length, 65536) - 4) + struct.pack(">I", table + 16)


def test_what_is_longer_than_any_pack_is_damaged_and_not_read() -> None:
    store = ForgedStore()
    assert ChunkIndex().load(store, KEYS).damaged == (bytes(16),)
    assert store.asked_bytes == 0


class LyingStore(MemoryStore):
    """Has its packs, and denies it for now. `asked` counts what was read."""

    denies = True
    asked = 0

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.asked += 1
        if self.denies:
            raise ObjectMissing(name)
        return super().get_range(name, offset, length)


def test_a_footer_that_could_not_be_read_is_read_again_and_told_of_once() -> None:
    store, known, (pack, whole) = LyingStore(), ChunkIndex(), many_blobs(3)
    store.put(object_name(pack), whole)
    assert [known.load(store, KEYS).damaged for _ in range(2)] == [(pack,), ()]
    store.denies = False
    assert known.load(store, KEYS).added == (pack,)
    assert known.packs() == [pack]
    assert known.having([(1).to_bytes(32, "big")])
    store.asked = 0
    assert known.load(store, KEYS).added == ()
    assert store.asked == 0


def test_a_footer_that_rotted_is_asked_for_no_more_when_what_was_in_it_lies_elsewhere() -> None:
    store, known, (pack, whole) = LyingStore(), ChunkIndex(), many_blobs(3)
    store.put(object_name(pack), whole)
    known.load(store, KEYS)
    known.mended(pack)
    store.asked = 0
    known.load(store, KEYS)
    assert store.asked == 0


def test_an_index_survives_its_process(tmp_path: Path) -> None:
    store = MemoryStore()
    pack, whole = many_blobs(3)
    store.put(object_name(pack), whole)
    first = ChunkIndex(tmp_path / "index")
    assert first.load(store, KEYS).added == (pack,)
    first.close()
    again = ChunkIndex(tmp_path / "index")
    assert again.load(store, KEYS).added == ()
    assert again.having([(1).to_bytes(32, "big")])
    assert again.packs() == [pack]


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000])
def test_a_file_that_is_no_index_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "index").write_bytes(content)
    assert ChunkIndex(tmp_path / "index").packs() == []


def test_a_pack_that_the_store_lost_is_forgotten_and_its_content_sent_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"content")
    store = MemoryStore()
    here = Machine(store)
    state = here.replicate(source)
    store.objects.clear()
    assert here.known.load(store, KEYS).gone == (state.root.pack,)
    anew = replicate(source, KEYS, store, previous=None, known=here.known, nodes=NodeMap(), taken_ns=time.time_ns())
    assert here.verify(anew.root).damaged == ()


@pytest.mark.parametrize("count", [1, 1000, 3000])
def test_a_footer_of_any_length_is_read(count: int) -> None:
    store = MemoryStore()
    pack, whole = many_blobs(count)
    store.put(object_name(pack), whole)
    _, places = fetch_footer(store, KEYS, pack, size=len(whole))
    assert [place.blob for place in places] == [number.to_bytes(32, "big") for number in range(count)]


@pytest.mark.parametrize("length", [0, 15, 16 + 40, 1 << 31, (1 << 32) - 1])
def test_a_length_that_makes_no_sense_is_damage(length: int) -> None:
    store = MemoryStore()
    pack, whole = many_blobs(2)
    store.put(object_name(pack), whole[:-4] + length.to_bytes(4, "big"))
    with pytest.raises(PackDamaged):
        fetch_footer(store, KEYS, pack, size=len(whole))


@pytest.mark.parametrize("name", ["p-", "p-00", "h-" + "00" * 16, "p-" + "AA" * 16, "p-" + "00" * 17, "00" * 16])
def test_other_objects_are_no_packs(name: str) -> None:
    assert pack_of(name) is None
    assert packs.PREFIX == "p-"


def test_the_largest_inode_number_and_far_years_can_be_remembered(tmp_path: Path) -> None:
    nodes = NodeMap(tmp_path / "nodes")
    nodes.begin(None)
    far_future_ns = 20_000_000_000_000_000_000
    fields = list((tmp_path / "nodes").stat())
    fields[1] = (1 << 64) - 1
    nodes.put(7, os.stat_result(fields, {"st_mtime_ns": far_future_ns, "st_ctime_ns": far_future_ns}))
    nodes.commit(bytes(32), taken_ns=0)
    assert nodes.begin(bytes(32)) is True
    assert list(nodes.all()) == [((1 << 64) - 1, 7)]
    nodes.rollback()
    assert nodes.begin(b"\1" * 32) is False
    assert nodes.count() == 0
