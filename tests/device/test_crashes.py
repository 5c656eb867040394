"""A Device may be killed at any line: the next one converges, and nothing is lost on the way."""

from pathlib import Path

import pytest

from mosaic.wire.assignment import Assignment, VolumeAssignment
from support.device_world import NOTES, World, assignment, wants

pytestmark = pytest.mark.long


def volumes_of(world: World) -> list[VolumeAssignment]:
    """Return the registered volumes as the Hive would assign them now: newest and base are what the store has."""
    import msgspec

    return [
        msgspec.structs.replace(one, base=world.store.newest.get(one.volume), newest=world.store.newest.get(one.volume))
        for one in world.hive.registered.values()
    ]


def goal(world: World, digest: str, what: str, epoch: str | None) -> Assignment:
    """Return what the Hive asks for now: volumes are named once somebody registered them."""
    return assignment(digest, what, epoch, volumes=volumes_of(world))


def installed(folder: Path) -> tuple[World, str]:
    world = World(folder)
    digest = world.publish()
    world.run(wants(goal(world, digest, "run", "1.1")))
    return world, digest


def data_volume(world: World) -> str:
    return world.hive.registered[(NOTES, "data")].volume


@pytest.mark.parametrize("at", range(1, 26))
def test_an_install_that_is_killed_anywhere_ends_with_the_app_running(tmp_path: Path, at: int) -> None:
    world = World(tmp_path)
    digest = world.publish()

    world.is_killed(wants(goal(world, digest, "run", "1.1")), at=at)
    after = world.run(wants(goal(world, digest, "run", "1.2"))).report()

    assert (after.phase, after.healthy, after.problem) == ("running", True, None)
    assert len(world.hive.registered) == len(world.storage.volumes) == 1


def test_there_are_no_more_points_than_the_ones_that_are_killed_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    digest = world.publish()

    world.run(wants(goal(world, digest, "run", "1.1")))

    assert world.points.passed < 26


@pytest.mark.parametrize("at", range(1, 9))
def test_leaving_that_is_killed_anywhere_ends_released_with_everything_replicated(tmp_path: Path, at: int) -> None:
    world, digest = installed(tmp_path)
    world.storage.write(data_volume(world), "a note")

    world.is_killed(wants(goal(world, digest, "leave", "1.1"), revision=2), at=at)
    after = world.run(wants(goal(world, digest, "leave", "1.1"), revision=3)).report()

    assert after.phase == "released"
    assert world.engine.running == {}
    assert world.store.content[world.store.newest[data_volume(world)]] == ("a note",)


@pytest.mark.parametrize("at", range(1, 13))
def test_letting_go_that_is_killed_anywhere_ends_with_nothing_here(tmp_path: Path, at: int) -> None:
    world, digest = installed(tmp_path)
    world.run(wants(goal(world, digest, "leave", "1.1"), revision=2))

    world.is_killed(wants(goal(world, digest, "drop", None), revision=3), at=at)
    after = world.run(wants(goal(world, digest, "drop", None), revision=4)).report()

    assert after.phase == "dropped"
    assert world.storage.volumes[data_volume(world)].local is None
    assert world.engine.docker_volumes == {}


@pytest.mark.parametrize("at", range(1, 9))
def test_a_fenced_device_that_is_killed_anywhere_keeps_what_was_not_replicated(tmp_path: Path, at: int) -> None:
    world, _ = installed(tmp_path)
    world.storage.write(data_volume(world), "only here")

    world.is_killed(wants(revision=2), at=at)
    world.run(wants(revision=3))

    assert world.engine.running == {}
    assert world.storage.volumes[data_volume(world)].conflicts == (("only here",),)
