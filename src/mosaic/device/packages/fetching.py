"""The Device's way from a Target that it trusts to installed packages.

Only what TUF signed decides: the length and hash of each app's manifest, and
through it the digest of everything else. Which server a byte came from never
matters. What the manifests and digests are of is left to `installing`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.trust.refusals import RepositoryUnavailable, TrustRefused
from mosaic.adapters.trust.trusted_targets import TrustedTargets
from mosaic.core import image_ref
from mosaic.core.errors import Conflict, Corrupt, MosaicError, NotFound, Refused, Unavailable
from mosaic.core.oci_types import Descriptor, Digest
from mosaic.core.target import Target, digest_of
from mosaic.device.packages.blobs import Blobs
from mosaic.device.packages.fitting import Disks
from mosaic.device.packages.installing import Told, install_package, is_not_told
from mosaic.device.packages.store import Installed, PackageStore

_ANY = (Refused, NotFound, Conflict, Unavailable, Corrupt)


@dataclass(frozen=True, slots=True)
class FetchedTarget:
    """What became of each app of a Target: installed, or why it is not. `Unavailable` alone is worth trying again."""

    installed: Mapping[str, Installed]
    failed: Mapping[str, MosaicError]


def fetch_target(
    target: Target,
    trusted: TrustedTargets,
    *,
    registries: Registries,
    store: PackageStore,
    disks: Disks,
    told: Told = is_not_told,
) -> FetchedTarget:
    """Fetch and install every app of a Target. One that fails stops none of the others.

    The room that the images of earlier ones will take counts for later ones. May be killed anywhere and called again.
    """
    installed: dict[str, Installed] = {}
    failed: dict[str, MosaicError] = {}
    for name, uri in sorted(target.apps.items()):
        try:
            manifest = trusted_manifest(target, name, trusted, registries, store.blobs)
            installed[name] = fetch_app(name, uri, manifest, registries=registries, store=store, disks=disks, told=told)
        except _ANY as error:
            failed[name] = error
    return FetchedTarget(installed, failed)


def fetch_app(
    name: str,
    uri: str,
    manifest: bytes,
    *,
    registries: Registries,
    store: PackageStore,
    disks: Disks,
    told: Told = is_not_told,
) -> Installed:
    """Fetch an app by its uri and its trusted manifest (`trusted_manifest`), and make it the current version.

    A registry is asked only for what is not here whole. May be killed anywhere and called again.

    Raises:
        TargetUnusable, ImageRefUnreadable: the uri names no package.
        MosaicError: what `install_package` or `Registry.fetch_blob` raises; the version before stays as it was.
    """
    reference = image_ref.parse(uri)

    def source(blob: Descriptor, into: Path, told: Callable[[int], None]) -> None:
        registries.at(reference.registry).fetch_blob(reference.repository, blob, into, told=told)

    digest = Digest(f"sha256:{digest_of(uri)}")
    return install_package(name, digest, manifest, source=source, store=store, disks=disks, told=told)


def trusted_manifest(target: Target, name: str, trusted: TrustedTargets, registries: Registries, blobs: Blobs) -> bytes:
    """Return an app's manifest from the store, the trusted repository or the registry, checked against what was signed.

    Raises:
        TrustMixed: the signed metadata does not list it.
        MosaicError: what the registry says, when the repository does not have it either.
    """
    reference = image_ref.parse(target.apps[name])
    digest = reference.digest or ""
    if blobs.is_whole(digest):
        manifest = blobs.path(digest).read_bytes()
    else:
        # Raises when it is not listed: then nobody needs to be asked.
        trusted.manifest_bytes(target, name)
        try:
            return trusted.fetch_manifest(target, name)
        except (TrustRefused, RepositoryUnavailable):
            manifest = registries.at(reference.registry).manifest(reference.repository, digest).content
    trusted.check_manifest(target, name, manifest)
    return manifest
