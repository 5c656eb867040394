"""What no kept snapshot needs leaves the store, and nothing else ever does (G2, G3)."""

import contextlib
import random
import shutil
import time
from pathlib import Path

import pytest

from mosaic.adapters.blobs import FolderStore
from mosaic.core.collecting import Limits
from mosaic.core.errors import Corrupt, Unavailable
from mosaic.storage.engine.collect import Kept, collect
from mosaic.storage.engine.condemning import NOTHING, condemned_in, load_condemned
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mend import note_mended, replicate_and_mend
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.pack import object_name
from mosaic.storage.engine.restore import RestoreIncomplete, restore
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.tree import Tree
from storage.engine.test_rescue import rescue
from support.collecting import Collector, packs
from support.stores import FailingStore, MemoryStore
from support.trees import tree_difference
from support.volumes import KEYS, Machine

NOISE = random.Random(7)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    top.mkdir()
    return top


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def here(store: MemoryStore) -> Collector:
    return Collector(Machine(store))


def write(source: Path, name: str, length: int = 200_000) -> None:
    (source / name).write_bytes(NOISE.randbytes(length))


def condemned(here: Collector) -> set[bytes]:
    """What the newest head condemns, as a machine reads it that knows nothing but the store."""
    known = ChunkIndex()
    known.load(here.machine.store, KEYS)
    assert here.newest is not None
    with Fetcher(KEYS, here.machine.store, known) as fetcher:
        return {one.pack for one in condemned_in(Tree(fetcher.get, here.newest))}


def assert_restores(here: Collector, source: Path, target: Path) -> None:
    assert here.newest is not None
    Machine(here.machine.store).restore(here.newest, target)
    assert tree_difference(source, target) == []


def test_what_no_kept_snapshot_needs_is_condemned_and_deleted_a_day_later(
    here: Collector, store: MemoryStore, source: Path, tmp_path: Path
) -> None:
    write(source, "old")
    here.snapshot(source)
    (old,) = packs(store)
    (source / "old").unlink()
    write(source, "new")
    here.snapshot(source)
    assert here.collect(source).condemning.add[0].pack.hex() == old[2:]
    assert condemned(here) == {bytes.fromhex(old[2:])}
    here.pass_days(0.99)
    here.collect(source)
    assert old in store.objects
    here.pass_days(0.02)
    assert here.collect(source).deleted >= 1
    assert old not in store.objects
    here.pass_days()
    here.collect(source)
    assert bytes.fromhex(old[2:]) not in condemned(here), "what is gone leaves the list"
    assert here.machine.known.damaged() == ()
    assert_restores(here, source, tmp_path / "target")


def test_a_snapshot_that_is_kept_keeps_its_packs(
    here: Collector, store: MemoryStore, source: Path, tmp_path: Path
) -> None:
    write(source, "old")
    first = here.snapshot(source)
    shutil.copytree(source, tmp_path / "then", copy_function=shutil.copy2)
    shutil.copystat(source, tmp_path / "then")
    (source / "old").unlink()
    write(source, "new")
    here.snapshot(source)
    for _ in range(4):
        here.heads = [(1, first), *[one for one in here.heads if one[0] != 1]]
        here.collect(source, keep=len(here.heads))
        here.pass_days()
    Machine(store).restore(first, tmp_path / "first")
    assert tree_difference(tmp_path / "then", tmp_path / "first") == []


def test_many_small_packs_become_one_and_every_file_is_as_it_was(
    here: Collector, store: MemoryStore, source: Path, tmp_path: Path
) -> None:
    for number in range(12):
        write(source, f"file{number}", 3_000)
        here.snapshot(source)
    assert len(packs(store)) == 12
    for _ in range(3):
        here.collect(source)
        here.pass_days()
    assert len(packs(store)) <= 4
    assert_restores(here, source, tmp_path / "target")


def test_a_pack_of_which_little_is_needed_gives_its_space_back(
    here: Collector, store: MemoryStore, source: Path, tmp_path: Path
) -> None:
    for number in range(10):
        write(source, f"file{number}")
    here.snapshot(source)
    for number in range(9):
        (source / f"file{number}").unlink()
    here.snapshot(source)
    before = sum(map(len, store.objects.values()))
    for _ in range(3):
        here.collect(source)
        here.pass_days()
    assert sum(map(len, store.objects.values())) < before / 5
    assert_restores(here, source, tmp_path / "target")


def test_nothing_relies_on_a_condemned_pack_again_though_it_still_has_the_content(
    here: Collector, store: MemoryStore, source: Path, tmp_path: Path
) -> None:
    write(source, "old")
    content = (source / "old").read_bytes()
    here.snapshot(source)
    (source / "old").unlink()
    here.snapshot(source)
    here.collect(source)
    # Another machine, that knows nothing but the store.
    other = Collector(Machine(store), heads=here.heads, now_s=here.now_s)
    (source / "came back").write_bytes(content)
    other.snapshot(source)
    for pack in condemned(other):
        store.delete(object_name(pack))
    assert_restores(other, source, tmp_path / "target")


def test_who_keeps_the_heads_may_lose_the_newest_and_the_list_is_still_believed(
    here: Collector, store: MemoryStore, source: Path
) -> None:
    write(source, "old")
    here.snapshot(source)
    (source / "old").unlink()
    here.snapshot(source)
    before = list(here.heads)
    here.collect(source)
    listed = condemned(here)
    # A Hive that was restored from its backup: heads go on from before the list, which lies in the store.
    again = Collector(Machine(store), heads=before, now_s=here.now_s)
    write(source, "another")
    again.snapshot(source)
    assert listed <= condemned(again)


def test_a_reader_that_began_before_keeps_what_was_condemned_since(
    here: Collector, store: MemoryStore, source: Path
) -> None:
    write(source, "old")
    here.snapshot(source)
    (old,) = packs(store)
    (source / "old").unlink()
    write(source, "new")
    here.snapshot(source)
    here.oldest_reader = here.heads[-1][0]
    for _ in range(3):
        here.collect(source)
        here.pass_days()
    assert old in store.objects
    here.oldest_reader = None
    here.collect(source)
    assert old not in store.objects


def test_a_clock_that_jumps_shortens_nothing(here: Collector, store: MemoryStore, source: Path) -> None:
    write(source, "old")
    here.snapshot(source)
    (old,) = packs(store)
    (source / "old").unlink()
    here.snapshot(source)
    here.collect(source)
    # The wall clock runs ahead by a year; this machine's steady clock, after a restart, says nothing yet.
    here.pass_days(365)
    here.machine.known.pass_time("another boot", 5.0)
    here.machine.known.pass_time("boot", here.now_s)
    here.collect(source)
    assert old in store.objects


def test_a_page_that_cannot_be_read_stops_it_before_anything_is_condemned(
    here: Collector, store: MemoryStore, source: Path
) -> None:
    write(source, "file")
    here.snapshot(source)
    write(source, "another")
    here.snapshot(source)
    for name in packs(store):
        whole = store.objects[name]
        footer = int.from_bytes(whole[-4:], "big") + 4
        store.objects[name] = whole[:45] + bytes(byte ^ 1 for byte in whole[45:-footer]) + whole[-footer:]
    before = packs(store)
    with pytest.raises(Corrupt):
        here.collect(source)
    assert packs(store) == before
    assert here.heads[-1][0] == 2, "no head was made"


def test_a_damaged_page_of_a_snapshot_without_a_mirror_costs_what_lies_below_it_alone(
    here: Collector, store: MemoryStore, source: Path, tmp_path: Path
) -> None:
    for part in range(8):
        for number in range(60):
            write(source, f"{part}-{number}", 3000)
        old = here.snapshot(source)
    shutil.rmtree(source)
    source.mkdir()
    write(source, "new")
    here.snapshot(source)
    damage_first_page(here, store, old)
    done = replicate_and_mend(
        source,
        KEYS,
        store,
        previous=here.newest,
        known=here.machine.known,
        nodes=here.machine.nodes,
        taken_ns=time.time_ns(),
    )
    note_mended(store, here.machine.known, done.replaced)
    newest = done.replication.root
    whole = restored(here, old, tmp_path / "before")
    assert 0 < len(whole) < 480
    kept = Kept([newest], newest, here.heads[-1][0] + 1, None, doubtful=[old])
    now_ns = time.time_ns()
    done_now = collect(
        kept,
        KEYS,
        store,
        here.machine.known,
        now_ns=now_ns,
        limits=here.limits,
        still_ours=lambda: None,
        go_on=lambda: None,
    )
    for one in done_now.condemning.add:
        del store.objects[object_name(one.pack)]
    assert restored(here, old, tmp_path / "after") == whole


def damage_first_page(here: Collector, store: MemoryStore, state: RootRef) -> None:
    """Flip a byte of the first page of a state's records, in the store, and have it noticed."""
    known = here.machine.known
    with Fetcher(KEYS, store, known) as fetcher:
        tree = Tree(fetcher.get, state)
        blob, first = tree.root.top, None
        for level in range(tree.root.level, 0, -1):
            page = tree.page(blob, level, first)
            blob, first = page.values[1 if level == 1 else 0], page.keys[1 if level == 1 else 0]
    found = known.find(blob)
    assert found is not None
    name = object_name(found.head.pack)
    content = bytearray(store.objects[name])
    content[found.place.offset + 5] ^= 1
    store.objects[name] = bytes(content)
    known.doubt(found.head.pack)


def restored(here: Collector, state: RootRef, target: Path) -> set[str]:
    """Restore what is left of a state. Returns the names of the files that came back whole."""
    known = ChunkIndex()
    known.load(here.machine.store, KEYS)
    target.mkdir()
    with contextlib.suppress(RestoreIncomplete):
        restore(state, KEYS, here.machine.store, target, known=known, nodes=NodeMap())
    return {path.name for path in target.iterdir() if any(path.read_bytes())}


def test_a_new_pack_that_is_not_as_it_was_written_condemns_nothing(
    here: Collector, store: MemoryStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        write(source, f"file{number}", 3_000)
        here.snapshot(source)
    whole_put = store.put

    def put(name: str, data: bytes) -> None:
        whole_put(name, data[:60] + bytes([data[60] ^ 1]) + data[61:] if name.startswith("p-") else data)

    monkeypatch.setattr(store, "put", put)
    assert here.collect(source).condemning == NOTHING
    assert len(here.machine.known.damaged()) == 1


def test_what_is_mended_keeps_the_list(here: Collector, store: MemoryStore, source: Path) -> None:
    write(source, "old")
    here.snapshot(source)
    (source / "old").unlink()
    write(source, "new")
    here.snapshot(source)
    here.collect(source)
    listed = condemned(here)
    good = [name for name in packs(store) if bytes.fromhex(name[2:]) not in listed]
    del store.objects[good[0]]
    known = here.machine.known
    known.load(store, KEYS)
    done = replicate_and_mend(
        source, KEYS, store, previous=here.newest, known=known, nodes=here.machine.nodes, taken_ns=0
    )
    note_mended(store, known, done.replaced)
    here.heads.append((here.heads[-1][0] + 1, done.replication.root))
    assert listed
    assert condemned(here) == listed


def test_a_new_holder_whose_memory_is_old_finds_nothing_damaged(
    here: Collector, store: MemoryStore, source: Path
) -> None:
    write(source, "old")
    here.snapshot(source)
    other = Machine(store)
    other.known.load(store, KEYS)
    (source / "old").unlink()
    write(source, "new")
    here.snapshot(source)
    here.collect(source)
    here.pass_days()
    here.collect(source)
    other.known.load(store, KEYS)
    assert here.newest is not None
    load_condemned(here.newest, here.heads[-1][0], KEYS, store, other.known)
    assert other.known.damaged() == ()


def edit(source: Path, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 4)):
        path = source / f"file{chance.randrange(12)}"
        if chance.random() < 0.3:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(random.Random(chance.randrange(30)).randbytes(chance.randrange(150_000)))


def copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
    shutil.copystat(source, target)


def go_on_and_be_killed(here: Collector, source: Path, chance: random.Random) -> int:
    """Replicate, and often collect; sometimes the process dies on the way, and sometimes its cache with it."""
    inner = here.machine.store
    assert isinstance(inner, MemoryStore)
    if chance.random() < 0.4:
        here.machine.store = FailingStore(inner, fails_at=chance.randrange(1, 25), after=chance.random() < 0.5)
    try:
        here.snapshot(source)
        return here.collect(source, keep=chance.randrange(1, 5)).deleted if chance.random() < 0.6 else 0
    except Unavailable:
        here.crash()
        here.machine.nodes.rollback()
        if chance.random() < 0.3:
            here.machine.known = ChunkIndex()
        return 0
    finally:
        here.machine.store = inner


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
def test_after_random_edits_collections_and_kills_every_kept_snapshot_restores(seed: int, tmp_path: Path) -> None:
    chance, inner, deleted = random.Random(seed), MemoryStore(), 0
    here = Collector(Machine(inner), limits=Limits(settled_seconds=-3600, small_bytes=50_000, merged=4, worth_bytes=0))
    source = tmp_path / "source"
    source.mkdir()
    for step in range(60):
        edit(source, chance)
        deleted += go_on_and_be_killed(here, source, chance)
        here.pass_days(chance.choice([0.1, 0.6, 1.1]))
        here.snapshot(source)
        copy(source, tmp_path / f"then{here.heads[-1][0]}-{step}")
    for seq, root in here.heads:
        then = sorted(tmp_path.glob(f"then{seq}-*"))
        target = tmp_path / f"restored{seq}"
        Machine(inner).restore(root, target)
        assert not then or tree_difference(then[-1], target) == []
    assert deleted > 20
    (tmp_path / "store").mkdir()
    for name, content in inner.objects.items():
        (tmp_path / "store" / name).write_bytes(content)
    restored = rescue(tmp_path, "--to", str(tmp_path / "rescued"))
    assert (restored.returncode, restored.stderr) == (0, "")
    assert tree_difference(source, tmp_path / "rescued") == []


def test_a_folder_gives_the_space_back_and_rescue_restores_from_what_is_left(tmp_path: Path, source: Path) -> None:
    store = FolderStore(tmp_path / "store")
    here = Collector(Machine(store))
    for number in range(8):
        write(source, "changing")
        write(source, f"file{number}", 2_000)
        here.snapshot(source)
    before = sum(entry.size for entry in store.list("p-"))
    for _ in range(3):
        here.collect(source)
        here.pass_days()
    assert sum(entry.size for entry in store.list("p-")) < before / 3
    restored = rescue(tmp_path, "--to", str(tmp_path / "target"))
    assert (restored.returncode, restored.stderr) == (0, "")
    assert tree_difference(source, tmp_path / "target") == []
