"""A Hive without a network that is killed at a chosen transaction, before or after its commit.

Everything that it holds in memory is gone then, and it starts again from the
database. The Devices around it are the fakes that other tests connect for
real; here their requests are calls.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from mosaic.adapters.sql import accounts, devices, installations, placements
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx, open_sqlite
from mosaic.adapters.sql.sessions import SpeaksFor
from mosaic.core import lease, placement
from mosaic.core.errors import Fenced, MosaicError
from mosaic.core.ids import AccountId, AppDigest, DeviceId, HeadHash, InstallationId, SessionId, VolumeId
from mosaic.core.lease import HeadStale, Holder
from mosaic.core.placement import Placement
from mosaic.crypto.hashing import head_hash
from mosaic.hive import scheduler
from mosaic.hive.api import device_side, heads
from mosaic.hive.channel.assigning import assignments
from mosaic.hive.channel.connections import Connection
from mosaic.hive.channel.sights import Heard
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.channel import Reported
from mosaic.wire.enrol import NewVolume
from mosaic.wire.head import parse
from support.fake_device import FakeDevice
from support.migrated import write_migrated

T = TypeVar("T")
ADA = AccountId("ada")
NOTES = InstallationId("notes2345678")


class Killed(BaseException):
    """kill -9."""


class LocalDevice(FakeDevice):
    """A Device whose requests are calls of the Hive's functions."""

    def __init__(self, hive: "CrashingHive", name: str) -> None:
        super().__init__(name)
        self.hive = hive
        self.connection: Connection | None = None

    @property
    def speaker(self) -> SpeaksFor:
        return SpeaksFor(Holder(self.id, SessionId(self.session)), ADA, admitted=True)

    def client(self) -> "LocalDevice":  # type: ignore[override] # has what is asked of a client here, and no connection
        return self

    def blobs(self) -> "LocalDevice":  # type: ignore[override] # has what is asked of its blobs here
        return self

    def __enter__(self) -> "LocalDevice":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def register_volume(self, installation: str, kind: str, new: NewVolume) -> None:
        now_ns = self.hive.now_ns
        self.hive.write(
            lambda tx: device_side._register(tx, InstallationId(installation), kind, new, self.speaker, now_ns)
        )

    def store(self, volume: VolumeId) -> "LocalDevice":
        return self

    def put(self, name: str, content: bytes) -> None:
        return None

    def heads(self, volume: VolumeId) -> "_Heads":
        return _Heads(self, volume)

    def send(self, message: object) -> None:
        if isinstance(message, Reported):
            self.hive.hear(self, message)


class _Heads:
    def __init__(self, device: LocalDevice, volume: VolumeId) -> None:
        self.device, self.volume = device, volume

    def newest(self) -> tuple[HeadHash, bytes] | None:
        from mosaic.adapters.sql import heads as rows

        with self.device.hive.database.read() as tx:
            return rows.newest(tx, self.volume)

    def commit(self, signed: bytes, *, wish: str | None = None) -> str:
        head, _ = parse(signed)
        hive = self.device.hive
        try:
            name, who = head_hash(signed), self.device.speaker
            hive.write(lambda tx: heads._accept(tx, name, head, signed, who, hive.now_ns, wish))
        except Fenced:
            return "fenced"
        except HeadStale:
            return "stale"
        return "accepted"


class CrashingHive:
    """`kill_at` counts transactions from its being set; `after_commit` lets the fatal one be written first."""

    def __init__(self, folder: Path) -> None:
        write_migrated(folder / "hive.db")
        self.database = open_sqlite(folder / "hive.db")
        self.now_ns = 10**18
        self.kill_at: int | None = None
        self.after_commit = False
        self.writes = 0
        self.kills = 0
        self.devices: list[LocalDevice] = []
        self.heard: dict[DeviceId, Heard] = {}
        self.term = 0
        self.write(lambda tx: accounts.add(tx, Account(ADA, "ada", "v", None, None), now_ns=1))
        self.start()

    def start(self) -> None:
        """Begin with nothing in memory."""
        self.heard = {}
        for device in self.devices:
            device.connection = Connection(device.id, SessionId(device.session), ADA, "token")
        self.term = self.write(lambda tx: scheduler.begin_term(tx, self.writes))

    def join(self, name: str) -> LocalDevice:
        """Add a Device that is admitted."""
        device = LocalDevice(self, name)
        row = Device(device.id, ADA, name, device.key, "22" * 32, "amd64", "1", OwnerAdmission("x", "y"), None, True, 1)
        self.write(lambda tx: devices.add(tx, row))
        self.devices.append(device)
        device.connection = Connection(device.id, SessionId(device.session), ADA, "token")
        return device

    def install(self, on: DeviceId) -> None:
        """Install the app."""
        known = installations.Installation(
            NOTES, ADA, "notes", "notes", AppDigest("sha256:" + "ab" * 32), {}, 1, False, {}, [], 0, 1
        )
        where = placement.install(lease.new_lease({}), on, self.now_ns)
        self.write(lambda tx: placements.add(tx, known, where))

    def write(self, change: Callable[[Tx], T]) -> T:
        """Run a transaction, unless it is the one to be killed at."""
        self.writes += 1
        fatal = self.kill_at is not None and self.writes >= self.kill_at
        if fatal and not self.after_commit:
            self._die()
        with self.database.write() as tx:
            done = change(tx)
        if fatal:
            self._die()
        return done

    def _die(self) -> None:
        self.kill_at = None
        self.kills += 1
        raise Killed

    def hear(self, device: LocalDevice, message: Reported) -> None:
        """Take a report, and carry on what it concerns."""
        assert device.connection is not None
        answers = device.connection.answers_to(message.report.assignments_revision)
        self.heard[device.id] = Heard(SessionId(device.session), self.now_ns, message.report, answers)
        self.look()

    def look(self) -> None:
        """Take every step that is due."""
        with self.database.read() as tx:
            due = installations.every(tx)
        for one in due:
            self.write(partial(scheduler.look, installation=one, heard=self.heard, now_ns=self.now_ns, term=self.term))

    def round(self) -> None:
        """Every Device reports, is told, obeys, and reports again."""
        self.now_ns += 10**9
        for device in self.devices:
            device.report()
            assert device.connection is not None
            with self.database.read() as tx:
                told = assignments(tx, device.connection.holder, self.heard, now_ns=self.now_ns)
            message = device.connection.tell(told.items, told.revisions, self.now_ns) if told else None
            if message is not None:
                device.told.append(message)
                device.obey()
                device.report()

    def until(self, condition: Callable[[Placement], bool], *, rounds: int = 60) -> None:
        """Go on, starting again after each kill, until it is so."""
        for _ in range(rounds):
            if condition(self.placement()):
                return
            with self.surviving():
                self.round()
        raise AssertionError(f"not so after {rounds} rounds: {self.placement()}")

    @contextmanager
    def surviving(self) -> Iterator[None]:
        """Start again when what is inside is killed."""
        try:
            yield
        except Killed:
            self.start()

    def placement(self) -> Placement:
        """Return where the app is."""
        with self.database.read() as tx:
            found = placements.get(tx, NOTES)
        assert found is not None
        return found

    def ask(self, step: Callable[[Placement], Placement]) -> None:
        """Let the owner ask for something, again if the Hive died meanwhile; refusals of the second time are fine."""

        def change(tx: Tx) -> None:
            before = placements.lock(tx, NOTES)
            assert before is not None
            placements.save(tx, NOTES, before, step(before))

        try:
            self.write(change)
        except Killed:
            self.start()
            try:
                self.write(change)
            except MosaicError:
                return
