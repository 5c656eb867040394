"""Having an app's package here: verified whole, extracted beside what is in use, and put back as it was.

The Hive is asked first; what it lacks of a package comes from the registry that the owner's catalog names.
Wherever bytes come from, digests decide. What the Hive has under an app's digest is a package's manifest, or the plain
bundle of a catalog that is a folder: both end in one store, so that both are healed, kept and removed alike.
"""

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mosaic.adapters.bundle import BundleUnusable
from mosaic.adapters.bundle_extraction import survey_open
from mosaic.core import image_ref
from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.oci_types import OCTETS, Descriptor, Digest, digest_of
from mosaic.device.doing.pruning import prune
from mosaic.device.means import Means
from mosaic.device.outside import Hive, ask
from mosaic.device.packages.blobs import BlobMissing
from mosaic.device.packages.changes import Change
from mosaic.device.packages.fitting import Disks, layers_of_package
from mosaic.device.packages.installing import install_package
from mosaic.device.packages.store import PackageMissing
from mosaic.wire.assignment import Assignment


class BundleDiffers(Corrupt):
    """What the Hive sent is not the bundle that the assignment names."""

    code = "bundle-differs"

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(
            f"the Hive sent bundle {actual[:19]}…, and {expected[:19]}… was assigned",
            hint="publish or import the app again; nothing was extracted",
        )


async def fetch(means: Means, item: Assignment) -> int:
    """Have the assignment's package here, verified; return how many bytes were fetched (0 when it was here already).

    It says nothing about whether the app may run: `mosaic.device.vouching` does.

    Raises:
        NoRoom: with the numbers, before anything was fetched of what takes room. The version before stays.
        BundleDiffers, PackageDamaged, BundleUnusable: what came is something else. The same holds.
        MosaicError: what the Hive and the registry say.
    """
    size = await have(means, item)
    # What is there was verified before it was extracted, and appeared whole.
    notes = means.records.notes_of(item.installation)
    keeps_pins = notes.bundle == item.app_digest
    means.records.note(
        item.installation,
        name=item.name,
        app=item.app,
        bundle=item.app_digest,
        images=notes.images if keeps_pins else {},
    )
    return size


async def have(means: Means, item: Assignment) -> int:
    """Have the package here and note nothing, so that what runs is not touched by it; as `fetch` otherwise."""
    if await ask(means.packages.store.has, item.app, item.app_digest):
        return 0
    return await _bring(means, item)


async def mend(means: Means, item: Assignment) -> list[Change]:
    """Put the package's files back as they were extracted; return what was wrong. What was written is put aside.

    What is damaged in the store as well is fetched again.
    """
    try:
        return await ask(means.packages.store.heal, item.app, item.app_digest)
    except (PackageMissing, BlobMissing, BundleUnusable):
        await _bring(means, item)
        return []


async def remove(means: Means, installation: str) -> None:
    """Remove the packages of an installation that is leaving, unless another one here uses them."""
    every = means.records.notes.items()
    ours = every.pop(installation, None)
    if ours is not None and ours.app and not any(notes.app == ours.app for notes in every.values()):
        await ask(means.packages.store.forget, ours.app)
    await prune(means, without=installation)


async def _bring(means: Means, item: Assignment) -> int:
    version = await means.engine.version()
    disks = Disks(
        means.config.state,
        await means.engine.root_folder(),
        architecture=version.architecture,
        present=await _layers_here(means),
        watermark=means.packages.watermark,
    )
    return await ask(_Bringing(means, item, disks).run)


async def _layers_here(means: Means) -> set[str]:
    """Return the layers that the engine has for certain: those of packages all of whose images it has."""
    found: set[str] = set()
    for notes in means.records.notes.items().values():
        pins = set(notes.images.values())
        if notes.bundle and pins and pins <= (await means.engine.images(pins)).keys():
            found |= await ask(layers_of_package, means.packages.store.blobs, notes.bundle)
    return found


class _Bringing:
    """One package that is being fetched, in a thread."""

    def __init__(self, means: Means, item: Assignment, disks: Disks) -> None:
        self._means = means
        self._item = item
        self._disks = disks
        self._store = means.packages.store
        self._uri: str | None = None
        self._fetched_bytes = 0

    def run(self) -> int:
        digest, content = self._item.app_digest, self._named()
        if content.startswith(b"{"):
            install_package(
                self._item.app, Digest(digest), content, source=self._source, store=self._store, disks=self._disks
            )
        else:
            self._install_plain(content)
        return self._fetched_bytes

    def _named(self) -> bytes:
        """Return what has the app's digest: from the store, else from the Hive, else from the registry."""
        digest, blobs = self._item.app_digest, self._store.blobs
        if blobs.is_whole(digest):
            return blobs.path(digest).read_bytes()
        try:
            content = self._hive().bundle(digest)
        except NotFound:
            uri = self._listed()
            if uri is None:
                raise
            reference = image_ref.parse(uri)
            content = (
                self._means.packages.registries().at(reference.registry).manifest(reference.repository, digest).content
            )
        if digest_of(content) != digest:
            raise BundleDiffers(digest, digest_of(content))
        self._fetched_bytes += len(content)
        return content

    def _install_plain(self, content: bytes) -> None:
        index = survey_open(io.BytesIO(content))
        app, digest = self._item.app, self._item.app_digest
        self._store.remove_drafts(app)
        if not self._store.folder(app, digest).is_dir():
            weight = Descriptor(OCTETS, Digest(digest), len(content))
            missing = [] if self._store.blobs.is_whole(digest) else [(weight, 0)]
            self._disks.require(missing=missing, index=index, bundle_bytes=len(content), layers=None)
        self._store.blobs.add(content)
        self._store.install(digest, index, app, digest)

    def _source(self, blob: Descriptor, into: Path, told: Callable[[int], None]) -> None:
        """Put a blob of the package into a file, from the Hive or from the registry."""
        try:
            self._hive().package_blob(self._item.app_digest, blob, into, told=told)
        except (NotFound, Corrupt):
            uri = self._listed()
            if uri is None:
                raise
            reference = image_ref.parse(uri)
            self._means.packages.registries().at(reference.registry).fetch_blob(
                reference.repository, blob, into, told=told
            )
        self._fetched_bytes += blob.size

    def _listed(self) -> str | None:
        """Return where the owner's catalog says that the package is; None when no catalog lists it."""
        if self._uri is None and self._item.catalog:
            catalogs, item = self._means.packages.catalogs, self._item
            with suppress(NotFound):
                self._uri = catalogs.uri(item.catalog, item.app, item.app_digest, self._hive().catalog)
        return self._uri

    def _hive(self) -> Hive:
        return self._means.hive()
