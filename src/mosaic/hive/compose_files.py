"""The compose file of what the store has under a digest, be it a plain bundle or a package."""

from typing import NewType

from mosaic.adapters.bundle import COMPOSE_FILE, read
from mosaic.adapters.bundle_extraction import read_file
from mosaic.core import package_reading
from mosaic.core.package import MAX_COMPOSE_BYTES, AppManifest
from mosaic.hive.bundles import Bundles

ComposeFile = NewType("ComposeFile", bytes)
"""The text of an app's compose file, as its publisher wrote it."""


def compose_file(bundles: Bundles, digest: str) -> ComposeFile:
    """Return the compose file of an app that is here whole.

    Raises:
        BundleMissing, BundleDamaged: it is not here, or not as it was.
        BundleUnusable, PackageUnreadable, PackageTooNew: it cannot be read.
    """
    content = bundles.get(digest)
    if not is_package(content):
        return of_bundle(content)
    return ComposeFile(_of_package(bundles, package_reading.read(content)))


def of_bundle(bundle: bytes) -> ComposeFile:
    """Return the compose file of a plain bundle. Raises BundleUnusable."""
    return ComposeFile(read(bundle, COMPOSE_FILE))


def is_package(content: bytes) -> bool:
    """Whether this is a package's manifest and not a plain bundle, which begins with a file's name."""
    return content.startswith(b"{")


def _of_package(bundles: Bundles, app: AppManifest) -> bytes:
    if app.compose is not None:
        return bundles.get(app.compose.digest)
    return read_file(bundles.path(app.bundle.digest), COMPOSE_FILE, most_bytes=MAX_COMPOSE_BYTES)
