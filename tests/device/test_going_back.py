"""A Device that is asked to bring an app's data back to an earlier state: stopped, saved, put back, started."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from mosaic.wire.assignment import Assignment, GoingBack, Origin
from support.device_world import NOTES, Running, World, assignment, wants

pytestmark = pytest.mark.long

EPOCH = "1.1"


def wish(world: World, digest: str, head: str | None, *, present: str = "", goal: str = "run") -> Assignment:
    """Return the assignment that asks to go back to a head (None: to nothing)."""
    volume = data_volume(world)
    back = GoingBack("wish", volume, head, present or digest) if head else None
    volumes = list(world.hive.registered.values())
    return replace(assignment(digest, goal, EPOCH, volumes=volumes), going_back=back)


def data_volume(world: World) -> str:
    return world.hive.registered[(NOTES, "data")].volume


def with_two_states(folder: Path) -> tuple[World, str, str]:
    """Return a world whose app wrote 'one', replicated it, and wrote 'two' since; and the bundle and first head."""
    world = World(folder)
    world.storage.in_use = lambda: bool(world.engine.running)
    digest = world.publish()
    world.run(wants(assignment(digest, "run", EPOCH)))
    volume = data_volume(world)
    world.storage.write(volume, "one")
    first = world.storage.replicate(volume)
    world.storage.write(volume, "two")
    return world, digest, first


def contents(world: World) -> list[tuple[str, ...]]:
    return list(world.store.content.values())


def test_the_app_is_stopped_and_saved_before_it_goes_back_and_runs_again(tmp_path: Path) -> None:
    world, digest, first = with_two_states(tmp_path)
    after = world.run(wants(wish(world, digest, first), revision=2)).report()
    assert (after.phase, after.healthy, after.problem) == ("running", True, None)
    assert world.storage.volumes[data_volume(world)].local == ("one",)
    assert ("one", "two") in contents(world)
    names = [step.name for step in after.steps]
    assert names.index("Stop it") < names.index("Save it as it is now") < names.index("Restore it as it was")
    assert names.index("Restore it as it was") < names.index("Start it and ask its health checks")


@pytest.mark.parametrize("at", range(1, 13))
def test_killed_anywhere_it_ends_on_the_earlier_state_with_the_present_saved(tmp_path: Path, at: int) -> None:
    world, digest, first = with_two_states(tmp_path)
    asked = wish(world, digest, first)
    was_killed = world.is_killed(wants(asked, revision=2), at=at)
    assert was_killed or at > 8
    after = world.run(wants(asked, revision=3)).report()
    assert (after.phase, after.healthy, after.problem) == ("running", True, None)
    assert world.storage.volumes[data_volume(world)].local == ("one",)
    assert ("one", "two") in contents(world)
    assert world.storage.volumes[data_volume(world)].conflicts == ()


def test_what_the_app_writes_afterwards_stays_however_often_the_wish_is_heard(tmp_path: Path) -> None:
    world, digest, first = with_two_states(tmp_path)
    world.run(wants(wish(world, digest, first), revision=2))
    world.storage.write(data_volume(world), "later")
    world.run(wants(wish(world, digest, first), revision=3))
    assert world.storage.volumes[data_volume(world)].local == ("one", "later")


def test_an_app_that_is_to_be_stopped_goes_back_and_stays_stopped(tmp_path: Path) -> None:
    world, digest, first = with_two_states(tmp_path)
    after = world.run(wants(wish(world, digest, first, goal="stop"), revision=2)).report()
    assert after.phase == "stopped"
    assert world.engine.running == {}
    assert world.storage.volumes[data_volume(world)].local == ("one",)


def test_a_snapshot_that_cannot_be_restored_leaves_the_app_running_as_it_was(tmp_path: Path) -> None:
    world, digest, first = with_two_states(tmp_path)
    world.storage.damaged.add(first)
    volume = data_volume(world)

    def is_up_again(running: Running) -> bool:
        over = world.storage.volumes[volume].went_back is not None and bool(world.engine.running)
        return over and not any(work.failed for work in running.fleet.works)

    after = world.run(wants(wish(world, digest, first), revision=2), until=is_up_again).report()
    assert (after.phase, after.healthy) == ("running", True)
    assert world.storage.volumes[data_volume(world)].local == ("one", "two")


def test_the_earlier_program_runs_on_the_earlier_state_and_the_present_is_saved_as_its_own(tmp_path: Path) -> None:
    world, digest, first = with_two_states(tmp_path)
    older = world.publish(README="an older version")
    after = world.run(wants(wish(world, older, first, present=digest), revision=2)).report()
    assert (after.phase, after.app_digest) == ("running", older)
    assert world.storage.volumes[data_volume(world)].app_digest == older


def test_the_earlier_program_never_starts_on_the_present(tmp_path: Path) -> None:
    world, digest, first = with_two_states(tmp_path)
    older = world.publish(README="an older version")
    world.storage.damaged.add(first)
    world.run(wants(wish(world, older, first, present=digest), revision=2))
    # Again, for it pauses after a failure and might start it then.
    world.run(wants(wish(world, older, first, present=digest), revision=2))
    assert world.engine.running == {}
    assert world.storage.volumes[data_volume(world)].app_digest == digest
    after = world.run(wants(wish(world, digest, None), revision=3)).report()
    assert (after.phase, after.healthy) == ("running", True)
    assert world.storage.volumes[data_volume(world)].local == ("one", "two")


def test_a_wish_that_is_taken_back_before_it_began_leaves_everything_as_it_is(tmp_path: Path) -> None:
    world, digest, first = with_two_states(tmp_path)
    world.is_killed(wants(wish(world, digest, first), revision=2), at=3)
    after = world.run(wants(wish(world, digest, None), revision=3)).report()
    assert (after.phase, after.healthy) == ("running", True)
    assert world.storage.volumes[data_volume(world)].local in (("one", "two"), ("one",))


@pytest.mark.parametrize("at", [None, *range(1, 20)])
def test_a_fork_starts_with_the_snapshot_wherever_it_is_killed(tmp_path: Path, at: int | None) -> None:
    world, digest, first = with_two_states(tmp_path)
    source = world.hive.registered[(NOTES, "data")]
    before = world.storage.volumes[source.volume]
    copy = replace(
        assignment(digest, "run", EPOCH),
        installation="copycopycopy",
        name="copy",
        origin=Origin(source.volume, source.wrapped_seed, first),
    )
    both = (wish(world, digest, None), copy)
    if at is not None:
        world.is_killed(wants(*both, revision=2), at=at)
    world.run(wants(*both, revision=3))
    forked = world.hive.registered[("copycopycopy", "data")]
    assert forked.volume != source.volume
    assert world.storage.volumes[forked.volume].local == ("one",)
    assert world.storage.volumes[source.volume].local == before.local
    assert len(world.engine.running) == 2
