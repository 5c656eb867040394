"""An app is given new keys: until it runs under them the older ones count, and nothing of its data is ever lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hive.crashing_hive import ADA, NOTES, CrashingHive, LocalDevice
from mosaic.adapters.sql import heads, installations, origins, placements, successions, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.successions import Succession
from mosaic.core import placement
from mosaic.core.errors import MosaicError
from mosaic.core.ids import InstallationId, VolumeId
from mosaic.core.placement import Phase
from mosaic.crypto import unwrap
from mosaic.crypto.hashing import head_hash
from mosaic.wire.api import Installation, Rekeying
from mosaic.wire.head import parse
from mosaic.wire.root_key import RootReach
from support.fake_device import FakeDevice
from support.renewing import renew
from support.running_hive import Owner, made_keys
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]
LATER = InstallationId("later2345678")


def settled(owner: Owner) -> Installation:
    eventually(lambda: owner.installation().phase == "settled")
    return owner.installation()


def rekey(owner: Owner) -> Rekeying:
    with owner.client() as client:
        return client.send("POST", "/api/installations/notes/rekey", None, Rekeying)


def cancel(owner: Owner) -> Rekeying:
    with owner.client() as client:
        return client.send("POST", "/api/rekeyings/notes/cancel", None, Rekeying)


def seen(owner: Owner, begun: Rekeying) -> Rekeying:
    with owner.client() as client:
        return client.get(f"/api/rekeyings/{begun.installation}", Rekeying)


def over(owner: Owner, begun: Rekeying) -> Rekeying:
    eventually(lambda: seen(owner, begun).ended_ns is not None, seen=lambda: seen(owner, begun))
    return seen(owner, begun)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(MosaicError) as refused:
        call()
    assert refused.value.hint
    return refused.value.code


def with_data(owner: Owner, device: FakeDevice) -> Installation:
    made = owner.install(config={"GREETING": "hello"})
    settled(owner)
    device.commit(made.installation)
    return settled(owner)


def test_after_a_rekeying_the_thiefs_root_key_opens_nothing_that_the_app_writes(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    before = with_data(owner, attic)
    with owner.client() as client:
        made = renew(client)
    attic.root = made.opened.root

    begun = rekey(owner)
    ended = over(owner, begun)

    after = settled(owner)
    assert (ended.failure, after.installation, after.name) == (None, begun.successor, "notes")
    assert (after.app_digest, after.device) == (before.app_digest, attic.id)
    item = attic.assigned("notes")
    assert item is not None and item.config == {"GREETING": "hello"}
    (later,) = item.volumes
    assert unwrap.open_volume_seed(later.wrapped_seed, made.opened.root, volume=VolumeId(later.volume))
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_volume_seed(later.wrapped_seed, made_keys().opened.root, volume=VolumeId(later.volume))
    with owner.client() as client:
        seeds = {each.volume: each.name for each in client.get("/api/account/root", RootReach).seeds}
    assert len(seeds) == 2 and later.volume in seeds, "the older volume can still be read"
    (kept,) = owner.trash()
    assert (kept.installation, kept.name, kept.saved) == (before.installation, "notes", True)


def test_an_app_that_is_stopped_gets_new_keys_and_stays_stopped(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    with_data(owner, attic)
    owner.do("stop")
    eventually(lambda: owner.installation().reports[attic.id].phase == "stopped")

    assert over(owner, rekey(owner)).failure is None

    assert settled(owner).wanted == "stop"


def test_an_app_that_does_not_come_up_under_new_keys_is_brought_back_with_the_older_ones(
    owner: Owner, joined: Join
) -> None:
    attic = joined("attic")
    before = with_data(owner, attic)
    heads_before = list(attic.local[before.installation].volumes["data"].chain)
    attic.cannot_restore = "a pack is damaged"

    begun = rekey(owner)
    ended = over(owner, begun)

    assert "a pack is damaged" in (ended.failure or "")
    after = settled(owner)
    assert after.installation == before.installation
    eventually(lambda: attic.local[before.installation].phase == "running")
    assert attic.local[before.installation].volumes["data"].chain[: len(heads_before)] == heads_before
    assert [entry.installation for entry in owner.trash()] == [begun.successor]


def test_a_rekeying_that_is_called_off_leaves_the_app_as_it_was(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    before = with_data(owner, attic)
    attic.obedient = False
    begun = rekey(owner)

    cancel(owner)
    attic.obedient = True
    attic.obey()
    attic.report()

    assert over(owner, begun).failure == "it was called off"
    assert settled(owner).installation == before.installation
    assert owner.trash() == []


def test_an_app_that_runs_under_its_new_keys_is_not_called_back(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    with_data(owner, attic)
    over(owner, rekey(owner))
    assert refusal(lambda: cancel(owner)) == "rekeying-unknown"


def test_nobody_takes_the_name_or_the_older_data_meanwhile(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    before = with_data(owner, attic)
    attic.obedient = False
    rekey(owner)

    assert refusal(lambda: owner.install(name="notes")) == "installation-name-taken"
    assert refusal(lambda: owner.restore(before.installation)) == "being-rekeyed"


def test_what_cannot_be_rekeyed_is_refused_and_goes_on(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    with_data(owner, attic)
    assert refusal(lambda: get_none(owner)) == "rekeying-unknown"
    assert refusal(lambda: cancel(owner)) == "rekeying-unknown"
    attic.disconnect()
    eventually(lambda: not owner.devices()[0].connected)
    assert refusal(lambda: rekey(owner)) == "device-away"
    assert owner.installation().phase == "settled"


def get_none(owner: Owner) -> Rekeying:
    with owner.client() as client:
        return client.get("/api/rekeyings/nothing", Rekeying)


def world(folder: Path) -> tuple[CrashingHive, LocalDevice]:
    folder.mkdir()
    hive = CrashingHive(folder)
    attic = hive.join("attic")
    hive.install(attic.id)
    hive.until(lambda found: found.phase is Phase.SETTLED)
    return hive, attic


def begin(hive: CrashingHive) -> None:
    """Ask for new keys, as the API does."""

    def change(tx: Tx) -> None:
        before = placements.lock(tx, NOTES)
        assert before is not None
        if before.phase is not Phase.TRASHED:
            placements.save(tx, NOTES, before, placement.uninstall(before, hive.now_ns))
            successions.put(tx, Succession(NOTES, LATER, hive.now_ns))

    for _ in range(2):
        # The owner asks again when the answer was lost.
        with hive.surviving():
            hive.write(change)


def ended(hive: CrashingHive) -> Succession | None:
    with hive.database.read() as tx:
        found = successions.get(tx, NOTES)
    return found if found is not None and found.ended_ns is not None else None


def go_on(hive: CrashingHive) -> Succession:
    for _ in range(60):
        found = ended(hive)
        if found is not None and placement_of(hive, survivor(found)).phase is Phase.SETTLED:
            return found
        with hive.surviving():
            hive.round()
    raise AssertionError("it never ended")


def survivor(found: Succession) -> InstallationId:
    return found.installation if found.failure else found.successor


def placement_of(hive: CrashingHive, installation: InstallationId) -> placement.Placement:
    with hive.database.read() as tx:
        found = placements.get(tx, installation)
    assert found is not None
    return found


def only_one(hive: CrashingHive, found: Succession) -> None:
    """Assert that one of the two is outside the trash, and that the newer one began with the older one's last head."""
    with hive.database.read() as tx:
        live = [
            each.id
            for each in installations.of_account(tx, ADA)
            if (where := placements.get(tx, each.id)) is not None and where.phase is not Phase.TRASHED
        ]
        origin = origins.get(tx, LATER)
        older = next(each for each in volumes.of_installation(tx, NOTES) if each.kind == "data")
    assert live == [survivor(found)]
    assert found.failure is not None or (origin is not None and origin.head == older.newest)


@pytest.mark.parametrize(("fails", "after_commit"), [(False, True), (True, False)], ids=["comes-up", "does-not"])
def test_a_hive_that_is_killed_at_any_transaction_ends_with_one_of_the_two_running(
    tmp_path: Path, after_commit: bool, fails: bool
) -> None:
    kill_at, kills = 0, 1
    while kills:
        # What does not come up takes twice as many transactions.
        kill_at += 2 if fails else 1
        hive, attic = world(tmp_path / f"{after_commit}-{fails}-{kill_at}")
        acknowledged = list(attic.local[NOTES].volumes["data"].chain)
        attic.cannot_restore = "a pack is damaged" if fails else ""
        hive.writes, hive.kill_at, hive.after_commit = 0, kill_at, after_commit

        begin(hive)
        found = go_on(hive)

        only_one(hive, found)
        assert (found.failure is not None) is fails
        assert all(is_kept(hive, signed) for signed in acknowledged), "no acknowledged snapshot is lost"
        assert attic.local[survivor(found)].phase == "running"
        kills = hive.kills
    assert kill_at > 8


def is_kept(hive: CrashingHive, signed: str) -> bool:
    head, _ = parse(bytes.fromhex(signed))
    with hive.database.read() as tx:
        return heads.signed(tx, head.volume, head_hash(bytes.fromhex(signed))) is not None


def test_the_older_one_does_not_come_back_before_the_newer_one_has_stopped(tmp_path: Path) -> None:
    hive, attic = world(tmp_path / "one")
    begin(hive)
    while is_missing(hive, LATER):
        hive.round()
    attic.refuses = {"run": "there is no room", "leave": "it does not stop"}
    for _ in range(4):
        hive.round()

    assert ended(hive) is None
    assert [placement_of(hive, each).phase for each in (NOTES, LATER)] == [Phase.TRASHED, Phase.TRASHED]
    attic.refuses = {}
    attic.obey()
    assert go_on(hive).failure == "there is no room"
    assert attic.local[LATER].phase == "released"


def is_missing(hive: CrashingHive, installation: InstallationId) -> bool:
    with hive.database.read() as tx:
        return installations.get(tx, installation) is None
