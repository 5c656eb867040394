"""What the Hive tells the account of a volume's past, wherever it is signed in: heads and ciphertext, and drills."""

from collections.abc import Callable

import httpx2
import pytest

from mosaic.adapters.hive_blobs import HiveConnection
from mosaic.core.errors import MosaicError
from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.crypto import unwrap
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire.api import Drill, Drilled, VolumeEnvelope
from mosaic.wire.blobs import HeadEntry, HeadList
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.running_hive import Owner, made_keys
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]
NEVER = HeadHash("ab" * 32)


@pytest.fixture
def attic(joined: Join, owner: Owner) -> FakeDevice:
    """A Device with a settled app."""
    device = joined("attic")
    owner.install(device="attic")
    eventually(lambda: owner.installation().phase == "settled")
    return device


def installed(device: FakeDevice) -> InstallationId:
    return InstallationId(next(iter(device.local)))


def volume_of(device: FakeDevice) -> VolumeId:
    return volume_id(device.local[installed(device)].volumes["data"].seed)


def page(owner: Owner, volume: VolumeId, **query: object) -> HeadList:
    with owner.client() as client:
        words = {name: str(value) for name, value in query.items() if value is not None}
        return client.get(f"/api/volumes/{volume}/heads", HeadList, query=words)


def drill(owner: Owner, volume: VolumeId, head: HeadHash, *, differing: int = 0) -> Drilled:
    with owner.client() as client:
        result = Drill(head, files=7, content_bytes=4096, seconds=1.25, differing=differing)
        return client.send("POST", f"/api/volumes/{volume}/drills", result, Drilled)


def test_every_accepted_head_is_listed_page_by_page_the_newest_first_also_of_a_device_that_is_gone(
    attic: FakeDevice, owner: Owner
) -> None:
    volume = volume_of(attic)
    for _ in range(4):
        attic.commit(installed(attic))
    attic.disconnect()
    found: list[HeadEntry] = []
    before: int | None = None
    while True:
        answer = page(owner, volume, limit=2, before=before)
        assert len(answer.heads) <= 2
        found += answer.heads
        if answer.next is None:
            break
        before = answer.next
    assert len(found) >= 5
    assert found == page(owner, volume).heads
    assert [one.head for one in found] == [head_hash(bytes.fromhex(one.signed)) for one in found]
    assert found[0].head == owner.volumes()[0].newest_head


def test_a_head_that_the_store_let_go_is_listed_no_more_and_a_mirror_that_nobody_accepted_is_not(
    attic: FakeDevice, owner: Owner
) -> None:
    volume = volume_of(attic)
    for _ in range(5):
        attic.commit(installed(attic))
    everything = [one.head for one in page(owner, volume).heads]
    store = attic.blobs().store(volume)
    top = len(everything)
    for seq in (2, 4):
        store.put(f"h-{seq:020d}-{everything[top - seq]}", b"any bytes")
    store.put(f"h-{3:020d}-{NEVER}", b"of another head")
    left = [head for seq, head in zip(range(top, 0, -1), everything, strict=True) if seq > 4 or seq in (2, 4)]
    assert [one.head for one in page(owner, volume).heads] == left
    found: list[str] = []
    before: int | None = None
    while (answer := page(owner, volume, limit=1, before=before)).heads or answer.next is not None:
        found += [one.head for one in answer.heads]
        if answer.next is None:
            break
        before = answer.next
    assert found == left


def test_the_account_reads_ciphertext_and_may_not_write_any(attic: FakeDevice, owner: Owner) -> None:
    volume = volume_of(attic)
    attic.blobs().store(volume).put("pack-1", b"0123456789")
    reading = HiveConnection(owner.hive.url, owner.logged_in.token, deadline_seconds=3)
    store = reading.store(volume)
    assert store.get_range("pack-1", 2, 3) == b"234"
    assert [one.name for one in store.list("pack")] == ["pack-1"]
    with pytest.raises(MosaicError):
        store.put("pack-2", b"x")
    reading.close()
    with pytest.raises(MosaicError):
        attic.blobs().store(volume).get("pack-2")


def test_nobody_reads_heads_or_ciphertext_without_a_token(attic: FakeDevice, owner: Owner) -> None:
    for path in ("heads", "heads/newest", "objects", "objects/pack-1", "envelope", "drills"):
        answer = httpx2.get(f"{owner.hive.url}/api/volumes/{volume_of(attic)}/{path}", trust_env=False)
        assert answer.status_code == 401


def test_a_wrapped_seed_is_opened_by_the_root_key_alone(attic: FakeDevice, owner: Owner) -> None:
    volume = volume_of(attic)
    with owner.client() as client:
        wrapped = client.get(f"/api/volumes/{volume}/envelope", VolumeEnvelope).wrapped_seed
    seed = unwrap.open_volume_seed(wrapped, made_keys().opened.root, volume=volume).reveal()
    assert seed == attic.local[installed(attic)].volumes["data"].seed
    assert seed.hex() not in wrapped


def test_a_drill_proves_its_snapshot_until_another_one_of_it_fails(
    attic: FakeDevice, owner: Owner, clock: ManualClock
) -> None:
    volume = volume_of(attic)
    old, new = attic.commit(installed(attic)), attic.commit(installed(attic))
    told = drill(owner, volume, old)
    assert owner.volumes()[0].proved == told
    clock.advance(60)
    failed = drill(owner, volume, new, differing=2)
    shown = owner.volumes()[0]
    assert (shown.proved, shown.last_drill) == (told, failed)
    drill(owner, volume, old, differing=1)
    assert owner.volumes()[0].proved is None
    with owner.client() as client:
        found = client.get(f"/api/volumes/{volume}/drills", list[Drilled])
    assert {one.drill.head: one.drill.differing for one in found} == {old: 1, new: 2}


@pytest.mark.parametrize("differing", [-1, 0])
def test_a_drill_of_what_is_no_snapshot_or_has_numbers_below_zero_is_refused(
    attic: FakeDevice, owner: Owner, differing: int
) -> None:
    with pytest.raises(MosaicError) as caught:
        drill(owner, volume_of(attic), NEVER if differing == 0 else attic.commit(installed(attic)), differing=differing)
    assert caught.value.code == "drill-unusable"
