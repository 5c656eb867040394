"""Asking whether an app fits before it is fetched: what is missing here, against the room on this machine's disks."""

from collections.abc import Iterable
from pathlib import Path

from mosaic.adapters.disk_room import room_of
from mosaic.core import disk_forecast
from mosaic.core.disk_forecast import DEFAULT_WATERMARK, MissingBlob
from mosaic.core.file_index import FileIndex
from mosaic.core.layer_sizes import LayerSize
from mosaic.core.oci_types import Descriptor


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
