"""Carrying an app to a machine without a registry: one file with the package and the metadata that it is signed by.

The file is believed no more than a registry. The root that the machine was given decides, in the folder where it
keeps what it trusts: so a file cannot take it back to an older Target either.
Images are not in the file; they come to the engine in another way.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from mosaic.adapters import oci_layout
from mosaic.adapters.oci_layout import ExportUnusable, Imported
from mosaic.adapters.trust.trusted_targets import TrustedTargets
from mosaic.adapters.written_tree import TreeNotWritten, draft_of, remove
from mosaic.core import package_reading
from mosaic.core.descriptor_json import describe
from mosaic.core.errors import NotFound, Refused
from mosaic.core.oci_types import OCI_MANIFEST, OCTETS, Descriptor, Digest, digest_of
from mosaic.core.target import Target
from mosaic.core.target import digest_of as hex_of
from mosaic.core.target_choice import Taker
from mosaic.device.packages.blobs import BlobMissing
from mosaic.device.packages.fitting import Disks
from mosaic.device.packages.installing import install_package
from mosaic.device.packages.store import Installed, PackageStore


class AppNotListed(Refused):
    """No app of the Target for this Device is this package."""

    code = "app-not-listed"

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"the signed Target for this Device does not list the package {digest[:19]}…",
            hint="export the app again on a machine that has the newest Target of this channel and kind of hardware",
        )


class NothingToExport(NotFound):
    """The app is not on this Device."""

    code = "nothing-to-export"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not on this Device", hint="fetch or import it first")


def export_app(name: str, to: Path, *, trusted: TrustedTargets, taker: Taker, now_ns: int, store: PackageStore) -> None:
    """Write the current version of an app and what it is signed by to a file, which appears whole or not at all.

    That a Device with the same root believes the file now is tried before it is written.

    Raises:
        NothingToExport: the app is not here.
        AppNotListed: the Target does not list this version (any more).
        TrustRefused: what is kept here is not believed any more, for instance because its time is over: refresh first.
        BlobMissing, ExportUnusable: a part of it is not here or damaged. Fetch the app again.
        TreeNotWritten: the disk refuses.
    """
    current = store.current(name)
    if current is None:
        raise NothingToExport(name)
    path = store.blobs.path(current.digest)
    manifest = path.read_bytes()
    app = package_reading.read(manifest)
    digests = {current.digest, *(one.digest for one in app.every)}
    try:
        with tempfile.TemporaryDirectory(prefix="mosaic-export-") as scratch:
            trust = Path(scratch) / "trust"
            trusted.write_served(trust)
            copy = trusted.elsewhere(trust.as_uri(), folder=Path(scratch) / "asked")
            listed = _listed(copy.refresh(taker, now_ns=now_ns), current.digest)
            if name not in listed:
                raise AppNotListed(current.digest)
            described = describe(manifest, OCI_MANIFEST)
            oci_layout.write(to, manifests=[described], blobs=digests, path_of=store.blobs.path, trust=trust)
    except OSError as error:
        raise TreeNotWritten(to, error.strerror or type(error).__name__) from error


def import_app(
    file: Path,
    scratch: Path,
    *,
    trusted: TrustedTargets,
    taker: Taker,
    now_ns: int,
    store: PackageStore,
    disks: Disks,
) -> dict[str, Installed]:
    """Install the app of an export, under every name that the signed Target gives it; return these.

    Nobody is asked: what it is signed by is in the file. `scratch` is a folder of the state's file system that this
    may empty; one import at a time. May be killed anywhere and called again.

    Raises:
        ExportUnusable: not an export, or damaged. Nothing was changed.
        TrustRefused: the root does not lead to it, its time is over, or it is older than what was seen here.
        RepositoryUnavailable: a file of the metadata is not in it.
        AppNotListed: the Target for this Device does not name the package.
        NoRoom: with the numbers.
        MosaicError: what `install_package` raises.
    """
    try:
        remove(scratch)
        # What a kill left of the import before would be counted as taken.
        remove(draft_of(scratch))
        disks.require(missing=[(_weight_of(file), 0)], index=None, bundle_bytes=0, layers=None)
        found = oci_layout.read(file, scratch)
        here = trusted.elsewhere(found.trust.absolute().as_uri())
        target = here.refresh(taker, now_ns=now_ns)
        names = _listed(target, found.app.digest)
        if target is None or not names:
            raise AppNotListed(found.app.digest)
        manifest = found.blob(found.app.digest).read_bytes()
        for name in names:
            here.check_manifest(target, name, manifest)
        _adopt(found, store)
        return {
            name: install_package(name, found.app.digest, manifest, source=_nowhere, store=store, disks=disks)
            for name in names
        }
    except OSError as error:
        raise TreeNotWritten(scratch, error.strerror or type(error).__name__) from error
    finally:
        remove(scratch)


def _listed(target: Target | None, digest: str) -> list[str]:
    """Return the names under which a Target has a package."""
    apps = {} if target is None else target.apps
    return sorted(name for name, uri in apps.items() if f"sha256:{hex_of(uri)}" == digest)


def _adopt(found: Imported, store: PackageStore) -> None:
    """Move what the package needs into the store."""
    for blob in found.manifest.every:
        if not store.blobs.is_whole(blob.digest):
            store.blobs.adopt(blob.digest, found.blob(blob.digest))


def _weight_of(file: Path) -> Descriptor:
    """Return something as large as the file, for the forecast."""
    if not file.is_file():
        raise ExportUnusable(f"{file} is no file")
    return Descriptor(OCTETS, digest_of(b""), file.stat().st_size)


def _nowhere(blob: Descriptor, _into: Path, _told: Callable[[int], None]) -> None:
    """Everything that there is was moved into the store."""
    raise BlobMissing(Digest(blob.digest))
