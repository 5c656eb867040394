"""How many bytes a Device fetches for another version of an app, at most: its bundle, and the layers that it lacks.

What packages say of their images' layers decides (`core.layer_sizes`). Layers of the version that runs are there.
Apps of folders, and packages of other tools, do not always say how large their images are: then nobody knows.
"""

from mosaic.adapters.machine import architecture_of
from mosaic.core import layer_sizes, package_reading
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AppDigest
from mosaic.core.layer_sizes import MAX_BYTES, PlatformLayers
from mosaic.core.package import AppManifest
from mosaic.core.strict_json import NotStrict
from mosaic.hive.bundles import Bundles
from mosaic.hive.compose_files import is_package
from mosaic.hive.packages import Packages
from mosaic.hive.sources import Choice


def fetch_bytes(choice: Choice, *, runs: AppDigest, machine: str, bundles: Bundles, packages: Packages) -> int | None:
    """Return the bytes that a Device which `runs` another version fetches for `choice`; None when nobody knows.

    `machine` is what its kernel calls it. May ask the registry for one small blob: call it in a thread that may wait.
    """
    try:
        app = _package(choice, bundles)
        new = _layers(app, choice, machine, bundles, packages) if app is not None else None
        if app is None or new is None:
            return None
        lacking = new.layers.keys() - _present(runs, machine, bundles)
        return app.bundle.size + sum(new.layers[digest].archive_bytes for digest in lacking)
    except (MosaicError, NotStrict):
        # It is told to people and decides nothing: the Device makes its own forecast before it fetches.
        return None


def _package(choice: Choice, bundles: Bundles) -> AppManifest | None:
    """Return the manifest of the new version; None when it is a folder's bundle."""
    if choice.bundle is not None:
        return None
    manifest = choice.wanted.manifest if choice.wanted is not None else bundles.get(choice.digest)
    return package_reading.read(manifest) if is_package(manifest) else None


def _layers(
    app: AppManifest, choice: Choice, machine: str, bundles: Bundles, packages: Packages
) -> PlatformLayers | None:
    blob = app.layer_sizes
    if blob is None:
        return None
    if choice.wanted is not None:
        content = packages.small_blob(choice.wanted, blob, most_bytes=MAX_BYTES)
    else:
        content = bundles.get(blob.digest)
    return layer_sizes.of_platform(layer_sizes.read(content), architecture_of(machine))


def _present(runs: AppDigest, machine: str, bundles: Bundles) -> frozenset[str]:
    """Return the layers of the version that runs; none where nobody knows them."""
    manifest = bundles.get(runs)
    app = package_reading.read(manifest) if is_package(manifest) else None
    if app is None or app.layer_sizes is None:
        return frozenset()
    kept = layer_sizes.read(bundles.get(app.layer_sizes.digest))
    layers = layer_sizes.of_platform(kept, architecture_of(machine))
    return frozenset(layers.layers) if layers is not None else frozenset()
