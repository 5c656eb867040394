"""An update may be killed, called off or stopped at any line: one version is left whole, with its own data."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from device.test_updating import Updated, check_new, check_old, state_of, time_passes, updated
from mosaic.device.records import Records
from support.device_world import COMPOSE, NOTES, Running, wants

pytestmark = pytest.mark.long

POINTS = range(1, 20)
"""Of an update that succeeds; one that fails passes more."""

MORE_POINTS = range(1, 30)


def fails(app: Updated) -> None:
    app.world.engine.health_of["web:2"] = "unhealthy"


def test_there_are_no_more_points_than_the_ones_that_are_killed_at(tmp_path: Path) -> None:
    for folder, points in ((tmp_path / "a", POINTS), (tmp_path / "b", MORE_POINTS)):
        app = updated(folder)
        app.world.storage.replicate(app.volume)
        if points is MORE_POINTS:
            fails(app)
        app.world.points.passed = 0
        app.world.run(wants(app.wish(), revision=2))
        assert app.world.points.passed < points.stop


@pytest.mark.parametrize("epoch", ["1.1", "1.2"], ids=["same epoch", "next epoch"])
@pytest.mark.parametrize("at", POINTS)
def test_an_update_that_is_killed_anywhere_ends_with_the_new_version_and_what_it_wrote(
    tmp_path: Path, at: int, epoch: str
) -> None:
    app = updated(tmp_path)
    app.world.storage.replicate(app.volume)

    app.world.is_killed(wants(app.wish(), revision=2), at=at)
    after = app.world.run(wants(app.wish(epoch=epoch), revision=3)).report()

    check_new(app, after)


@pytest.mark.parametrize("at", MORE_POINTS)
def test_an_update_that_fails_and_is_killed_anywhere_ends_with_the_version_before(tmp_path: Path, at: int) -> None:
    app = updated(tmp_path)
    # Before and after each effect are two points: one of them is come back to under the same epoch.
    epoch = "1.1" if at % 2 else "1.2"
    app.world.storage.replicate(app.volume)
    fails(app)

    app.world.is_killed(wants(app.wish(), revision=2), at=at)
    after = app.world.run(wants(app.wish(epoch=epoch), revision=3)).report()

    check_old(app, after)
    assert state_of(after).stage == "failed"


def ended(app: Updated) -> None:
    """Either version runs whole: the new one with what it wrote, or the one before without."""
    (runs,) = app.runs()
    here = app.world.storage.volumes[app.volume]
    assert here.trial is None and not app.is_closed()
    assert app.local() == (("a note", "migrated") if runs == app.after else ("a note",))
    assert here.app_digest == runs


@pytest.mark.parametrize("at", POINTS)
def test_an_update_that_is_called_off_in_any_stage_leaves_one_version_whole(tmp_path: Path, at: int) -> None:
    app = updated(tmp_path)

    app.world.is_killed(wants(app.wish(), revision=2), at=at)
    after = app.world.run(wants(app.plain(), revision=3)).report()

    assert (after.phase, after.healthy, after.problem) == ("running", True, None)
    ended(app)


@pytest.mark.parametrize("at", POINTS)
def test_an_app_that_is_stopped_in_any_stage_stands_on_its_data_and_is_updated_when_it_runs_again(
    tmp_path: Path, at: int
) -> None:
    app = updated(tmp_path)

    app.world.is_killed(wants(app.wish(), revision=2), at=at)
    stopped = app.world.run(wants(app.wish(goal="stop"), revision=3)).report()
    assert (stopped.phase, app.world.engine.running) == ("stopped", {})
    assert app.world.storage.volumes[app.volume].trial is None
    done = state_of(stopped).stage == "done"
    assert state_of(stopped).stage in ("done", "fetched")
    assert app.local() == (("a note", "migrated") if done else ("a note",))

    check_well(app, app.world.run(wants(app.wish(), revision=4)).report().app_digest)


def check_well(app: Updated, digest: str | None) -> None:
    assert digest == app.after and app.runs() == {app.after}
    assert app.local() == ("a note", "migrated") and not app.is_closed()


@pytest.mark.parametrize("at", POINTS)
def test_an_app_that_moves_away_in_any_stage_leaves_a_head_that_either_version_wrote_whole(
    tmp_path: Path, at: int
) -> None:
    app = updated(tmp_path)

    app.world.is_killed(wants(app.wish(), revision=2), at=at)
    after = app.world.run(wants(app.wish(goal="leave"), revision=3)).report()

    assert (after.phase, app.world.engine.running) == ("released", {})
    done = state_of(after).stage == "done" if after.update else False
    assert app.saved() == (("a note", "migrated") if done else ("a note",))


@pytest.mark.parametrize("at", POINTS)
def test_a_device_that_is_fenced_in_any_stage_keeps_what_was_written_and_runs_nothing(tmp_path: Path, at: int) -> None:
    app = updated(tmp_path)

    app.world.is_killed(wants(app.wish(), revision=2), at=at)
    app.world.run(wants(revision=3))

    assert app.world.engine.running == {}
    here = app.world.storage.volumes[app.volume]
    assert (here.phase, here.trial) == ("set-aside", None)
    # Before it is saved for the trial it is kept as any fenced Device's data is.
    assert here.conflicts in ((), (("a note", "migrated"),)) or (here.conflicts, at < 9) == ((("a note",),), True)


@pytest.mark.parametrize("is_told", [True, False], ids=["set aside before", "held anew"])
@pytest.mark.parametrize("at", POINTS)
def test_a_fenced_device_that_gets_the_app_back_runs_what_the_newest_head_is_of(
    tmp_path: Path, at: int, is_told: bool
) -> None:
    app = updated(tmp_path)
    app.world.storage.replicate(app.volume)
    app.world.is_killed(wants(app.wish(), revision=2), at=at)
    if is_told:
        app.world.run(wants(revision=3))
    # Another Device has started the version before on the newest head, and the wish was called off.
    app.world.store.commit(app.volume, "1.2", (*app.saved(), "from elsewhere"), app.before)

    after = app.world.run(wants(app.plain(epoch="1.3"), revision=4)).report()

    assert (after.phase, after.app_digest, app.runs()) == ("running", app.before, {app.before})
    assert app.local() == ("a note", "from elsewhere")


@pytest.mark.parametrize("step", ["SaveAhead", "SaveForTrial", "TryUpdate"])
def test_calling_off_an_update_under_way_leaves_the_version_before_at_once(tmp_path: Path, step: str) -> None:
    app = updated(tmp_path)
    app.world.storage.replicate(app.volume)
    app.world.engine.health_of["web:2"] = "starting"
    if step == "SaveAhead":
        app.world.storage.write(app.volume, "another note")
    if step == "SaveForTrial":
        app.world.engine.when_down = lambda: app.world.storage.write(app.volume, "its last words")
    app.world.storage.store_answers = step == "TryUpdate"
    told: list[bool] = []

    def is_over(running: Running) -> bool:
        (work,) = running.fleet.works
        if not told and type(work.step).__name__ == step and (step != "TryUpdate" or app.runs() == {app.after}):
            told.append(True)
            running.fleet.assign(wants(app.world.approved(app.plain()), revision=3))
            return False
        return bool(told) and running.is_settled()

    after = app.world.run(wants(app.wish(), revision=2), until=is_over).report()

    assert (after.phase, after.healthy, after.problem, app.runs()) == ("running", True, None, {app.before})
    assert not app.is_closed() and app.world.storage.volumes[app.volume].trial is None


def test_a_version_that_is_never_seen_to_be_well_is_started_three_times_at_most(tmp_path: Path) -> None:
    app = updated(tmp_path)
    app.world.engine.health_of["web:2"] = "starting"

    def is_on_trial(running: Running) -> bool:
        return app.runs() == {app.after} or running.is_settled()

    for revision in (2, 3, 4):
        app.world.run(wants(app.wish(), revision=revision), until=is_on_trial)
        app.world.engine.running.clear()
    after = app.world.run(wants(app.wish(), revision=5)).report()

    check_old(app, after)
    failure = state_of(after).failure
    assert failure is not None and failure.code == "update-interrupted"


@pytest.mark.parametrize("is_well", [True, False])
def test_a_trial_that_a_machine_without_its_hive_comes_back_to_is_carried_to_its_end(
    tmp_path: Path, is_well: bool
) -> None:
    app = updated(tmp_path)
    app.world.engine.health_of["web:2"] = "starting"
    app.world.run(wants(app.wish(), revision=2), until=lambda running: app.runs() == {app.after})
    app.world.engine.running.clear()
    app.world.hive_here = app.world.storage.store_answers = False
    if is_well:
        del app.world.engine.health_of["web:2"]
    else:
        fails(app)

    def is_over(running: Running) -> bool:
        note = running.means.records.update_of(NOTES)
        return note.outcome is not None and not note.closed and running.is_settled()

    after = app.world.run(alone=True, until=is_over).report()

    check = check_new if is_well else check_old
    check(app, after)


def test_an_app_is_not_kept_standing_still_by_a_store_that_does_not_answer(tmp_path: Path) -> None:
    app = updated(tmp_path)
    app.world.storage.store_answers = False

    def is_waiting(running: Running) -> bool:
        (work,) = running.fleet.works
        return type(work.step).__name__ == "SaveAhead"

    after = app.world.run(wants(app.wish(), revision=2), until=is_waiting).report()

    assert (after.phase, after.healthy, app.runs()) == ("running", True, {app.before})
    assert state_of(after).stage == "fetching"


def test_a_volume_that_stays_in_use_fails_the_update_after_three_tries_with_the_version_before_running(
    tmp_path: Path,
) -> None:
    app = updated(tmp_path)
    app.world.storage.in_use = lambda: True
    passes = time_passes(app)

    def is_over(running: Running) -> bool:
        passes(running)
        over = running.means.records.update_of(NOTES).outcome is not None
        return over and all(work.idle for work in running.fleet.works)

    after = app.world.run(wants(app.wish(), revision=2), until=is_over).report()

    assert (after.phase, after.healthy, app.runs(), app.is_closed()) == ("running", True, {app.before}, False)
    failure = state_of(after).failure
    assert failure is not None and failure.code == "volume-in-use"
    # Once at first, and once after each of the tries.
    assert app.world.engine.ups == 4


def test_the_version_before_is_started_again_while_the_new_one_is_still_on_its_way(tmp_path: Path) -> None:
    app = updated(tmp_path)
    app.world.storage.store_answers = False
    crashed: list[bool] = []

    def is_up_again(running: Running) -> bool:
        (work,) = running.fleet.works
        if type(work.step).__name__ != "SaveAhead":
            return False
        if not crashed:
            crashed.append(True)
            app.world.engine.crash("web")
            return False
        every = (one for containers in app.world.engine.running.values() for one in containers)
        return all(one.state == "running" for one in every)

    app.world.run(wants(app.wish(), revision=2), until=is_up_again)

    assert app.world.engine.ups == 2


def test_what_runs_on_trial_has_not_arrived_and_has_not_failed(tmp_path: Path) -> None:
    app = updated(tmp_path)
    app.world.engine.health_of["web:2"] = "starting"

    def is_tried(running: Running) -> bool:
        (work,) = running.fleet.works
        return type(work.step).__name__ == "TryUpdate" and app.runs() == {app.after}

    after = app.world.run(wants(app.wish(), revision=2), until=is_tried).report()

    assert (after.phase, after.healthy, after.app_digest, after.problem) == ("starting", False, app.before, None)
    assert state_of(after).stage == "trying"
    assert app.is_closed()


def test_another_config_amid_a_trial_begins_a_trial_of_its_own(tmp_path: Path) -> None:
    app = updated(tmp_path)
    app.world.engine.health_of["web:2"] = "starting"
    app.world.run(wants(app.wish(), revision=2), until=lambda running: app.runs() == {app.after})
    del app.world.engine.health_of["web:2"]

    after = app.world.run(wants(replace(app.wish(), config_revision=2), revision=3)).report()

    assert (after.phase, after.config_revision, after.app_digest) == ("running", 2, app.after)
    assert app.local() == ("a note", "migrated")
    trialled = app.world.storage.volumes[app.volume].trialled
    assert trialled is not None and (trialled.id, trialled.kept) == ("wish.2", True)


def test_an_app_of_which_one_service_never_stays_up_is_reached_again_after_an_update_that_failed(
    tmp_path: Path,
) -> None:
    app = updated(tmp_path)
    app.world.engine.when_up = lambda: app.world.engine.crash("front")
    app.world.engine.crash("front")

    passes = time_passes(app)

    def is_over(running: Running) -> bool:
        passes(running)
        note = running.means.records.update_of(NOTES)
        return note.outcome == "failed" and not note.closed and app.runs() == {app.before}

    after = app.world.run(wants(app.wish(), revision=2), until=is_over).report()

    assert state_of(after).stage == "failed"
    assert app.local() == ("a note",)


def test_an_app_that_cannot_be_started_is_mended_by_its_update(tmp_path: Path) -> None:
    app = updated(tmp_path)
    app.world.engine.health_of["web:1"] = "unhealthy"
    app.world.engine.running.clear()

    def is_over(running: Running) -> bool:
        return running.means.records.update_of(NOTES).outcome is not None and all(
            work.idle for work in running.fleet.works
        )

    after = app.world.run(wants(app.wish(), revision=2), until=is_over).report()

    check_new(app, after)


@pytest.mark.parametrize("goal", ["run", "stop"])
def test_data_that_is_put_back_does_not_vouch_for_what_the_hive_names_meanwhile(tmp_path: Path, goal: str) -> None:
    app = updated(tmp_path)
    app.world.engine.health_of["web:2"] = "starting"
    app.world.run(wants(app.wish(), revision=2), until=lambda running: app.runs() == {app.after})
    theirs = app.world.publish(COMPOSE + "# nobody signed this\n")

    named = replace(app.plain(theirs, goal=goal), approval="00")
    app.world.run(wants(named, revision=3))
    app.world.storage.replicate(app.volume)
    again = replace(app.plain(theirs), approval="00")
    app.world.run(wants(again, revision=4))

    assert app.runs() <= {app.before}
    assert app.world.store.digests[app.world.store.newest[app.volume]] == app.before


def test_a_wish_that_names_another_version_in_the_last_moment_makes_nothing_count(tmp_path: Path) -> None:
    app = updated(tmp_path)
    app.world.engine.health_of["web:2"] = "starting"
    app.world.run(wants(app.wish(), revision=2), until=lambda running: app.runs() == {app.after})
    other = replace(app.wish(app.world.publish(COMPOSE + "# nobody signed this\n")), approval="00")

    with Records(app.world.config.ledger) as records:
        records.replace_assignments([other])
        assert not records.take_update(NOTES, "wish")
        assert records.taken_of(NOTES) is None
