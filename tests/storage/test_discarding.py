"""Giving up a copy whose replacement is proved slowly."""

import threading

import pytest

from mosaic.adapters.storage_client import StorageNotYet
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId, HeadHash
from mosaic.crypto.hashing import head_hash
from mosaic.storage import discarding
from mosaic.storage.engine.heads import sign_head
from mosaic.wire.head import Head
from mosaic.wire.storage import Discard
from support.fake_hive_blobs import FakeHive
from support.manual_clock import ManualClock
from support.storage_daemon import SEED, VOLUME, TestDaemon
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

HEADS = 100


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discarding, "_PATIENCE_SECONDS", 0.02)


@pytest.fixture
def replaced_by(hive: FakeHive, here: TestDaemon) -> HeadHash:
    """The newest of the many heads that another Device wrote on top of what is here."""
    here.take(hive)
    here.create()
    (here.mount() / "page").write_text("one")
    here.unmount()
    here.hand_over()
    heads = hive.volume(VOLUME).heads
    for seq in range(len(heads) + 1, len(heads) + 1 + HEADS):
        previous = head_hash(heads[-1])
        root = (bytes(32), bytes(16))
        head = Head(VOLUME, Epoch(1, 2), seq, previous, seq, DeviceId("0b" * 16), None, 1, *root, flags=0)
        heads.append(sign_head(head, bytes.fromhex(SEED)))
    return head_hash(heads[-1])


def is_discarded(daemon: TestDaemon, replaced_by: HeadHash) -> bool:
    try:
        daemon.client.discard(Discard(VOLUME, replaced_by))
    except StorageNotYet:
        return False
    return True


def test_however_often_it_is_asked_there_is_one_walk(hive: FakeHive, here: TestDaemon, replaced_by: HeadHash) -> None:
    asked = [threading.Thread(target=is_discarded, args=(here, replaced_by)) for _ in range(8)]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join(60)
    eventually(lambda: is_discarded(here, replaced_by))
    assert here.volume().phase == "absent"
    assert hive.count("GET", "/heads/") - hive.count("GET", "/heads/newest") < HEADS * 1.8


@pytest.fixture
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discarding, "_PATIENCE_SECONDS", 0.0)


def answered(daemon: TestDaemon) -> bool:
    """Whether the question that a request left behind is answered."""
    descent = daemon.inside_volume(VOLUME).record.descent
    return descent is not None and descent.answered


@pytest.mark.usefixtures("nobody_waits")
def test_an_answer_that_comes_when_nobody_waits_is_heard_by_who_asks_next(
    here: TestDaemon, replaced_by: HeadHash
) -> None:
    assert not is_discarded(here, replaced_by)
    eventually(lambda: answered(here))
    assert is_discarded(here, replaced_by)
    assert here.volume().phase == "absent"


@pytest.mark.usefixtures("nobody_waits")
def test_an_answer_that_nobody_heard_for_long_is_asked_for_again(here: TestDaemon, replaced_by: HeadHash) -> None:
    assert here.inside is not None
    clock = here.inside.clock = ManualClock()
    assert not is_discarded(here, replaced_by)
    eventually(lambda: answered(here))
    clock.advance(3600)
    assert not is_discarded(here, replaced_by)
    eventually(lambda: answered(here))
    assert is_discarded(here, replaced_by)


def test_while_the_hive_is_away_the_copy_stays_and_the_answer_is_not_yet(
    hive: FakeHive, here: TestDaemon, replaced_by: HeadHash
) -> None:
    hive.is_down = True
    with pytest.raises(StorageNotYet, match="is kept until it is known"):
        here.client.discard(Discard(VOLUME, replaced_by))
    assert here.volume().local_head is not None
    hive.is_down = False
    eventually(lambda: is_discarded(here, replaced_by))
    assert here.volume().phase == "absent"


def test_a_volume_that_is_held_again_is_not_given_up(hive: FakeHive, here: TestDaemon, replaced_by: HeadHash) -> None:
    hive.is_down = True
    with pytest.raises(StorageNotYet):
        here.client.discard(Discard(VOLUME, replaced_by))
    hive.is_down = False
    hive.volume(VOLUME).heads[-HEADS:] = []
    here.take(hive)
    here.wait_for_phase("ready")
    here.wait_until_clean()
    assert (here.mount() / "page").read_text() == "one"
