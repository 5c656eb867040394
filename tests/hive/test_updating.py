"""Another version of an app, as the Hive sees it: a wish that ends once, and generations to go back to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from hive.crashing_hive import ADA, NOTES, CrashingHive, LocalDevice
from mosaic.adapters.sql import events, generations, heads, installations, updates
from mosaic.adapters.sql.updates import Update
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AccountId, AppDigest, HeadHash, VolumeId
from mosaic.core.placement import Phase
from mosaic.crypto import grants
from mosaic.crypto.volume_keys import volume_id
from mosaic.hive import following, offers
from mosaic.wire.api import Event, GoBack, GoingBack, Installation, Logs, Policy
from mosaic.wire.assignment import Assignment
from mosaic.wire.blobs import Pin
from mosaic.wire.command import UpdateReport
from mosaic.wire.updating import Stage, UpdateState
from mosaic.wire.versions import Follows, Generation, RollBack, UpdateApp, UpdatePlan, Updating
from support.fake_device import FakeDevice
from support.postgres import new_database, postgres_server
from support.running_hive import COMPOSE, PASSWORD, Owner, RunningHive, made_keys, running_hive, write_app
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]
NEWER = COMPOSE.replace("notes:1", "notes:2")
NEWEST = COMPOSE.replace("notes:1", "notes:3")


class World:
    """One app on one Device, and its catalog's folder."""

    def __init__(self, owner: Owner, attic: FakeDevice) -> None:
        self.owner = owner
        self.attic = attic
        self.made = owner.install(device=attic.name)
        self.first = self.made.app_digest
        attic.writes_as(self.first)
        settled(owner, attic)
        attic.commit(self.made.installation)

    def publish(self, compose: str = NEWER) -> None:
        write_app(self.owner.hive.config.state.parent / "catalog", compose=compose)

    def ask(self, verb: str, wish: msgspec.Struct | None = None) -> Installation:
        with self.owner.client() as client:
            return client.send("POST", f"/api/installations/notes/{verb}", wish, Installation)

    def update(self, digest: str | None = None, *, again: bool = False) -> Updating:
        asked = self.ask("update", UpdateApp(digest, again=again)).updating
        assert asked is not None
        return asked

    def plan(self) -> UpdatePlan:
        with self.owner.client() as client:
            return client.send("POST", "/api/installations/notes/update-plan", UpdateApp(), UpdatePlan)

    def generations(self) -> list[Generation]:
        with self.owner.client() as client:
            return client.get("/api/installations/notes/generations", list[Generation])

    def newest(self) -> Updating:
        found = self.owner.installation().updating
        assert found is not None
        return found

    def over(self) -> Updating:
        eventually(lambda: self.newest().ended_ns is not None, seen=self.newest)
        return self.newest()

    def updated(self, compose: str = NEWER) -> str:
        """Update to what the compose file says, and return its digest."""
        self.publish(compose)
        wish = self.update()
        assert self.over().outcome == "done"
        return wish.app_digest

    def stops_at(self, stage: Stage) -> Updating:
        """Begin an update that gets as far as that."""
        self.publish()
        self.attic.update_stage = stage
        wish = self.update()
        eventually(lambda: (state := self.newest().state) is not None and state.stage == stage)
        return wish

    def assigned(self) -> Assignment:
        found = self.attic.assigned("notes")
        assert found is not None
        return found

    def head(self) -> HeadHash:
        found = self.attic.local[self.made.installation].volumes["data"].head
        assert found is not None
        return found

    def pins(self) -> dict[str, str]:
        """Return what is pinned, by hash."""
        assert self.owner.hive.hive is not None
        volume = VolumeId(volume_id(self.attic.local[self.made.installation].volumes["data"].seed))
        with self.owner.hive.hive._database.read() as tx:
            return {one.hash: one.pin for one in heads.between(tx, volume, 0, None, limit=500) if one.pin}

    def kinds(self) -> list[str]:
        return [event.kind for event in self.happened()]

    def happened(self) -> list[Event]:
        assert self.owner.hive.hive is not None
        account = AccountId(self.owner.logged_in.account)
        with self.owner.hive.hive._database.read() as tx:
            return events.after(tx, account, 0, limit=1000)


def settled(owner: Owner, on: FakeDevice) -> None:
    eventually(lambda: (owner.installation().phase, owner.installation().device) == ("settled", on.id))


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(MosaicError) as refused:
        call()
    assert refused.value.hint
    return refused.value.code


@pytest.fixture
def world(owner: Owner, joined: Join) -> World:
    return World(owner, joined("attic"))


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A server's URL."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The same world on each database."""
    url = new_database(request.getfixturevalue("postgres")) if request.param == "postgres" else None
    with running_hive(tmp_path / "kept", database_url=url) as running:
        owner = running.set_up()
        device = FakeDevice("attic")
        device.join(owner.join_token())
        device.connect()
        try:
            yield World(owner, device)
        finally:
            device.disconnect()


def test_an_update_ends_when_its_device_is_done_and_makes_a_generation(anywhere: World) -> None:
    world = anywhere
    last = world.head()
    world.attic.writes_after_updates = False
    world.publish()

    wish = world.update()
    done = world.over()

    assert (done.id, done.outcome, done.failure) == (wish.id, "done", None)
    assert world.owner.installation().app_digest == wish.app_digest != world.first
    present, former = world.generations()
    assert (present.n, present.app_digest, present.last_head) == (2, wish.app_digest, None)
    assert (former.n, former.app_digest, former.last_head) == (1, world.first, last)
    assert former.last_instant_ns is not None
    eventually(lambda: world.assigned().app_digest == wish.app_digest and world.assigned().update is None)
    assert world.kinds().count("updated") == 1


def test_the_first_head_of_the_new_version_ends_the_wish_as_well(world: World) -> None:
    last = world.head()
    world.attic.tells_updates = False
    digest = world.updated()
    assert world.owner.installation().app_digest == digest
    assert [each.last_head for each in world.generations()] == [None, last]
    world.attic.tells_updates = True
    world.attic.report()
    world.attic.commit(world.made.installation)
    assert [each.n for each in world.generations()] == [2, 1]
    assert world.kinds().count("updated") == 1


def test_the_device_is_told_the_wish_beside_what_it_runs(world: World) -> None:
    wish = world.stops_at("trying")
    told = world.assigned()
    assert told.app_digest == world.first and told.update is not None
    assert (told.update.id, told.update.app_digest, told.update.gate_seconds) == (wish.id, wish.app_digest, 30)
    with world.attic.client() as client:
        assert client.bundle(wish.app_digest)


def test_a_version_that_was_not_well_leaves_everything_as_it_was(anywhere: World) -> None:
    world = anywhere
    world.publish()
    world.attic.cannot_update = "web exited with 1"
    world.update()
    failed = world.over()
    assert (failed.outcome, failed.kept) == ("failed", "1.1-9")
    assert failed.failure is not None and failed.failure.message == "web exited with 1"
    assert world.owner.installation().app_digest == world.first
    assert [each.n for each in world.generations()] == [1]
    assert any("is as it was: web exited with 1" in event.text for event in world.happened())


def test_a_version_that_failed_twice_is_tried_again_only_when_asked_for(world: World) -> None:
    world.publish()
    world.attic.cannot_update = "web exited with 1"
    for _ in range(2):
        world.update()
        world.over()
    assert world.plan().failed == 2
    assert refusal(world.update) == "failed-before"
    world.attic.cannot_update = ""
    world.update(again=True)
    assert world.over().outcome == "done"


def test_the_same_wish_again_changes_nothing_and_another_one_has_to_wait(world: World) -> None:
    wish = world.stops_at("fetching")
    assert world.update().id == wish.id
    world.publish(NEWEST)
    assert refusal(world.update) == "being-updated"


def test_what_is_called_off_stays_as_it_is(world: World) -> None:
    world.stops_at("trying")
    world.ask("cancel-update")
    ended = world.over()
    assert ended.outcome == "called-off"
    eventually(lambda: world.assigned().update is None)
    assert world.plan().failed == 0
    assert world.ask("cancel-update").updating == world.newest()


def test_a_version_that_counts_cannot_be_called_off(world: World) -> None:
    world.updated()
    assert refusal(lambda: world.ask("cancel-update")) == "update-counts"


def test_a_device_that_was_done_before_it_heard_of_the_call_off_is_believed_by_its_head(world: World) -> None:
    wish = world.stops_at("trying")
    world.attic.obedient = False
    world.ask("cancel-update")
    world.attic.writes_as(wish.app_digest)
    world.attic.commit(world.made.installation)
    assert world.newest().outcome == "done"
    assert world.owner.installation().app_digest == wish.app_digest


def done_unheard(world: World) -> Updating:
    """Call an update off whose Device is done, and has not heard of that nor said a word."""
    wish = world.stops_at("trying")
    world.attic.obedient = False
    world.ask("cancel-update")
    assert world.newest().outcome == "called-off"
    return wish


def says_done(world: World, wish: Updating) -> None:
    world.attic.local[world.made.installation].update = UpdateState(wish.id, "done")
    world.attic.report()


def test_a_device_that_was_done_before_it_heard_of_the_call_off_is_believed_by_what_it_runs(world: World) -> None:
    """An app that writes nothing more has no head that would say it."""
    wish = done_unheard(world)
    world.attic.runs = wish.app_digest
    says_done(world, wish)
    eventually(lambda: world.newest().outcome == "done", seen=world.newest)
    assert world.owner.installation().app_digest == wish.app_digest
    assert [each.app_digest for each in world.generations()] == [wish.app_digest, world.first]


def test_a_device_that_was_done_and_runs_the_version_before_again_is_believed_too(world: World) -> None:
    wish = done_unheard(world)
    world.attic.runs = world.first
    says_done(world, wish)
    world.attic.obedient = True
    world.attic.update_stage = "done"
    assert world.updated(NEWEST) != wish.app_digest
    assert [each.app_digest for each in world.generations()][1:] == [world.first]


def test_a_head_says_that_a_wish_was_done_also_when_another_one_has_been_made_since(world: World) -> None:
    wish = done_unheard(world)
    world.publish(NEWEST)
    later = world.update()
    world.attic.writes_as(wish.app_digest)
    world.attic.commit(world.made.installation)
    assert world.owner.installation().app_digest == wish.app_digest
    assert (world.newest().id, world.newest().outcome) == (later.id, None)
    assert world.kinds().count("updated") == 1


def test_what_else_is_under_way_is_not_crossed(world: World, joined: Join) -> None:
    joined("cellar")
    first = world.head()
    world.attic.commit(world.made.installation)
    world.publish()
    world.attic.obedient = False
    with world.owner.client() as client:
        client.send("POST", "/api/installations/notes/restore", GoBack(first), Installation)
    assert refusal(world.update) == "goes-back"
    world.owner.do("cancel-restore")
    world.attic.obedient = True
    world.attic.update_stage = "trying"
    world.update()
    assert refusal(lambda: world.owner.move("cellar")) == "being-updated"
    assert refusal(lambda: world.ask("restore", GoBack(first))) == "being-updated"
    assert refusal(lambda: world.ask("rekey")) == "being-updated"


def test_a_move_under_way_has_to_end_first(world: World, joined: Join) -> None:
    cellar = joined("cellar")
    cellar.obedient = False
    world.publish()
    world.owner.move("cellar")
    assert refusal(world.update) == "moving"


def test_a_forced_move_in_a_trial_starts_the_old_version_on_the_data_before(world: World, joined: Join) -> None:
    cellar = joined("cellar")
    world.stops_at("trying")
    world.attic.disconnect()
    world.owner.move("cellar", force=True, lose_seconds=1e9)
    ended = world.over()
    assert ended.outcome == "failed" and ended.failure is not None
    assert ended.failure.message == "its device went away while it was updated"
    assert world.plan().failed == 0
    cellar.writes_as(world.first)
    settled(world.owner, cellar)
    assert world.owner.installation().app_digest == world.first
    assert cellar.digests[-1] == world.first


def test_a_forced_move_before_the_first_snapshot_of_the_new_version_goes_by_the_data(
    world: World, joined: Join
) -> None:
    cellar = joined("cellar")
    world.attic.writes_after_updates = False
    world.updated()
    world.attic.disconnect()
    world.owner.move("cellar", force=True, lose_seconds=1e9)
    assert world.owner.installation().app_digest == world.first
    assert [(each.n, each.app_digest == world.first) for each in world.generations()] == [
        (3, True),
        (2, False),
        (1, True),
    ]
    cellar.writes_as(world.first)
    settled(world.owner, cellar)
    assert cellar.digests[-1] == world.first


def test_uninstalling_ends_the_wish(world: World) -> None:
    world.stops_at("fetching")
    world.owner.uninstall()
    (trashed,) = world.owner.trash()
    world.owner.restore(trashed.installation)
    assert (world.newest().outcome, world.newest().ended_ns is not None) == ("failed", True)


def test_a_device_that_is_away_finds_the_wish_when_it_comes_back(world: World) -> None:
    world.attic.disconnect()
    eventually(lambda: not world.owner.devices()[0].connected)
    world.publish()
    world.update()
    world.attic.connect()
    assert world.over().outcome == "done"


@pytest.mark.parametrize("stage", ["fetched", "trying"])
def test_a_hive_that_starts_again_goes_on_with_the_wish(world: World, hive: RunningHive, stage: Stage) -> None:
    wish = world.stops_at(stage)
    world.attic.disconnect()
    hive.stop()
    hive.start()
    world.attic.update_stage = "done"
    world.attic.connect(hive.url)
    assert (world.over().id, world.over().outcome) == (wish.id, "done")


@pytest.mark.parametrize("fails", [False, True])
def test_a_hive_that_starts_again_has_forgotten_no_end(world: World, hive: RunningHive, fails: bool) -> None:
    world.publish()
    world.attic.cannot_update = "web exited with 1" if fails else ""
    world.update()
    before = world.over()
    world.attic.disconnect()
    hive.stop()
    hive.start()
    world.attic.connect(hive.url)
    settled(world.owner, world.attic)
    assert world.newest() == before
    assert len(world.generations()) == (1 if fails else 2)


def test_unusable_wishes_are_refused_and_change_nothing(world: World) -> None:
    assert refusal(world.update) == "no-newer-version"
    assert refusal(lambda: world.update(world.first)) == "already-runs"
    world.publish()
    assert refusal(lambda: world.update("sha256:" + "ab" * 32)) == "version-unknown"
    assert refusal(lambda: world.update("")) == "version-unknown"
    assert refusal(lambda: world.ask("update", UpdateApp(gate_seconds=241))) == "gate-unusable"
    world.publish(COMPOSE.replace("image: notes:1", "image: notes:1\n    environment: ['A=${WHAT}']"))
    assert refusal(world.update) == "variables-unknown"
    assert world.owner.installation().updating is None


def test_what_the_new_version_needs_is_named_and_granted_before(world: World) -> None:
    world.publish(NEWER + "    cap_add: [SYS_NICE]\n")
    assert world.plan().asks == ["capability:SYS_NICE"]
    with pytest.raises(MosaicError) as refused:
        world.update()
    assert "mosaic policy notes --grant capability:SYS_NICE" in refused.value.hint
    signed = grants.sign(
        made_keys().opened.owner_seed,
        account=world.owner.logged_in.account,
        name="notes",
        keys=["capability:SYS_NICE"],
    )
    with world.owner.client() as client:
        client.send("PUT", "/api/installations/notes/policy", signed, Policy)
    assert world.plan().asks == []
    world.update()
    assert world.over().outcome == "done"


def test_a_plan_says_what_differs_and_changes_nothing(world: World) -> None:
    world.publish(NEWER.replace("notes:2", "notes:2\n    environment: {TOKEN: secret}\n    ports: ['8080:80']"))
    plan = world.plan()
    (change,) = plan.services
    assert (change.service, change.image_before, change.image_after) == ("web", "notes:1", "notes:2")
    assert (change.environment_added, plan.ports_added) == (["TOKEN"], ["web 80/tcp"])
    assert (plan.app_digest_before, plan.fetch_bytes, plan.failed) == (world.first, None, 0)
    assert world.owner.installation().updating is None
    assert world.owner.installation().newest == f"version {plan.app_digest_after.removeprefix('sha256:')[:12]}"


def test_what_a_failed_update_left_is_asked_of_its_device_and_not_kept(world: World) -> None:
    with world.owner.client() as client:
        told = client.get("/api/installations/notes/update-report", Logs)
        assert told.text == "attic says hello"
        assert world.attic.commands[-1].body == UpdateReport(world.made.installation)
        world.attic.disconnect()
        eventually(lambda: not world.owner.devices()[0].connected)
        assert refusal(lambda: client.get("/api/installations/notes/update-report", Logs)) == "device-offline"


def went_back(world: World) -> GoingBack:
    eventually(lambda: (back := world.owner.installation().going_back) is not None and back.ended_ns is not None)
    back = world.owner.installation().going_back
    assert back is not None
    return back


def test_rolling_back_brings_the_version_and_its_last_data(world: World) -> None:
    last = world.head()
    newer = world.updated()
    world.attic.commit(world.made.installation)
    images = {"web": "sha256:" + "11" * 32}

    world.attic.writes_as(world.first)
    world.ask("rollback", RollBack())
    back = went_back(world)

    assert (back.head, back.failure, back.app_digest) == (last, None, world.first)
    assert world.owner.installation().app_digest == world.first
    assert [(each.n, each.app_digest) for each in world.generations()] == [
        (3, world.first), (2, newer), (1, world.first),
    ]  # fmt: skip
    assert world.generations()[1].last_head == back.saved
    eventually(lambda: world.assigned().app_digest == world.first)
    assert world.assigned().images == images


def test_rolling_back_with_the_data_kept_is_an_update_that_may_fail(world: World) -> None:
    newer = world.updated()
    world.attic.cannot_update = "web exited with 1"
    wish = world.ask("rollback", RollBack(keep_data=True)).updating
    assert wish is not None and wish.app_digest == world.first
    assert world.over().outcome == "failed"
    assert world.owner.installation().app_digest == newer


def test_only_what_it_ran_can_be_gone_back_to(world: World) -> None:
    assert refusal(lambda: world.ask("rollback", RollBack())) == "generation-unknown"
    world.updated()
    assert refusal(lambda: world.ask("rollback", RollBack(2))) == "generation-unknown"
    assert refusal(lambda: world.ask("rollback", RollBack(7))) == "generation-unknown"


def test_the_last_snapshots_of_the_last_three_generations_stay(world: World) -> None:
    lasts = []
    for number in range(2, 7):
        lasts.append(world.head())
        world.updated(COMPOSE.replace("notes:1", f"notes:{number}"))
    assert set(world.pins()) == set(lasts[-3:])
    assert all(pin.startswith("before version ") for pin in world.pins().values())


def test_a_pin_of_its_owner_stays_his(world: World) -> None:
    last = world.head()
    volume = volume_id(world.attic.local[world.made.installation].volumes["data"].seed)
    with world.owner.client() as client:
        client.send("PUT", f"/api/volumes/{volume}/heads/{last}/pin", Pin("mine"), Pin)
    for number in range(2, 7):
        world.updated(COMPOSE.replace("notes:1", f"notes:{number}"))
    assert world.pins()[last] == "mine"


def follow(world: World, follows: bool = True) -> None:
    with world.owner.client() as client:
        client.send("PUT", "/api/installations/notes/follows", Follows(follows), Installation)


def test_what_follows_takes_a_newer_version_by_itself(world: World, hive: RunningHive) -> None:
    world.publish()
    hive.ask(following.look)
    assert world.owner.installation().updating is None
    follow(world)
    hive.ask(following.look)
    assert world.over().outcome == "done" and world.newest().by_itself
    follow(world, False)
    world.publish(NEWEST)
    hive.ask(following.look)
    assert world.owner.installation().app_digest == world.newest().app_digest


def test_what_follows_leaves_a_version_that_failed_twice(world: World, hive: RunningHive) -> None:
    world.publish()
    world.attic.cannot_update = "web exited with 1"
    follow(world)
    for _ in range(2):
        hive.ask(following.look)
        world.over()
    failed = world.newest()
    hive.ask(following.look)
    assert world.newest() == failed
    world.attic.cannot_update = ""
    world.publish(NEWEST)
    hive.ask(following.look)
    assert world.over().outcome == "done"


@pytest.mark.parametrize("keep_data", [False, True])
def test_what_follows_leaves_a_version_that_its_owner_went_back_from(
    world: World, hive: RunningHive, keep_data: bool
) -> None:
    world.publish()
    follow(world)
    hive.ask(following.look)
    left = world.over()
    assert left.outcome == "done"
    world.attic.writes_as(world.first)
    world.ask("rollback", RollBack(keep_data=keep_data))
    eventually(lambda: world.owner.installation().app_digest == world.first)
    before = world.newest()
    hive.ask(following.look)
    assert (world.newest().id, world.owner.installation().app_digest) == (before.id, world.first)
    world.publish(NEWEST)
    hive.ask(following.look)
    assert world.over().outcome == "done" and world.newest().id != before.id


def test_what_follows_leaves_a_version_that_its_owner_called_off(world: World, hive: RunningHive) -> None:
    world.publish()
    world.attic.update_stage = "trying"
    follow(world)
    hive.ask(following.look)
    wish = world.newest()
    world.ask("cancel-update")
    hive.ask(following.look)
    assert (world.newest().id, world.newest().outcome) == (wish.id, "called-off")
    world.attic.update_stage = "done"
    assert world.update().id != wish.id
    assert world.over().outcome == "done"


def test_what_follows_and_is_stopped_or_lacks_a_grant_is_left_alone(world: World, hive: RunningHive) -> None:
    follow(world)
    world.publish(NEWER + "    cap_add: [SYS_NICE]\n")
    hive.ask(following.look)
    assert world.owner.installation().updating is None
    world.publish()
    world.owner.do("stop")
    hive.ask(following.look)
    assert world.owner.installation().updating is None


def test_a_mistake_about_what_follows_does_not_end_the_hive(
    world: World, hive: RunningHive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("nobody thought of that")

    follow(world)
    world.publish()
    with monkeypatch.context() as patched:
        patched.setattr(offers, "newer", broken)
        hive.ask(following.look)
    hive.ask(following.look)
    assert world.over().outcome == "done"


NEW = AppDigest("sha256:" + "cd" * 32)


def crashing(folder: Path) -> tuple[CrashingHive, LocalDevice]:
    folder.mkdir()
    hive = CrashingHive(folder)
    attic = hive.join("attic")
    hive.install(attic.id)
    attic.app_digest = bytes.fromhex("ab" * 32)
    hive.until(lambda found: found.phase is Phase.SETTLED)
    return hive, attic


def story(hive: CrashingHive, *, fails: bool) -> Update | None:
    """Want another version, and go on until the wish is over; None when the Hive died before it had heard of it."""
    wish = Update("wish", NOTES, AppDigest("sha256:" + "ab" * 32), NEW, "2.0", 30, False, hive.now_ns)
    hive.devices[0].cannot_update = "web exited with 1" if fails else ""
    with hive.surviving():
        hive.write(lambda tx: updates.add(tx, wish))
    with hive.database.read() as tx:
        if updates.newest(tx, NOTES) is None:
            return None

    def is_over(_: object) -> bool:
        with hive.database.read() as tx:
            return updates.open_one(tx, NOTES) is None

    hive.until(is_over)
    for _ in range(3):
        with hive.surviving():
            hive.round()
    with hive.database.read() as tx:
        return updates.newest(tx, NOTES)


@pytest.mark.parametrize("after_commit", [False, True], ids=["before-commit", "after-commit"])
@pytest.mark.parametrize("fails", [False, True], ids=["well", "unwell"])
def test_a_hive_killed_at_any_transaction_ends_the_wish_once(tmp_path: Path, after_commit: bool, fails: bool) -> None:
    hive, _ = crashing(tmp_path / "whole")
    begun = hive.writes
    story(hive, fails=fails)
    total = hive.writes - begun
    assert total > 4
    for number in range(1, total + 1):
        hive, _ = crashing(tmp_path / f"{number}")
        hive.kill_at, hive.after_commit = hive.writes + number, after_commit
        found = story(hive, fails=fails)
        if found is None:
            assert number == 1 and not after_commit
            continue
        with hive.database.read() as tx:
            ran, known = generations.of(tx, NOTES), installations.get(tx, NOTES)
            told = [event.kind for event in events.after(tx, ADA, 0, limit=1000)]
        assert known is not None
        assert found.outcome == ("failed" if fails else "done"), f"killed at {number}"
        assert [each.n for each in ran] == ([1] if fails else [2, 1])
        assert (known.app_digest == NEW) is not fails
        assert told.count("updated") + told.count("update-failed") == 1
        hive.database.close()


def test_the_console_shows_the_plan_the_wish_how_it_ended_and_the_way_back(world: World) -> None:
    last = world.head()
    with httpx2.Client(base_url=world.owner.hive.url, follow_redirects=True, trust_env=False) as browser:
        browser.post("/login", data={"name": "ada", "password": PASSWORD}, headers={"sec-fetch-site": "same-origin"})
        assert "Update…" not in browser.get("/apps/notes").text
        assert browser.get("/apps/notes/update").status_code == 409
        world.publish()
        assert "Update…" in browser.get("/apps/notes").text
        plan = browser.get("/apps/notes/update").text
        assert "notes:1" in plan and "notes:2" in plan and "Nothing has changed yet" in plan
        csrf = plan.partition('name="csrf" value="')[2].partition('"')[0]
        wish = {"csrf": csrf, "digest": world.plan().app_digest_after, "again": ""}
        world.attic.update_stage = "trying"
        assert "is updated to version" in browser.post("/apps/notes/update", data=wish).text
        eventually(lambda: "It counts once it was well for 30 s" in browser.get("/apps/notes").text)
        browser.post("/apps/notes/keep-version", data={"csrf": csrf})
        world.attic.cannot_update = "web exited with 1"
        browser.post("/apps/notes/update", data=wish)
        world.over()
        shown = browser.get("/apps/notes").text
        assert "Web exited with 1" in shown and "<code>1.1-9</code>" in shown
        assert "Try it once more" in browser.get("/apps/notes/update").text
        world.attic.cannot_update, world.attic.update_stage = "", "done"
        browser.post("/apps/notes/update", data={**wish, "again": "yes"})
        eventually(lambda: world.newest().outcome == "done")
        assert "was updated to version" in browser.get("/apps/notes").text
        assert f"/apps/notes/go-back?to={last}" in browser.get("/apps/notes/versions").text
        assert "The app is brought back too" in browser.get(f"/apps/notes/go-back?to={last}").text
        assert "taken by themselves" in browser.post("/apps/notes/follow", data={"csrf": csrf, "follows": "yes"}).text
