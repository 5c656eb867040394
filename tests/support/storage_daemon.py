"""Storage daemons for tests: within the test's process, or as a process that can be killed.

Each has a state folder with a short path (sockets need one), a pool of its
own and a client that speaks to its real control socket.
"""

import contextlib
import http.client
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mosaic.adapters import btrfs, process
from mosaic.adapters.storage_client import StorageClient
from mosaic.core.errors import MosaicError
from mosaic.core.ids import VolumeId
from mosaic.crypto.volume_keys import volume_id
from mosaic.storage.config import StorageConfig
from mosaic.storage.daemon import Daemon
from mosaic.storage.on_btrfs import OnBtrfs
from mosaic.storage.on_folders import OnFolders
from mosaic.storage.serve import serving
from mosaic.storage.subvolumes import Subvolumes
from mosaic.storage.volume import Volume
from mosaic.wire.storage import GoBack, Hold, Prefetch, Release, SnapshotNow, StateRequest, Upstream, VolumeState
from support.fake_hive_blobs import FakeHive
from support.waiting import eventually

SEED = bytes(range(32)).hex()
VOLUME = volume_id(bytes.fromhex(SEED))
APP = "sha256:" + "ab" * 32

_PROGRAM = """
import sys
import msgspec
from mosaic.storage.config import StorageConfig
from mosaic.storage.serve import serve, serving
config = msgspec.json.decode(sys.argv[1], type=StorageConfig, dec_hook=lambda kind, text: kind(text))
if not sys.argv[2]:
    serve(config)
else:
    import threading
    with serving(config, boot=sys.argv[2]):
        threading.Event().wait()
"""


@dataclass
class TestDaemon:
    """A daemon's configuration and the ways to talk to it.

    `token` is its Device's session at the Hive; `inside` is the running daemon itself, where a test needs it.
    `boot` names a boot of the machine that the test makes up.
    `prelude` is run in the daemon's process before the daemon is.
    """

    __test__ = False

    config: StorageConfig
    token: str
    child: process.Child | None = None
    log: Path = field(default=Path("/dev/null"))
    inside: Daemon | None = None
    device: str = "0a" * 16
    boot: str = ""
    prelude: str = ""

    @property
    def client(self) -> StorageClient:
        return StorageClient(self.config.control_socket)

    @property
    def pool(self) -> Path:
        """The folder that its volumes lie in."""
        folder = self.config.scan or self.config.pool
        assert folder is not None
        return folder

    @property
    def subvolumes(self) -> Subvolumes:
        """How to make and delete subvolumes there."""
        if self.config.scan is None:
            return OnBtrfs()
        return OnFolders(self.config.state / "held", lambda _: None)

    def connect(self, hive: FakeHive) -> None:
        """Tell the daemon where its Hive is."""
        self.client.upstream(Upstream(hive.url, self.token, self.device, "machine-1", "machine-2"))

    def hold(
        self,
        epoch: str,
        base: str | None,
        *,
        seed: str = SEED,
        expect_data: bool = False,
        app_digest: str | None = APP,
    ) -> VolumeState:
        """Hold the volume of a seed."""
        volume = volume_id(bytes.fromhex(seed))
        return self.client.hold(
            Hold(volume, "notes", "app", seed, epoch, base, app_digest, 1, envelope="00ff", expect_data=expect_data)
        )

    def take(self, hive: FakeHive, *, expect_data: bool = False, app_digest: str | None = APP) -> str:
        """Be granted the next epoch and hold it. Returns the epoch."""
        epoch, base = hive.grant(VOLUME, self.token)
        self.hold(epoch, base, expect_data=expect_data, app_digest=app_digest)
        return epoch

    def go_back(
        self, head: str | None, *, request: str = "1", conflict: str | None = None, app_digest: str | None = APP
    ) -> VolumeState:
        """Ask for an earlier state in the epoch that is held."""
        epoch = self.volume().epoch
        assert epoch is not None
        return self.client.go_back(GoBack(VOLUME, epoch, request, head, app_digest, 2, conflict))

    def wait_until_back(self, *, request: str = "1", seconds: float = 60.0) -> VolumeState:
        """Wait until the request is over, one way or the other."""

        def over() -> bool:
            went = self.volume().went_back
            return went is not None and went.id == request

        eventually(over, seconds=seconds, seen=lambda: (self.volume(), self.log.read_text()[-3000:]))
        return self.volume()

    def prefetch(self, head: str) -> VolumeState:
        return self.client.prefetch(Prefetch(VOLUME, "notes", "app", SEED, head))

    def volume(self, volume: str = VOLUME) -> VolumeState:
        """Return what the daemon says of a volume."""
        found = [one for one in self.client.state(StateRequest()).volumes if one.volume == volume]
        assert found, "the daemon does not know the volume"
        return found[0]

    def inside_volume(self, volume: str) -> Volume:
        """Return a volume of a daemon that runs within this process."""
        assert self.inside is not None
        return self.inside.volume(VolumeId(volume))

    def wait_for_phase(self, phase: str, *, seconds: float = 60.0) -> VolumeState:
        eventually(lambda: self.volume().phase == phase, seconds=seconds, seen=lambda: self.volume())
        return self.volume()

    def wait_until_clean(self, *, seconds: float = 60.0) -> VolumeState:
        """Ask for a snapshot, and wait until all that is there is replicated."""
        epoch = self.volume().epoch
        assert epoch is not None
        self.client.snapshot(SnapshotNow(VOLUME, epoch))
        eventually(lambda: self.volume().clean, seconds=seconds, seen=lambda: self.volume())
        return self.volume()

    def hand_over(self) -> None:
        """Take the final snapshot, wait until it is replicated, and release."""
        epoch = self.volume().epoch
        assert epoch is not None
        self.client.snapshot(SnapshotNow(VOLUME, epoch, final=True))
        eventually(lambda: self.volume().clean, seen=lambda: self.volume())
        self.client.release(Release(VOLUME, epoch))

    def engine(self, verb: str, **fields: object) -> dict[str, Any]:
        """Ask the volume driver as an engine does."""
        connection = _Unix(self.config.plugin_socket)
        try:
            connection.request("POST", f"/{verb}", msgspec.json.encode(fields))
            answer: dict[str, Any] = msgspec.json.decode(connection.getresponse().read(), type=dict)
        finally:
            connection.close()
        return answer

    def create(self, name: str = "data", folder: str = "data") -> None:
        """Make a Docker volume: a folder of the volume."""
        answer = self.engine("VolumeDriver.Create", Name=name, Opts={"volume": VOLUME, "folder": folder})
        assert answer == {"Err": ""}

    def mount(self, name: str = "data", mount_id: str = "one") -> Path:
        """Mount a Docker volume that must be mountable."""
        answer = self.engine("VolumeDriver.Mount", Name=name, ID=mount_id)
        assert answer["Err"] == ""
        return Path(str(answer["Mountpoint"]))

    def refusal(self, name: str = "data") -> str:
        """Try to mount, and return why not."""
        answer = self.engine("VolumeDriver.Mount", Name=name, ID="refused")
        assert not answer.get("Mountpoint")
        return str(answer["Err"])

    def unmount(self, name: str = "data", mount_id: str = "one") -> None:
        assert self.engine("VolumeDriver.Unmount", Name=name, ID=mount_id) == {"Err": ""}

    def write_page(self, content: bytes) -> None:
        """Write a file as a container would."""
        self.create()
        (self.mount() / "page").write_bytes(content)
        self.unmount()

    def read_page(self) -> bytes:
        """Read that file as another container would."""
        self.create()
        content = (self.mount(mount_id="look") / "page").read_bytes()
        self.unmount(mount_id="look")
        return content

    def replicated_page(self, content: bytes) -> str:
        """Write it, and return the head that has it."""
        self.write_page(content)
        head = self.wait_until_clean().local_head
        assert head is not None
        return head

    def has_in(self, place: str) -> bool:
        """Whether the volume lies in that folder of the pool, `live` for instance."""
        assert self.config.pool is not None
        return btrfs.exists(self.config.pool / place / VOLUME)

    def start(self, **environment: str) -> None:
        """Start the daemon as a process of its own, and wait until it is ready."""
        self.launch(**environment)
        eventually(self.answers, seen=lambda: self.log.read_text()[-2000:])

    def launch(self, **environment: str) -> None:
        """Start the daemon as a process of its own."""
        given = msgspec.to_builtins(self.config, enc_hook=str)
        self.child = process.spawn(
            [sys.executable, "-c", self.prelude + _PROGRAM, msgspec.json.encode(given).decode(), self.boot],
            env={"PYTHONPATH": os.pathsep.join(sys.path), **environment},
            log=self.log,
        )

    def answers(self) -> bool:
        with contextlib.suppress(MosaicError):
            self.client.state(StateRequest())
            return True
        return False

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        assert self.child is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child.pid, 9)
        self.child.wait(60)

    def stop(self) -> None:
        """Stop the process cleanly."""
        assert self.child is not None
        assert self.child.stop(grace_seconds=60) == 0


@contextlib.contextmanager
def place(pool: Path, name: str, token: str, *, interval_seconds: float = 0.2) -> Iterator[TestDaemon]:
    """Yield a daemon that is not running, with a folder of its own in the pool; its process is killed at the end."""
    state = Path(tempfile.mkdtemp(prefix="mosaic-test-"))
    folder = pool / name
    folder.mkdir()
    config = StorageConfig(
        state=state,
        driver=f"mosaic-{name}",
        plugin_dir=state / "plugins",
        pool=folder if btrfs.is_btrfs(pool) else None,
        scan=None if btrfs.is_btrfs(pool) else folder,
        interval_seconds=interval_seconds,
        reserve_bytes=0,
        fence_confirm_seconds=0.5,
    )
    daemon = TestDaemon(config, token, log=state / "log")
    try:
        yield daemon
    finally:
        if daemon.child is not None:
            daemon.child.stop(grace_seconds=0)
        _delete_subvolumes(folder)
        shutil.rmtree(state)


@contextlib.contextmanager
def running(pool: Path, name: str, token: str, *, interval_seconds: float = 0.2) -> Iterator[TestDaemon]:
    """Yield a daemon that runs within this process."""
    with place(pool, name, token, interval_seconds=interval_seconds) as daemon, serving(daemon.config) as inside:
        daemon.inside = inside
        yield daemon


def _delete_subvolumes(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), key=lambda path: len(path.parts), reverse=True):
        if btrfs.exists(path):
            btrfs.delete(path)


_ENGINE_SECONDS = 60.0
"""On a busy machine a bucket is tried out for longer than ten seconds, and an engine waits for that."""


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ENGINE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_ENGINE_SECONDS)
        self.sock.connect(str(self._path))
