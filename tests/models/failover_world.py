"""A Hive and its Devices on paper: the real decisions, with data that can be told apart.

A volume's content is the tuple of writes in it. Every head remembers its
content, so that a head that forgets an accepted write, or a write that is
nowhere any more, is seen at once.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypedDict, Unpack

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Conflict, Fenced, Unavailable
from mosaic.core.failover import Assigned, Report, advance
from mosaic.core.goal import Goal
from mosaic.core.ids import AppDigest, DeviceId, HeadHash, InstallationId, SessionId, VolumeId
from mosaic.core.lease import Holder, OfferedHead, accept_head, new_lease
from mosaic.core.placement import Phase, Placement, install
from mosaic.core.reconcile import Desired, Observed, SeenVolume, VolumePhase, has_left, heads_left, plan
from mosaic.core.steps import (
    CheckApp,
    DiscardData,
    FetchBundle,
    FinalSnapshot,
    GoBack,
    HoldVolumes,
    MakeKeys,
    Prefetch,
    PullImages,
    Release,
    ReleaseVolumes,
    SavePresent,
    SetAside,
    Snapshot,
    StartApp,
    Step,
    StopApp,
    WaitForVolumes,
)

APP = InstallationId("notes")
V1 = Release(AppDigest("sha256:1"), 1)
DATA, LINK = VolumeId("data"), VolumeId("link")
SECOND = 10**9
Content = tuple[int, ...]


class Halted(Exception):
    """A step could not be done now."""


class Change(TypedDict, total=False):
    """What a machine sees otherwise of a volume from now on: fields of `SeenVolume`."""

    phase: VolumePhase
    epoch: Epoch | None
    local_head: HeadHash | None
    clean: bool
    proved: bool
    prefetched: bool


@dataclass
class Machine:
    """One Device: what it sees, what is in its volumes, which heads it restores, and what it was last told."""

    device: DeviceId
    session: SessionId
    connected: bool = True
    broken: bool = False
    cannot_restore: bool = False
    seen: Observed = field(default_factory=Observed)
    content: dict[VolumeId, Content] = field(default_factory=dict)
    told: Assigned | None = None
    told_revision: int = -1
    bases: dict[VolumeId, HeadHash | None] = field(default_factory=dict)
    restoring: dict[VolumeId, HeadHash] = field(default_factory=dict)
    problem: str | None = None


class World:
    """One installation with two volumes, one Hive and three Devices."""

    def __init__(self) -> None:
        self.serial = count(1)
        self.now = 0
        self.machines = {name: self._machine(name) for name in (DeviceId("attic"), DeviceId("cellar"), DeviceId("den"))}
        self.reports: dict[DeviceId, Report] = {}
        self.placement: Placement = install(new_lease({DATA: None, LINK: None}), DeviceId("attic"), 0)
        self.heads: dict[HeadHash, Content] = {}
        self.accepted_by: dict[Epoch, set[Holder]] = defaultdict(set)
        self.newest_epoch: dict[VolumeId, Epoch] = {}
        self.conflicts: set[int] = set()
        self.written: set[int] = set()

    def _machine(self, name: DeviceId) -> Machine:
        return Machine(name, self._session(name))

    def _session(self, name: DeviceId) -> SessionId:
        return SessionId(f"{name}-{next(self.serial)}")

    def new_session(self, machine: Machine) -> None:
        """The Device process starts anew; its volumes and containers are as they were."""
        machine.session = self._session(machine.device)

    # What happens by itself

    def hear_and_tell(self) -> None:
        """Every connected Device reports; the Hive decides and tells each what to do."""
        for machine in self.machines.values():
            if machine.connected:
                self.reports[machine.device] = self._report(machine)
        outcome = advance(self.placement, self.reports, self.now)
        assert advance(outcome.placement, self.reports, self.now) == outcome
        self.placement = outcome.placement
        self._check_goals(dict(outcome.goals))
        for machine in self.machines.values():
            if machine.connected:
                machine.told = outcome.goals.get(machine.device)
                machine.told_revision = self.placement.revision
                machine.bases = self._bases(machine)

    def _bases(self, machine: Machine) -> dict[VolumeId, HeadHash | None]:
        lease = self.placement.lease
        if machine.told is not None and machine.told.epoch is not None:
            return dict(lease.base)
        return {volume: head.hash if head else None for volume, head in lease.newest.items()}

    def _report(self, machine: Machine) -> Report:
        told = machine.told
        volumes = machine.seen.volumes
        epoch = told.epoch if told else None
        ready = all(
            volumes.get(volume, SeenVolume(VolumePhase.ABSENT)).phase is VolumePhase.READY
            and volumes[volume].epoch == epoch
            for volume in (DATA, LINK)
        )
        leaving = told is not None and told.goal is Goal.LEAVE and epoch is not None
        checked = machine.seen.checked == V1 and machine.seen.images
        return Report(
            session=machine.session,
            at_ns=self.now,
            answers=machine.told_revision,
            prepared=checked and told is not None and told.goal is Goal.PREPARE,
            problem=machine.problem or ("unhealthy" if machine.broken and machine.seen.running else None),
            epoch=epoch,
            ready=ready,
            healthy=machine.seen.running and not machine.broken,
            released=leaving and has_left(self._desired(machine), machine.seen),
            heads=heads_left(self._desired(machine), machine.seen) if leaving else None,
            keeps_data=bool(machine.content) or any(seen.phase is VolumePhase.FAILED for seen in volumes.values()),
        )

    def _desired(self, machine: Machine) -> Desired:
        assert machine.told is not None
        return Desired(machine.told.goal, machine.told.epoch, V1, machine.bases)

    def work(self, machine: Machine, steps: int) -> None:
        """Let a Device carry out up to `steps` steps of its plan, told or not."""
        desired = {APP: self._desired(machine)} if machine.told else {}
        observed = {APP: machine.seen} if machine.seen != Observed() else {}
        machine.problem = None
        try:
            for step in plan(desired, observed)[:steps]:
                self._do(step, machine)
        except (Halted, Conflict, Unavailable) as halt:
            if not isinstance(halt, Unavailable):
                machine.problem = str(halt)

    def write(self, machine: Machine) -> None:
        """The app writes something, if it runs."""
        if not machine.seen.running:
            return
        serial = next(self.serial)
        self.written.add(serial)
        for volume in (DATA, LINK):
            machine.content[volume] = (*machine.content[volume], serial)
            self._set(machine, volume, clean=False)

    # Steps

    def _do(self, step: Step, machine: Machine) -> None:  # noqa: C901 # one case for each step is the clearest here
        match step:
            case FetchBundle():
                machine.seen = replace(machine.seen, bundle=step.app_digest, images=False)
            case CheckApp():
                if machine.broken:
                    raise Halted("disk full")
                machine.seen = replace(machine.seen, checked=step.release)
            case PullImages():
                machine.seen = replace(machine.seen, images=True)
            case StopApp():
                machine.seen = replace(machine.seen, containers=None, running=False)
            case StartApp():
                self._start(step, machine)
            case SetAside():
                self._set_aside(machine)
            case DiscardData():
                self._discard(machine)
            case Prefetch():
                for volume in (DATA, LINK):
                    self._set(machine, volume, prefetched=True)
            case HoldVolumes():
                for volume in (DATA, LINK):
                    self._hold(step.epoch, machine, volume)
            case WaitForVolumes():
                for volume in (DATA, LINK):
                    if machine.seen.volumes[volume].phase is VolumePhase.RESTORING:
                        self._restore(machine, volume)
                if any(seen.phase is VolumePhase.FAILED for seen in machine.seen.volumes.values()):
                    raise Halted("the store is damaged")
            case Snapshot() | FinalSnapshot():
                self._snapshot(step.epoch, machine, final=isinstance(step, FinalSnapshot))
            case ReleaseVolumes():
                for volume, seen in machine.seen.volumes.items():
                    if seen.phase in (VolumePhase.READY, VolumePhase.RESTORING):
                        assert seen.clean or seen.phase is VolumePhase.RESTORING
                        # What was never restored is not held under the epoch any more: its local head says nothing.
                        epoch = seen.epoch if seen.phase is VolumePhase.READY else None
                        self._set(machine, volume, phase=VolumePhase.RELEASED, epoch=epoch)
            case MakeKeys() | SavePresent() | GoBack():
                # Every volume is registered from the beginning, and nobody here wishes for an earlier state.
                raise AssertionError(step)
            case _:
                # Nor for another version.
                raise AssertionError(step)

    def _set(self, machine: Machine, volume: VolumeId, **change: Unpack[Change]) -> None:
        seen = machine.seen.volumes.get(volume, SeenVolume(VolumePhase.ABSENT))
        changed = replace(seen, **change)
        machine.seen = replace(machine.seen, volumes={**machine.seen.volumes, volume: changed})

    def _start(self, step: StartApp, machine: Machine) -> None:
        for volume in (DATA, LINK):
            seen = machine.seen.volumes[volume]
            assert seen.phase is VolumePhase.READY and seen.epoch == step.epoch, "started on nothing (G4)"
        if machine.broken:
            raise Halted("a service ended with code 1")
        machine.seen = replace(machine.seen, containers=step.release, running=True)

    def _hold(self, epoch: Epoch, machine: Machine, volume: VolumeId) -> None:
        seen = machine.seen.volumes.get(volume, SeenVolume(VolumePhase.ABSENT))
        if seen.epoch == epoch and seen.phase in (VolumePhase.READY, VolumePhase.RESTORING):
            return
        base = machine.bases[volume]
        ours = seen.local_head == base or seen.epoch == epoch
        if volume in machine.content and seen.phase is not VolumePhase.RESTORING and ours:
            self._set(machine, volume, phase=VolumePhase.READY, epoch=epoch, proved=False)
            return
        assert machine.seen.containers is None, "data was exchanged under a running app"
        if base is not None:
            # What is here stays until the restore is complete.
            machine.restoring[volume] = base
            self._set(machine, volume, phase=VolumePhase.RESTORING, epoch=epoch, proved=False)
            return
        self._keep_conflict(machine, volume)
        machine.content[volume] = ()
        self._set(machine, volume, phase=VolumePhase.READY, epoch=epoch, local_head=None, clean=True, proved=False)

    def _restore(self, machine: Machine, volume: VolumeId) -> None:
        if machine.cannot_restore and volume == DATA:
            # The other one is restored all the same: an app may leave with some of its volumes held.
            self._set(machine, volume, phase=VolumePhase.FAILED, epoch=None)
            return
        base = machine.restoring.pop(volume)
        self._keep_conflict(machine, volume)
        machine.content[volume] = self.heads[base]
        self._set(machine, volume, phase=VolumePhase.READY, local_head=base, clean=True)

    def _snapshot(self, epoch: Epoch, machine: Machine, *, final: bool) -> None:
        if not machine.connected:
            raise Halted("the Hive does not answer")
        written = [volume for volume in (DATA, LINK) if machine.seen.volumes[volume].phase is VolumePhase.READY]
        assert final or len(written) == 2
        for volume in written:
            newest = self.placement.lease.newest[volume]
            local = machine.seen.volumes[volume].local_head
            seq = newest.seq + 1 if newest and newest.hash == local else 1
            head = OfferedHead(HeadHash(f"head-{next(self.serial)}"), local, seq, epoch)
            self._offer(machine, volume, head)
            self._set(machine, volume, local_head=head.hash, clean=True, proved=True)

    def _offer(self, machine: Machine, volume: VolumeId, head: OfferedHead) -> None:
        by = Holder(machine.device, machine.session)
        try:
            lease = accept_head(self.placement.lease, volume, head, by=by)
        except Fenced:
            self._set_aside(machine)
            raise
        content = machine.content[volume]
        before = self.heads[head.previous] if head.previous else ()
        assert content[: len(before)] == before, "an accepted write was forgotten"
        assert head.epoch >= self.newest_epoch.get(volume, head.epoch), "a head of an older epoch was accepted"
        self.newest_epoch[volume] = head.epoch
        self.heads[head.hash] = content
        self.accepted_by[head.epoch].add(by)
        self.placement = replace(self.placement, lease=lease)

    def _set_aside(self, machine: Machine) -> None:
        for volume, seen in machine.seen.volumes.items():
            held = seen.phase in (VolumePhase.READY, VolumePhase.RESTORING, VolumePhase.FAILED)
            if held or not seen.clean:
                self._keep_conflict(machine, volume)
                epoch = seen.epoch if seen.phase is VolumePhase.READY else None
                self._set(machine, volume, phase=VolumePhase.SET_ASIDE, epoch=epoch, clean=True)

    def _keep_conflict(self, machine: Machine, volume: VolumeId) -> None:
        if machine.seen.volumes.get(volume, SeenVolume(VolumePhase.ABSENT)).clean:
            return
        self.conflicts |= set(machine.content.get(volume, ()))

    def _discard(self, machine: Machine) -> None:
        assert machine.seen.containers is None
        for volume, seen in machine.seen.volumes.items():
            assert seen.phase is not VolumePhase.FAILED or seen.epoch is None, "it is still held"
            self._keep_conflict(machine, volume)
        machine.content.clear()
        machine.seen = Observed()

    # What must always hold

    def _check_goals(self, goals: dict[DeviceId, Assigned]) -> None:
        holder = self.placement.lease.holder
        for device, assigned in goals.items():
            if assigned.epoch is not None:
                assert holder is not None and holder.device == device
                assert assigned.epoch == self.placement.lease.epoch
            if assigned.goal is Goal.RUN:
                assert device == self.placement.home
            if assigned.goal is Goal.DROP and self.placement.phase is not Phase.TRASHED:
                self._check_drop()

    def _check_drop(self) -> None:
        assert self.placement.phase is Phase.SETTLED
        assert self.placement.arrival is not None
        for head in self.placement.lease.newest.values():
            assert head is not None and head.epoch >= self.placement.arrival, "dropped before it was replicated"

    def check(self) -> None:
        """Nobody shares an epoch, and every write is in the newest head, on a Device, or kept as a conflict."""
        assert all(len(holders) == 1 for holders in self.accepted_by.values())
        for volume in (DATA, LINK):
            newest = self.placement.lease.newest[volume]
            kept = set(self.heads[newest.hash]) if newest else set()
            for machine in self.machines.values():
                kept |= set(machine.content.get(volume, ()))
            assert self.written <= kept | self.conflicts, "a write is nowhere any more"
