"""What a Device needs from outside, as it sees it: the engine, the storage daemon, the Hive.

The adapters are the real ones; tests bring simulators. An engine is asked in
the event loop, the other two from threads (`ask`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from anyio import to_thread

from mosaic.adapters.docker.execution import Executed
from mosaic.adapters.docker.sights import Container, EngineVersion, Image
from mosaic.adapters.process import Finished
from mosaic.core.oci_types import Descriptor
from mosaic.wire import storage
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.enrol import Enrolled, NewVolume
from mosaic.wire.packages import CatalogServed
from mosaic.wire.recollection import Recollection

P = ParamSpec("P")
T = TypeVar("T")


class Engine(Protocol):
    """A Docker engine with compose (`mosaic.adapters.docker.engine.DockerEngine`)."""

    async def version(self) -> EngineVersion:
        """Return what the engine is."""
        ...

    async def root_folder(self) -> Path:
        """Return where the engine keeps images and containers."""
        ...

    async def compose_version(self) -> str:
        """Return the compose plugin's version."""
        ...

    async def containers(self, label: str) -> list[Container]:
        """Return all containers with the label, those that ended included."""
        ...

    async def published_ports(self) -> set[tuple[str, int]]:
        """Return the (protocol, port) pairs that any running container publishes."""
        ...

    async def images(self, references: Iterable[str]) -> dict[str, Image]:
        """Return those images that are here, by the name that was asked for."""
        ...

    async def pull(self, reference: str) -> Image:
        """Fetch an image."""
        ...

    async def create_volume(
        self, name: str, *, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Create a Docker volume; one that is there already is fine."""
        ...

    async def remove_volume(self, name: str) -> None:
        """Forget a Docker volume."""
        ...

    async def end_containers(self, label: str, *, grace_seconds: int) -> None:
        """Stop and remove all containers with the label, and their networks."""
        ...

    async def up(self, project: str, file: Path, *, deadline_seconds: float) -> None:
        """Create and start an app's containers."""
        ...

    async def down(self, project: str, file: Path, *, grace_seconds: int) -> None:
        """Stop and remove an app's containers. Volumes stay."""
        ...

    async def logs(self, project: str, file: Path, *, service: str | None, lines: int) -> str:
        """Return the last lines of one service, or of all."""
        ...

    async def execute(self, container: str, command: Sequence[str], *, deadline_seconds: float) -> Executed:
        """Run a command in a running container, at most until the deadline."""
        ...

    async def act(
        self, project: str, file: Path, *, service: str, command: Sequence[str], stdin: bytes, deadline_seconds: float
    ) -> Finished:
        """Run a command of an app in one of its services, with something on its standard input."""
        ...

    async def watch(self, label: str, on_event: Callable[[], None]) -> None:
        """Call `on_event` for every change of a container with the label, until the stream ends."""
        ...


class Storage(Protocol):
    """The storage daemon's verbs (`mosaic.adapters.storage_client.StorageClient`)."""

    def upstream(self, request: storage.Upstream) -> storage.Done:
        """Tell where heads and packs go."""
        ...

    def hold(self, request: storage.Hold) -> storage.VolumeState:
        """Make a volume mountable under an epoch."""
        ...

    def prefetch(self, request: storage.Prefetch) -> storage.VolumeState:
        """Restore a head ahead."""
        ...

    def snapshot(self, request: storage.SnapshotNow) -> storage.VolumeState:
        """Cut a snapshot and replicate it."""
        ...

    def release(self, request: storage.Release) -> storage.VolumeState:
        """Stop holding a volume."""
        ...

    def set_aside(self, request: storage.SetAside) -> storage.VolumeState:
        """Keep what is here as a conflict snapshot and stop holding."""
        ...

    def go_back(self, request: storage.GoBack) -> storage.VolumeState:
        """Begin to put an earlier state in the place of the present."""
        ...

    def begin_trial(self, request: storage.BeginTrial) -> storage.VolumeState:
        """Have no head follow the newest one until the trial ends."""
        ...

    def end_trial(self, request: storage.EndTrial) -> storage.VolumeState:
        """Keep what was written in a trial, or begin to undo it."""
        ...

    def discard(self, request: storage.Discard) -> storage.Done:
        """Remove the local copy of a released volume."""
        ...

    def envelope(self, request: storage.Envelope) -> storage.Done:
        """Give a volume's stores another envelope."""
        ...

    def heads(self, request: storage.HeadsRequest) -> storage.KnownHeads:
        """Return the newest accepted heads of a volume."""
        ...

    def state(self, request: storage.StateRequest) -> storage.State:
        """Return everything, waiting for something newer when asked to."""
        ...


class Hive(Protocol):
    """What a connected Device asks its Hive (`mosaic.adapters.hive_client.DeviceClient`)."""

    def this_device(self) -> Enrolled:
        """Return how the Hive sees this Device."""
        ...

    def tell_keys(self, proof: KeyProof) -> None:
        """Tell what this Device says of its keys, in place of what it said before."""
        ...

    def register_volume(self, installation: str, kind: str, volume: NewVolume) -> VolumeAssignment:
        """Register a key pair and return the one that counts."""
        ...

    def bundle(self, digest: str) -> bytes:
        """Fetch an app's manifest, or its plain bundle."""
        ...

    def package_blob(self, package: str, blob: Descriptor, into: Path, *, told: Callable[[int], None]) -> None:
        """Put a blob of a package into a file, whole and verified; what came before goes on."""
        ...

    def catalog(self, name: str) -> CatalogServed:
        """Fetch a catalog's metadata, and what the owner signed of it."""
        ...

    def recollect(self, told: Recollection) -> None:
        """Tell a Hive that lost some of its past what this Device knows."""
        ...


async def ask(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask in a thread. Every question has its own deadline; a cancelled caller does not wait for it."""
    return await to_thread.run_sync(lambda: question(*args, **kwargs), abandon_on_cancel=True)
