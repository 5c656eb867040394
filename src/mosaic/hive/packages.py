"""Having a package whole in the Hive's store before it is installed from, so that an app survives its registry.

A fetch runs in a thread of its own, for as long as bytes keep coming. Who asks for a package waits a while for it, is
told how far it is, and asks again: nothing is fetched twice meanwhile, and what a kill left is gone on with. The
manifest is kept last, so what the store has a manifest of it has whole.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import anyio

from mosaic.adapters.disk_room import room_of
from mosaic.adapters.oci import blob_file
from mosaic.adapters.oci.registries import Registries
from mosaic.core import file_index, image_ref, package_reading
from mosaic.core.disk_forecast import MissingBlob, store_bytes
from mosaic.core.errors import MosaicError, Refused, Unavailable
from mosaic.core.oci_types import EMPTY_CONTENT, Descriptor, digest_of
from mosaic.core.package import AppManifest, PackageUnreadable
from mosaic.core.strict_json import NotStrict
from mosaic.hive.bundles import BundleDamaged, BundleMissing, Bundles

WAIT_SECONDS = 20.0
"""So long a request waits for a package: less than who asked waits for the answer."""

SPARED_BYTES = 256 * 1024**2
"""Of the Hive's disk: its database and the volumes need room, too."""

_LOOK_SECONDS = 0.05
_TOLD_SECONDS = 120.0
_MIB = 1024 * 1024


class PackageComing(Unavailable):
    """The Hive is still fetching the package."""

    code = "package-coming"

    def __init__(self, app: str, fetched_bytes: int, all_bytes: int) -> None:
        super().__init__(
            f"the Hive is fetching {app}: {fetched_bytes // _MIB} of {-(-all_bytes // _MIB)} MiB are here",
            hint="ask again in a moment; what has come stays",
        )


class HiveLacksRoom(Refused):
    """The package does not fit on the Hive's disk. Nothing of it was fetched."""

    code = "hive-lacks-room"

    def __init__(self, app: str, needed_bytes: int, free_bytes: int, spared_bytes: int) -> None:
        super().__init__(
            f"{app} needs {needed_bytes} bytes on the Hive's disk, where {free_bytes} are free "
            f"and {spared_bytes} stay free for the Hive itself",
            hint="make room on the Hive's disk, and try again; nothing was fetched",
        )


class FetchEnded(Unavailable):
    """A package could not be fetched to its end, for a reason that lies with this Hive."""

    code = "fetch-ended"

    def __init__(self, app: str, reason: str) -> None:
        super().__init__(f"{app} was not fetched to its end: {reason}", hint="try again; what has come stays")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A package: its app's name, where it is by digest, and its manifest, which was checked against what was signed."""

    app: str
    uri: str
    manifest: bytes


@dataclass
class _Fetch:
    """One package on its way. Its thread alone changes it."""

    all_bytes: int
    fetched_bytes: int = 0
    is_done: bool = False
    ended: float = 0.0
    failed: MosaicError | None = None
    is_over: threading.Event = field(default_factory=threading.Event)


class Packages:
    """The packages of one Hive. `have` is for its event loop."""

    def __init__(self, bundles: Bundles, registries: Registries) -> None:
        self.wait_seconds = WAIT_SECONDS
        self.spared_bytes = SPARED_BYTES
        self._bundles = bundles
        self._registries = registries
        self._coming: dict[str, _Fetch] = {}
        self._blobs: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._stops = threading.Event()

    async def have(self, wanted: Wanted) -> None:
        """Return when the package is here whole, every blob with its digest. Any number may ask for one at once.

        Raises:
            PackageComing: it takes longer. It goes on; the next call waits for it again.
            HiveLacksRoom: with the numbers.
            PackageUnreadable, PackageTooNew: what was signed is no package that can be read here.
            MosaicError: what the registry or the store says. What was here before stays.
        """
        digest = digest_of(wanted.manifest)
        fetch = self._coming.get(digest)
        if fetch is None or _is_old(fetch):
            app = package_reading.read(wanted.manifest)
            fetch = self._coming[digest] = _Fetch(sum(blob.size for blob in app.every))
            # Not one of the pool's: it may take long, and a Hive that stops does not wait for it.
            threading.Thread(target=self._run, args=(fetch, wanted, app), daemon=True).start()
        with anyio.move_on_after(self.wait_seconds):
            while not fetch.is_over.is_set():
                await anyio.sleep(_LOOK_SECONDS)
        if not fetch.is_over.is_set():
            raise PackageComing(wanted.app, fetch.fetched_bytes, fetch.all_bytes)
        if self._coming.get(digest) is fetch:
            del self._coming[digest]
        if fetch.failed is not None:
            raise fetch.failed

    def stop(self) -> None:
        """End what is on its way at its next byte."""
        self._stops.set()

    def small_blob(self, wanted: Wanted, blob: Descriptor, *, most_bytes: int) -> bytes:
        """Return a small blob that the manifest names, from the store or the registry. Keeps nothing; call in a thread.

        Raises what `Registry.blob` does.
        """
        with suppress(BundleMissing, BundleDamaged):
            return self._bundles.get(blob.digest)
        reference = image_ref.parse(wanted.uri)
        return self._registries.at(reference.registry).blob(reference.repository, blob, most_bytes=most_bytes)

    def _run(self, fetch: _Fetch, wanted: Wanted, app: AppManifest) -> None:
        try:
            self._fetch(fetch, wanted, app)
            fetch.is_done = True
        except MosaicError as error:
            fetch.failed = error
        except OSError as error:
            fetch.failed = FetchEnded(wanted.app, error.strerror or type(error).__name__)
        finally:
            fetch.ended = monotonic()
            if fetch.failed is None and not fetch.is_done:
                # A mistake of ours: its trace goes where threads' traces go, and who waits must not wait for ever.
                fetch.failed = FetchEnded(wanted.app, "the Hive made a mistake; its log says more")
            fetch.is_over.set()

    def _fetch(self, fetch: _Fetch, wanted: Wanted, app: AppManifest) -> None:
        # Nobody needs to be asked for what every config of ours is.
        self._bundles.keep(EMPTY_CONTENT)
        missing = [blob for blob in app.every if not self._is_here(blob)]
        fetch.fetched_bytes = fetch.all_bytes - sum(blob.size for blob in missing)
        with self._lock:
            self._require_room(fetch, wanted.app, missing)
        for blob in sorted(missing, key=lambda one: one.size):
            before = fetch.fetched_bytes
            self._fetch_blob(wanted, blob, self._teller(fetch, wanted.app))
            fetch.fetched_bytes = before + blob.size
        self._require_one_compose_file(wanted.app, app)
        self._bundles.keep(wanted.manifest)

    def _fetch_blob(self, wanted: Wanted, blob: Descriptor, told: Callable[[int], None]) -> None:
        reference = image_ref.parse(wanted.uri)
        with self._lock:
            turn = self._blobs.setdefault(blob.digest, threading.Lock())
        # Packages share blobs; the one that waited finds it here.
        with turn:
            if not self._is_here(blob):
                place = self._bundles.fetching(blob.digest)
                self._registries.at(reference.registry).fetch_blob(reference.repository, blob, place, told=told)
                self._bundles.keep_file(place, blob.digest)

    def _teller(self, fetch: _Fetch, app: str) -> Callable[[int], None]:
        before = fetch.fetched_bytes

        def told(fetched_bytes: int) -> None:
            if self._stops.is_set():
                raise FetchEnded(app, "the Hive stops")
            fetch.fetched_bytes = before + fetched_bytes

        return told

    def _is_here(self, blob: Descriptor) -> bool:
        return self._bundles.has(blob.digest) and blob_file.is_whole(self._bundles.path(blob.digest), blob)

    def _require_room(self, fetch: _Fetch, app: str, missing: list[Descriptor]) -> None:
        """Look whether it fits beside what else is on its way."""
        if not missing:
            return
        room = room_of(self._bundles.fetching(missing[0].digest).parent)
        blobs = [MissingBlob(blob.size, self._begun_bytes(blob)) for blob in missing]
        needed = store_bytes(blobs, block_bytes=room.block_bytes)
        others = [one for one in list(self._coming.values()) if one is not fetch and not one.is_over.is_set()]
        taken = sum(one.all_bytes - one.fetched_bytes for one in others)
        if needed > room.free_bytes - taken - self.spared_bytes:
            raise HiveLacksRoom(app, needed, room.free_bytes - taken, self.spared_bytes)

    def _begun_bytes(self, blob: Descriptor) -> int:
        place = self._bundles.fetching(blob.digest)
        with suppress(FileNotFoundError):
            return min(place.with_name(f"{place.name}.part").stat().st_size, blob.size)
        return 0

    def _require_one_compose_file(self, name: str, app: AppManifest) -> None:
        """What is checked here is the compose file beside the bundle; what runs is the one in it."""
        if app.index is None:
            return
        try:
            index = file_index.read(self._bundles.path(app.index.digest).read_bytes())
        except NotStrict as error:
            raise PackageUnreadable(f"the file index of {name}: {error}") from None
        package_reading.require_one_compose_file(app, index)


def _is_old(fetch: _Fetch) -> bool:
    """Whether it ended so long ago that who asks now means another try, and not how that one went."""
    return fetch.is_over.is_set() and (fetch.is_done or monotonic() - fetch.ended > _TOLD_SECONDS)
