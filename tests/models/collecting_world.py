"""A volume's store on paper, with writers, readers and a Hive, for the machine that looks for lost data (G2, G3).

A blob is a number, a pack a set of blobs, a head the set of blobs that its
snapshot needs. What is decided of packs is the real decision; `Rules` has a
switch for each thing that keeps it safe, so that tests can leave one out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count

from mosaic.core.collecting import Condemned, Limits, PackUse, Waiting, condemn, due

HOUR_NS = 3600 * 10**9
DAY_HOURS = 24
LIMITS = Limits(rewrite_bytes=6, small_bytes=3, merged=2, worth_bytes=0)
Blobs = frozenset[int]


@dataclass(frozen=True)
class Rules:
    """What is kept to. A test that leaves one out must see the machine find what it costs."""

    waits_a_day: bool = True
    waits_by_its_own_clock: bool = True
    honours_leases: bool = True
    condemned_count_as_gone: bool = True
    loads_the_list: bool = True
    asks_the_hive_before_letting_go: bool = True
    writes_anew_before_condemning: bool = True


@dataclass(frozen=True)
class Head:
    """`condemned` maps a pack to what the first head said that condemned it."""

    number: int
    seq: int
    epoch: int
    previous: int | None
    instant_ns: int
    blobs: Blobs
    condemned: dict[str, Condemned]


@dataclass
class Reader:
    """Somebody who restores a head. It knows the packs that were there when it began."""

    head: Head
    known: dict[str, Blobs]
    began_hours: float
    lease_until: float | None
    since_seq: int


@dataclass
class Plan:
    """What a collection wants the next head to say."""

    add: tuple[str, ...]
    drop: tuple[str, ...]


@dataclass
class Machine:
    """One machine. What is written to disk survives a crash; a cache may be lost, or be old."""

    name: str
    skew_hours: float = 0.0
    epoch: int = 0
    content: Blobs = frozenset()
    accepted: Head | None = None
    pending: Head | None = None
    # The cache.
    known: dict[str, Blobs] = field(default_factory=dict)
    met: dict[str, float] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)
    # Memory.
    excluded: set[str] = field(default_factory=set)
    is_loaded: bool = False
    plan: Plan | None = None
    to_delete: tuple[str, ...] = ()


class CollectingWorld:
    """One volume, one store, two machines that take turns, and readers."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.hours = 1000.0
        self.numbers = count(1)
        self.store: dict[str, Blobs] = {}
        self.heads: list[Head] = []
        self.let_go: set[int] = set()
        self.pins: set[int] = set()
        self.epoch = 0
        self.base: int | None = None
        self.machines = [Machine("attic"), Machine("cellar")]
        self.readers: list[Reader] = []

    @property
    def newest(self) -> Head | None:
        return self.heads[-1] if self.heads else None

    def kept(self) -> list[Head]:
        return [head for head in self.heads if head.number not in self.let_go]

    # The Hive

    def grant(self, machine: Machine) -> None:
        """Give the next epoch; local data is kept only when it is the newest head's."""
        self.epoch += 1
        machine.epoch = self.epoch
        newest = self.newest
        self.base = newest.number if newest else None
        self.forget(machine)
        if machine.pending is not None and newest is not None and machine.pending.number == newest.number:
            machine.accepted = machine.pending
        elif (machine.accepted and machine.accepted.number) != self.base:
            machine.accepted = newest
            machine.content = newest.blobs if newest else frozenset()
        machine.pending = None

    def send(self, machine: Machine) -> bool:
        """Offer the pending head. Returns whether it is the newest now."""
        head, newest = machine.pending, self.newest
        assert head is not None
        if newest is not None and newest.number == head.number:
            return True
        if head.epoch != self.epoch or head.previous != (newest.number if newest else None):
            return False
        gone = self._condemned(newest)
        for blob in head.blobs:
            places = [pack for pack, blobs in self.store.items() if blob in blobs and pack not in gone]
            assert places, f"an accepted head relies on a condemned pack for {blob}"
        self.heads.append(head)
        return True

    def retain(self, keep: int) -> list[Head]:
        """Let go of all but the last heads and those that must stay; return what is kept."""
        for head in self.heads[:-1][: max(0, len(self.heads) - keep)]:
            leased = any(one.head.number == head.number and self._holds(one) for one in self.readers)
            must_stay = head.number in self.pins or leased or head.number == self.base
            if not must_stay or not self.rules.asks_the_hive_before_letting_go:
                self.let_go.add(head.number)
        return self.kept()

    def oldest_reader(self) -> int | None:
        return min((one.since_seq for one in self.readers if self._holds(one)), default=None)

    # A machine

    def forget(self, machine: Machine) -> None:
        """Lose what is only in memory."""
        machine.excluded = set()
        machine.is_loaded = False
        machine.plan = None
        machine.to_delete = ()

    def settle(self, machine: Machine) -> None:
        if machine.pending is not None:
            if self.send(machine):
                machine.accepted = machine.pending
            machine.pending = None

    def load(self, machine: Machine) -> None:
        """Make the cache equal to the store, and take the condemned list from the accepted head."""
        for pack in set(machine.known) - set(self.store):
            del machine.known[pack]
        for pack, blobs in self.store.items():
            if pack not in machine.known:
                machine.known[pack] = blobs
                machine.met[pack] = self.hours
        listed = self._condemned(machine.accepted) if self.rules.loads_the_list else {}
        machine.excluded = set(listed)
        machine.waited = {pack: machine.waited.get(pack, 0.0) for pack in listed}
        machine.is_loaded = True

    def upload(self, machine: Machine) -> None:
        """Send what the store lacks, and write a head into the ledger."""
        self.settle(machine)
        if not machine.is_loaded:
            self.load(machine)
        before = machine.accepted
        # As the engine does: what did not change since the accepted head is not looked at again.
        self._put(machine, machine.content - (before.blobs if before else frozenset()) - self._having(machine))
        seq = before.seq + 1 if before else 1
        instant = self._wall_ns(machine)
        condemned = self._condemned(before)
        if machine.plan is not None:
            condemned = {pack: one for pack, one in condemned.items() if pack not in machine.plan.drop}
            condemned |= {pack: Condemned(pack.encode(), seq, instant) for pack in machine.plan.add}
        machine.pending = Head(
            next(self.numbers),
            seq,
            machine.epoch,
            before.number if before else None,
            instant,
            machine.content,
            condemned,
        )

    def commit(self, machine: Machine, *, reply_lost: bool) -> None:
        if machine.pending is None or (not self.send(machine) and machine.epoch == self.epoch):
            return
        if reply_lost or machine.pending.epoch != self.epoch:
            return
        machine.accepted, machine.pending, machine.plan = machine.pending, None, None
        listed = self._condemned(machine.accepted)
        machine.excluded |= set(listed)
        machine.waited = {pack: machine.waited.get(pack, 0.0) for pack in listed}

    def collect(self, machine: Machine, keep: int) -> None:
        """Mark, write anew what is worth it, and plan what the next head condemns."""
        if machine.epoch != self.epoch or machine.pending is not None or machine.accepted is None:
            return
        kept = self.retain(keep)
        self.load(machine)
        needed: set[int] = set().union(*(head.blobs for head in kept))
        if self._lacking(machine, needed):
            return
        self._ask_to_delete(machine)
        uses = self._uses(machine, needed)
        add = tuple(pack.decode() for pack in condemn(uses, LIMITS))
        machine.excluded |= set(add)
        if self.rules.writes_anew_before_condemning:
            self._put(machine, self._lacking(machine, needed))
        drop = tuple(pack for pack in self._condemned(machine.accepted) if pack not in self.store)
        machine.plan = Plan(add, drop)

    def delete(self, machine: Machine) -> None:
        """Delete what was found due, however long ago that was."""
        for pack in machine.to_delete:
            self.store.pop(pack, None)
        machine.to_delete = ()

    def _ask_to_delete(self, machine: Machine) -> None:
        waiting = [
            Waiting(one, self._waited(machine, pack))
            for pack, one in self._condemned(machine.accepted).items()
            if pack in self.store
        ]
        if not self.rules.waits_a_day:
            waiting = [replace(one, waited_seconds=1e9, condemned=replace(one.condemned, at_ns=0)) for one in waiting]
        reader = self.oldest_reader() if self.rules.honours_leases else None
        found = due(waiting, now_ns=self._wall_ns(machine), oldest_reader=reader)
        machine.to_delete = tuple(pack.decode() for pack in found)

    def _waited(self, machine: Machine, pack: str) -> float:
        return machine.waited.get(pack, 0.0) * 3600 if self.rules.waits_by_its_own_clock else 1e9

    def _uses(self, machine: Machine, needed: Iterable[int]) -> list[PackUse]:
        good = [pack for pack in sorted(machine.known) if pack not in machine.excluded]
        homes = {blob: [pack for pack in good if blob in machine.known[pack]] for blob in needed}
        nowhere = [blob for blob, packs in homes.items() if not packs]
        assert not nowhere, f"blobs {nowhere} are needed, and only condemned packs have them"
        used = [packs[0] for packs in homes.values()]
        return [
            PackUse(
                pack.encode(),
                len(machine.known[pack]),
                used.count(pack),
                (self.hours - machine.met[pack]) * 3600,
            )
            for pack in good
        ]

    def _having(self, machine: Machine) -> set[int]:
        skipped = machine.excluded if self.rules.condemned_count_as_gone else set()
        return set().union(*(blobs for pack, blobs in machine.known.items() if pack not in skipped))

    def _lacking(self, machine: Machine, needed: Iterable[int]) -> Blobs:
        return frozenset(needed) - self._having(machine)

    def _put(self, machine: Machine, blobs: Iterable[int]) -> None:
        if some := frozenset(blobs):
            pack = f"pack{next(self.numbers):04d}"
            self.store[pack] = machine.known[pack] = some
            machine.met[pack] = self.hours

    def _condemned(self, head: Head | None) -> dict[str, Condemned]:
        return head.condemned if head else {}

    def _wall_ns(self, machine: Machine) -> int:
        return int((self.hours + machine.skew_hours) * HOUR_NS)

    # Readers and time

    def read(self, place: int, hours: float | None) -> None:
        """Somebody begins to read a kept head, with a read lease of so many hours or without one."""
        kept = self.kept()
        newest = self.newest
        if kept and newest:
            until = None if hours is None else self.hours + hours
            head = kept[place % len(kept)]
            self.readers.append(Reader(head, dict(self.store), self.hours, until, newest.seq))

    def _holds(self, reader: Reader) -> bool:
        return reader.lease_until is not None and self.hours < reader.lease_until

    def pass_time(self, hours: float) -> None:
        self.hours += hours
        for machine in self.machines:
            machine.waited = {pack: waited + hours for pack, waited in machine.waited.items()}

    def check(self) -> None:
        """What must hold whenever anybody looks."""
        gone = self._condemned(self.newest)
        for head in self.heads:
            for blob in head.blobs if head.number not in self.let_go or head.number in self.pins else ():
                places = [pack for pack, blobs in self.store.items() if blob in blobs]
                assert places, f"kept head {head.seq} lost {blob}"
        if self.newest is not None:
            for blob in self.newest.blobs:
                assert any(blob in blobs for pack, blobs in self.store.items() if pack not in gone), "newest at risk"
        for reader in self.readers:
            if self._holds(reader) or self.hours < reader.began_hours + DAY_HOURS:
                for blob in reader.head.blobs:
                    found = [pack for pack, blobs in reader.known.items() if blob in blobs and pack in self.store]
                    assert found, f"a reader of head {reader.head.seq} met a deleted pack"
