"""An app from install to trash and back, on Devices that speak the real channel."""

from collections.abc import Callable

import httpx2
import pytest

from mosaic.core.errors import MosaicError
from mosaic.wire.api import MoveForecast
from mosaic.wire.storage import ConflictSnapshot
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.running_hive import PASSWORD, Owner, made_keys
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


def settled(owner: Owner, on: FakeDevice, name: str = "notes") -> None:
    def there() -> bool:
        found = owner.installation(name)
        return (found.phase, found.device) == ("settled", on.id)

    eventually(there)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(MosaicError) as refused:
        call()
    assert refused.value.hint
    return refused.value.code


def test_an_installed_app_settles_on_its_device(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install(config={"GREETING": "hello"})
    settled(owner, attic)
    found = owner.installation()
    assert (found.health.word, found.wanted, found.open) == ("Running well", "run", False)
    assert found.data_health is not None
    assert found.data_health.word == "Replicated"
    assert attic.local[made.installation].phase == "running"
    assigned = attic.assigned("notes")
    assert assigned is not None
    assert (assigned.config, assigned.link) == ({"GREETING": "hello"}, None)


def test_a_planned_move_takes_the_app_and_its_data_along(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    attic.commit(made.installation)
    owner.move("cellar")
    settled(owner, cellar)
    volume = cellar.local[made.installation].volumes["data"]
    # At least the first of each grant, the one written meanwhile, and the last one of the way out.
    assert volume.seq >= 4
    assert cellar.local[made.installation].phase == "running"
    eventually(lambda: made.installation not in attic.local)
    assigned = cellar.assigned("notes")
    assert assigned is not None
    assert (assigned.images, assigned.ports[0].host_port) == ({"web": "sha256:" + "11" * 32}, 18080)


def test_a_target_that_cannot_take_it_leaves_the_app_where_it_runs(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    owner.install(device="attic")
    settled(owner, attic)
    cellar.refuses["prepare"] = "cellar has no space"
    epoch = owner.installation().epoch
    owner.move("cellar")
    eventually(lambda: owner.installation().phase == "settled")
    found = owner.installation()
    assert (found.device, found.epoch, found.health.colour) == (attic.id, epoch, "green")
    assert found.problem == "cellar cannot take notes: cellar has no space."
    assert any("cellar has no space" in event.text for event in owner.happened())


def test_a_target_that_cannot_start_it_sends_it_back_with_its_data(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    cellar.refuses["run"] = "the database did not start"
    owner.move("cellar")
    eventually(lambda: any("did not start" in event.text for event in owner.happened()))
    settled(owner, attic)
    assert attic.local[made.installation].phase == "running"


def test_a_target_that_cannot_restore_it_sends_it_back_and_the_owner_reads_why(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    head = attic.commit(made.installation)
    cellar.cannot_restore = "1 files could not be restored whole: page"
    owner.move("cellar")
    eventually(lambda: (owner.installation().problem or "").startswith("The move of notes to cellar failed"))
    settled(owner, attic)
    found = owner.installation()
    assert found.problem == (
        "The move of notes to cellar failed: 1 files could not be restored whole: page; "
        "attic has all its data and takes it back."
    )
    assert (found.health.colour, attic.local[made.installation].phase) == ("green", "running")
    volume = attic.local[made.installation].volumes["data"]
    assert volume.acknowledged == volume.seq, "every snapshot is attic's own: nothing was restored, and nothing is lost"
    assert volume.head != head
    (said,) = [event.text for event in owner.happened() if event.kind == "move-failed"]
    assert said == found.problem


def test_a_move_can_be_stopped_before_it_arrives(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    owner.install(device="attic")
    settled(owner, attic)
    cellar.obedient = False
    owner.move("cellar")
    eventually(lambda: owner.installation().phase == "preparing")
    owner.do("cancel-move")
    settled(owner, attic)


def test_stop_start_and_restart_reach_the_device(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    assert owner.do("stop").wanted == "stop"
    eventually(lambda: attic.local[made.installation].phase == "stopped")
    eventually(lambda: owner.installation().health.word == "Stopped")
    owner.do("start")
    eventually(lambda: attic.local[made.installation].phase == "running")
    owner.do("restart")
    eventually(lambda: (item := attic.assigned("notes")) is not None and item.restart_count == 1)


def test_a_stopped_app_is_not_restarted_but_says_how_it_is_started(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    owner.do("stop")
    eventually(lambda: attic.local[made.installation].phase == "stopped")

    with pytest.raises(MosaicError) as refused:
        owner.do("restart")

    assert (refused.value.code, refused.value.hint) == ("installation-stopped", "`mosaic start notes` starts it")
    assert (item := attic.assigned("notes")) is not None and item.restart_count == 0


def test_an_uninstalled_app_comes_back_from_the_trash_with_its_data(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    entry = owner.uninstall()
    eventually(lambda: owner.trash()[0].saved)
    assert owner.trash()[0].device == attic.id
    assert [each.name for each in owner.trash()] == ["notes"]
    assert entry.until_ns - entry.uninstalled_ns == 30 * 24 * 3600 * 10**9
    owner.restore("notes", device="cellar")
    settled(owner, cellar)
    assert owner.trash() == []
    assert cellar.local[made.installation].volumes["data"].seq >= 3


def test_an_uninstalled_app_whose_device_died_comes_back_elsewhere_for_who_accepts_the_loss(
    owner: Owner, joined: Join, clock: ManualClock
) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    head = attic.commit(made.installation)
    attic.disconnect()
    owner.uninstall()
    clock.advance(100)
    (entry,) = owner.trash()
    assert (entry.saved, round(entry.lose_seconds or 0)) == (False, 100)
    assert refusal(lambda: owner.restore("notes", device="cellar")) == "not-handed-over"
    assert refusal(lambda: owner.restore("notes", device="cellar", force=True)) == "loss-not-accepted"
    with pytest.raises(MosaicError, match="has not handed over") as held, owner.client() as client:
        client.order("DELETE", "/api/devices/attic")
    assert held.value.hint and "mosaic trash restore notes --device DEVICE --force" in held.value.hint
    with httpx2.Client(base_url=owner.hive.url, follow_redirects=True, trust_env=False) as browser:
        browser.post("/login", data={"name": "ada", "password": PASSWORD})
        assert 'aria-label="By force, lose up to' in browser.get("/trash").text
    owner.restore("notes", device="cellar", force=True, lose_seconds=entry.lose_seconds)
    settled(owner, cellar)
    item = cellar.assigned("notes")
    assert item is not None and item.volumes[0].base == head
    with owner.client() as client:
        client.order("DELETE", "/api/devices/attic")
    assert [each.name for each in owner.devices()] == ["cellar"]


def test_what_only_one_device_has_set_aside_is_shown_and_the_device_goes_only_by_force(
    owner: Owner, joined: Join
) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    attic.commit(made.installation)
    attic.obedient = False
    owner.move("cellar", force=True, lose_seconds=1e9)
    settled(owner, cellar)
    kept = ConflictSnapshot("1.1-5", "1.1", 5, "/pool/conflicts/1.1-5")
    attic.conflicts = [kept]
    attic.report()
    eventually(lambda: [(each.device, each.conflict) for each in owner.installation().set_aside] == [(attic.id, kept)])
    with httpx2.Client(base_url=owner.hive.url, follow_redirects=True, trust_env=False) as browser:
        browser.post("/login", data={"name": "ada", "password": PASSWORD})
        assert "Set aside: 1.1-5" in (page := browser.get("/apps/notes").text) and "on attic until" in page
        assert "one set-aside snapshot" in browser.get("/").text
        assert "Only attic has 1.1-5 of notes" in browser.get("/devices/attic/remove").text
    attic.disconnect()
    with owner.client() as client:
        with pytest.raises(MosaicError, match=r"1\.1-5 of notes") as refused:
            client.order("DELETE", "/api/devices/attic")
        assert refused.value.code == "only-copy"
        assert refused.value.hint and "mosaic volume restore notes --conflict 1.1-5" in refused.value.hint
        client.order("DELETE", "/api/devices/attic?force=true")
    assert [each.name for each in owner.devices()] == ["cellar"]


def test_what_has_left_the_trash_holds_no_device(owner: Owner, joined: Join, clock: ManualClock) -> None:
    attic = joined("attic")
    owner.install()
    settled(owner, attic)
    attic.disconnect()
    owner.uninstall()
    clock.advance(30 * 24 * 3600 + 1)
    with owner.client() as client:
        client.order("DELETE", "/api/devices/attic")
    assert owner.devices() == []


def test_the_trash_is_emptied_after_thirty_days_and_not_before(owner: Owner, joined: Join, clock: ManualClock) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    owner.uninstall()
    eventually(lambda: owner.trash()[0].saved)
    clock.advance(30 * 24 * 3600 - 5)
    assert len(owner.trash()) == 1
    clock.advance(6)
    attic.report()
    eventually(lambda: made.installation not in attic.local)
    assert owner.trash() == []
    assert refusal(lambda: owner.restore("notes")) == "installation-unknown"


def test_a_forced_move_needs_the_loss_to_be_accepted(owner: Owner, joined: Join, clock: ManualClock) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    owner.install(device="attic")
    settled(owner, attic)
    attic.disconnect()
    clock.advance(120)
    eventually(lambda: not next(each for each in owner.devices() if each.name == "attic").connected)
    cellar.report()
    assert refusal(lambda: owner.move("cellar")) == "holder-silent"
    with owner.client() as client:
        path = "/api/installations/notes/move-forecast"
        forecast = client.get(path, MoveForecast, query={"to": "cellar"})
    assert (forecast.holder_connected, forecast.lose_seconds, forecast.problems) == (False, 120.0, [])
    assert refusal(lambda: owner.move("cellar", force=True)) == "loss-not-accepted"
    owner.move("cellar", force=True, lose_seconds=forecast.lose_seconds)
    settled(owner, cellar)


def test_a_forced_move_never_starts_an_app_on_nothing(owner: Owner, joined: Join) -> None:
    attic, _ = joined("attic"), joined("cellar")
    attic.obedient = False
    made = owner.install(device="attic")
    eventually(lambda: (item := attic.assigned("notes")) is not None and item.epoch is not None)
    from mosaic.crypto.volume_keys import volume_id
    from mosaic.wire.enrol import NewVolume

    with attic.client() as client:
        client.register_volume(
            made.installation, "data", NewVolume(volume_id(b"s" * 32), "ab" * 60, made_keys().new.keys.root_id)
        )
    assert refusal(lambda: owner.move("cellar", force=True)) == "nothing-replicated"


def test_bad_input_is_one_sentence_with_a_hint_and_changes_nothing(owner: Owner, joined: Join) -> None:
    assert refusal(owner.install) == "device-unclear"
    attic = joined("attic")
    unfit = FakeDevice("unfit")
    unfit.join(owner.join_token(), auth_key=None)
    assert refusal(lambda: owner.install(device="attic", app="nothing")) == "app-unknown"
    assert refusal(lambda: owner.install(device="nowhere")) == "device-unknown"
    assert refusal(lambda: owner.install(device="unfit")) == "device-not-ready"
    assert refusal(lambda: owner.install(device="attic", name="No Name")) == "name-unusable"
    assert refusal(lambda: owner.install(device="attic", config={"not a key": ""})) == "config-unusable"
    assert refusal(lambda: owner.do("stop")) == "installation-unknown"
    owner.install(device="attic", dry_run=True)
    assert refusal(owner.installation) == "installation-unknown"
    owner.install(device="attic")
    settled(owner, attic)
    assert refusal(lambda: owner.install(device="attic")) == "installation-name-taken"
    assert refusal(lambda: owner.move("attic")) == "already-there"
    assert refusal(lambda: owner.move("unfit")) == "device-not-ready"
    assert refusal(lambda: owner.do("cancel-move")) == "moving"
    assert owner.installation().phase == "settled"


def test_what_is_installed_stays_as_it_was_when_its_catalog_changes(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    with attic.client() as client:
        before = client.bundle(made.app_digest)
        folder = owner.hive.config.catalogs[0] / "notes"
        (folder / "docker-compose.yml").write_text("services: {web: {image: other:2}}\n")
        assert owner.catalog()[0].digest != made.app_digest
        assert client.bundle(made.app_digest) == before
        assert refusal(lambda: client.bundle("sha256:" + "00" * 32)) == "bundle-missing"
    assert owner.installation().app_digest == made.app_digest
