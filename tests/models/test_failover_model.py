"""Moves under everything that can go wrong: whatever happens, they converge and lose nothing (G1, G3, G4, G5).

A story is a list of events. After each, nothing may be lost and nobody may
share an epoch; at its end everybody answers, and all must come to rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.failover_world import SECOND, World
from mosaic.core.errors import Conflict
from mosaic.core.failover import expired
from mosaic.core.ids import DeviceId
from mosaic.core.placement import (
    Phase,
    Placement,
    Wish,
    cancel_move,
    force_from_trash,
    force_move,
    move,
    restore_from_trash,
    uninstall,
    want,
)
from mosaic.core.rewind import suspend


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens, with a name to tell a story by."""

    name: str
    happen: Callable[[World], None]

    def __repr__(self) -> str:
        return self.name


# A busy machine must not turn a search that was cut off into a finding.
pytestmark = pytest.mark.long
ATTIC, CELLAR, DEN = DeviceId("attic"), DeviceId("cellar"), DeviceId("den")


def ask(request: Callable[[Placement, World], Placement], world: World) -> None:
    """Do what the owner asks, or see it refused with nothing changed."""
    before = world.placement
    try:
        world.placement = request(before, world)
    except Conflict as refused:
        assert refused.hint
        assert world.placement == before


def everybody_works(world: World) -> None:
    world.hear_and_tell()
    for machine in world.machines.values():
        world.work(machine, 9)
        world.write(machine)


def one_works(device: DeviceId, steps: int, world: World) -> None:
    world.hear_and_tell()
    world.work(world.machines[device], steps)


def one_works_on_what_it_knew(device: DeviceId, world: World) -> None:
    world.work(world.machines[device], 2)


def connect(device: DeviceId, connected: bool, world: World) -> None:
    world.machines[device].connected = connected


def break_machine(device: DeviceId, broken: bool, world: World) -> None:
    world.machines[device].broken = broken


def lose_its_store(device: DeviceId, cannot_restore: bool, world: World) -> None:
    world.machines[device].cannot_restore = cannot_restore


def restart(device: DeviceId, world: World) -> None:
    world.new_session(world.machines[device])


def restart_hive(world: World) -> None:
    world.reports.clear()
    world.placement = replace(world.placement, lease=suspend(world.placement.lease))


def wait(seconds: int, world: World) -> None:
    world.now += seconds * SECOND


def _of(device: DeviceId) -> list[Event]:
    return [
        *[Event(f"move to {device}", partial(ask, lambda at, world: move(at, device, world.now)))] * 2,
        Event(f"force to {device}", partial(ask, lambda at, world: force_move(at, device, world.now))),
        Event(f"restore on {device}", partial(ask, lambda at, world: restore_from_trash(at, device, world.now))),
        Event(f"restore on {device} by force", partial(ask, lambda at, world: force_from_trash(at, device, world.now))),
        *(Event(f"{device} does {steps}", partial(one_works, device, steps)) for steps in (1, 2, 3, 9)),
        Event(f"{device} acts late", partial(one_works_on_what_it_knew, device)),
        Event(f"{device} offline", partial(connect, device, False)),
        *[Event(f"{device} online", partial(connect, device, True))] * 2,
        Event(f"{device} breaks", partial(break_machine, device, True)),
        Event(f"{device} is mended", partial(break_machine, device, False)),
        Event(f"{device} cannot restore", partial(lose_its_store, device, True)),
        Event(f"{device} can restore", partial(lose_its_store, device, False)),
        Event(f"{device} restarts", partial(restart, device)),
    ]


EVENTS: list[Event] = [
    *_of(ATTIC),
    *_of(CELLAR),
    *_of(DEN),
    *[Event("everybody works", everybody_works)] * 8,
    Event("cancel", partial(ask, lambda at, world: cancel_move(at, world.now))),
    Event("uninstall", partial(ask, lambda at, world: uninstall(at, world.now))),
    Event("stop", partial(ask, lambda at, world: want(at, Wish.STOP))),
    Event("start", partial(ask, lambda at, world: want(at, Wish.RUN))),
    Event("the Hive restarts", restart_hive),
    Event("a minute passes", partial(wait, 60)),
    Event("minutes pass", partial(wait, 400)),
]


OWNERS_OWN_RISK = ("force to den", "restore on den", "restore on den by force", "den can restore")

AROUND_DEN: list[Event] = [
    *_of(ATTIC),
    *_of(CELLAR),
    *[event for event in _of(DEN) if event.name not in OWNERS_OWN_RISK],
    *[Event("everybody works", everybody_works)] * 8,
    Event("cancel", partial(ask, lambda at, world: cancel_move(at, world.now))),
    Event("uninstall", partial(ask, lambda at, world: uninstall(at, world.now))),
    Event("stop", partial(ask, lambda at, world: want(at, Wish.STOP))),
    Event("start", partial(ask, lambda at, world: want(at, Wish.RUN))),
    Event("the Hive restarts", restart_hive),
    Event("minutes pass", partial(wait, 400)),
]
"""Everything but what an owner forces on a Device whose store is damaged for good."""


@given(st.lists(st.sampled_from(EVENTS), min_size=25, max_size=60))
@settings(max_examples=250, deadline=None)
def test_whatever_happens_a_move_converges_and_loses_nothing(story: list[Event]) -> None:
    world = settled_world()
    for event in story:
        event.happen(world)
        world.check()
    come_to_rest(world)


@given(st.lists(st.sampled_from(AROUND_DEN), min_size=20, max_size=50))
@settings(max_examples=150, deadline=None)
def test_a_failed_restore_never_keeps_an_app_from_its_old_home(story: list[Event]) -> None:
    world = settled_world()
    lose_its_store(DEN, True, world)
    for event in story:
        event.happen(world)
        world.check()
    come_to_rest(world, but=DEN)
    assert world.placement.home != DEN or world.placement.phase is Phase.TRASHED


def settled_world() -> World:
    world = World()
    for _ in range(4):
        everybody_works(world)
    assert world.placement.phase is Phase.SETTLED
    return world


def come_to_rest(world: World, *, but: DeviceId | None = None) -> None:
    """Let everybody answer, and see that all ends where the owner wants it. `but` has no store to restore from."""
    for machine in world.machines.values():
        machine.connected, machine.broken, machine.cannot_restore = True, False, machine.device == but
    for _ in range(15):
        everybody_works(world)
        world.check()
    at = world.placement
    running = [machine.device for machine in world.machines.values() if machine.seen.running]
    if at.phase is Phase.TRASHED:
        assert at.lease.released and not running
        return
    assert at.phase is Phase.SETTLED
    assert running == ([at.home] if at.wish is Wish.RUN else [])
    assert [machine.device for machine in world.machines.values() if machine.content] == [at.home]


def test_a_planned_move_loses_nothing_and_leaves_no_conflict() -> None:
    world = settled_world()
    written = set(world.written)
    world.placement = move(world.placement, CELLAR, world.now)
    come_to_rest(world)
    assert world.placement.home == CELLAR
    assert not world.conflicts
    assert written <= set(world.machines[CELLAR].content[next(iter(world.machines[CELLAR].content))])


def test_a_target_whose_check_fails_leaves_home_untouched() -> None:
    world = settled_world()
    epoch = world.placement.lease.epoch
    world.machines[CELLAR].broken = True
    world.placement = move(world.placement, CELLAR, world.now)
    for _ in range(4):
        everybody_works(world)
    assert (world.placement.phase, world.placement.home) == (Phase.SETTLED, ATTIC)
    assert world.placement.lease.epoch == epoch


def test_a_target_that_fails_to_start_hands_back_and_home_finds_its_data_in_place() -> None:
    world = settled_world()
    world.placement = move(world.placement, CELLAR, world.now)
    until_arriving(world)
    world.machines[CELLAR].broken = True
    for _ in range(12):
        everybody_works(world)
    assert world.placement.phase is Phase.SETTLED
    assert world.placement.home == ATTIC and not world.conflicts
    assert world.machines[ATTIC].seen.running


def test_a_target_that_cannot_restore_hands_back_and_home_finds_its_data_in_place() -> None:
    world = settled_world()
    content = dict(world.machines[ATTIC].content)
    world.placement = move(world.placement, CELLAR, world.now)
    until_arriving(world)
    lose_its_store(CELLAR, True, world)
    for _ in range(12):
        everybody_works(world)
    assert (world.placement.phase, world.placement.home) == (Phase.SETTLED, ATTIC)
    assert world.machines[ATTIC].seen.running and not world.conflicts
    assert all(world.machines[ATTIC].content[volume][: len(kept)] == kept for volume, kept in content.items())
    assert not world.machines[CELLAR].seen.volumes


def until_arriving(world: World) -> None:
    """Let home leave and the target check, and stop before the target has done anything with its grant."""
    for _ in range(9):
        world.hear_and_tell()
        if world.placement.phase is Phase.ARRIVING:
            return
        for machine in world.machines.values():
            world.work(machine, 9)
    raise AssertionError(world.placement)


def test_a_target_that_dies_arriving_hands_back_after_a_silence() -> None:
    world = settled_world()
    world.placement = move(world.placement, CELLAR, world.now)
    until_arriving(world)
    connect(CELLAR, False, world)
    world.machines[CELLAR].told = None
    for _ in range(20):
        wait(60, world)
        everybody_works(world)
    assert (world.placement.phase, world.placement.home) == (Phase.SETTLED, ATTIC)


def test_a_forced_move_keeps_what_the_old_holder_had_not_replicated() -> None:
    world = settled_world()
    connect(ATTIC, False, world)
    world.write(world.machines[ATTIC])
    unreplicated = max(world.written)
    world.placement = force_move(world.placement, DEN, world.now)
    come_to_rest(world)
    assert world.placement.home == DEN
    assert unreplicated in world.conflicts


def test_the_trash_expires_only_once_its_holder_has_released() -> None:
    world = settled_world()
    connect(ATTIC, False, world)
    world.placement = uninstall(world.placement, world.now)
    late = world.now + 31 * 24 * 3600 * SECOND
    assert not expired(world.placement, late)
    connect(ATTIC, True, world)
    come_to_rest(world)
    assert expired(world.placement, late)
    world.now = late
    for _ in range(3):
        world.hear_and_tell()
        for machine in world.machines.values():
            world.work(machine, 9)
    assert not world.machines[ATTIC].content


@example(1)
@given(st.integers(1, 5))
def test_an_app_moved_while_stopped_arrives_stopped(rounds: int) -> None:
    world = settled_world()
    world.placement = want(world.placement, Wish.STOP)
    for _ in range(rounds):
        everybody_works(world)
    world.placement = move(world.placement, DEN, world.now)
    come_to_rest(world)
    assert world.placement.home == DEN
