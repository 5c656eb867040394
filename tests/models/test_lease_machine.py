"""G1: no two writers, whatever the network, the machines, the clocks and the owner do.

`Leases` is a hypothesis state machine over the real decisions. The last tests
prove that it can fail: with broken rules it finds a violation.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from models import lease_world
from models.lease_world import VOLUMES, Accept, LeaseWorld, Run, the_rule
from mosaic.core.ids import VolumeId
from mosaic.core.lease import AcceptedHead, Holder, Lease, OfferedHead

# A busy machine must not turn a search that was cut off into a finding.
pytestmark = pytest.mark.long
places = st.integers(0, 7)
volumes = st.sampled_from(VOLUMES)


class Leases(RuleBasedStateMachine):
    """Every rule is one thing that happens; what must hold is asserted where a head is accepted."""

    accept: ClassVar[Accept] = staticmethod(the_rule)

    @initialize(holder=places)
    def somebody_holds_it(self, holder: int) -> None:
        self.world = LeaseWorld(type(self).accept)
        self.everything_goes_well(holder)

    def run_at(self, place: int) -> Run:
        alive = [run for run in self.world.runs if not run.dead]
        return alive[place % len(alive)]

    @rule(place=places)
    def everything_goes_well(self, place: int) -> None:
        run = self.run_at(place)
        self.world.ask(run, lambda: self.world.want_lease(run), reply_lost=False)
        self.world.write(run)
        for volume in VOLUMES:
            self.world.replicate(run, volume, request_lost=False, reply_lost=False)

    @rule(place=places, reply_lost=st.booleans())
    def a_device_asks_for_the_lease(self, place: int, reply_lost: bool) -> None:
        run = self.run_at(place)
        self.world.ask(run, lambda: self.world.want_lease(run), reply_lost=reply_lost)

    @rule(place=places, reply_lost=st.booleans())
    def the_owner_forces_it(self, place: int, reply_lost: bool) -> None:
        run = self.run_at(place)
        self.world.ask(run, lambda: self.world.force_lease(run), reply_lost=reply_lost)

    @rule(place=places, volume=volumes, request_lost=st.booleans(), reply_lost=st.booleans())
    def a_device_replicates(self, place: int, volume: VolumeId, request_lost: bool, reply_lost: bool) -> None:
        run = self.run_at(place)
        self.world.write(run)
        self.world.replicate(run, volume, request_lost=request_lost, reply_lost=reply_lost)

    @rule(place=places, reply_lost=st.booleans())
    def a_device_hands_over(self, place: int, reply_lost: bool) -> None:
        run = self.run_at(place)
        for volume in VOLUMES:
            self.world.replicate(run, volume, request_lost=False, reply_lost=False)
        self.world.hand_over(run, reply_lost=reply_lost)

    @rule(place=places, change=st.sampled_from(["pause", "go on", "cut off", "join", "skew", "clone", "restart"]))
    def a_machine_changes(self, place: int, change: str) -> None:
        run = self.run_at(place)
        match change:
            case "pause" | "go on":
                run.paused = change == "pause"
            case "cut off" | "join":
                run.cut_off = change == "cut off"
            case "skew":
                # Nothing that decides reads a Device's clock; the model has one so that nobody forgets why.
                run.skew += 3600
            case "clone" if len(self.world.runs) < 12:
                self.world.clone(run)
            case "restart":
                self.world.restart(run)

    @rule(change=st.sampled_from(["revoke", "restart", "back up", "restore"]), place=places)
    def the_hive_changes(self, change: str, place: int) -> None:
        world = self.world
        match change:
            case "revoke":
                world.revoke()
            case "restart":
                world.restart_hive(None)
            case "back up":
                world.back_up()
            case "restore" if world.backups:
                world.restart_hive(world.backups[place % len(world.backups)])

    @rule(place=places)
    def the_owner_waives_a_device(self, place: int) -> None:
        self.world.waive(self.run_at(place).device)


QUICK = settings(max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


def test_nobody_finds_two_writers() -> None:
    run_state_machine_as_test(Leases, settings=QUICK)


def any_session_of_the_device(lease: Lease, volume: VolumeId, head: OfferedHead, by: Holder) -> Lease:
    """Broken: forgets that a clone is the same Device in another session."""
    holder = lease.holder if lease.holder and lease.holder.device == by.device else by
    return the_rule(lease, volume, replace(head, epoch=lease.epoch), holder)


def any_epoch(lease: Lease, volume: VolumeId, head: OfferedHead, by: Holder) -> Lease:
    """Broken: forgets the epoch and the holder; whoever follows the newest head is welcome."""
    newest = lease.newest[volume]
    if (head.previous, head.seq) == ((newest.hash, newest.seq + 1) if newest else (None, 1)):
        return replace(lease, newest={**lease.newest, volume: AcceptedHead(head.hash, head.seq, head.epoch)})
    return the_rule(lease, volume, head, by)


@pytest.mark.parametrize("broken", [any_epoch, any_session_of_the_device])
def test_the_machine_finds_a_broken_rule(broken: Callable[..., Lease]) -> None:
    class Broken(Leases):
        accept = staticmethod(broken)

    finding = settings(QUICK, max_examples=1000, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError, match=r"later grant|in one epoch|forked|forgotten"):
        run_state_machine_as_test(Broken, settings=finding)


def restored_too_early(world: LeaseWorld) -> None:
    """A backup, a takeover that it does not know, a restore, and the old holder acts before anybody is heard."""
    attic, cellar = world.runs[0], world.runs[1]
    world.ask(attic, lambda: world.want_lease(attic), reply_lost=False)
    world.back_up()
    world.ask(cellar, lambda: world.force_lease(cellar), reply_lost=False)
    world.write(cellar)
    world.replicate(cellar, VOLUMES[0], request_lost=False, reply_lost=False)
    world.restart_hive(world.backups[0])
    world.write(attic)
    world.replicate(attic, VOLUMES[0], request_lost=False, reply_lost=False)


def test_a_restored_hive_takes_nothing_from_before_its_restore() -> None:
    world = LeaseWorld()
    restored_too_early(world)
    assert world.rows.lease.newest[VOLUMES[0]] is None
    for run in world.runs:
        world.ask(run, partial(world.want_lease, run), reply_lost=False)
    assert world.rows.lease.newest[VOLUMES[0]] is not None, "the accepted head was adopted from who knows it"


def test_without_a_fresh_term_the_model_sees_the_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_world, "fresh_term", lambda known, salt: 1)
    monkeypatch.setattr(lease_world, "suspend", lambda lease: lease)
    with pytest.raises(AssertionError, match="accepted after a later grant"):
        restored_too_early(LeaseWorld())
