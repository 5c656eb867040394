"""Which snapshots are let go, by whom, and what keeps one."""

from collections.abc import Callable

import msgspec
import pytest

from mosaic.adapters.blobs import StoreUnavailable
from mosaic.adapters.hive_blobs import HeadUnknown, HiveHeads, WriterFenced
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.core.retention import Retention
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire.blobs import HeadList, Pin
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.running_hive import Owner
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]
LEASE = "ab" * 16
DAY_SECONDS = 24 * 3600


@pytest.fixture
def attic(owner: Owner, joined: Join) -> FakeDevice:
    """A Device that the app has settled on."""
    device = joined("attic")
    owner.install(device="attic")
    eventually(lambda: owner.installation().phase == "settled")
    return device


def volume(device: FakeDevice) -> VolumeId:
    return volume_id(next(iter(device.local.values())).volumes["data"].seed)


def heads_of(device: FakeDevice, of: FakeDevice) -> HiveHeads:
    return device.blobs().heads(volume(of))


def commit(device: FakeDevice, count: int) -> list[HeadHash]:
    """Commit so many heads, the oldest first. All of them fall into one hour."""
    (installation,) = device.local
    return [device.commit(installation) for _ in range(count)]


def kept(device: FakeDevice, mirrored: list[HeadHash]) -> tuple[list[str], list[str], int | None]:
    """Have the Hive let go, as the holder does."""
    (local,) = device.local.values()
    assert local.epoch is not None
    found = heads_of(device, device).retain(local.epoch, mirrored)
    return [head_hash(bytes.fromhex(signed)) for signed in found.kept], found.let_go, found.oldest_reader


def test_what_retention_does_not_keep_is_let_go_and_shown_no_more(attic: FakeDevice) -> None:
    made = commit(attic, Retention().last + 5)
    now_kept, let_go, _ = kept(attic, made)
    assert set(now_kept) >= set(made[5:])
    assert set(let_go) == set(made) - set(now_kept)
    assert len(let_go) >= 4
    page = attic.blobs().ask("GET", f"/api/volumes/{volume(attic)}/heads").content
    listed = [entry.head for entry in msgspec.json.decode(page, type=HeadList).heads]
    assert set(listed) == set(now_kept)
    assert set(listed).isdisjoint(let_go)
    # A chain is still followed through them.
    assert heads_of(attic, attic).get(HeadHash(let_go[0]))
    assert kept(attic, made)[:2] == (now_kept, let_go), "asked again, nothing else is let go"


def test_only_the_holder_of_the_epoch_lets_anything_go(attic: FakeDevice, joined: Join) -> None:
    made = commit(attic, 3)
    (local,) = attic.local.values()
    assert local.epoch is not None
    with pytest.raises(WriterFenced):
        heads_of(joined("cellar"), attic).retain(local.epoch, made)
    with attic.asking_once() as blobs, pytest.raises(StoreUnavailable):
        blobs.heads(volume(attic)).retain(f"{2**60}.9", made)


def test_a_snapshot_that_is_read_stays_and_tells_since_when(
    attic: FakeDevice, joined: Join, clock: ManualClock
) -> None:
    made = commit(attic, 3)
    reader = heads_of(joined("cellar"), attic)
    reader.lease(made[0], LEASE)
    more = commit(attic, Retention().last + 5)
    now_kept, let_go, oldest = kept(attic, [*made, *more])
    assert made[0] in now_kept
    assert made[1] in let_go
    began = oldest
    assert began is not None
    # Made to last longer it counts from when it was given; ended, it counts no more.
    reader.lease(made[0], LEASE)
    assert kept(attic, [])[2] == began
    reader.lease(made[0], LEASE, done=True)
    now_kept, let_go, oldest = kept(attic, made)
    assert (made[0] in let_go, oldest) == (True, None)


def test_a_read_lease_that_nobody_ends_is_over_after_a_day(attic: FakeDevice, clock: ManualClock) -> None:
    made = commit(attic, 3)
    heads_of(attic, attic).lease(made[0], LEASE)
    commit(attic, Retention().last + 5)
    assert made[0] in kept(attic, made)[0]
    clock.advance(DAY_SECONDS + 1)
    attic.report()
    assert made[0] in kept(attic, made)[1]


def pin(device: FakeDevice, head: HeadHash, name: str | None) -> int:
    path = f"/api/volumes/{volume(device)}/heads/{head}/pin"
    return device.blobs().ask("PUT", path, content=msgspec.json.encode(Pin(name))).status_code


def test_a_pinned_snapshot_stays_until_it_is_not_pinned_any_more(attic: FakeDevice) -> None:
    made = commit(attic, 3)
    assert pin(attic, made[0], "before the update") == 200
    assert pin(attic, made[1], "\n") == 422
    commit(attic, Retention().last + 5)
    now_kept, let_go, _ = kept(attic, made)
    assert (made[0] in now_kept, made[1] in let_go) == (True, True)
    assert pin(attic, made[1], "too late") == 404
    assert pin(attic, made[0], None) == 200
    assert made[0] in kept(attic, made)[1]


def test_what_was_let_go_is_not_leased_any_more(attic: FakeDevice) -> None:
    made = commit(attic, Retention().last + 5)
    let_go = kept(attic, made)[1]
    with pytest.raises(HeadUnknown):
        heads_of(attic, attic).lease(HeadHash(let_go[0]), LEASE)
