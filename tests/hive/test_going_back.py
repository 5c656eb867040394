"""Going back to an earlier snapshot, as the Hive sees it: a wish that ends once, whatever is lost on the way."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from hive.crashing_hive import NOTES, CrashingHive, LocalDevice
from mosaic.adapters import bundle
from mosaic.adapters.sql import heads, restores
from mosaic.adapters.sql.restores import Restore
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AppDigest, HeadHash, VolumeId
from mosaic.core.placement import Phase
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire.api import Fork, GoBack, GoingBack, Installation
from mosaic.wire.assignment import Assignment
from mosaic.wire.head import parse
from mosaic.wire.storage import ConflictSnapshot
from support.fake_device import FakeDevice
from support.running_hive import PASSWORD, Owner, RunningHive, write_app
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


def settled(owner: Owner, on: FakeDevice) -> Installation:
    eventually(lambda: (owner.installation().phase, owner.installation().device) == ("settled", on.id))
    return owner.installation()


def go_back(owner: Owner, head: str | None, *, conflict: str | None = None, with_app: bool = False) -> Installation:
    wish = GoBack(head, conflict, with_app)
    with owner.client() as client:
        return client.send("POST", "/api/installations/notes/restore", wish, Installation)


def over(owner: Owner) -> GoingBack:
    def ended() -> bool:
        back = owner.installation().going_back
        return back is not None and back.ended_ns is not None

    eventually(ended, seen=lambda: owner.installation().going_back)
    back = owner.installation().going_back
    assert back is not None
    return back


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(MosaicError) as refused:
        call()
    assert refused.value.hint
    return refused.value.code


def test_the_wish_ends_with_the_head_that_names_the_chosen_state(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    first = attic.commit(made.installation)
    attic.commit(made.installation)

    assert go_back(owner, first).going_back is not None
    back = over(owner)

    assert (back.head, back.failure) == (first, None)
    went = attic.local[made.installation].went_back
    assert went is not None and back.saved == went.saved
    assert any("went back" in event.text for event in owner.happened())
    eventually(lambda: _assigned(attic).going_back is None)


def _assigned(device: FakeDevice) -> Assignment:
    found = device.assigned("notes")
    assert found is not None
    return found


def test_the_saved_present_is_a_snapshot_that_one_can_go_back_to(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    first = attic.commit(made.installation)
    attic.commit(made.installation)
    go_back(owner, first)
    saved = over(owner).saved
    assert saved is not None
    go_back(owner, saved)
    eventually(lambda: over(owner).head == saved)
    assert over(owner).failure is None


def test_a_device_that_cannot_do_it_ends_the_wish_and_says_why(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    first = attic.commit(made.installation)
    attic.cannot_go_back = "1 files could not be restored whole: page"
    go_back(owner, first)
    back = over(owner)
    assert (back.failure, back.saved) == ("1 files could not be restored whole: page", None)
    assert any("did not go back and is as it was" in event.text for event in owner.happened())


def test_a_conflict_snapshot_of_its_device_can_be_chosen(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    assert refusal(lambda: go_back(owner, None, conflict="1.1-5")) == "snapshot-missing"
    attic.conflicts = [ConflictSnapshot("1.1-5", "1.1", 5, "/pool/conflict")]
    attic.report()
    eventually(lambda: bool(owner.installation().volumes[0].conflicts))
    go_back(owner, None, conflict="1.1-5")
    back = over(owner)
    went = attic.local[made.installation].went_back
    assert went is not None and (back.failure, back.saved) == (None, went.saved)


def test_a_move_has_to_wait_and_so_has_another_wish(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    first = attic.commit(made.installation)
    second = attic.commit(made.installation)
    attic.obedient = False
    go_back(owner, first)
    assert refusal(lambda: owner.move("cellar")) == "goes-back"
    assert refusal(lambda: go_back(owner, second)) == "goes-back"
    assert go_back(owner, first).going_back is not None


def test_a_wish_is_refused_while_the_app_moves(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    first = attic.commit(made.installation)
    cellar.obedient = False
    owner.move("cellar")
    assert refusal(lambda: go_back(owner, first)) == "moving"


def test_a_wish_that_is_called_off_is_not_carried_out_later(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    first = attic.commit(made.installation)
    attic.obedient = False
    go_back(owner, first)
    eventually(lambda: _assigned(attic).going_back is not None)
    owner.do("cancel-restore")
    assert over(owner).failure == "it was called off"
    eventually(lambda: _assigned(attic).going_back is None)


def test_unusable_wishes_are_refused_and_change_nothing(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    first = attic.commit(made.installation)
    assert refusal(lambda: go_back(owner, "ab" * 32)) == "snapshot-missing"
    assert refusal(lambda: go_back(owner, None)) == "wish-unclear"
    assert refusal(lambda: go_back(owner, first, conflict="1.1-5")) == "wish-unclear"
    attic.disconnect()
    eventually(lambda: not owner.devices()[0].connected)
    assert refusal(lambda: go_back(owner, first)) == "device-away"
    assert owner.installation().going_back is None


def snapshot_of(owner: Owner, device: FakeDevice, installation: str, digest: str) -> HeadHash:
    """Have a snapshot of a version that the app never ran at: what is written on the way back is such a one."""
    present, device.obedient = device.commit(installation), False
    go_back(owner, present)
    device.writes_as(digest)
    made = device.commit(installation)
    with owner.client() as client:
        client.send("POST", "/api/installations/notes/cancel-restore", None, Installation)
    device.app_digest, device.obedient = None, True
    return made


def test_a_snapshot_of_another_version_needs_the_app_to_come_along(
    owner: Owner, joined: Join, hive: RunningHive
) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    assert hive.hive is not None
    older = hive.hive.bundles.keep(_older(hive))
    first = snapshot_of(owner, attic, made.installation, older)
    lost = snapshot_of(owner, attic, made.installation, "cd" * 32)

    assert refusal(lambda: go_back(owner, first)) == "app-differs"
    assert refusal(lambda: go_back(owner, lost, with_app=True)) == "app-differs"
    installed = owner.installation().app_digest
    go_back(owner, first, with_app=True)
    back = over(owner)

    assert (back.failure, back.app_digest) == (None, older)
    assert owner.installation().app_digest == older != installed
    assert attic.digests[-1] == older


def test_the_device_is_given_the_bundle_that_the_wish_brings_along_and_only_until_it_is_over(
    owner: Owner, joined: Join, hive: RunningHive
) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    assert hive.hive is not None
    older = hive.hive.bundles.keep(_older(hive))
    first = snapshot_of(owner, attic, made.installation, older)
    attic.obedient = False

    def given() -> bytes:
        with attic.client() as client:
            return client.bundle(older)

    assert refusal(given) == "bundle-missing"
    go_back(owner, first, with_app=True)
    eventually(lambda: _assigned(attic).app_digest == older)
    assert given() == hive.hive.bundles.get(older)
    with owner.client() as client:
        client.send("POST", "/api/installations/notes/cancel-restore", None, Installation)
    assert refusal(given) == "bundle-missing"


def test_a_failed_wish_leaves_the_version_that_is_installed(owner: Owner, joined: Join, hive: RunningHive) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    installed = owner.installation().app_digest
    assert hive.hive is not None
    older = hive.hive.bundles.keep(_older(hive))
    first = snapshot_of(owner, attic, made.installation, older)
    attic.cannot_go_back = "no room"
    go_back(owner, first, with_app=True)
    assert over(owner).failure == "no room"
    assert owner.installation().app_digest == installed
    eventually(lambda: _assigned(attic).app_digest == installed)


def _older(hive: RunningHive) -> bytes:
    folder = write_app(hive.config.state / "elsewhere", "older")
    (folder / "README").write_text("an older version")
    return bundle.pack(folder)


def fork(owner: Owner, head: str, name: str = "copy", *, device: str | None = None) -> Installation:
    with owner.client() as client:
        wish = Fork(name, head, device)
        return client.send("POST", "/api/installations/notes/fork", wish, Installation)


def test_a_fork_is_an_installation_of_its_own_that_begins_with_the_snapshot(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install(config={"GREETING": "hello"})
    settled(owner, attic)
    first = attic.commit(made.installation)
    attic.obedient = False

    copy = fork(owner, first)

    def told() -> Assignment | None:
        return attic.assigned("copy")

    eventually(lambda: (found := told()) is not None and found.origin is not None)
    assigned, source = told(), _assigned(attic)
    assert assigned is not None and assigned.origin is not None
    volume = volume_id(attic.local[made.installation].volumes["data"].seed)
    assert (assigned.origin.volume, assigned.origin.head) == (volume, first)
    assert (assigned.config, assigned.app_digest, assigned.ports) == ({"GREETING": "hello"}, source.app_digest, [])
    assert (assigned.volumes, copy.device) == ([], attic.id)
    attic.obedient = True
    attic.obey()
    attic.report()
    eventually(lambda: owner.installation("copy").phase == "settled")
    eventually(lambda: (found := told()) is not None and found.origin is None)
    assert owner.installation().phase == "settled"


def test_unusable_forks_are_refused_and_make_nothing(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    first = attic.commit(made.installation)
    assert refusal(lambda: fork(owner, "ab" * 32)) == "snapshot-missing"
    assert refusal(lambda: fork(owner, first, "notes")) == "installation-name-taken"
    assert refusal(lambda: fork(owner, first, "Not A Name")) == "name-unusable"
    assert refusal(lambda: fork(owner, first, device="nowhere")) == "device-unknown"
    attic.app_digest = bytes.fromhex("cd" * 32)
    gone = attic.commit(made.installation)
    assert refusal(lambda: fork(owner, gone)) == "app-differs"
    with owner.client() as client:
        assert [each.name for each in client.get("/api/installations", list[Installation])] == ["notes"]


def test_the_console_shows_the_plan_then_the_wish_and_how_it_ended(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    first = attic.commit(made.installation)
    with httpx2.Client(base_url=owner.hive.url, follow_redirects=True, trust_env=False) as browser:
        browser.post("/login", data={"name": "ada", "password": PASSWORD}, headers={"sec-fetch-site": "same-origin"})
        assert "Go back to number" in browser.get("/apps/notes/snapshots").text
        plan = browser.get(f"/apps/notes/go-back?to={first}").text
        assert "What is there now is replicated as a snapshot of its own" in plan
        assert browser.get("/apps/notes/go-back?to=" + "ab" * 32).status_code == 404
        csrf = plan.partition('name="csrf" value="')[2].partition('"')[0]
        wish = {"csrf": csrf, "head": first, "conflict": "", "with_app": ""}
        attic.obedient = False
        assert "goes back to" in browser.post("/apps/notes/go-back", data=wish).text
        assert "Call off" not in browser.post("/apps/notes/stay", data={"csrf": csrf}).text
        attic.obedient = True
        browser.post("/apps/notes/go-back", data=wish)
        eventually(lambda: over(owner).saved)
        assert f"snapshot <code>{(over(owner).saved or '')[:12]}</code>" in browser.get("/apps/notes").text
        attic.cannot_go_back = "no room"
        browser.post("/apps/notes/go-back", data=wish)
        eventually(lambda: over(owner).failure)
        assert "did not go back, and is as it was" in browser.get("/apps/notes").text


def world(folder: Path) -> tuple[CrashingHive, LocalDevice]:
    folder.mkdir()
    hive = CrashingHive(folder)
    attic = hive.join("attic")
    hive.install(attic.id)
    hive.until(lambda found: found.phase is Phase.SETTLED)
    return hive, attic


def story(hive: CrashingHive, attic: LocalDevice) -> Restore:
    """Go back to the very first snapshot."""
    volume = VolumeId(volume_id(attic.local[NOTES].volumes["data"].seed))
    with hive.database.read() as tx:
        first = HeadHash(heads.numbered(tx, volume, [1])[0].hash)
    wish = Restore(NOTES, "wish", volume, first, None, AppDigest("sha256:" + "ab" * 32), hive.now_ns)
    with hive.surviving():
        hive.write(lambda tx: restores.put(tx, wish))
    with hive.database.read() as tx:
        if restores.get(tx, NOTES) is None:
            return wish

    def is_over(_: object) -> bool:
        with hive.database.read() as tx:
            return restores.open_one(tx, NOTES) is None

    hive.until(is_over)
    with hive.database.read() as tx:
        found = restores.get(tx, NOTES)
    assert found is not None
    return found


@pytest.mark.long
@pytest.mark.parametrize("after_commit", [False, True], ids=["before-commit", "after-commit"])
def test_a_hive_killed_at_any_transaction_brings_it_back_once(tmp_path: Path, after_commit: bool) -> None:
    hive, attic = world(tmp_path / "whole")
    begun = hive.writes
    story(hive, attic)
    total = hive.writes - begun
    assert total > 4
    for number in range(1, total + 1):
        hive, attic = world(tmp_path / f"{number}")
        hive.kill_at, hive.after_commit = hive.writes + number, after_commit
        found = story(hive, attic)
        if found.ended_ns is None:
            # Killed before anybody had heard of it.
            assert number == 1 and not after_commit
            continue
        for _ in range(4):
            with hive.surviving():
                hive.round()
        with hive.database.read() as tx:
            chain = [parse(one.signed)[0] for one in heads.between(tx, found.volume, 0, None, limit=500)]
        back = [head for head in chain if head.previous == found.saved]
        assert found.failure is None
        assert len(back) == 1, f"killed at {number}"
        hive.database.close()
