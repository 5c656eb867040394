"""App-consistent snapshots: the app's own commands around a cut, on simulated doors."""

from pathlib import Path

import pytest

from mosaic.adapters.docker.execution import Executed
from mosaic.wire.assignment import Assignment
from support.device_world import COMPOSE, NOTES, Running, World, assignment, wants
from support.kill_points import killed_in

HOOKS = (
    COMPOSE
    + """
x-mosaic:
  snapshot:
    before: {service: web, command: [dump, --all]}
    after: {service: web, command: [wake]}
"""
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def commands(world: World) -> list[str]:
    return [" ".join(command) for _, command in world.engine.executed]


def notes(world: World, running: Running) -> tuple[bool, bool]:
    found = running.means.records.notes_of(NOTES)
    return found.after_owed, found.consistent_ns is not None


def problem(running: Running) -> str:
    (work,) = running.fleet.works
    return work.problem.message if work.problem else ""


def run(world: World, compose: str = HOOKS) -> Assignment:
    return assignment(world.publish(compose), "run")


def test_the_cut_lies_between_the_two_commands_and_both_ran_in_the_service_named(world: World) -> None:
    seen: list[tuple[int, int]] = []
    world.storage.on_consistent = lambda: seen.append((len(world.engine.executed), len(world.storage.consistent)))
    world.run(wants(run(world)), until=lambda running: notes(world, running) == (False, True))
    assert commands(world) == ["dump --all", "wake"]
    assert seen == [(1, 1)]
    assert {container.rpartition("-")[2] for container, _ in world.engine.executed} == {"web"}


def test_a_before_that_fails_cuts_nothing_is_a_problem_with_its_reason_and_after_is_run(world: World) -> None:
    world.engine.answers["dump"] = Executed(3, "starting\ndisk full\n")
    seen: list[str] = []

    def told(running: Running) -> bool:
        seen[:] = [problem(running)]
        return bool(seen[0])

    running = world.run(wants(run(world)), until=told)
    assert "before a snapshot (dump in web) ended with 3: disk full" in seen[0]
    assert commands(world) == ["dump --all", "wake"]
    assert world.storage.consistent == []
    assert (running.report().phase, running.report().healthy) == ("running", True)


def test_a_command_past_its_deadline_has_failed(world: World) -> None:
    world.engine.answers["dump"] = Executed(None, "")
    running = world.run(wants(run(world)), until=lambda running: bool(problem(running)))
    assert "did not end within 60 s" in str(running.report().problem)
    assert world.storage.consistent == []


def test_killed_at_any_moment_after_is_run_at_the_next_start_and_nothing_stays_owed(world: World) -> None:
    wish = wants(run(world))
    world.run(wish)
    world.engine.executed.clear()
    killed = 0
    for at in range(1, 40):
        world.storage.consistent.clear()
        world.engine.executed.clear()
        forget_the_last_one(world)
        world.points.passed, world.points.at = 0, at
        try:
            world.run(wish, until=lambda running: notes(world, running) == (False, True))
            break
        except BaseExceptionGroup as ended:  # the kill comes out of a task group
            assert killed_in(ended), ended
            killed += 1
        finally:
            world.points.at = None
        begun = "dump --all" in commands(world)
        world.run(wish, until=lambda running: notes(world, running) == (False, True))
        assert commands(world)[-1] == "wake" or not begun
    assert killed >= 6


def forget_the_last_one(world: World) -> None:
    from mosaic.device.records import Records

    with Records(world.config.ledger) as records:
        records.note(NOTES, consistent_ns=None)


def test_an_app_without_hooks_is_never_asked_anything(world: World) -> None:
    world.run(wants(run(world, COMPOSE)))
    assert commands(world) == []
