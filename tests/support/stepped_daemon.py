"""A storage daemon within the test, whose workers do one step when they are told to, and which dies at any effect.

It has a real pool, ledger and Hive; its sockets and threads are left out, so
that a test says what happens when. An effect is what stays when the process
is gone: a write in the ledger, a subvolume made, cut, copied or deleted, a
rename. With `kills.at` set, the daemon ends before or after just that one.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from mosaic.adapters import btrfs, ledger, process
from mosaic.core.errors import MosaicError
from mosaic.core.ids import VolumeId
from mosaic.storage import docker_volumes, states, trial_verbs, verbs
from mosaic.storage.books import Books
from mosaic.storage.config import StorageConfig
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_step import Rest, next_step
from mosaic.storage.engine import fingerprint
from mosaic.storage.on_folders import OnFolders
from mosaic.storage.pool import open_pool
from mosaic.storage.replication import look_at
from mosaic.storage.upstreams import Upstreams
from mosaic.storage.volume import Volume
from mosaic.storage.worker import Worker
from mosaic.wire.storage import BeginTrial, EndTrial, Hold, SetAside, Upstream, VolumeState
from support.fake_hive_blobs import FakeHive
from support.kill_points import KillPoints
from support.storage_daemon import APP, SEED, VOLUME

NEW = "sha256:" + "cd" * 32
"""What is tried."""

P = ParamSpec("P")
R = TypeVar("R")

_SETTLES_NS = 20_000_000
"""So soon a file that was changed is believed to show its next change: the kernel's clock ticks more often."""


_AWAY_SECONDS = 0.05
"""Nothing waits for a Hive that is away: the test says when it is there."""


class SteppedDaemon:
    """See the module. `kill` forgets the process, `start` begins another one; `boot` names the machine's boot."""

    def __init__(self, folder: Path, hive: FakeHive, token: str, kills: KillPoints) -> None:
        self.hive = hive
        self.token = token
        self.kills = kills
        self.boot = 1
        folder.mkdir()
        native = btrfs.is_btrfs(folder)
        self.config = StorageConfig(
            state=Path(tempfile.mkdtemp(prefix="mosaic-test-")),
            pool=folder if native else None,
            scan=None if native else folder,
            interval_seconds=0,
            reserve_bytes=0,
            fence_confirm_seconds=0,
        )
        self.start()

    @classmethod
    @contextmanager
    def made(cls, folder: Path, hive: FakeHive, token: str, kills: KillPoints) -> Iterator["SteppedDaemon"]:
        """Yield a daemon that has started; what it made is gone at the end."""
        daemon = cls(folder, hive, token, kills)
        try:
            yield daemon
        finally:
            kills.at = None
            daemon.close()
            for path in sorted(folder.rglob("*"), key=lambda path: -len(path.parts)):
                if btrfs.exists(path):
                    btrfs.delete(path)
            shutil.rmtree(daemon.config.state)

    def start(self) -> None:
        """Begin as a new process, and tell it where its Hive is."""
        self.books = Books(self.config.state / "storage.db")
        self.daemon = Daemon(
            self.config,
            self.books,
            open_pool(self.config),
            Upstreams(self.books.upstream(), deadline_seconds=_AWAY_SECONDS),
            f"boot-{self.boot}",
        )
        if self.books.boot() != self.daemon.boot:
            docker_volumes.forget_mounts(self.daemon)
            self.books.put_boot(self.daemon.boot)
        self.daemon.recover()
        verbs.upstream(self.daemon, Upstream(self.hive.url, self.token, "0a" * 16, "machine-1", "machine-2"))

    def kill(self, *, reboot: bool = False) -> None:
        """End without a word, and start again."""
        self.close()
        self.boot += reboot
        self.start()

    def close(self) -> None:
        self.daemon.upstreams.close()
        self.books.close()

    @property
    def pool(self) -> Path:
        """The folder that its volumes lie in."""
        return self.daemon.pool.path

    @property
    def volume(self) -> Volume:
        return self.daemon.volume(VolumeId(VOLUME))

    @property
    def seen(self) -> VolumeState:
        """What the daemon says, once it has looked."""
        if self.volume.live is not None:
            look_at(self.volume)
        return states.volume_state(self.daemon, self.volume)

    def work(self, until: Callable[[], bool], *, most: int = 200) -> None:
        """Let the volume's worker do steps until it is so."""
        for _ in range(most):
            if until():
                return
            self.step()
        raise AssertionError(f"it does not come about: {self.volume.record}")

    def step(self) -> None:
        """Let the worker do one step, if there is one."""
        if not isinstance(next_step(self.volume.record), Rest):
            self._worker()._next()

    def replicate(self) -> str:
        """Work until all that is here is replicated. Returns the head."""
        self.work(lambda: self.seen.clean)
        head = self.seen.local_head
        assert head is not None
        return head

    def take(self) -> str:
        """Be granted the next epoch, and hold it. Returns the epoch."""
        epoch, base = self.hive.grant(VOLUME, self.token)
        self.hold(epoch, base)
        return epoch

    def hold(self, epoch: str, base: str | None) -> None:
        verbs.hold(self.daemon, Hold(VOLUME, "notes", "app", SEED, epoch, base, APP, 1))

    def begin(self, trial: str) -> VolumeState:
        epoch = self.seen.epoch
        assert epoch is not None
        return states.volume_state(self.daemon, trial_verbs.begin_trial(self.daemon, BeginTrial(VOLUME, epoch, trial)))

    def end(self, trial: str, *, keep: bool) -> None:
        asked = EndTrial(VOLUME, trial, keep, NEW if keep else APP, 2 if keep else 1)
        trial_verbs.end_trial(self.daemon, asked)

    def set_aside(self) -> None:
        verbs.set_aside(self.daemon, SetAside(VOLUME, "granted to another"))

    def write(self, content: bytes) -> None:
        """Write the page as a container does."""
        (self._mounted() / "page").write_bytes(content)
        docker_volumes.unmount(self.daemon, "data", "one")

    def read(self) -> bytes:
        """Read it as another container does."""
        content = (self._mounted() / "page").read_bytes()
        docker_volumes.unmount(self.daemon, "data", "one")
        return content

    def aside(self) -> dict[str, bytes]:
        """Return the page of every conflict snapshot, by its name."""
        found = {one.name: Path(one.path) / "data" / "page" for one in self.seen.conflicts}
        return {name: path.read_bytes() for name, path in found.items()}

    def _mounted(self) -> Path:
        docker_volumes.create(self.daemon, "data", {"volume": VOLUME, "folder": "data"})
        return docker_volumes.mount(self.daemon, "data", "one")

    def _worker(self) -> Worker:
        return next(one for one in self.daemon._workers if one._volume is self.volume)


@contextmanager
def effects(monkeypatch: pytest.MonkeyPatch) -> Iterator[KillPoints]:
    """Have all effects be points at which a daemon can be killed, and no worker begin by itself."""
    kills = KillPoints()
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "start", lambda _: None)
        patch.setattr(fingerprint, "CLOCK_STEP_NS", _SETTLES_NS)
        # It writes whatever the machine has in memory to its disk. Nobody cuts the power here.
        patch.setattr(OnFolders, "sync", lambda *_: None)
        for name in ("create", "snapshot", "clone", "delete"):
            patch.setattr(btrfs, name, _dying(getattr(btrfs, name), kills))
        patch.setattr(Path, "rename", _dying(Path.rename, kills))
        patch.setattr(shutil, "rmtree", _dying(shutil.rmtree, kills))
        patch.setattr(process, "run", _dying(process.run, kills))
        patch.setattr(ledger.Bucket, "put", _dying(ledger.Bucket.put, kills))
        yield kills


def _dying(real: Callable[P, R], kills: KillPoints) -> Callable[P, R]:
    def effect(*words: P.args, **more: P.kwargs) -> R:
        with kills.around():
            return real(*words, **more)

    return effect


def refused(ask: Callable[[], object]) -> str:
    """Return the code with which something is refused."""
    with pytest.raises(MosaicError) as error:
        ask()
    return error.value.code
