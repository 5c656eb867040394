"""A lease, its Devices and a lossy network on paper, for the machine that looks for two writers (G1).

Devices are runs of Device processes: a clone of a machine is another run of
the same Device with a copy of everything it had. What a Device knows may be
old; what it sends may be lost, and so may the answer. The Hive is the real
decisions and nothing else; a backup is a copy of its rows.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Fenced, MosaicError, Unavailable
from mosaic.core.ids import DeviceId, HeadHash, SessionId, VolumeId
from mosaic.core.lease import (
    AcceptedHead,
    HeadStale,
    Holder,
    Lease,
    OfferedHead,
    accept_head,
    force,
    grant,
    new_lease,
    release,
    resume,
    revoke,
)
from mosaic.core.rewind import Recollection, RollCall, adopt, fresh_term, hear, knows_more, suspend, waive
from mosaic.core.session import Sessions, admit

VOLUMES = (VolumeId("data"), VolumeId("link"))
Accept = Callable[[Lease, VolumeId, OfferedHead, Holder], Lease]
Content = tuple[int, ...]
NEVER = Epoch(0, 0)


def the_rule(lease: Lease, volume: VolumeId, head: OfferedHead, by: Holder) -> Lease:
    return accept_head(lease, volume, head, by=by)


@dataclass
class Local:
    """One volume on one machine: what is in it, the newest head it descends from, and what is set aside."""

    content: Content = ()
    chain: list[OfferedHead] = field(default_factory=list)
    pending: OfferedHead | None = None
    held: Epoch | None = None
    dirty: bool = False
    conflicts: set[int] = field(default_factory=set)

    @property
    def head(self) -> HeadHash | None:
        return self.chain[-1].hash if self.chain else None


@dataclass
class Run:
    """One run of a Device. `epoch` is the lease that it believes it holds, `skew` how wrong its clock is."""

    device: DeviceId
    session: SessionId
    volumes: dict[VolumeId, Local] = field(default_factory=lambda: {volume: Local() for volume in VOLUMES})
    epoch: Epoch | None = None
    highest: Epoch = NEVER
    paused: bool = False
    cut_off: bool = False
    dead: bool = False
    skew: int = 0

    @property
    def holder(self) -> Holder:
        return Holder(self.device, self.session)


@dataclass
class Rows:
    """The Hive's database: what a backup copies and a restore brings back."""

    lease: Lease
    sessions: dict[DeviceId, Sessions]


class LeaseWorld:
    """One installation, two volumes, and whoever wants to write them."""

    def __init__(self, accept: Accept = the_rule) -> None:
        self.accept = accept
        self.serial = count(1)
        self.rows = Rows(new_lease(dict.fromkeys(VOLUMES)), {})
        self.term = fresh_term([], next(self.serial))
        self.roll = RollCall(False, frozenset())
        self.reports: dict[DeviceId, Recollection] = {}
        self.backups: list[Rows] = []
        self.runs: list[Run] = []
        self.content: dict[HeadHash, Content] = {}
        self.by_epoch: dict[Epoch, set[Holder]] = defaultdict(set)
        self.granted = NEVER
        for name in ("attic", "cellar", "den"):
            self.start(DeviceId(name), None)

    # Devices

    def start(self, device: DeviceId, copied: Run | None) -> Run:
        """Start a run of a Device: fresh, or on (a copy of) what an earlier run left on disk."""
        session = SessionId(f"{device}-{next(self.serial)}")
        run = Run(device, session)
        if copied is not None:
            run.volumes, run.highest, run.skew = copied.volumes, copied.highest, copied.skew
        self.runs.append(run)
        return run

    def clone(self, run: Run) -> Run:
        """Copy a machine with everything on it, and start the copy."""
        return self.start(run.device, deepcopy(run))

    def restart(self, run: Run) -> Run:
        """Kill a run; its next one finds the disk as it was."""
        run.dead = True
        return self.start(run.device, run)

    def ask(self, run: Run, request: Callable[[], Mapping[VolumeId, HeadHash | None]], *, reply_lost: bool) -> None:
        """Send a request for the lease, and hold what was granted unless the answer was lost."""
        if not self._reaches(run):
            return
        try:
            base = request()
        except MosaicError:
            return
        self.granted = max(self.granted, self.rows.lease.epoch)
        if not reply_lost and not run.paused:
            self._hold(run, self.rows.lease.epoch, base)

    def _reaches(self, run: Run) -> bool:
        """Connect: the newest session speaks for the Device, and the Hive hears what it remembers."""
        if run.cut_off or run.dead:
            return False
        sessions = self.rows.sessions.get(run.device, Sessions())
        try:
            self.rows.sessions[run.device] = admit(sessions, run.session)
        except MosaicError:
            return False
        self._hear(run)
        return True

    def want_lease(self, run: Run) -> Mapping[VolumeId, HeadHash | None]:
        lease = self.rows.lease
        if self.roll.frozen:
            raise Unavailable("frozen", hint="wait")
        mine = lease.holder is not None and lease.holder.device == run.device
        self.rows.lease = (resume if mine else grant)(lease, run.holder, term=self.term)
        return self.rows.lease.base

    def force_lease(self, run: Run) -> Mapping[VolumeId, HeadHash | None]:
        if self.roll.frozen:
            raise Unavailable("frozen", hint="wait")
        self.rows.lease = force(self.rows.lease, run.holder, term=self.term)
        return self.rows.lease.base

    def _hold(self, run: Run, epoch: Epoch, base: Mapping[VolumeId, HeadHash | None]) -> None:
        """The local rule: go on only from the base or by this very lease; else set aside and restore."""
        if epoch < run.highest:
            return
        run.epoch = run.highest = epoch
        for volume, local in run.volumes.items():
            wanted = base.get(volume)
            if local.pending is not None and local.pending.hash == wanted:
                local.chain.append(local.pending)
            elif local.head != wanted and local.held != epoch:
                self._set_aside(local)
                local.content = self.content[wanted] if wanted else ()
                local.chain = self._restored(volume, wanted)
            if local.held != epoch:
                local.pending = None
            local.held = epoch

    def _restored(self, volume: VolumeId, head: HeadHash | None) -> list[OfferedHead]:
        newest = self.rows.lease.newest[volume]
        if head is None or newest is None:
            return []
        return [OfferedHead(head, None, newest.seq, newest.epoch)]

    def _set_aside(self, local: Local) -> None:
        if local.dirty:
            local.conflicts |= set(local.content)
        local.dirty = False
        local.pending = None

    def write(self, run: Run) -> None:
        """The app writes, if this run believes that it holds the lease (however wrong it is)."""
        if run.epoch is None or run.dead or run.paused:
            return
        for local in run.volumes.values():
            local.content = (*local.content, next(self.serial))
            local.dirty = True

    def replicate(self, run: Run, volume: VolumeId, *, request_lost: bool, reply_lost: bool) -> None:
        """Cut a snapshot and offer its head; with an unknown outcome the same head is offered again."""
        if run.epoch is None or run.dead or run.paused or run.cut_off or request_lost:
            return
        local = run.volumes[volume]
        head = local.pending or self._cut(local, run.epoch)
        local.pending = head
        self.content.setdefault(head.hash, local.content)
        before = self.rows.lease
        try:
            self.rows.lease = self.accept(before, volume, head, run.holder)
        except Fenced:
            self.fence(run)
            return
        except (HeadStale, Unavailable):
            return
        if self.rows.lease != before:
            self._accepted(before.newest[volume], head, run.holder)
        if reply_lost:
            return
        local.chain.append(head)
        local.pending = None
        local.dirty = local.content != self.content[head.hash]

    def _cut(self, local: Local, epoch: Epoch) -> OfferedHead:
        seq = local.chain[-1].seq + 1 if local.chain else 1
        return OfferedHead(HeadHash(f"head-{next(self.serial)}"), local.head, seq, epoch)

    def fence(self, run: Run) -> None:
        """The loser stops and keeps what it has (G5)."""
        run.epoch = None
        for local in run.volumes.values():
            kept = set(local.content) if local.dirty else set()
            self._set_aside(local)
            assert kept <= local.conflicts

    def hand_over(self, run: Run, *, reply_lost: bool) -> None:
        """Leave as planned: everything replicated, then released."""
        if run.epoch is None or run.dead or run.paused or run.cut_off:
            return
        if any(local.dirty or local.pending for local in run.volumes.values()):
            return
        heads = {volume: local.head for volume, local in run.volumes.items()}
        try:
            self.rows.lease = release(self.rows.lease, heads, by=run.holder, epoch=run.epoch)
        except MosaicError:
            return
        for volume, local in run.volumes.items():
            newest = self.rows.lease.newest[volume]
            assert (self.content[newest.hash] if newest else ()) == local.content, "a hand-over lost something"
        if not reply_lost:
            run.epoch = None

    # The Hive

    def revoke(self) -> None:
        self.rows.lease = revoke(self.rows.lease)

    def back_up(self) -> None:
        self.backups.append(deepcopy(self.rows))

    def restart_hive(self, backup: Rows | None) -> None:
        """Start the Hive again, from its own database or from a backup; it cannot tell which."""
        if backup is not None:
            self.rows = deepcopy(backup)
        self.term = fresh_term([self.term, self.rows.lease.epoch.term], next(self.serial))
        self.rows.lease = suspend(self.rows.lease)
        self.roll = RollCall(False, frozenset(run.device for run in self.runs))
        self.reports = {}

    def _hear(self, run: Run) -> None:
        chains = {volume: tuple(local.chain) for volume, local in run.volumes.items() if local.chain}
        held = run.epoch is not None and run.epoch == run.highest
        report = Recollection(run.device, run.highest, held, chains)
        self.reports[run.device] = report
        self.roll = hear(self.roll, run.device, more=knows_more(self.rows.lease, report))
        self._adopt_when_all_were_heard()

    def waive(self, device: DeviceId) -> None:
        """The owner goes on without a Device."""
        self.roll = waive(self.roll, device)
        self._adopt_when_all_were_heard()

    def _adopt_when_all_were_heard(self) -> None:
        if not self.roll.behind or self.roll.frozen:
            return
        self.term = fresh_term([self.term, *(report.epoch.term for report in self.reports.values())], next(self.serial))
        adopted = adopt(self.rows.lease, list(self.reports.values()), term=self.term)
        self.rows.lease = adopted.lease
        self.granted = max(self.granted, adopted.lease.epoch)
        self.roll = RollCall(False, frozenset())

    # What must always hold

    def _accepted(self, before: AcceptedHead | None, head: OfferedHead, by: Holder) -> None:
        assert head.epoch >= self.granted, "a head was accepted after a later grant"
        assert before is None or (head.previous == before.hash and head.seq == before.seq + 1), "history forked"
        if before is not None:
            earlier = self.content[before.hash]
            assert self.content[head.hash][: len(earlier)] == earlier, "an accepted write was forgotten"
        self.by_epoch[head.epoch].add(by)
        assert len(self.by_epoch[head.epoch]) == 1, "two sessions had heads accepted in one epoch"
