"""A Device that is asked to run another version: it counts when it is well, and costs nothing when it is not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import msgspec
import pytest

from mosaic.adapters.web_probe import Answer
from mosaic.core.errors import NotFound
from mosaic.device.obey import obey
from mosaic.device.records import Records
from mosaic.wire.assignment import Assignment
from mosaic.wire.command import UpdateReport
from mosaic.wire.report import InstallationReport
from mosaic.wire.updating import Update, UpdateState
from support.device_world import COMPOSE, NOTES, Running, World, assignment, wants
from support.manual_clock import ManualClock

EPOCH = "1.1"
NEW_COMPOSE = COMPOSE.replace("web:1", "web:2")


@dataclass
class Updated:
    """An app that runs its first version with one note in its data, and a second version that nobody has tried yet."""

    world: World
    before: str
    after: str

    @property
    def volume(self) -> str:
        return self.world.hive.registered[(NOTES, "data")].volume

    def wish(self, digest: str | None = None, *, goal: str = "run", epoch: str = EPOCH) -> Assignment:
        """Return the assignment that wants the new version tried."""
        update = Update("wish", digest or self.after, gate_seconds=0)
        return msgspec.structs.replace(self.plain(goal=goal, epoch=epoch), update=update)

    def plain(self, digest: str | None = None, *, goal: str = "run", epoch: str = EPOCH) -> Assignment:
        """Return the assignment as it was before the wish; of a later epoch, with the head that its grant froze."""
        heads = self.world.store.newest
        volumes = [
            msgspec.structs.replace(
                one, newest=heads.get(one.volume), base=heads.get(one.volume) if epoch != EPOCH else None
            )
            for one in self.world.hive.registered.values()
        ]
        return assignment(digest or self.before, goal, epoch, volumes=volumes)

    def runs(self) -> set[str]:
        """Return the digests that containers are of."""
        every = (one for containers in self.world.engine.running.values() for one in containers)
        return {one.labels["mosaic.app-digest"] for one in every}

    def local(self) -> tuple[str, ...] | None:
        return self.world.storage.volumes[self.volume].local

    def saved(self) -> tuple[str, ...]:
        return self.world.store.content[self.world.store.newest[self.volume]]

    def is_closed(self) -> bool:
        with Records(self.world.config.ledger) as records:
            return records.update_of(NOTES).closed


@pytest.fixture
def app(tmp_path: Path) -> Updated:
    return updated(tmp_path)


def updated(folder: Path, compose: str = NEW_COMPOSE) -> Updated:
    world = World(folder)
    world.storage.in_use = lambda: bool(world.engine.running)
    world.engine.have("web:2")
    before = world.publish()
    found = Updated(world, before, world.publish(compose))
    world.run(wants(assignment(before, "run", EPOCH)))
    world.storage.write(found.volume, "a note")
    world.engine.when_up = lambda: _writes(found)
    return found


def _writes(app: Updated) -> None:
    """The new version rewrites its data as soon as it starts, as migrations do."""
    if app.runs() == {app.after} and "migrated" not in (app.local() or ()):
        app.world.storage.write(app.volume, "migrated")


def _writes_and_ends(app: Updated) -> None:
    _writes(app)
    if app.runs() == {app.after}:
        app.world.engine.crash("web", 3)


def time_passes(app: Updated) -> Callable[[Running], bool]:
    """Return what lets minutes pass in no time, until nothing is left to do."""
    clock = ManualClock()
    app.world.clock = clock

    def passed(running: Running) -> bool:
        clock.advance(30)
        running.fleet.look_around()
        return running.is_settled()

    return passed


def state_of(report: InstallationReport) -> UpdateState:
    assert report.update is not None
    return report.update


def check_new(app: Updated, after: InstallationReport) -> None:
    """The new version counts, with what it wrote."""
    assert (after.phase, after.healthy, after.problem, after.app_digest) == ("running", True, None, app.after)
    assert state_of(after) == UpdateState("wish", "done")
    assert app.runs() == {app.after} and not app.is_closed()
    assert app.local() == ("a note", "migrated")
    here = app.world.storage.volumes[app.volume]
    assert (here.trial, here.app_digest, here.conflicts) == (None, app.after, ())


def check_old(app: Updated, after: InstallationReport, *, wrote: bool = True) -> None:
    """The version before runs, on the data before; what the new one wrote is kept."""
    assert (after.phase, after.healthy, after.problem, after.app_digest) == ("running", True, None, app.before)
    assert app.runs() == {app.before} and not app.is_closed()
    assert app.local() == app.saved() == ("a note",)
    here = app.world.storage.volumes[app.volume]
    assert (here.trial, here.app_digest) == (None, app.before)
    assert here.conflicts == ((("a note", "migrated"),) if wrote else ())


def test_a_version_that_is_well_counts(app: Updated) -> None:
    after = app.world.run(wants(app.wish(), revision=2)).report()

    check_new(app, after)
    assert app.saved() == ("a note",)
    assert after.images["web"] == app.world.engine.known_images["web:2"].id
    names = [step.name for step in after.steps]
    order = ["Fetch the new version", "Close its entrance", "Stop it", "Keep a way back", "Try the new version"]
    assert [name for name in names if name in order] == order


def test_from_then_on_heads_say_that_they_are_of_it(app: Updated) -> None:
    app.world.run(wants(app.wish(), revision=2))

    app.world.storage.replicate(app.volume)

    assert app.saved() == ("a note", "migrated")


def test_the_hive_that_has_heard_of_it_changes_nothing(app: Updated) -> None:
    app.world.run(wants(app.wish(), revision=2))
    ups = app.world.engine.ups

    after = app.world.run(wants(app.plain(app.after), revision=3)).report()

    check_new(app, after)
    assert app.world.engine.ups == ups


@pytest.mark.parametrize("alone", [True, False], ids=["no word of the hive", "the wish again"])
def test_what_counts_is_run_before_the_hive_has_heard_of_it(app: Updated, alone: bool) -> None:
    app.world.run(wants(app.wish(), revision=2))
    app.world.engine.running.clear()

    if alone:
        app.world.run(alone=True, until=lambda running: bool(app.runs()) and running.is_settled())
    else:
        app.world.run(wants(app.wish(), revision=3))

    assert app.runs() == {app.after}
    assert app.local() == ("a note", "migrated")


def test_calling_off_that_crossed_the_word_that_it_is_done_brings_nothing_back(app: Updated) -> None:
    app.world.run(wants(app.wish(), revision=2))

    after = app.world.run(wants(app.plain(), revision=3)).report()

    check_new(app, after)


def test_that_a_version_counts_is_said_until_the_hive_shows_that_it_knows(app: Updated) -> None:
    app.world.run(wants(app.wish(), revision=2))
    app.world.engine.have("web:3")
    third = app.world.publish(COMPOSE.replace("web:1", "web:3"))
    # It was called off, and another version wished, by a Hive that had not heard of it.
    later = msgspec.structs.replace(app.wish(third), update=Update("later", third, gate_seconds=0))
    app.world.engine.health_of["web:3"] = "starting"

    def is_tried(running: Running) -> bool:
        return app.runs() == {third}

    tried = app.world.run(wants(later, revision=3), until=is_tried).report()
    assert state_of(tried) == UpdateState("wish", "done") and tried.app_digest == app.after

    told = msgspec.structs.replace(later, app_digest=app.after)
    heard = app.world.run(wants(told, revision=4), until=is_tried).report()
    assert state_of(heard) == UpdateState("later", "trying")

    app.world.engine.health_of["web:3"] = "unhealthy"
    app.world.engine.running.clear()
    over = app.world.run(wants(told, revision=5)).report()
    assert (state_of(over).id, state_of(over).stage, over.app_digest) == ("later", "failed", app.after)
    assert app.local() == ("a note", "migrated")


def test_a_later_word_of_the_owner_about_the_version_before_counts(app: Updated) -> None:
    app.world.run(wants(app.wish(), revision=2))
    app.world.run(wants(app.plain(app.after), revision=3))

    after = app.world.run(wants(app.plain(), revision=4)).report()

    assert (after.phase, after.app_digest) == ("running", app.before)
    assert app.local() == ("a note", "migrated")


class TestNotWell:
    """Whatever is wrong with the new version, the one before runs again with its data."""

    def test_a_service_that_ends(self, app: Updated) -> None:
        app.world.engine.when_up = lambda: _writes_and_ends(app)

        after = app.world.run(wants(app.wish(), revision=2), until=time_passes(app)).report()

        check_old(app, after)
        state = state_of(after)
        assert (state.stage, state.kept) == ("failed", "c0")
        assert state.failure is not None and state.failure.code == "update-not-well"
        assert "web ended with code 3" in state.failure.message

    def test_a_service_that_fails_its_health_check(self, app: Updated) -> None:
        app.world.engine.health_of["web:2"] = "unhealthy"

        check_old(app, app.world.run(wants(app.wish(), revision=2)).report())

    def test_a_page_that_answers_with_an_error_for_too_long(self, app: Updated) -> None:
        app.world.answer = Answer(False, "answered 500")

        after = app.world.run(wants(app.wish(), revision=2), until=time_passes(app)).report()

        check_old(app, after)
        failure = state_of(after).failure
        assert failure is not None and "answered 500" in failure.message

    def test_a_service_that_never_gets_well(self, app: Updated) -> None:
        app.world.engine.health_of["web:2"] = "starting"

        check_old(app, app.world.run(wants(app.wish(), revision=2), until=time_passes(app)).report())

    def test_an_image_that_nobody_has(self, app: Updated) -> None:
        gone = app.world.publish(COMPOSE.replace("web:1", "gone:1"))

        after = app.world.run(wants(app.wish(gone), revision=2)).report()

        assert (after.phase, after.healthy, after.problem, after.app_digest) == ("running", True, None, app.before)
        failure = state_of(after).failure
        assert failure is not None and failure.code == "image-missing"
        assert app.world.engine.ups == 1 and app.local() == ("a note",)

    def test_what_it_may_not_ask_for(self, app: Updated) -> None:
        asks = app.world.publish(COMPOSE.replace("image: web:1", "image: web:1\n    privileged: true"))

        failure = state_of(app.world.run(wants(app.wish(asks), revision=2)).report()).failure

        assert failure is not None and failure.code == "policy-refused"
        assert app.world.engine.ups == 1

    def test_what_nobody_vouches_for(self, app: Updated) -> None:
        theirs = msgspec.structs.replace(app.wish(), update=Update("wish", app.after, approval="00"))

        after = app.world.run(wants(theirs, revision=2)).report()

        assert (after.phase, after.app_digest, app.runs()) == ("running", app.before, {app.before})
        failure = state_of(after).failure
        assert failure is not None and failure.code == "not-vouched"
        assert app.world.engine.ups == 1


def test_a_wish_that_failed_is_not_carried_out_again(app: Updated) -> None:
    app.world.engine.health_of["web:2"] = "unhealthy"
    app.world.run(wants(app.wish(), revision=2))
    ups = app.world.engine.ups

    after = app.world.run(wants(app.wish(), revision=3)).report()

    check_old(app, after)
    assert state_of(after).stage == "failed"
    assert app.world.engine.ups == ups


def test_what_a_failed_update_left_is_read_by_a_command_and_is_in_no_report(app: Updated) -> None:
    app.world.engine.said["web"] = "the password is tiger"
    app.world.engine.health_of["web:2"] = "unhealthy"
    running = app.world.run(wants(app.wish(), revision=2))

    text = told(app, running)

    assert "the password is tiger" in text and "web: running, its health check says unhealthy" in text
    assert b"tiger" not in msgspec.json.encode(running.report())
    assert b"tiger" not in app.world.config.ledger.read_bytes()
    (file,) = (app.world.config.state / "updates").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_where_no_update_failed_there_is_nothing_to_read(app: Updated) -> None:
    running = app.world.run(wants(app.plain(), revision=2))

    with pytest.raises(NotFound):
        told(app, running)


def told(app: Updated, running: Running) -> str:
    with Records(app.world.config.ledger) as records:
        return anyio.run(obey, replace(running.means, records=records), UpdateReport(NOTES))
