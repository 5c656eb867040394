"""A follower never keeps anybody waiting, and says of no head that it has it before it has all of it."""

import os
import threading
from functools import partial
from pathlib import Path

from mosaic.adapters.blobs import StoreUnavailable
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId
from mosaic.storage.config import FollowPace
from mosaic.storage.engine.envelopes import envelope_name
from mosaic.storage.engine.heads import mirror_head, sign_head
from mosaic.storage.records import Followed
from mosaic.storage.stores.follower import Follower, Wanted
from mosaic.storage.stores.room import Room
from mosaic.wire.head import Head
from support.stores import MemoryStore
from support.volumes import KEYS, SEED, Machine
from support.waiting import eventually


class Gate(MemoryStore):
    """A store that answers no write while it is shut, and refuses every call while it is down."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.is_down = False
        self.unreadable = ""

    def get(self, name: str) -> bytes:
        if self.unreadable and name.startswith(self.unreadable):
            raise StoreUnavailable("the test store", "input/output error")
        return super().get(name)

    def put(self, name: str, data: bytes) -> None:
        self.open.wait(60)
        if self.is_down:
            raise StoreUnavailable("the test store", "told to be down")
        super().put(name, data)


class Names(set[str]):
    """What has to be deleted."""

    def names(self) -> "Names":
        return self

    def done(self, name: str) -> None:
        self.discard(name)


class World:
    """A volume that is replicated to `first`, and followed by `store`."""

    def __init__(self, folder: Path, *, room: int = 1_000_000, pace: FollowPace | None = None) -> None:
        self.source = folder / "source"
        self.source.mkdir()
        self.machine = Machine()
        assert isinstance(self.machine.store, MemoryStore)
        self.first = self.machine.store
        self.store = Gate()
        self.remembered: list[Followed] = []
        self.forgotten = Names()
        self.rounds = 0
        self.follower = Follower(
            KEYS.volume,
            "nas",
            self.store,
            Room(room),
            followed=None,
            remember=self.remembered.append,
            forgotten=self.forgotten,
            changed=lambda: None,
            pace=pace or FollowPace(),
        )

    def round(self) -> Wanted:
        """Replicate something new, hand it to the follower, and tell it of the head."""
        self.rounds += 1
        (self.source / f"page {self.rounds}").write_bytes(os.urandom(30_000))
        before = set(self.first.objects)
        root = self.machine.replicate(self.source).root
        for name in set(self.first.objects) - before:
            self.follower.offer(name, self.first.objects[name])
        at, device = self.rounds, DeviceId("00" * 16)
        head = Head(KEYS.volume, Epoch(1, 1), at, None, at, device, None, 1, root.root, root.pack, 0)
        signed = sign_head(head, SEED)
        mirror_head(self.first, signed)
        wanted = Wanted(signed, b"an envelope", self.first, KEYS)
        self.follower.want(wanted)
        return wanted

    def missing(self) -> set[str]:
        """The packs that the follower lacks. Heads in between may be left out."""
        return {name for name in self.first.objects if name.startswith("p-") and name not in self.store.objects}

    def has(self, wanted: Wanted) -> bool:
        return self.follower.followed is not None and self.follower.followed.head == wanted.head


def test_a_follower_has_all_and_remembers_how_far_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    newest = [world.round() for _ in range(3)][-1]
    eventually(lambda: world.has(newest))
    assert world.missing() == set()
    assert world.remembered[-1].instant_ns == 3


def test_once_compared_what_is_handed_over_is_enough(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.round()
    eventually(lambda: world.has(first))
    for _ in range(3):
        asked = world.first.requests
        newest = world.round()
        eventually(partial(world.has, newest))
        packs = {name for name in world.first.objects if name.startswith("p-")}
        assert packs <= set(world.store.objects)
        # The machine itself lists packs and marks, and reads back its last root.
        assert world.first.requests - asked <= 8


def test_a_store_that_answers_nothing_is_never_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, room=60_000)
    first = world.round()
    eventually(lambda: world.has(first))
    world.store.open.clear()
    for _ in range(20):
        newest = world.round()
    # All of this ran while the first write hangs still: nobody waited, and little is held in memory.
    assert world.has(first)
    assert world.follower._room._used <= 60_000
    world.store.open.set()
    eventually(lambda: world.has(newest))
    assert world.missing() == set()


def test_a_store_that_is_down_claims_nothing_and_is_given_all_of_it_later(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.round()
    eventually(lambda: world.has(first))
    world.store.is_down = True
    for _ in range(3):
        newest = world.round()
    eventually(lambda: world.follower.problem is not None)
    assert world.has(first) and world.follower.is_retrying
    world.store.is_down = False
    world.follower.ask()
    eventually(lambda: world.has(newest))
    assert world.missing() == set()
    eventually(lambda: world.follower.problem is None)


def test_what_somebody_else_wrote_to_the_first_store_is_copied_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.round()
    eventually(lambda: world.has(first))
    packs = set(world.first.objects)
    (world.source / "theirs").write_bytes(b"theirs" * 10_000)
    world.machine.replicate(world.source)
    world.follower.owe()
    newest = world.round()
    eventually(lambda: world.has(newest))
    assert set(world.first.objects) - packs <= set(world.store.objects)


def test_what_was_deleted_is_deleted_here_when_the_newest_head_is_here_and_not_before(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.round()
    eventually(lambda: world.has(first))
    world.store.is_down = True
    newest = world.round()
    eventually(lambda: world.follower.problem is not None)
    unneeded = next(name for name in world.store.objects if name.startswith("p-"))
    del world.first.objects[unneeded]
    world.follower.forget(unneeded)
    # The newest head in this store needs it still.
    assert unneeded in world.store.objects and world.has(first)
    world.store.is_down = False
    world.follower.ask()
    eventually(lambda: world.has(newest) and unneeded not in world.store.objects)
    eventually(lambda: not world.forgotten)


def test_what_the_first_store_lost_without_being_told_to_is_never_deleted_here(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.round()
    eventually(lambda: world.has(first))
    kept = next(name for name in world.store.objects if name.startswith("p-"))
    del world.first.objects[kept]
    world.follower.owe()
    # What was lost is written anew.
    world.machine.newest = None
    newest = world.round()
    eventually(lambda: world.has(newest))
    world.follower.join(60)
    assert kept in world.store.objects


def test_a_follower_that_was_stopped_begins_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.follower.stop()
    world.round()
    world.follower.join(60)
    assert world.store.objects == {} and world.remembered == []


def test_the_same_head_again_asks_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    newest = world.round()
    eventually(lambda: world.has(newest))
    world.follower.join(60)
    asked = (world.first.requests, world.store.requests)
    for _ in range(5):
        world.follower.want(newest)
    world.follower.join(60)
    assert (world.first.requests, world.store.requests) == asked


ALL_THE_TIME = FollowPace(compare_seconds=0, reread_seconds=0, reread_parts=1)


def rot(store: MemoryStore, name: str) -> None:
    store.objects[name] = bytes([store.objects[name][0] ^ 1]) + store.objects[name][1:]


def test_a_volume_that_never_rests_is_compared_and_read_again_too(tmp_path: Path) -> None:
    world = World(tmp_path, pace=ALL_THE_TIME)
    for _ in range(2):
        eventually(partial(world.has, world.round()))
    gone, rots = sorted(name for name in world.store.objects if name.startswith("p-"))[:2]
    del world.store.objects[gone]
    rot(world.store, rots)

    def is_mended() -> bool:
        eventually(partial(world.has, world.round()))
        return all(world.store.objects.get(name) == world.first.objects[name] for name in (gone, rots))

    eventually(is_mended)


def test_what_can_not_be_read_again_keeps_no_head_back(tmp_path: Path) -> None:
    world = World(tmp_path, pace=ALL_THE_TIME)
    eventually(partial(world.has, world.round()))
    world.store.unreadable = "p-"
    for _ in range(5):
        eventually(partial(world.has, world.round()))
    assert world.follower.problem is None


def test_a_pack_that_rotted_in_both_stores_is_told_and_keeps_no_head_back(tmp_path: Path) -> None:
    world = World(tmp_path, pace=ALL_THE_TIME)
    eventually(partial(world.has, world.round()))
    name = min(name for name in world.store.objects if name.startswith("p-"))
    rot(world.store, name)
    world.first.objects[name] = world.store.objects[name]
    doubted: list[bytes] = []

    def is_told() -> bool:
        eventually(partial(world.has, world.round()))
        doubted.extend(world.follower.take_doubted())
        return bytes.fromhex(name.removeprefix("p-")) in doubted

    eventually(is_told)
    assert world.store.objects[name] == world.first.objects[name]


def test_an_envelope_that_rotted_is_mended_when_the_next_head_comes(tmp_path: Path) -> None:
    world = World(tmp_path)
    eventually(partial(world.has, world.round()))
    name = envelope_name(b"an envelope")
    rot(world.store, name)
    eventually(partial(world.has, world.round()))
    assert world.store.objects[name] == b"an envelope"
