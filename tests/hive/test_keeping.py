"""What is kept of an app's snapshots is its owner's choice, and holds wherever the app is."""

from collections.abc import Callable

import pytest

from mosaic.core.errors import MosaicError
from mosaic.core.ids import AccountId, HeadHash
from mosaic.core.keep_rule import write_rule
from mosaic.core.retention import Retention
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import volume_id
from mosaic.hive import views
from mosaic.wire.api import Fork, GoBack, Installation, Move, Policy
from mosaic.wire.keeping import Keeping, SetKeeping
from support.fake_device import FakeDevice
from support.running_hive import Owner, RunningHive
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]
FEW = "last=2,hourly=0,daily=0,weekly=0,monthly=0"
DEFAULT = write_rule(Retention())
PATH = "/api/installations/notes/keeping"


@pytest.fixture
def attic(owner: Owner, joined: Join) -> FakeDevice:
    """A Device that the app has settled on."""
    device = joined("attic")
    owner.install(device="attic")
    eventually(lambda: owner.installation().phase == "settled")
    return device


def commit(device: FakeDevice, count: int) -> list[HeadHash]:
    (installation,) = device.local
    return [device.commit(installation) for _ in range(count)]


def collected(device: FakeDevice) -> list[str]:
    """Have the Hive let go, as a holder of any version does, and return what stays, the oldest first."""
    (local,) = device.local.values()
    assert local.epoch is not None
    found = device.blobs().heads(volume_id(local.volumes["data"].seed)).retain(local.epoch, [])
    return [head_hash(bytes.fromhex(signed)) for signed in reversed(found.kept)]


def put(owner: Owner, rule: str, *, agreed: bool = False, dry_run: bool = False) -> Keeping:
    with owner.client() as client:
        return client.send("PUT", PATH, SetKeeping(rule, agreed, dry_run), Keeping)


def in_force(owner: Owner) -> str:
    with owner.client() as client:
        shown = client.get("/api/installations/notes/policy", Policy).keep
        assert client.get(PATH, Keeping).rule == shown
    return shown


def test_an_app_has_the_default_until_its_owner_says_otherwise(owner: Owner, attic: FakeDevice) -> None:
    assert in_force(owner) == DEFAULT
    made = commit(attic, 5)
    assert set(collected(attic)) >= set(made)


def test_a_rule_that_keeps_less_needs_a_yes_and_holds_with_the_next_collection(owner: Owner, attic: FakeDevice) -> None:
    made = commit(attic, 6)
    before = collected(attic)
    forecast = put(owner, FEW, dry_run=True)
    # The base that the holder began with stays, and is the oldest.
    assert (forecast.keeps_less, forecast.stay + forecast.lets_go) == (True, len(before))
    assert forecast.lets_go >= 4
    with pytest.raises(MosaicError) as refused:
        put(owner, FEW)
    assert refused.value.code == "keeps-less"
    assert f"lets {forecast.lets_go} snapshots more go" in refused.value.message
    assert (in_force(owner), collected(attic)) == (DEFAULT, before)
    assert put(owner, FEW, agreed=True) == forecast
    assert in_force(owner) == FEW
    after = collected(attic)
    assert after[-2:] == made[-2:]
    assert len(before) - len(after) == forecast.lets_go
    told = [event.text for event in owner.happened() if event.kind == "keeping-changed"]
    assert told == [f"Of notes, {FEW} is kept from now on."]


def test_a_rule_that_keeps_more_needs_no_yes_and_brings_nothing_back(owner: Owner, attic: FakeDevice) -> None:
    commit(attic, 6)
    put(owner, FEW, agreed=True)
    left = collected(attic)
    assert put(owner, "last=50").keeps_less is False
    assert collected(attic) == left
    more = commit(attic, 5)
    assert collected(attic) == [*left, *more]
    assert put(owner, "default", agreed=True).is_default
    assert in_force(owner) == DEFAULT


def test_nonsense_is_refused_and_changes_nothing(owner: Owner, attic: FakeDevice) -> None:
    put(owner, "daily=30")
    for typed in ("last=0", "often", "daily=-3"):
        with pytest.raises(MosaicError) as refused:
            put(owner, typed, agreed=True)
        assert refused.value.code == "keep-unusable"
        assert "nothing was changed" in refused.value.message
    assert in_force(owner) == DEFAULT.replace("daily=7", "daily=30")


def test_what_is_pinned_or_read_stays_under_any_rule(owner: Owner, attic: FakeDevice) -> None:
    made = commit(attic, 6)
    (local,) = attic.local.values()
    heads = attic.blobs().heads(volume_id(local.volumes["data"].seed))
    path = f"/api/volumes/{volume_id(local.volumes['data'].seed)}/heads/{made[0]}/pin"
    assert attic.blobs().ask("PUT", path, content=b'{"name":"kept"}').status_code == 200
    heads.lease(made[1], "ab" * 16)
    put(owner, FEW, agreed=True)
    after = collected(attic)
    assert {*made[:2], *made[-2:]} <= set(after)
    assert not {*made[2:4]} & set(after)


def test_a_rule_outlives_a_restart_of_the_hive_and_moves_with_the_app(
    owner: Owner, hive: RunningHive, attic: FakeDevice, joined: Join
) -> None:
    put(owner, FEW, agreed=True)
    attic.disconnect()
    hive.stop()
    hive.start()
    attic.connect(owner.hive.url)
    assert in_force(owner) == FEW
    cellar = joined("cellar")
    with owner.client() as client:
        client.send("POST", "/api/installations/notes/move", Move("cellar"), Installation)
    eventually(lambda: (owner.installation().device, owner.installation().phase) == (cellar.id, "settled"))
    made = commit(cellar, 6)
    after = collected(cellar)
    assert set(made[-2:]) <= set(after)
    assert not set(made[1:4]) & set(after)


def test_what_a_wish_or_a_fork_waits_for_is_kept_until_it_is_over(owner: Owner, attic: FakeDevice) -> None:
    made = commit(attic, 6)
    attic.obedient = False
    with owner.client() as client:
        client.send("POST", "/api/installations/notes/fork", Fork("copy", made[1]), Installation)
        client.send("POST", "/api/installations/notes/restore", GoBack(made[2]), Installation)
    put(owner, "last=1,hourly=0,daily=0,weekly=0,monthly=0", agreed=True)
    kept = collected(attic)
    assert {made[1], made[2], made[5]} <= set(kept)
    assert made[3] not in kept, "the rule is in force"
    with owner.client() as client:
        client.send("POST", "/api/installations/notes/cancel-restore", None, Installation)
    kept = collected(attic)
    assert made[1] in kept
    assert made[2] not in kept, "the wish was taken back"


def test_what_was_let_go_can_be_neither_gone_back_to_nor_forked(owner: Owner, attic: FakeDevice) -> None:
    made = commit(attic, 4)
    put(owner, FEW, agreed=True)
    assert made[0] not in collected(attic)
    wishes = [("restore", GoBack(made[0])), ("fork", Fork("copy", made[0]))]
    for verb, wish in wishes:
        with pytest.raises(MosaicError) as refused, owner.client() as client:
            client.send("POST", f"/api/installations/notes/{verb}", wish, Installation)
        assert refused.value.code == "snapshot-missing"
    assert owner.hive.ask(lambda hive: views.snapshot(hive, AccountId(owner.logged_in.account), "notes", made[0])) == (
        None,
        None,
    )
