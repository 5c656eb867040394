"""G2, G3: collecting packs loses nothing that is kept, whatever crashes, jumps, is fenced, or reads meanwhile.

The last tests prove that it can fail: with a rule left out it finds a loss.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from models.collecting_world import CollectingWorld, Machine, Rules

pytestmark = pytest.mark.long
machines = st.integers(0, 1)
contents = st.frozensets(st.integers(0, 9), min_size=1, max_size=6)
KEEPING = Rules()


class Collecting(RuleBasedStateMachine):
    """Every rule is one thing that happens."""

    rules_kept: ClassVar[Rules] = KEEPING

    @initialize()
    def somebody_holds_it(self) -> None:
        self.world = CollectingWorld(type(self).rules_kept)
        self.world.grant(self.world.machines[0])

    def holder(self) -> Machine:
        return next(one for one in self.world.machines if one.epoch == self.world.epoch)

    @rule(content=contents, reply_lost=st.booleans())
    def the_holder_replicates(self, content: frozenset[int], reply_lost: bool) -> None:
        self.holder().content = content
        self.world.upload(self.holder())
        self.world.commit(self.holder(), reply_lost=reply_lost)

    @rule(place=machines, content=contents)
    def a_machine_uploads_and_gets_no_further(self, place: int, content: frozenset[int]) -> None:
        machine = self.world.machines[place]
        if machine.epoch:
            machine.content = content
            self.world.upload(machine)

    @rule(place=machines, reply_lost=st.booleans())
    def a_machine_sends_its_head(self, place: int, reply_lost: bool) -> None:
        self.world.commit(self.world.machines[place], reply_lost=reply_lost)

    @rule(place=machines)
    def the_lease_is_granted(self, place: int) -> None:
        self.world.grant(self.world.machines[place])

    @rule(place=machines, loses_cache=st.booleans())
    def a_machine_crashes(self, place: int, loses_cache: bool) -> None:
        machine = self.world.machines[place]
        self.world.forget(machine)
        if loses_cache:
            machine.known, machine.met, machine.waited = {}, {}, {}

    @rule(keep=st.integers(1, 3), goes_on=st.booleans())
    def the_holder_collects(self, keep: int, goes_on: bool) -> None:
        self.world.collect(self.holder(), keep)
        if goes_on:
            self.world.delete(self.holder())
            self.world.upload(self.holder())
            self.world.commit(self.holder(), reply_lost=False)

    @rule(place=machines)
    def a_machine_deletes_what_it_found_due(self, place: int) -> None:
        self.world.delete(self.world.machines[place])

    @rule(place=st.integers(0, 9), hours=st.one_of(st.none(), st.sampled_from([30.0, 80.0])))
    def somebody_reads(self, place: int, hours: float | None) -> None:
        self.world.read(place, hours)

    @rule(place=st.integers(0, 9))
    def the_owner_pins(self, place: int) -> None:
        kept = self.world.kept()
        if kept:
            self.world.pins.add(kept[place % len(kept)].number)

    @rule(hours=st.sampled_from([1.0, 13.0, 25.0]))
    def time_passes(self, hours: float) -> None:
        self.world.pass_time(hours)

    @rule(place=machines, hours=st.sampled_from([-100.0, 0.0, 100.0, 1e6]))
    def a_clock_jumps(self, place: int, hours: float) -> None:
        self.world.machines[place].skew_hours = hours

    @invariant()
    def nothing_that_is_kept_is_lost(self) -> None:
        if hasattr(self, "world"):
            self.world.check()


QUICK = settings(max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


def test_nobody_finds_a_kept_snapshot_that_lost_something() -> None:
    run_state_machine_as_test(Collecting, settings=QUICK)


def replicate(world: CollectingWorld, *content: int, by: int = 0) -> None:
    world.machines[by].content = frozenset(content)
    world.upload(world.machines[by])
    world.commit(world.machines[by], reply_lost=False)
    world.check()


def collect(world: CollectingWorld, by: int = 0) -> None:
    """Keep the newest head only, and have a head accepted with what that condemns."""
    world.collect(world.machines[by], 1)
    world.delete(world.machines[by])
    world.upload(world.machines[by])
    world.commit(world.machines[by], reply_lost=False)
    world.check()


def begun(rules: Rules, *first: int) -> CollectingWorld:
    """A day ago a snapshot was replicated, of which the newest one has only 4."""
    world = CollectingWorld(rules)
    world.grant(world.machines[0])
    replicate(world, *first, 4)
    replicate(world, 4, 5)
    world.pass_time(25)
    return world


def a_reader_without_a_lease(rules: Rules) -> None:
    world = begun(rules, 1, 2, 3)
    world.read(0, None)
    collect(world)
    collect(world)


def a_clock_that_jumps(rules: Rules) -> None:
    world = begun(rules, 1, 2, 3)
    world.read(0, None)
    collect(world)
    world.machines[0].skew_hours = 100
    collect(world)


def a_long_restore(rules: Rules) -> None:
    world = begun(rules, 1, 2, 3)
    world.read(1, 80)
    for _ in range(3):
        collect(world)
        world.pass_time(25)


def content_that_comes_back(rules: Rules) -> None:
    world = begun(rules, 1, 2, 3)
    collect(world)
    replicate(world, 1, 4)


def another_holder(rules: Rules) -> None:
    world = begun(rules, 1, 2, 3)
    collect(world)
    world.grant(world.machines[1])
    replicate(world, 1, 4, by=1)


def a_pinned_snapshot(rules: Rules) -> None:
    world = begun(rules, 1, 2, 3)
    world.pins.add(world.heads[0].number)
    for _ in range(3):
        collect(world)
        world.pass_time(25)


def a_pack_that_is_hardly_used(rules: Rules) -> None:
    collect(begun(rules, 1, 2, 3))


STORIES: dict[str, Callable[[Rules], None]] = {
    "waits_a_day": a_reader_without_a_lease,
    "waits_by_its_own_clock": a_clock_that_jumps,
    "honours_leases": a_long_restore,
    "condemned_count_as_gone": content_that_comes_back,
    "loads_the_list": another_holder,
    "asks_the_hive_before_letting_go": a_pinned_snapshot,
    "writes_anew_before_condemning": a_pack_that_is_hardly_used,
}


@pytest.mark.parametrize("rule_left_out", STORIES)
def test_the_model_sees_what_a_rule_that_is_left_out_costs(rule_left_out: str) -> None:
    STORIES[rule_left_out](KEEPING)
    assert set(STORIES) == {rule.name for rule in fields(Rules)}
    with pytest.raises(AssertionError, match=r"lost|deleted|condemned|at risk"):
        STORIES[rule_left_out](replace(KEEPING, **{rule_left_out: False}))


def test_the_machine_finds_a_mistake_by_itself() -> None:
    class Mistaken(Collecting):
        rules_kept = replace(KEEPING, condemned_count_as_gone=False)

    finding = settings(QUICK, max_examples=3000, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError, match=r"lost|deleted|condemned|at risk"):
        run_state_machine_as_test(Mistaken, settings=finding)
