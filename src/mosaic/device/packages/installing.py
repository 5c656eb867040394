"""From a trusted manifest to an installed package, whoever has the bytes that the manifest names.

The small ones come first: they say what the bundle unpacks to and how large the
images are, so that an app which does not fit is refused before the first byte of
its bundle. What is here whole is not asked for. Everything may be killed anywhere
and called again: what is left behind is blobs that are right, and parts that are gone on with.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from mosaic.adapters.bundle import BundleUnusable
from mosaic.adapters.bundle_extraction import survey
from mosaic.adapters.written_tree import TreeNotWritten
from mosaic.core import file_index, layer_sizes, package_reading
from mosaic.core.errors import Corrupt
from mosaic.core.file_index import FileIndex
from mosaic.core.layer_sizes import PlatformLayers
from mosaic.core.oci_types import EMPTY_CONTENT, Descriptor, Digest, digest_of
from mosaic.core.package import AppManifest, PackageUnreadable
from mosaic.core.strict_json import NotStrict
from mosaic.device.packages.blobs import BlobWrong
from mosaic.device.packages.fitting import Disks
from mosaic.device.packages.store import Installed, PackageStore

Source = Callable[[Descriptor, Path, Callable[[int], None]], None]
"""Puts a blob, whole and verified, into a file; what an earlier call got lies there with `.part` behind its name.

The last argument is told how many bytes are there, again and again.
"""

Told = Callable[[str, int, int], None]
"""Is told how far an app is: its name, how many bytes of its bundle are here, and how many it has."""


class PackageDamaged(Corrupt):
    """What was given for a part of a package is not what its signed manifest names."""

    code = "package-damaged"

    def __init__(self, name: str, part: str, reason: str) -> None:
        super().__init__(
            f"the {part} of {name} is damaged where it is fetched from: {reason}",
            hint="nothing of it was used, and the version before stays; publish the app again to that registry",
        )


def is_not_told(_name: str, _fetched_bytes: int, _bytes: int) -> None:
    """Nobody wants to know how far an app is."""


def install_package(
    name: str,
    digest: Digest,
    manifest: bytes,
    *,
    source: Source,
    store: PackageStore,
    disks: Disks,
    told: Told = is_not_told,
) -> Installed:
    """Have a version of an app here, installed and current; the one that was stays as the previous one.

    `digest` is what was signed; nothing else is believed. When all is here, nothing is asked for, but the bundle
    is read once. Doing it again goes on where it ended.

    Raises:
        BlobWrong: the manifest does not have that digest.
        PackageUnreadable, PackageTooNew: what was signed is no package that can be read here.
        PackageDamaged: something that it names came as something else. The current version stays.
        BundleUnusable: the bundle is not what its index or its list of files says; the same holds.
        NoRoom: with what is needed and what is free. Nothing of the bundle was fetched.
        TreeNotWritten: the disk refuses.
        PackageNameRefused, VersionsUnreadable: as the store says.
        MosaicError: what the source raises.
    """
    # A name that is refused is refused before anything is asked for.
    store.folder(name, digest)
    if digest_of(manifest) != digest:
        raise BlobWrong(digest, digest_of(manifest))
    app = package_reading.read(manifest)
    try:
        return _Install(name, digest, app, source, store, disks, told).run(manifest)
    except OSError as error:
        raise TreeNotWritten(store.folder(name, digest), error.strerror or type(error).__name__) from error


class _Install:
    """One app that is being installed."""

    def __init__(
        self,
        name: str,
        digest: Digest,
        app: AppManifest,
        source: Source,
        store: PackageStore,
        disks: Disks,
        told: Told,
    ) -> None:
        self._name = name
        self._digest = digest
        self._app = app
        self._source = source
        self._store = store
        self._blobs = store.blobs
        self._disks = disks
        self._told = told

    def run(self, manifest: bytes) -> Installed:
        self._blobs.add(manifest)
        # Nobody needs to be asked for what every config of ours is.
        self._blobs.add(EMPTY_CONTENT)
        parts = self._small_parts()
        for part, blob in parts.items():
            self._have(part, blob)
        index = self._index()
        layers = self._layers()
        if not self._is_here():
            self._require_room(index, layers)
        bundle = self._have("bundle", self._app.bundle)
        if index is None:
            index = self._surveyed(bundle)
            if not self._is_here():
                # Only now it is known what comes out of it.
                self._require_room(index, layers)
        installed = self._store.install(self._app.bundle.digest, index, self._name, self._digest)
        self._disks.promise(layers)
        return installed

    def _small_parts(self) -> dict[str, Descriptor]:
        """Return all that is fetched beside the bundle, with what people call it."""
        app = self._app
        every = {
            "file index": app.index,
            "list of layer sizes": app.layer_sizes,
            "list of files": app.hashes,
            "compose file": app.compose,
            "config": app.config,
        }
        return {part: blob for part, blob in every.items() if blob is not None}

    def _have(self, part: str, blob: Descriptor) -> Path:
        """Return where a blob lies, fetched unless it is here and right."""
        if not self._blobs.is_whole(blob.digest):
            told = self._tell if blob is self._app.bundle else _ignore
            try:
                self._source(blob, self._blobs.place(blob.digest), told)
            except Corrupt as error:
                raise PackageDamaged(self._name, part, error.message) from error
        return self._blobs.path(blob.digest)

    def _is_here(self) -> bool:
        """Whether this version lies here already, so that it needs no room any more."""
        is_extracted = self._store.folder(self._name, self._digest).is_dir()
        return is_extracted and not self._blobs.missing([self._app.bundle])

    def _require_room(self, index: FileIndex | None, layers: PlatformLayers | None) -> None:
        # What a kill left of extracting this app would be counted as taken.
        self._store.remove_drafts(self._name)
        self._disks.require(
            missing=self._blobs.missing([self._app.bundle]),
            index=index,
            bundle_bytes=self._app.bundle.size,
            layers=layers,
        )

    def _index(self) -> FileIndex | None:
        if self._app.index is None:
            return None
        try:
            index = file_index.read(self._content(self._app.index))
        except NotStrict as error:
            raise PackageUnreadable(f"the file index of {self._name}: {error}") from None
        package_reading.require_one_compose_file(self._app, index)
        return index

    def _layers(self) -> PlatformLayers | None:
        if self._app.layer_sizes is None:
            return None
        try:
            return self._disks.layers_of(layer_sizes.read(self._content(self._app.layer_sizes)))
        except NotStrict as error:
            raise PackageUnreadable(f"the layer sizes of {self._name}: {error}") from None

    def _surveyed(self, bundle: Path) -> FileIndex:
        """Return the index of a bundle that came without one, when it agrees with the list of files that came."""
        index = survey(bundle)
        hashes = self._hashes()
        if hashes is not None and (path := package_reading.unlike(index, hashes)) is not None:
            raise BundleUnusable(f"{path!r} is not what the list of files of {self._name} says")
        return index

    def _hashes(self) -> Mapping[str, str] | None:
        if self._app.hashes is None:
            return None
        return package_reading.read_hashes(self._content(self._app.hashes))

    def _content(self, blob: Descriptor) -> bytes:
        return self._blobs.path(blob.digest).read_bytes()

    def _tell(self, fetched_bytes: int) -> None:
        self._told(self._name, fetched_bytes, self._app.bundle.size)


def _ignore(_: int) -> None:
    """Small blobs are there before anybody looks."""
