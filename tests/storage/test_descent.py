"""Nothing is given up before it is known that the Hive's newest head descends from it, however long that takes (G3)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mosaic.adapters.blobs import StoreUnavailable
from mosaic.adapters.hive_blobs import HeadUnknown
from mosaic.core.epoch import Epoch
from mosaic.core.errors import Unavailable
from mosaic.core.ids import DeviceId, HeadHash, InstallationId, VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.storage.books import Books
from mosaic.storage.descent import conclude, trace
from mosaic.storage.engine.heads import HeadForged, sign_head
from mosaic.storage.on_btrfs import OnBtrfs
from mosaic.storage.places import Places
from mosaic.storage.records import Descent, VolumeRecord
from mosaic.storage.volume import Volume
from mosaic.wire.head import Head
from support.volumes import KEYS, SEED

pytestmark = pytest.mark.long

LONG = 11_000
"""More than anybody wants to read in one go."""


class Chain:
    """The heads of one volume, oldest first. `answers_left` reads are answered, None: all."""

    def __init__(self, length: int) -> None:
        self.names: list[HeadHash] = []
        self._signed: dict[HeadHash, bytes] = {}
        self.reads = 0
        self.answers_left: int | None = None
        self.grow(length)

    def grow(self, count: int) -> None:
        for _ in range(count):
            previous = self.names[-1] if self.names else None
            self.add(signed_head(len(self.names) + 1, previous))

    def add(self, signed: bytes) -> None:
        self.names.append(head_hash(signed))
        self._signed[self.names[-1]] = signed

    def lose(self, head: HeadHash) -> None:
        del self._signed[head]

    def swap(self, head: HeadHash, other: HeadHash) -> None:
        self._signed[head] = self._signed[other]

    def newest(self) -> tuple[HeadHash, bytes] | None:
        return (self.names[-1], self._signed[self.names[-1]]) if self.names else None

    def get(self, head: HeadHash) -> bytes:
        if self.answers_left == 0:
            raise StoreUnavailable("the test's Hive", "told to fail")
        if self.answers_left is not None:
            self.answers_left -= 1
        self.reads += 1
        if head not in self._signed:
            raise HeadUnknown(head)
        return self._signed[head]


def signed_head(seq: int, previous: HeadHash | None) -> bytes:
    root = (bytes(32), bytes(16))
    return sign_head(
        Head(KEYS.volume, Epoch(1, 1), seq, previous, seq, DeviceId("00" * 16), None, 1, *root, flags=0), SEED
    )


@pytest.fixture(scope="module")
def long_chain() -> Chain:
    return Chain(LONG)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "storage.db")


def asking(books: Books, tmp_path: Path, *wanted: HeadHash) -> Volume:
    """A volume whose worker should find out whether the newest head descends from what is wanted."""
    record = VolumeRecord(VolumeId(KEYS.volume), InstallationId("notes"), "app")
    volume = started(books, tmp_path, record)
    volume.update(replace(record, descent=Descent(tuple(sorted(wanted)))))
    return volume


def started(books: Books, tmp_path: Path, record: VolumeRecord) -> Volume:
    return Volume(
        record,
        books=books,
        places=Places(tmp_path),
        subvolumes=OnBtrfs(),
        changed=lambda: None,
        fence_confirm_seconds=0,
    )


def ask_again(volume: Volume) -> None:
    assert volume.record.descent is not None
    volume.update(replace(volume.record, descent=replace(volume.record.descent, answered=False)))


def answer(volume: Volume) -> set[HeadHash]:
    """What the newest head does not descend from."""
    descent = volume.record.descent
    assert descent is not None
    assert descent.answered
    return set(descent.missing)


def test_a_head_however_old_is_found(books: Books, tmp_path: Path, long_chain: Chain) -> None:
    volume = asking(books, tmp_path, long_chain.names[0], long_chain.names[500])
    trace(volume, long_chain)
    assert answer(volume) == set()


def test_what_was_read_before_an_outage_and_a_kill_is_not_read_again(
    books: Books, tmp_path: Path, long_chain: Chain
) -> None:
    volume = asking(books, tmp_path, long_chain.names[0])
    long_chain.reads = 0
    for _ in range(10):
        long_chain.answers_left = 1000
        with pytest.raises(Unavailable):
            trace(volume, long_chain)
        # A new process knows what the ledger says.
        volume = started(books, tmp_path, books.volumes.items()[volume.id])
    long_chain.answers_left = None
    trace(volume, long_chain)
    assert answer(volume) == set()
    assert long_chain.reads < LONG * 1.1


def test_asked_again_it_reads_only_what_is_newer(books: Books, tmp_path: Path) -> None:
    chain = Chain(300)
    volume = asking(books, tmp_path, chain.names[0])
    trace(volume, chain)
    chain.grow(3)
    chain.reads = 0
    ask_again(volume)
    trace(volume, chain)
    assert answer(volume) == set()
    assert chain.reads <= 4
    ask_again(volume)
    trace(volume, chain)
    assert (answer(volume), chain.reads) == (set(), 4)


def test_a_hive_that_went_back_behind_the_copy_does_not_replace_it(books: Books, tmp_path: Path) -> None:
    chain = Chain(20)
    volume = asking(books, tmp_path, chain.names[15])
    trace(volume, chain)
    assert answer(volume) == set()
    wanted = chain.names[15]
    del chain.names[10:]
    ask_again(volume)
    trace(volume, chain)
    assert answer(volume) == {wanted}


def test_a_head_that_another_history_has_is_not_found(books: Books, tmp_path: Path) -> None:
    chain, stranger = Chain(200), head_hash(signed_head(77, HeadHash("9" * 64)))
    volume = asking(books, tmp_path, chain.names[3], stranger)
    trace(volume, chain)
    assert answer(volume) == {stranger}
    reads = chain.reads
    ask_again(volume)
    trace(volume, chain)
    assert (answer(volume), chain.reads) == ({stranger}, reads)


def test_a_volume_without_any_head_replaces_nothing(books: Books, tmp_path: Path) -> None:
    wanted = HeadHash("9" * 64)
    volume = asking(books, tmp_path, wanted)
    trace(volume, Chain(0))
    assert answer(volume) == {wanted}


def test_a_gap_in_the_history_proves_nothing(books: Books, tmp_path: Path) -> None:
    chain = Chain(10)
    chain.lose(chain.names[5])
    volume = asking(books, tmp_path, chain.names[2])
    trace(volume, chain)
    assert answer(volume) == {chain.names[2]}


def test_a_hive_that_shows_another_head_than_the_one_asked_for_is_not_believed(books: Books, tmp_path: Path) -> None:
    chain = Chain(10)
    chain.swap(chain.names[5], chain.names[2])
    volume = asking(books, tmp_path, chain.names[2])
    with pytest.raises(HeadForged):
        trace(volume, chain)
    assert volume.record.descent is not None
    assert not volume.record.descent.answered


@given(st.integers(0, 12), st.sets(st.integers(0, 14), min_size=1, max_size=3), st.lists(st.integers(0, 14)))
def test_whatever_becomes_the_newest_meanwhile_the_answer_is_right_for_it(
    first: int, wanted: set[int], later: list[int]
) -> None:
    """Heads are numbers here, and each descends from all lower ones."""
    names = {number: HeadHash(f"{number:064x}") for number in range(15)}
    numbers = {name: number for number, name in names.items()}
    looked_for = tuple(sorted(names[number] for number in wanted))
    descent = Descent(looked_for)
    for newest in [first, *later]:
        descent = replace(descent, answered=False)
        while not descent.answered:
            descent = conclude(descent, names[newest])
            at = numbers[descent.next] if descent.next else None
            if not descent.answered and at is not None:
                left = tuple(name for name in descent.missing if numbers[name] > at)
                descent = replace(descent, missing=left, next=None)
        assert (descent.missing == ()) == all(number <= newest for number in wanted)
