"""What runs is what was signed: a changed file or container is put right, and nothing is done in circles."""

import re
from pathlib import Path

import pytest

from mosaic.core.errors import MosaicError
from mosaic.device.package import folder_of
from mosaic.device.records import Records
from mosaic.device.tending import LOOK_SECONDS
from mosaic.wire.assignment import Assignment
from mosaic.wire.report import InstallationReport
from support.device_world import COMPOSE, NOTES, Running, World, assignment, wants
from support.fake_engine import FakeEngine
from support.manual_clock import ManualClock

MOUNTS = COMPOSE.replace("    image: front:1\n", "    image: front:1\n    volumes: ['./front.conf:/etc/front.conf']\n")
OTHER_IMAGE = "sha256:" + "0" * 64


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def world(tmp_path: Path, clock: ManualClock) -> World:
    made = World(tmp_path, clock=clock)
    made.engine.have("front:1", "web:1")
    return made


@pytest.fixture
def item(world: World) -> Assignment:
    """The notes app, which runs."""
    first = assignment(world.publish(MOUNTS, **{"front.conf": "as signed", "README": "as signed"}), "run")
    assert world.run(wants(first)).report().problem is None
    return assignment(first.app_digest, "run", volumes=list(world.hive.registered.values()))


def look(world: World, item: Assignment, clock: ManualClock, *, times: int = 1) -> InstallationReport:
    """Let the Device look that often, each time as much later as it waits at most, and return what it reports then."""
    looks = 0

    def over(running: Running) -> bool:
        nonlocal looks
        if not running.is_settled():
            return False
        if looks == times:
            return True
        looks += 1
        clock.advance(100 * LOOK_SECONDS)
        look_again(running)
        return False

    return world.run(wants(item, revision=2), until=over).report()


def code_of(report: InstallationReport) -> str | None:
    return report.problem.code if report.problem else None


def test_a_changed_file_that_is_mounted_is_put_back_and_the_app_started_again_once(
    world: World, item: Assignment, clock: ManualClock
) -> None:
    file = folder_of(world.config, item) / "front.conf"
    ups = world.engine.ups
    file.write_text("mine")
    after = look(world, item, clock, times=0)
    assert (after.phase, after.healthy, code_of(after)) == ("running", True, "package-healed")
    assert after.problem is not None and "front.conf (changed)" in after.problem.message
    assert file.read_text() == "as signed"
    assert world.engine.ups == ups + 1
    after = look(world, item, clock)
    assert (after.phase, code_of(after), world.engine.ups) == ("running", None, ups + 1)


def test_a_changed_file_that_nothing_mounts_is_put_back_while_the_app_runs_on(
    world: World, item: Assignment, clock: ManualClock
) -> None:
    folder, ups = folder_of(world.config, item), world.engine.ups
    (folder / "README").unlink()
    (folder / "more").write_text("mine")
    after = look(world, item, clock, times=0)
    assert (after.phase, code_of(after), world.engine.ups) == ("running", "package-healed", ups)
    assert sorted(path.name for path in folder.iterdir()) == ["README", "docker-compose.yml", "front.conf"]
    assert (folder.with_name(f".{folder.name}.aside") / "more").read_text() == "mine"


def test_files_are_looked_at_while_the_device_runs(world: World, item: Assignment, clock: ManualClock) -> None:
    file, looked = folder_of(world.config, item) / "README", False

    def over(running: Running) -> bool:
        nonlocal looked
        if running.is_settled() and not looked:
            looked = True
            file.write_text("mine")
            clock.advance(LOOK_SECONDS + 1)
            running.fleet.look_around()
        return looked and file.read_text() == "as signed"

    world.run(wants(item, revision=2), until=over)


def look_again(running: Running) -> None:
    """Have all looked at; until that is done the worker is not idle."""
    running.fleet.look_around()
    for work in running.fleet._workers.values():
        work[0].idle = False


def times_in_a_row(problem: MosaicError | None) -> int:
    """Return how often changed files were put back by now."""
    if problem is None or problem.code != "package-healed":
        return 0
    said = re.search(r"for the (\d+)\. time in a row", problem.message)
    return int(said[1]) if said else 1


def test_a_file_that_is_changed_again_and_again_does_not_restart_the_app_for_ever(
    world: World, item: Assignment, clock: ManualClock
) -> None:
    file = folder_of(world.config, item) / "front.conf"
    ups = world.engine.ups
    changes, is_sure = 0, False

    def over(running: Running) -> bool:
        nonlocal changes, is_sure
        (work,) = running.fleet.works
        if not running.is_settled() or times_in_a_row(work.problem) != changes:
            return False
        is_sure = not is_sure
        if not is_sure:
            if changes == 8:
                return True
            changes += 1
            file.write_text("mine")
            clock.advance(100 * LOOK_SECONDS)
        # What was found is known before the app is stopped for it: only after another look all is over.
        look_again(running)
        return False

    after = world.run(wants(item, revision=2), until=over).report()
    assert after.problem is not None and "time in a row" in after.problem.message
    assert after.phase == "running"
    assert world.engine.ups <= ups + 3
    assert file.read_text() == "as signed"


def test_a_container_of_another_hash_is_made_again_without_any_event(
    world: World, item: Assignment, clock: ManualClock
) -> None:
    world.engine.replace("web", config_hash="0" * 64)
    ups = world.engine.ups
    after = look(world, item, clock, times=0)
    assert (after.phase, code_of(after)) == ("running", "containers-differ")
    assert after.problem is not None and "(web)" in after.problem.message
    assert world.engine.ups == ups + 1
    assert code_of(look(world, item, clock)) is None


def test_a_container_of_another_image_is_made_again_also_when_compose_takes_it_for_its_own(
    world: World, item: Assignment, clock: ManualClock
) -> None:
    world.engine.replace("web", image=OTHER_IMAGE)
    look(world, item, clock)
    assert images(world) == {world.engine.known_images["web:1"].id, world.engine.known_images["front:1"].id}


def images(world: World) -> set[str]:
    return {one.image for every in world.engine.running.values() for one in every}


def test_a_rendered_file_that_somebody_changed_is_written_anew(
    world: World, item: Assignment, clock: ManualClock
) -> None:
    file = world.config.projects / NOTES / "compose.json"
    before = file.read_bytes()
    file.write_bytes(before.replace(b"read_only", b"rxxx_only"))
    look(world, item, clock, times=0)
    assert file.read_bytes() == before


class Stubborn(FakeEngine):
    """Somebody who puts his own container in the place of ours whenever one is made."""

    stopped = 0

    async def up(self, project: str, file: Path, *, deadline_seconds: float) -> None:
        await super().up(project, file, deadline_seconds=deadline_seconds)
        self.replace("web", image=OTHER_IMAGE)

    async def down(self, project: str, file: Path, *, grace_seconds: int) -> None:
        self.stopped += 1
        await super().down(project, file, grace_seconds=grace_seconds)


def test_what_cannot_be_put_right_is_said_and_tried_no_more_than_a_few_times(
    tmp_path: Path, clock: ManualClock
) -> None:
    engine = Stubborn()
    world = World(tmp_path, clock=clock, engine=engine)
    digest = world.publish(MOUNTS, **{"front.conf": "as signed"})
    world.run(wants(assignment(digest, "run")))
    item = assignment(digest, "run", volumes=list(world.hive.registered.values()))
    after = look(world, item, clock, times=10)
    assert after.phase == "running"
    assert code_of(after) == "containers-differ"
    assert after.problem is not None and "did not help" in after.problem.message
    assert engine.stopped <= 4


def test_what_cannot_be_looked_at_is_said_and_stops_nothing(world: World, item: Assignment, clock: ManualClock) -> None:
    (world.config.apps / "notes" / "versions.json").write_bytes(b"nonsense")
    after = look(world, item, clock, times=0)
    assert (after.phase, after.healthy, code_of(after)) == ("running", True, "versions-unreadable")


def test_a_kill_after_a_start_and_before_its_note_makes_no_container_a_strangers(
    world: World, item: Assignment, clock: ManualClock
) -> None:
    with Records(world.config.ledger) as records:
        records.note(item.installation, hashes={})
    ups = world.engine.ups
    after = look(world, item, clock, times=0)
    assert (code_of(after), world.engine.ups) == (None, ups)
    world.engine.replace("web", config_hash="0" * 64)
    assert code_of(look(world, item, clock, times=0)) == "containers-differ"
