"""Asking whether an app fits before it is fetched: what is missing here, against the room on this machine's disks."""

from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from pathlib import Path

from mosaic.adapters.disk_room import room_of
from mosaic.core import disk_forecast, layer_sizes, package_reading
from mosaic.core.disk_forecast import DEFAULT_WATERMARK, MissingBlob
from mosaic.core.file_index import FileIndex
from mosaic.core.layer_sizes import LayerSize, PlatformLayers, of_platform
from mosaic.core.oci_types import Descriptor
from mosaic.core.package import PackageTooNew, PackageUnreadable
from mosaic.core.strict_json import NotStrict
from mosaic.device.packages.blobs import BlobMissing, Blobs


def require_fits(
    store: Path,
    engine: Path,
    *,
    missing: Iterable[tuple[Descriptor, int]],
    index: FileIndex | None,
    bundle_bytes: int,
    layers: Iterable[LayerSize],
    watermark: int = DEFAULT_WATERMARK,
) -> None:
    """Refuse an app that does not fit. `store` is the Device's state folder, `engine` the root folder of its engine.

    `missing` are blobs with the bytes that are here of each (`Blobs.missing`), `layers` those that the engine lacks.

    Raises:
        NoRoom: with what is needed and what is free. Nothing was fetched.
    """
    here, there = room_of(store), room_of(engine)
    blobs = [MissingBlob(descriptor.size, fetched) for descriptor, fetched in missing]
    needs = (
        (here, disk_forecast.store_bytes(blobs, block_bytes=here.block_bytes)),
        (here, disk_forecast.extracted_bytes(index, bundle_bytes, block_bytes=here.block_bytes)),
        (there, disk_forecast.engine_bytes(layers, block_bytes=there.block_bytes)),
    )
    disk_forecast.require_room(needs, watermark=watermark)


class Disks:
    """This machine's disks while packages are fetched. Images that were promised room count for those that follow.

    `store` is the Device's state folder, `engine` the root folder of its engine, `present` the digests of layers
    that the engine has. The architecture and its variant are as images name them.
    """

    def __init__(
        self,
        store: Path,
        engine: Path,
        *,
        architecture: str,
        variant: str = "",
        present: Set[str] = frozenset(),
        watermark: int = DEFAULT_WATERMARK,
    ) -> None:
        self._store = store
        self._engine = engine
        self._architecture = architecture
        self._variant = variant
        self._present = present
        self._watermark = watermark
        self._promised: dict[str, LayerSize] = {}

    def layers_of(self, platforms: Mapping[str, PlatformLayers]) -> PlatformLayers | None:
        """Return the layers for this machine; None when nothing is known for it."""
        return of_platform(platforms, self._architecture, self._variant)

    def require(
        self,
        *,
        missing: Iterable[tuple[Descriptor, int]],
        index: FileIndex | None,
        bundle_bytes: int,
        layers: PlatformLayers | None,
    ) -> None:
        """Refuse an app that does not fit beside what was promised. Raises NoRoom, with the numbers."""
        lacking = {} if layers is None else {key: one for key, one in layers.layers.items() if key not in self._present}
        require_fits(
            self._store,
            self._engine,
            missing=missing,
            index=index,
            bundle_bytes=bundle_bytes,
            layers=(self._promised | lacking).values(),
            watermark=self._watermark,
        )

    def promise(self, layers: PlatformLayers | None) -> None:
        """Count the layers of an app that was installed: the engine will fetch them."""
        lacking = {} if layers is None else layers.layers
        self._promised |= {key: one for key, one in lacking.items() if key not in self._present}


def layers_of_package(blobs: Blobs, digest: str) -> set[str]:
    """Return the layers of all images of a package that is here, on any platform; none where nobody noted them.

    An engine that has all its images has those of its own platform. Nothing else says which layers an engine has:
    it names them by what they unpack to, and a package by what is downloaded.
    """
    with suppress(BlobMissing, OSError, PackageUnreadable, PackageTooNew, NotStrict):
        app = package_reading.read(blobs.path(digest).read_bytes())
        if app.layer_sizes is not None:
            platforms = layer_sizes.read(blobs.path(app.layer_sizes.digest).read_bytes())
            return {layer for platform in platforms.values() for layer in platform.layers}
    return set()
