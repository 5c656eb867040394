"""What the store lost is written again while the live data is there, and is whole afterwards (G2)."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.core.errors import Unavailable
from mosaic.crypto.hashing import blob_id
from mosaic.storage.engine import upload
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mend import replicate_and_mend
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.pack import HEADER_BYTES, object_name
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.verify import verify
from support.stores import FailingStore, MemoryStore
from support.trees import tree_difference
from support.volumes import KEYS, Machine

pytestmark = pytest.mark.long

Harm = Callable[[MemoryStore, str], None]
Begin = Callable[[MemoryStore, Path], Machine]


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PACK_BYTES", 150_000)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    top.mkdir()
    noise = random.Random(5)
    for at in range(8):
        (top / f"file{at}").write_bytes(noise.randbytes(90_000))
    (top / "big").write_bytes(noise.randbytes(400_000))
    return top


def rot(store: MemoryStore, name: str) -> None:
    """Every blob is damaged; the footer and the size are good."""
    whole = store.objects[name]
    footer = int.from_bytes(whole[-4:], "big") + 4
    rotten = bytes(byte ^ 1 for byte in whole[HEADER_BYTES:-footer])
    store.objects[name] = whole[:HEADER_BYTES] + rotten + whole[-footer:]


def cut(store: MemoryStore, name: str) -> None:
    store.objects[name] = store.objects[name][: len(store.objects[name]) // 2]


def lose(store: MemoryStore, name: str) -> None:
    del store.objects[name]


def damage_footer(store: MemoryStore, name: str) -> None:
    whole = store.objects[name]
    store.objects[name] = whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:]


def restarted(store: MemoryStore, source: Path) -> Machine:
    """A settled machine that reads the footers anew."""
    here = settled(store, source)
    here.known = ChunkIndex()
    return here


def assert_whole(store: MemoryStore, root: RootRef, source: Path, target: Path) -> None:
    """A machine that knows nothing but the store verifies and restores the state."""
    assert Machine(store).verify(root).damaged == ()
    Machine(store).restore(root, target)
    assert tree_difference(source, target) == []


def settled(store: MemoryStore, source: Path) -> Machine:
    """A machine that replicated the folder, and reads no file again that does not change."""
    here = Machine(store)
    here.replicate(source, settled=True)
    return here


@pytest.mark.parametrize(("begin", "harm"), [(settled, cut), (settled, lose), (restarted, damage_footer)])
def test_whatever_pack_is_cut_or_lost_its_content_is_sent_again(
    source: Path, tmp_path: Path, begin: Begin, harm: Harm
) -> None:
    for number in range(100):
        store = MemoryStore()
        here = begin(store, source)
        if number == len(store.objects):
            break
        harm(store, sorted(store.objects)[number])
        (source / "changed").write_text(str(number))
        done = here.mend(source)
        assert len(done.replaced) == 1
        assert_whole(store, done.replication.root, source, tmp_path / str(number))
    assert number > 3


def test_a_rotten_page_has_everything_in_its_pack_sent_again(source: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    here = settled(store, source)
    assert here.newest is not None
    rotten = here.newest.pack
    rot(store, object_name(rotten))
    (source / "changed").write_text("now")
    done = here.mend(source)
    assert done.replaced == (rotten,)
    assert_whole(store, done.replication.root, source, tmp_path / "target")


def test_only_what_the_damaged_pack_had_is_sent_again(source: Path) -> None:
    store = MemoryStore()
    here = settled(store, source)
    before = store.put_bytes
    lose(store, sorted(store.objects)[1])
    here.mend(source)
    assert store.put_bytes - before < before / 2


def test_a_mended_store_is_not_mended_again(source: Path) -> None:
    store = MemoryStore()
    here = restarted(store, source)
    damage_footer(store, sorted(store.objects)[0])
    assert here.mend(source).replaced != ()
    done = here.mend(source)
    assert (done.replaced, done.replication.uploaded_packs) == ((), 0)
    elsewhere = Machine(store)
    elsewhere.newest = here.newest
    assert elsewhere.mend(source).replaced == ()


@pytest.mark.parametrize("after", [False, True], ids=["before it had its effect", "after it had its effect"])
@pytest.mark.parametrize("forgetful", [False, True], ids=["with its memory", "without its memory"])
@pytest.mark.parametrize(("begin", "harm"), [(settled, rot), (settled, lose), (restarted, damage_footer)])
def test_killed_at_any_request_of_the_mending_the_next_round_makes_it_whole(
    source: Path, tmp_path: Path, begin: Begin, harm: Harm, forgetful: bool, after: bool
) -> None:
    fails_at = 1
    while True:
        store = MemoryStore()
        here = begin(store, source)
        assert here.newest is not None
        harm(store, object_name(here.newest.pack))
        (source / "changed").write_text("now")
        failing = FailingStore(store, fails_at=fails_at, after=after)
        here.store = failing
        try:
            here.mend(source)
        except Unavailable:
            if forgetful:
                here.forget()
            # What was changed is as it was: nothing asks for the damaged pages again but the memory of the damage.
            (source / "changed").unlink()
            here.mend(source)
        assert_whole(store, here.newest, source, tmp_path / str(fails_at))
        if not failing.failed:
            break
        fails_at += 1
    assert fails_at > 4


def test_an_index_built_anew_after_the_mending_finds_the_good_pack(source: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    here = settled(store, source)
    assert here.newest is not None
    rotten = here.newest.pack
    rot(store, object_name(rotten))
    (source / "changed").write_text("now")
    root = here.mend(source).replication.root
    known = ChunkIndex(tmp_path / "index")
    assert known.load(store, KEYS).damaged == ()
    assert rotten not in known.packs()
    assert_whole(store, root, source, tmp_path / "target")


def test_what_only_a_damaged_pack_has_is_sent_when_it_is_needed_again(source: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    here = settled(store, source)
    assert here.newest is not None
    old = (source / "big").read_bytes()
    rotten = [name for name in store.objects if name != object_name(here.newest.pack)]
    for name in rotten:
        rot(store, name)
    assert "big" in verify(here.newest, KEYS, store, known=here.known).damaged
    (source / "big").write_bytes(b"other")
    assert len(here.mend(source).replaced) == len(rotten)
    # Another machine, which has the store's word alone, writes the old content.
    there = Machine(store)
    there.newest = here.newest
    (source / "big").write_bytes(old)
    assert_whole(store, there.mend(source).replication.root, source, tmp_path / "target")


def test_a_pack_that_comes_back_is_used_again(source: Path) -> None:
    store = MemoryStore()
    here = settled(store, source)
    name = sorted(store.objects)[0]
    pack = bytes.fromhex(name[2:])
    lost = store.objects.pop(name)
    assert here.known.load(store, KEYS).gone == (pack,)
    assert here.known.damaged() == (pack,)
    store.objects[name] = lost
    assert here.known.load(store, KEYS).added == (pack,)
    assert here.known.damaged() == ()


def test_an_older_state_is_read_from_what_is_left_of_a_damaged_pack(source: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    here = settled(store, source)
    older = here.newest
    assert older is not None
    name = object_name(older.pack)
    whole = store.objects[name]
    at = HEADER_BYTES + 100
    store.objects[name] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    here.known.doubt(older.pack)
    (source / "changed").write_text("now")
    here.mend(source)
    damaged = Machine(store).verify(older).damaged
    assert len(damaged) <= 1


def test_a_blob_is_read_from_the_next_pack_when_one_is_damaged(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"content" * 1000)
    store = MemoryStore()
    # Two machines that did not know of each other: the same blobs in two packs.
    first = Machine(store).replicate(source).root
    second = replicate_and_mend(
        source, KEYS, store, previous=None, known=ChunkIndex(), nodes=NodeMap(), taken_ns=time.time_ns()
    ).replication.root
    assert first.pack != second.pack
    blob = blob_id(KEYS.current.blob_id, b"content" * 1000)
    for damaged in (first.pack, second.pack):
        known = ChunkIndex()
        known.load(store, KEYS)
        assert len(known.locations(blob)) == 2
        kept = store.objects[object_name(damaged)]
        rot(store, object_name(damaged))
        with Fetcher(KEYS, store, known) as fetcher:
            assert fetcher.get(blob) == b"content" * 1000
            taken: dict[bytes, bytes] = {}
            assert list(fetcher.answer(fetcher.ask([blob], taken.__setitem__))) == []
            assert taken == {blob: b"content" * 1000}
        store.objects[object_name(damaged)] = kept
