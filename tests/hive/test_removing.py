"""Removing a Device: the plan, its apps leave, its key is worth nothing."""

from collections.abc import Callable, Iterator

import httpx2
import msgspec
import pytest

from mosaic.core.errors import MosaicError
from mosaic.core.ids import HeadHash
from mosaic.wire.blobs import Retain
from mosaic.wire.enrol import NewVolume
from mosaic.wire.recollection import Recollection
from mosaic.wire.removal import Removal, RemovalPlan
from mosaic.wire.storage import ConflictSnapshot
from support.fake_device import FakeDevice, TurnedAway
from support.manual_clock import ManualClock
from support.running_hive import Owner
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


class Mute(FakeDevice):
    """Its snapshots never come anywhere."""

    def commit(
        self, installation: str, kind: str = "data", *, epoch: str | None = None, wish: str | None = None
    ) -> HeadHash:
        raise AssertionError("its line is dead")


def plan(owner: Owner, device: str = "attic", **asked: str) -> RemovalPlan:
    with owner.client() as client:
        return client.get(f"/api/devices/{device}/removal", RemovalPlan, query=asked)


def remove(owner: Owner, device: str = "attic", wish: Removal | None = None) -> RemovalPlan:
    with owner.client() as client:
        return client.send("POST", f"/api/devices/{device}/removal", wish or Removal(), RemovalPlan)


def refusal(call: Callable[[], object]) -> MosaicError:
    with pytest.raises(MosaicError) as refused:
        call()
    assert refused.value.hint
    return refused.value


def settled(owner: Owner, on: FakeDevice, name: str = "notes") -> None:
    eventually(lambda: (owner.installation(name).phase, owner.installation(name).device) == ("settled", on.id))


def names(owner: Owner) -> list[str]:
    return [each.name for each in owner.devices()]


def fates(shown: RemovalPlan) -> list[tuple[str, str, str]]:
    return [(app.name, app.does, app.to_name) for app in shown.apps]


def test_the_plan_says_where_every_app_goes_and_changes_nothing(owner: Owner, joined: Join) -> None:
    attic, _, _ = joined("attic"), joined("cellar"), joined("barn")
    owner.install(device="attic")
    owner.install(name="diary", device="attic")
    settled(owner, attic)
    settled(owner, attic, "diary")
    assert fates(plan(owner)) == [("diary", "move", "barn"), ("notes", "move", "cellar")]
    assert fates(plan(owner, to="cellar")) == [("diary", "move", "cellar"), ("notes", "move", "cellar")]
    assert fates(plan(owner, stop="true")) == [("diary", "stop", ""), ("notes", "stop", "")]
    assert (plan(owner).reachable, plan(owner).asked_ns) == (True, None)
    assert owner.installation().device == attic.id


def test_its_apps_move_with_their_data_and_then_it_is_gone(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    last = attic.commit(made.installation)
    remove(owner)
    eventually(lambda: names(owner) == ["cellar"])
    settled(owner, cellar)
    volume = cellar.local[made.installation].volumes["data"]
    assert volume.seq > 2
    assert owner.installation().health.word == "Running well"
    assert last != volume.head
    eventually(lambda: attic.goodbye is not None and attic.goodbye.code == "device-removed")


def test_while_it_leaves_nothing_comes_to_it(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    owner.install(device="attic")
    settled(owner, attic)
    attic.obedient = False
    assert remove(owner).asked_ns is not None
    assert refusal(lambda: owner.install(name="diary", device="attic")).code == "device-not-ready"
    assert {each.name: each.leaving for each in owner.devices()} == {"attic": True, "cellar": False}
    attic.obedient = True
    attic.obey()
    attic.report()
    settled(owner, cellar)
    eventually(lambda: names(owner) == ["cellar"])


def test_an_app_that_was_coming_to_it_stays_where_it_is_and_that_is_what_is_told(owner: Owner, joined: Join) -> None:
    cellar, attic = joined("cellar"), joined("attic")
    owner.install(device="cellar")
    settled(owner, cellar)
    attic.obedient = False
    owner.move("attic")
    eventually(lambda: owner.installation().phase == "preparing")
    remove(owner)
    settled(owner, cellar)
    told = [event.text for event in owner.happened() if "removed" in event.text and "notes" in event.text]
    assert told == ["The move of notes was stopped, because that device is being removed."]


def test_without_another_device_its_apps_are_stopped_and_start_where_they_are_moved_to(
    owner: Owner, joined: Join
) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    last = attic.commit(made.installation)
    assert fates(plan(owner)) == [("notes", "stop", "")]
    remove(owner)
    eventually(lambda: names(owner) == [])
    assert owner.installation().health.remedy == "Say where it goes: `mosaic move notes --to DEVICE`."
    cellar = joined("cellar")
    owner.move("cellar")
    settled(owner, cellar)
    volume = cellar.local[made.installation].volumes["data"]
    assert (owner.installation().health.word, volume.seq > 2, last != volume.head) == ("Running well", True, True)


def test_a_removal_that_is_taken_back_starts_what_it_stopped(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    owner.install()
    settled(owner, attic)
    attic.obedient = False
    remove(owner, wish=Removal(stop=True))
    with owner.client() as client:
        client.order("DELETE", "/api/devices/attic/removal")
    assert not owner.devices()[0].leaving
    attic.obedient = True
    attic.obey()
    attic.report()
    settled(owner, attic)
    assert names(owner) == ["attic"]
    with owner.client() as client:
        refused = refusal(lambda: client.order("DELETE", "/api/devices/attic/removal"))
    assert refused.code == "device-not-leaving"


def test_an_app_that_cannot_leave_stays_and_says_why_until_another_way_is_named(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    owner.install(device="attic")
    settled(owner, attic)
    cellar.refuses["prepare"] = "there is no room"
    remove(owner)
    eventually(lambda: any("there is no room" in app.problem for app in plan(owner).apps))
    settled(owner, attic)
    assert names(owner) == ["attic", "cellar"]
    remove(owner, wish=Removal(stop=True))
    eventually(lambda: names(owner) == ["cellar"])


def test_a_device_that_is_away_hands_nothing_over_and_goes_only_by_force_for_the_loss_that_was_shown(
    owner: Owner, joined: Join, clock: ManualClock
) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    attic.disconnect()
    eventually(lambda: not plan(owner).reachable)
    clock.advance(120)
    cellar.report()
    assert refusal(lambda: remove(owner)).code == "device-silent"
    forced = plan(owner, force="true")
    assert [(app.does, app.lose_seconds) for app in forced.apps] == [("move", 120.0)]
    assert refusal(lambda: remove(owner, wish=Removal(force=True))).code == "loss-not-accepted"
    assert names(owner) == ["attic", "cellar"]
    shown = remove(owner, wish=Removal(force=True, lose_seconds={made.installation: 120.0}))
    assert (shown.removed, names(owner)) == (True, ["cellar"])
    settled(owner, cellar)
    with pytest.raises(TurnedAway, match="device-removed"):
        attic.restart()


def test_by_force_without_another_device_the_app_waits_stopped_for_one(
    owner: Owner, joined: Join, clock: ManualClock
) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner, attic)
    attic.disconnect()
    eventually(lambda: not plan(owner).reachable)
    clock.advance(5)
    remove(owner, wish=Removal(force=True, lose_seconds={made.installation: 5.0}))
    cellar = joined("cellar")
    owner.move("cellar")
    settled(owner, cellar)


def test_what_was_never_replicated_is_named_as_lost_and_ends_in_the_trash(owner: Owner) -> None:
    attic, cellar = Mute("attic"), FakeDevice("cellar")
    for device in (attic, cellar):
        device.join(owner.join_token())
        device.connect()
    owner.install(device="attic")
    eventually(lambda: bool(owner.volumes()))
    attic.disconnect()
    assert [(app.does, app.lose_seconds) for app in plan(owner, force="true").apps] == [("lost", None)]
    assert remove(owner, wish=Removal(force=True)).removed
    assert ([each.name for each in owner.trash()], names(owner)) == (["notes"], ["cellar"])
    cellar.disconnect()


def test_what_only_it_has_set_aside_keeps_it_until_that_is_given_up(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    attic.conflicts = [ConflictSnapshot("1.1-5", "1.1", 5, "/pool/conflicts/1.1-5")]
    attic.report()
    eventually(lambda: plan(owner).set_aside == {"notes": ["1.1-5"]})
    assert refusal(lambda: remove(owner)).code == "only-copy"
    remove(owner, wish=Removal(force=True, lose_seconds={made.installation: 1e9}))
    settled(owner, cellar)


def test_two_things_at_once_are_refused(owner: Owner, joined: Join) -> None:
    joined("attic")
    assert refusal(lambda: remove(owner, wish=Removal(to="attic"))).code == "removal-unclear"
    assert refusal(lambda: remove(owner, wish=Removal(to="attic", stop=True))).code == "removal-unclear"
    assert names(owner) == ["attic"]


def test_from_that_instant_its_token_opens_nothing(owner: Owner, joined: Join) -> None:
    attic, _ = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner, attic)
    volume, token = owner.volumes()[0].volume, attic.welcomes[-1].token
    remove(owner)
    eventually(lambda: names(owner) == ["cellar"])
    of_volume, name = f"/api/volumes/{volume}", "ab" * 16
    asked: list[tuple[str, str, msgspec.Struct | None]] = [
        ("GET", "/api/device", None),
        ("PUT", f"/api/device/installations/{made.installation}/volumes/data", NewVolume("aa" * 32, "bb", "")),
        ("GET", f"/api/device/bundles/{made.app_digest}", None),
        ("GET", f"/api/device/packages/{made.app_digest}/blobs/{made.app_digest}", None),
        ("GET", "/api/device/catalogs/community", None),
        ("POST", "/api/device/recollection", Recollection([])),
        ("PUT", f"{of_volume}/objects/{name}", None),
        ("GET", f"{of_volume}/objects/{name}", None),
        ("GET", f"{of_volume}/objects", None),
        ("DELETE", f"{of_volume}/objects/p-{name}", None),
        ("POST", f"{of_volume}/heads", None),
        ("GET", f"{of_volume}/heads", None),
        ("GET", f"{of_volume}/heads/newest", None),
        ("GET", f"{of_volume}/heads/{name}", None),
        ("POST", f"{of_volume}/retained", Retain("1.1", [])),
    ]
    with httpx2.Client(base_url=owner.hive.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http:
        answers = {
            (method, path): http.request(method, path, content=msgspec.json.encode(body) if body else b"")
            for method, path, body in asked
        }
    refused = {at: (one.status_code, one.json().get("code")) for at, one in answers.items()}
    assert refused == dict.fromkeys(refused, (401, "session-token-unknown"))


def test_an_upload_that_was_under_way_is_refused_at_its_end(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    owner.install()
    settled(owner, attic)
    volume = owner.volumes()[0].volume
    at = f"{owner.hive.url}/api/volumes/{volume}/objects/{'ab' * 16}"
    bearer = {"Authorization": f"Bearer {attic.welcomes[-1].token}"}

    def body() -> Iterator[bytes]:
        yield b"the first half, "
        attic.obedient = False
        remove(owner, wish=Removal(force=True, lose_seconds={owner.installation().installation: 1e9}))
        yield b"and the second one"

    refused = httpx2.put(at, headers=bearer, content=body(), trust_env=False)
    assert (refused.status_code, refused.json()["code"]) == (401, "session-token-unknown")


def test_its_key_and_every_copy_of_it_open_no_channel(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    remove(owner)
    for one in (attic, attic.clone()):
        with pytest.raises(TurnedAway, match="device-removed"):
            one.restart()


def test_who_cannot_prove_its_key_is_not_told_that_it_was_removed(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    remove(owner)
    thief = FakeDevice("attic")
    thief.claims = attic.id
    with pytest.raises(TurnedAway, match="proof-wrong"):
        thief.connect(owner.hive.url)


def test_the_tokens_that_were_made_for_it_let_nobody_in(owner: Owner) -> None:
    used, waiting, another = owner.join_token("attic"), owner.join_token("attic"), owner.join_token("cellar")
    attic = FakeDevice("attic")
    attic.join(used)
    attic.connect()
    remove(owner)
    eventually(lambda: attic.goodbye is not None)
    assert refusal(lambda: attic.join(used)).code == "join-token-used"
    assert refusal(lambda: attic.join(owner.join_token())).code == "device-key-used"
    assert refusal(lambda: FakeDevice("attic").join(waiting)).code == "join-token-unknown"
    assert FakeDevice("cellar").join(another).name == "cellar"
