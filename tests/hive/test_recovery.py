"""A Hive that comes back from an older copy of its database loses nothing that its Devices know (design 7)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mosaic.adapters.sqlite_copy import copy_database
from mosaic.cli.commands.hive_copies import recover
from mosaic.cli.hive_backup.recovering import mark_recovering
from mosaic.cli.hive_backup.stage import NoDatabaseHere
from mosaic.core import epoch as epochs
from mosaic.core.errors import MosaicError
from mosaic.core.ids import VolumeId
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire.api import Installation, Rekeying
from mosaic.wire.hive_backup import HiveState
from mosaic.wire.keeping import Keeping, SetKeeping
from mosaic.wire.versions import Generation, RollBack, UpdateApp, Updating
from support.fake_device import FakeDevice
from support.renewing import renew
from support.running_hive import COMPOSE, Owner, made_keys, write_app
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


def settled(owner: Owner, on: FakeDevice) -> None:
    eventually(lambda: (found := owner.installation()).phase == "settled" and found.device == on.id)


def running_on(owner: Owner, device: FakeDevice) -> Installation:
    """Install the notes app on the one Device that there is, and wait until it runs."""
    made = owner.install()
    settled(owner, device)
    return made


def copied(owner: Owner, folder: Path) -> Path:
    """Copy the database as it is now."""
    copy_database(owner.hive.config.state / "hive.db", folder / "copy.db")
    return folder / "copy.db"


def go_back(owner: Owner, copy: Path, *, told: bool = True, without_blobs: bool = True) -> None:
    """Start the Hive from a copy, as on another machine: without the packs of any volume."""
    owner.hive.stop()
    state = owner.hive.config.state
    for name in ("hive.db-wal", "hive.db-shm"):
        (state / name).unlink(missing_ok=True)
    if without_blobs:
        shutil.rmtree(state / "volumes", ignore_errors=True)
    shutil.copyfile(copy, state / "hive.db")
    if told:
        mark_recovering(state / "hive.db")
    owner.hive.start()


def state_of(owner: Owner) -> HiveState:
    with owner.client() as client:
        return client.get("/api/hive/state", HiveState)


def come_again(owner: Owner, *devices: FakeDevice) -> None:
    """Connect the Devices to the Hive that came back, in the sessions that they had."""
    for device in devices:
        device.disconnect()
        device.connect(owner.hive.url)


def recover_from(owner: Owner, copy: Path, attic: FakeDevice) -> None:
    """Start the Hive from a copy, and wait until the one Device has told what it knows and the app runs there."""
    go_back(owner, copy)
    come_again(owner, attic)
    eventually(lambda: not state_of(owner).recovering)
    settled(owner, attic)


def base(device: FakeDevice) -> str | None:
    """Return the head that the Device was told to go on from."""
    item = device.assigned("notes")
    assert item is not None
    return item.volumes[0].base


def newest(device: FakeDevice, volume: VolumeId) -> str | None:
    found = device.blobs().heads(volume).newest()
    return found[0] if found else None


def test_snapshots_that_the_copy_lacks_are_adopted_and_the_app_goes_on_with_them(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic = joined("attic")
    made = running_on(owner, attic)
    with owner.client() as client:
        client.send("PUT", "/api/installations/notes/keeping", SetKeeping("last=3", agreed=True), Keeping)
    copy, before = copied(owner, tmp_path), owner.installation()
    heads = [attic.commit(made.installation) for _ in range(3)]
    volume = VolumeId(volume_id(attic.local[made.installation].volumes["data"].seed))
    go_back(owner, copy)
    assert state_of(owner).recovering
    come_again(owner, attic)
    eventually(lambda: not state_of(owner).recovering)
    settled(owner, attic)
    eventually(lambda: attic.local[made.installation].epoch == owner.installation().epoch)
    assert epochs.parse(owner.installation().epoch) > epochs.parse(before.epoch)
    assert attic.blobs().heads(volume).get(heads[0])
    assert base(attic) == heads[-1]
    later = attic.commit(made.installation)
    assert newest(attic, volume) == later
    with owner.client() as client:
        assert client.get("/api/installations/notes/keeping", Keeping).rule.startswith("last=3,")


def test_an_app_that_was_moved_after_the_copy_stays_where_it_is(owner: Owner, joined: Join, tmp_path: Path) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    copy = copied(owner, tmp_path)
    owner.move("cellar")
    settled(owner, cellar)
    told = len(cellar.told)
    go_back(owner, copy)
    come_again(owner, attic, cellar)
    settled(owner, cellar)
    goals = {item.goal for each in cellar.told[told:] for item in each.items if item.installation == made.installation}
    assert goals == {"run"}


def test_nothing_is_told_granted_or_taken_until_every_device_was_heard(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    copy = copied(owner, tmp_path)
    cellar.disconnect()
    told = len(attic.told)
    go_back(owner, copy)
    come_again(owner, attic)
    eventually(lambda: [each.name for each in state_of(owner).awaited] == ["cellar"])
    assert len(attic.told) == told
    local = attic.local[made.installation].volumes["data"]
    volume = VolumeId(volume_id(local.seed))
    with attic.asking_once() as blobs:
        with pytest.raises(MosaicError, match="503"):
            blobs.heads(volume).commit(attic.signed_head(local, str(local.epoch)))
        with pytest.raises(MosaicError, match="503"):
            blobs.store(volume).put("p-" + "00" * 16, b"pack")
    changes: tuple[Callable[[], object], ...] = (
        lambda: owner.move("cellar", force=True, lose_seconds=0.0),
        lambda: owner.do("stop"),
        owner.install,
    )
    for ask in changes:
        with pytest.raises(MosaicError) as refused:
            ask()
        assert refused.value.code == "hive-recovering"
    come_again(owner, cellar)
    settled(owner, attic)


def test_the_owner_goes_on_without_a_device_that_will_not_come_back(owner: Owner, joined: Join, tmp_path: Path) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    owner.install(device="attic")
    settled(owner, attic)
    copy = copied(owner, tmp_path)
    cellar.disconnect()
    go_back(owner, copy)
    come_again(owner, attic)
    with owner.client() as client:
        with pytest.raises(MosaicError) as unknown:
            client.send("POST", "/api/hive/waived/attic", None, HiveState)
        assert unknown.value.code == "hive-not-recovering"
        assert not client.send("POST", "/api/hive/waived/cellar", None, HiveState).recovering
    settled(owner, attic)


def test_a_device_that_was_waived_is_fenced_and_keeps_what_only_it_has(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    copy = copied(owner, tmp_path)
    attic.commit(made.installation)
    attic.disconnect()
    go_back(owner, copy)
    come_again(owner, cellar)
    with owner.client() as client:
        client.send("POST", "/api/hive/waived/attic", None, HiveState)
    owner.move("cellar", force=True, lose_seconds=10**9)
    settled(owner, cellar)
    attic.obedient = False
    come_again(owner, attic)
    eventually(lambda: (item := attic.assigned("notes")) is not None and item.goal in ("leave", "drop"))
    local = attic.local[made.installation].volumes["data"]
    heads = attic.blobs().heads(VolumeId(volume_id(local.seed)))
    assert heads.commit(attic.signed_head(local, str(local.epoch))) == "fenced"
    assert not state_of(owner).recovering


def test_a_hive_that_was_put_back_without_a_word_notices_it_by_its_devices(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic = joined("attic")
    made = running_on(owner, attic)
    copy = copied(owner, tmp_path)
    head = attic.commit(made.installation)
    attic.disconnect()
    go_back(owner, copy, told=False)
    attic.connect(owner.hive.url)
    eventually(lambda: state_of(owner).recovering)
    come_again(owner, attic)
    settled(owner, attic)
    eventually(lambda: base(attic) == head)


def test_what_a_device_says_counts_only_where_its_volumes_signed_it(owner: Owner, joined: Join, tmp_path: Path) -> None:
    attic = joined("attic")
    made = running_on(owner, attic)
    copy = copied(owner, tmp_path)
    good = attic.commit(made.installation)
    local = attic.local[made.installation].volumes["data"]
    forged = attic.signed_head(local, str(local.epoch))
    local.chain.append((forged[:-1] + bytes([forged[-1] ^ 1])).hex())
    go_back(owner, copy)
    come_again(owner, attic)
    settled(owner, attic)
    eventually(lambda: (item := attic.assigned("notes")) is not None and item.epoch is not None)
    assert base(attic) != good
    with owner.client() as client, pytest.raises(MosaicError):
        client.send("POST", "/api/hive/waived/attic", None, HiveState)


def test_a_hive_that_is_killed_while_it_waits_goes_on_waiting(owner: Owner, joined: Join, tmp_path: Path) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    copy = copied(owner, tmp_path)
    head = attic.commit(made.installation)
    cellar.disconnect()
    go_back(owner, copy)
    come_again(owner, attic)
    eventually(lambda: [each.name for each in state_of(owner).awaited] == ["cellar"])
    owner.hive.stop()
    owner.hive.start()
    assert [each.name for each in state_of(owner).awaited] == ["cellar"]
    come_again(owner, cellar, attic)
    settled(owner, attic)
    eventually(lambda: base(attic) == head)


def test_a_hive_without_devices_waits_for_nobody(owner: Owner, tmp_path: Path) -> None:
    go_back(owner, copied(owner, tmp_path))
    assert not state_of(owner).recovering


def marked(*words: object) -> Result:
    return CliRunner().invoke(recover, ["--mark", *map(str, words)])


def test_a_database_that_was_put_back_by_other_means_is_marked_and_hears_its_devices_first(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic = joined("attic")
    made = running_on(owner, attic)
    copy = copied(owner, tmp_path)
    heads = [attic.commit(made.installation) for _ in range(3)]
    attic.disconnect()
    go_back(owner, copy, told=False)
    owner.hive.stop()
    # Twice is what a person does who is not sure whether it was done.
    for _ in range(2):
        ran = marked("--state", owner.hive.config.state)
        assert (ran.exit_code, "it hears all its Devices" in ran.output) == (0, True)
    owner.hive.start()
    assert [each.name for each in state_of(owner).awaited] == ["attic"]
    come_again(owner, attic)
    eventually(lambda: not state_of(owner).recovering)
    settled(owner, attic)
    eventually(lambda: base(attic) == heads[-1])


def test_only_a_hives_own_folder_is_marked_and_nothing_is_made_elsewhere(tmp_path: Path) -> None:
    ran = marked("--state", tmp_path)
    assert isinstance(ran.exception, NoDatabaseHere)
    assert list(tmp_path.iterdir()) == []
    assert marked("--waive", "attic").exit_code == marked("--from", tmp_path).exit_code == 2


def test_the_word_of_a_device_that_nobody_admitted_freezes_nothing(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = running_on(owner, attic)
    stranger = FakeDevice("stranger")
    stranger.join(owner.join_token(admitted=False))
    stranger.highest = {made.installation: "999999999999999999.5"}
    stranger.connect()
    try:
        eventually(lambda: next(each for each in owner.devices() if each.name == "stranger").machine is not None)
        assert not state_of(owner).recovering
        before = owner.installation().epoch
        attic.restart()
        eventually(lambda: owner.installation().epoch != before)
        assert owner.do("stop").wanted == "stop"
    finally:
        stranger.disconnect()


def test_an_epoch_that_no_hive_can_have_granted_freezes_nothing(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = running_on(owner, attic)
    before = owner.installation().epoch
    attic.highest[made.installation] = f"{2**62}.1"
    attic.restart()
    eventually(lambda: owner.installation().epoch != before)
    assert not state_of(owner).recovering


def test_what_is_in_the_trash_can_be_restored_after_a_roll_call_without_its_old_device(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic, shed = joined("attic"), joined("shed")
    made = owner.install(device="attic")
    settled(owner, attic)
    attic.commit(made.installation)
    owner.uninstall()
    eventually(lambda: owner.trash()[0].saved)
    with owner.client() as client:
        client.order("DELETE", "/api/devices/attic")
    go_back(owner, copied(owner, tmp_path), without_blobs=False)
    come_again(owner, shed)
    eventually(lambda: not state_of(owner).recovering)
    assert [each.saved for each in owner.trash()] == [True]
    owner.restore(made.installation, device="shed")
    settled(owner, shed)


def test_a_hive_from_before_a_rekeying_goes_on_with_the_older_app_and_touches_nothing_of_the_newer_one(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic = joined("attic")
    older = running_on(owner, attic)
    last = attic.commit(older.installation)
    copy = copied(owner, tmp_path)
    with owner.client() as client:
        attic.root = renew(client).opened.root
        newer = client.send("POST", "/api/installations/notes/rekey", None, Rekeying).successor
        eventually(lambda: client.get(f"/api/rekeyings/{older.installation}", Rekeying).ended_ns is not None)
    settled(owner, attic)
    attic.commit(newer)
    head = attic.local[newer].volumes["data"].head

    # A Device keeps the root keys that it had.
    attic.root = made_keys().opened.root
    go_back(owner, copy, without_blobs=False)
    # What the Hive said before it went back may come until the Device has left it.
    attic.disconnect()
    told = len(attic.told)
    come_again(owner, attic)
    eventually(lambda: not state_of(owner).recovering)
    settled(owner, attic)

    assert owner.installation().installation == older.installation
    # The copy says that it is settled, before the Device was granted it again.
    eventually(lambda: attic.local[older.installation].epoch == owner.installation().epoch)
    assert base(attic) is not None
    volume = VolumeId(volume_id(attic.local[older.installation].volumes["data"].seed))
    assert attic.blobs().heads(volume).get(last)
    assert not [item for each in attic.told[told:] for item in each.items if item.installation == newer]
    assert attic.local[newer].volumes["data"].head == head
    kept = VolumeId(volume_id(attic.local[newer].volumes["data"].seed))
    assert any((owner.hive.config.state / "volumes" / kept).iterdir()), "what was stored of it is still stored"


def publish(owner: Owner, image: str) -> None:
    write_app(owner.hive.config.state.parent / "catalog", compose=COMPOSE.replace("notes:1", image))


def update(owner: Owner) -> Updating:
    with owner.client() as client:
        asked = client.send("POST", "/api/installations/notes/update", UpdateApp(), Installation).updating
    assert asked is not None
    return asked


def ended(owner: Owner) -> Updating:
    eventually(lambda: (wish := owner.installation().updating) is not None and wish.ended_ns is not None)
    wish = owner.installation().updating
    assert wish is not None
    return wish


def versions(owner: Owner) -> list[tuple[int, str, str | None]]:
    with owner.client() as client:
        ran = client.get("/api/installations/notes/generations", list[Generation])
    return [(each.n, each.app_digest, each.last_head) for each in ran]


def first_version(owner: Owner, attic: FakeDevice) -> Installation:
    """Install the notes app, whose snapshots name the version that wrote them, and wait until it runs."""
    made = owner.install()
    attic.writes_as(made.app_digest)
    settled(owner, attic)
    return made


def test_a_hive_from_before_an_update_runs_the_version_that_wrote_the_data(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic = joined("attic")
    made = first_version(owner, attic)
    last = attic.commit(made.installation)
    copy = copied(owner, tmp_path)
    publish(owner, "notes:2")
    newer = update(owner).app_digest
    assert ended(owner).outcome == "done"
    told = len(attic.told)

    recover_from(owner, copy, attic)

    assert owner.installation().app_digest == newer
    assert versions(owner) == [(2, newer, None), (1, made.app_digest, last)]
    eventually(lambda: len(attic.told) > told)
    assert {item.app_digest for each in attic.told[told:] for item in each.items} == {newer}


def test_a_hive_from_before_an_update_learns_of_it_by_the_first_snapshot_that_comes_afterwards(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic = joined("attic")
    made = first_version(owner, attic)
    attic.commit(made.installation)
    copy = copied(owner, tmp_path)
    publish(owner, "notes:2")
    attic.writes_after_updates = False
    newer = update(owner).app_digest
    assert ended(owner).outcome == "done"

    # As a real one does: the Device runs the version that counts there, whatever it is assigned.
    recover_from(owner, copy, attic)
    eventually(lambda: attic.local[made.installation].epoch == owner.installation().epoch)
    last = attic.commit(made.installation)

    eventually(lambda: owner.installation().app_digest == newer)
    assert [(n, digest) for n, digest, _ in versions(owner)] == [(2, newer), (1, made.app_digest)]
    assert last is not None


@pytest.mark.parametrize("fails", [False, True])
def test_a_wish_that_ended_after_the_copy_ends_again_in_the_same_way(
    owner: Owner, joined: Join, tmp_path: Path, fails: bool
) -> None:
    attic = joined("attic")
    made = first_version(owner, attic)
    publish(owner, "notes:2")
    attic.update_stage = "trying"
    wish = update(owner)
    eventually(lambda: (seen := owner.installation().updating) is not None and seen.state is not None)
    copy = copied(owner, tmp_path)
    attic.update_stage, attic.cannot_update = "done", "web exited with 1" if fails else ""
    attic.obey()
    attic.report()
    assert ended(owner).outcome == ("failed" if fails else "done")
    attic.commit(made.installation)

    recover_from(owner, copy, attic)

    assert (ended(owner).id, ended(owner).outcome) == (wish.id, "failed" if fails else "done")
    assert owner.installation().app_digest == (made.app_digest if fails else wish.app_digest)
    assert len(versions(owner)) == (1 if fails else 2)


def test_a_wish_of_the_copy_that_other_data_has_overtaken_is_over(owner: Owner, joined: Join, tmp_path: Path) -> None:
    attic = joined("attic")
    first_version(owner, attic)
    publish(owner, "notes:2")
    attic.update_stage = "fetching"
    update(owner)
    eventually(lambda: (seen := owner.installation().updating) is not None and seen.state is not None)
    copy = copied(owner, tmp_path)
    owner.do("cancel-update")
    publish(owner, "notes:3")
    attic.update_stage = "done"
    newest_one = update(owner).app_digest
    assert ended(owner).outcome == "done"

    recover_from(owner, copy, attic)

    assert ended(owner).outcome == "failed"
    assert owner.installation().app_digest == newest_one


def test_going_back_that_was_done_after_the_copy_is_over_with_the_roll_call(
    owner: Owner, joined: Join, tmp_path: Path
) -> None:
    attic = joined("attic")
    made = first_version(owner, attic)
    attic.commit(made.installation)
    publish(owner, "notes:2")
    newer = update(owner).app_digest
    assert ended(owner).outcome == "done"
    attic.obedient = False
    with owner.client() as client:
        client.send("POST", "/api/installations/notes/rollback", RollBack(), Installation)
    eventually(lambda: (item := attic.assigned("notes")) is not None and item.going_back is not None)
    copy = copied(owner, tmp_path)
    attic.writes_as(made.app_digest)
    attic.obedient = True
    attic.obey()
    attic.report()
    eventually(lambda: owner.installation().app_digest == made.app_digest)

    recover_from(owner, copy, attic)

    eventually(lambda: (back := owner.installation().going_back) is not None and back.ended_ns is not None)
    assert owner.installation().app_digest == made.app_digest
    assert [digest for _, digest, _ in versions(owner)] == [made.app_digest, newer, made.app_digest]
