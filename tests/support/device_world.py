"""One Device on simulated doors: its ledger and files are real, the engine, the storage daemon and the Hive are not.

A world outlives its Devices: `run` starts one, lets it work until nothing is
left (or until it is killed), and ends it, as a process would.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import anyio
import msgspec

from mosaic.adapters import bundle
from mosaic.adapters.clock import Clock, SystemClock
from mosaic.adapters.web_probe import Answer
from mosaic.core.errors import MosaicError, NotFound
from mosaic.core.oci_types import Descriptor
from mosaic.crypto import approvals, unwrap, x25519
from mosaic.crypto.account import owner_key_of
from mosaic.crypto.secret import Secret
from mosaic.crypto.x25519 import WrappingKey
from mosaic.device.bell import Bell
from mosaic.device.config import DeviceConfig
from mosaic.device.describe import Reach, installation_report
from mosaic.device.fleet import Fleet
from mosaic.device.lookout import Lookout
from mosaic.device.means import HiveAway, Means, Owner
from mosaic.device.observe import device_label
from mosaic.device.outside import Engine, Hive, Storage
from mosaic.device.package_means import packages_of
from mosaic.device.packages.blobs import BlobMissing
from mosaic.device.records import Records
from mosaic.wire.assignment import Assignment, VolumeAssignment
from mosaic.wire.channel import Assignments
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.enrol import Enrolled, NewVolume
from mosaic.wire.packages import CatalogServed
from mosaic.wire.recollection import Recollection
from mosaic.wire.report import InstallationReport
from support.fake_engine import FakeEngine
from support.fake_storage import FakeStorage, FakeStore
from support.kill_points import KillPoints, killed_in

NOTES = "notesnotes22"
ACCOUNT = "accountaccou"
COMPOSE = """
services:
  front:
    image: front:1
    ports: ["80"]
  web:
    image: web:1
    volumes: ["files:/srv/files"]
volumes:
  files: {}
"""


class CatalogGone(NotFound):
    """The Hive has no such catalog."""

    code = "catalog-gone"


@dataclass
class FakeHive:
    """What a Device asks its Hive: the first key registered wins, bundles are kept by digest, blobs by their package's.

    `when_registered` is called with each registration's answer.
    """

    points: KillPoints
    registered: dict[tuple[str, str], VolumeAssignment] = field(default_factory=dict)
    bundles: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    catalogs: dict[str, Callable[[], CatalogServed]] = field(default_factory=dict)
    when_registered: Callable[[VolumeAssignment], None] = field(default=lambda made: None)

    def this_device(self) -> Enrolled:
        raise AssertionError("nobody asks here")

    def tell_keys(self, proof: KeyProof) -> None:
        raise AssertionError("nobody tells here")

    def register_volume(self, installation: str, kind: str, volume: NewVolume) -> VolumeAssignment:
        with self.points.around():
            chosen: Literal["data", "link"] = "link" if kind == "link" else "data"
            made = VolumeAssignment(volume.volume, chosen, volume.wrapped_seed, None, None)
            kept = self.registered.setdefault((installation, kind), made)
            self.when_registered(kept)
            return kept

    def bundle(self, digest: str) -> bytes:
        with self.points.around():
            if digest not in self.bundles:
                raise BlobMissing(digest)
            return self.bundles[digest]

    def package_blob(self, package: str, blob: Descriptor, into: Path, *, told: Callable[[int], None]) -> None:
        with self.points.around():
            content = self.blobs.get((package, blob.digest))
            if content is None:
                raise BlobMissing(blob.digest)
            into.write_bytes(content)
            told(len(content))

    def catalog(self, name: str) -> CatalogServed:
        with self.points.around():
            if name not in self.catalogs:
                raise CatalogGone(f"there is no catalog {name}", hint="add it")
            return self.catalogs[name]()

    def recollect(self, told: Recollection) -> None:
        raise AssertionError("this Hive lost nothing")


@dataclass
class World:
    """See the module. Its owner approves whatever `approves` says that he does: as it is, all that is assigned."""

    folder: Path
    name: str = "attic"
    store: FakeStore = field(default_factory=FakeStore)
    engine: FakeEngine = field(default_factory=FakeEngine)
    points: KillPoints = field(default_factory=KillPoints)
    hive: FakeHive = field(init=False)
    hive_here: bool = True
    seconds: float = 60
    root: Secret = field(default_factory=lambda: Secret(secrets.token_bytes(32)))
    formers: list[Secret] = field(default_factory=list)
    owner_seed: Secret = field(default_factory=lambda: Secret(secrets.token_bytes(32)))
    owner_key: str = field(init=False)
    envelope_of: Callable[[VolumeAssignment], str | None] = field(default=lambda volume: volume.store_envelope)
    approves: Callable[[Assignment], bool] = field(default=lambda item: not item.approval)
    clock: Clock = field(default_factory=SystemClock)
    wrapping: WrappingKey = field(default_factory=x25519.generate)
    answer: Answer = field(default_factory=lambda: Answer(True, "answered 200"))

    def __post_init__(self) -> None:
        self.owner_key = owner_key_of(self.owner_seed)
        self.device = self.name.encode().hex().ljust(32, "0")[:32]
        driver = f"mosaic-{self.name}"
        self.storage = FakeStorage(self.store, driver=driver, points=self.points)
        self.engine.drivers[driver] = self.storage
        self.engine.points = self.points
        self.engine.root = self.folder
        self.engine.have("front:1", "web:1")
        self.real_engine: Engine | None = None
        self.real_storage: Storage | None = None
        self.hive = FakeHive(self.points)
        self.config = DeviceConfig(self.name, self.folder, Path("/nowhere"), driver=driver)
        self.config.apps.mkdir(parents=True, exist_ok=True)
        self.config.projects.mkdir(exist_ok=True)

    def publish(self, compose: str = COMPOSE, **files: str) -> str:
        """Make a bundle that the Hive has, and return its digest."""
        source = self.folder / "source" / secrets.token_hex(4)
        source.mkdir(parents=True)
        (source / "docker-compose.yml").write_text(compose)
        for name, text in files.items():
            (source / name).write_text(text)
        packed = bundle.pack(source)
        self.hive.bundles[bundle.digest(packed)] = packed
        return bundle.digest(packed)

    def run(
        self, *messages: Assignments, until: Callable[["Running"], bool] | None = None, alone: bool = False
    ) -> "Running":
        """Run a Device until nothing is left to do (or `until`), and end it. Raises what it was killed by."""

        told = [Assignments(message.revision, [self.approved(item) for item in message.items]) for message in messages]

        async def main() -> Running:
            with anyio.fail_after(self.seconds):
                return await self._run(told, until or Running.is_settled, alone=alone)

        return anyio.run(main)

    def approved(self, item: Assignment) -> Assignment:
        """Return the assignment with the owner's approval, where he gives one."""
        if not self.approves(item):
            return item
        update = item.update
        if update is not None and not update.approval:
            update = msgspec.structs.replace(update, approval=self._approval(item.app, update.app_digest))
        return msgspec.structs.replace(item, approval=self._approval(item.app, item.app_digest), update=update)

    def _approval(self, app: str, digest: str) -> str:
        return approvals.approve(self.owner_seed, account=ACCOUNT, app=app, digest=digest).signature

    def is_killed(self, *messages: Assignments, at: int) -> bool:
        """Run a Device that is killed at a point; whether it came that far."""
        self.points.passed, self.points.at = 0, at
        try:
            self.run(*messages)
        except BaseException as error:  # the kill is none of `Exception`, or a group of them
            if not killed_in(error):
                raise
            return True
        finally:
            self.points.at = None
        return False

    async def _run(self, messages: list[Assignments], until: Callable[["Running"], bool], *, alone: bool) -> "Running":
        records = Records(self.config.ledger)
        outside, changed = Bell(), Bell()
        fleet_here: list[Fleet] = []
        means = self.means(records, is_confirmed=lambda: bool(fleet_here) and fleet_here[0].confirmed)
        lookout = means.lookout
        try:
            async with anyio.create_task_group() as tasks:
                fleet = Fleet(means, tasks, changed.ring)
                fleet_here.append(fleet)
                fleet.recall()
                tasks.start_soon(lookout.watch, outside.ring)
                tasks.start_soon(_follow, lookout, fleet, outside)
                await lookout.look()
                running = Running(self, means, fleet)
                for message in messages:
                    fleet.assign(message)
                if alone:
                    fleet.go_on_alone()
                while not until(running):
                    await changed.wait(0.05)
                running.remember()
                tasks.cancel_scope.cancel()
        finally:
            means.packages.close()
            records.close()
        return running

    def means(self, records: Records, *, is_confirmed: Callable[[], bool]) -> Means:
        """Return what a Device of this world works with."""
        engine, storage = self.real_engine or self.engine, self.real_storage or self.storage
        owner = Owner(ACCOUNT, self.owner_key)
        return Means(
            config=self.config,
            device=self.device,
            owner=owner,
            engine=engine,
            storage=storage,
            lookout=Lookout(engine, storage, label=device_label(self.device)),
            records=records,
            packages=packages_of(self.config, owner, self.device, self.clock, watermark=100),
            clock=self.clock,
            probe=lambda port: self.answer,
            hive=self._hive,
            root=lambda: self.root,
            formers=lambda: self.formers,
            is_confirmed=is_confirmed,
            draw=lambda: 0.0,
            envelope_of=self.envelope_of,
            open_sealed=lambda sealed, subject: unwrap.open_action_secrets(
                sealed, self.wrapping.private, subject=subject
            ),
            sign_audit_head=lambda head, nonce: f"{head} for {nonce}",
        )

    def _hive(self) -> Hive:
        if not self.hive_here:
            raise HiveAway
        return self.hive


@dataclass
class Running:
    """A Device while it runs, and what it last reported afterwards."""

    world: World
    means: Means
    fleet: Fleet
    reports: dict[str, InstallationReport] = field(default_factory=dict)

    def is_settled(self) -> bool:
        """Whether every worker has nothing left to do, and something was looked at."""
        return all(work.idle or work.failed for work in self.fleet.works)

    def remember(self) -> None:
        """Keep the reports of now."""
        sight = self.means.lookout.latest
        assert sight is not None
        for work in self.fleet.works:
            notes = self.means.records.notes_of(work.installation)
            update = self.means.records.update_of(work.installation)
            unheard = self.means.records.unheard(work.installation)
            self.reports[work.installation] = installation_report(
                work, sight, notes, reach=Reach(None), update=update, unheard=unheard
            )

    def report(self) -> InstallationReport:
        """Return the report of the one installation."""
        (found,) = self.reports.values()
        return found


async def _follow(lookout: Lookout, fleet: Fleet, outside: Bell) -> None:
    while True:
        await outside.wait()
        try:
            await lookout.look()
        except MosaicError:
            continue
        fleet.look_around()


def wants(*items: Assignment, revision: int = 1) -> Assignments:
    """Return the message that assigns these and nothing else."""
    return Assignments(revision, list(items))


def assignment(digest: str, goal: str, epoch: str | None = "1.1", **more: object) -> Assignment:
    """Return an assignment of the notes app."""
    raw = {
        "installation": NOTES,
        "name": "notes",
        "app": "notes",
        "app_digest": digest,
        "config_revision": 1,
        "goal": goal,
        "epoch": epoch,
        "failover": "manual",
        **more,
    }
    return msgspec.convert(msgspec.to_builtins(raw), Assignment)
