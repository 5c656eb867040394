"""Whether an app fits, before the first byte of it is fetched.

Counted is what will lie on the disks when all is done, in whole blocks: blobs in the store (less what an
interrupted download left there), the extracted bundle, and the unpacked layers at the engine.
Engines download a few layers at a time beside what they unpack, so the largest of those are added.

Where nobody knows how large a layer is when unpacked, it is taken for four times its download: gzip of
programs, libraries and their texts gives 2.3 to 3.2, and up to 3.7 when small files fill whole blocks. An estimate
that is too low costs a download in vain, never an app: nothing is swapped before all is there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mosaic.core.errors import Refused
from mosaic.core.file_index import FileIndex
from mosaic.core.layer_sizes import LayerSize

UNPACKED_PER_FETCHED = 4
DEFAULT_WATERMARK = 95
"""Per cent of a disk that may be full afterwards. The rest is for logs, databases and the owner."""

_FETCHED_AT_ONCE = 3
"""What engines do unless they are told otherwise."""


@dataclass(frozen=True, slots=True)
class Room:
    """A file system as it is seen from a folder. Two rooms with one `file_system` share their bytes."""

    where: str
    file_system: str
    block_bytes: int
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class MissingBlob:
    """A blob that is to be fetched into the store. `fetched_bytes` of it are there already."""

    size: int
    fetched_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Shortage:
    """A file system on which it does not fit. `usable_bytes` is what the watermark leaves of the free ones."""

    where: str
    needed_bytes: int
    usable_bytes: int
    free_bytes: int


class NoRoom(Refused):
    """The app does not fit on this machine's disks. Nothing was fetched."""

    code = "no-room-for-app"

    def __init__(self, shortages: Sequence[Shortage]) -> None:
        self.shortages = tuple(shortages)
        super().__init__(
            "; ".join(map(_sentence, shortages)),
            hint="free some space there, for instance with `mosaic uninstall NAME` or `docker image prune`",
        )


def store_bytes(blobs: Iterable[MissingBlob], *, block_bytes: int) -> int:
    """Return what blobs will still take in the store."""
    return sum(
        max(0, aligned(blob.size, block_bytes) - blob.fetched_bytes // block_bytes * block_bytes) for blob in blobs
    )


def extracted_bytes(index: FileIndex | None, bundle_bytes: int, *, block_bytes: int) -> int:
    """Return what an extracted bundle takes. Without an index, its download says what it may be."""
    if index is None:
        return aligned(bundle_bytes * UNPACKED_PER_FETCHED, block_bytes)
    others = len(index.folders) + len(index.links) + 1
    return sum(aligned(file.size, block_bytes) for file in index.files.values()) + others * block_bytes


def engine_bytes(layers: Iterable[LayerSize], *, block_bytes: int) -> int:
    """Return what layers that the engine lacks will take there, while they come and after."""
    every = list(layers)
    unpacked = sum(aligned(_unpacked(layer), block_bytes) for layer in every)
    coming = sorted((layer.archive_bytes for layer in every), reverse=True)[:_FETCHED_AT_ONCE]
    return unpacked + sum(aligned(size, block_bytes) for size in coming)


def shortages(needs: Iterable[tuple[Room, int]], *, watermark: int = DEFAULT_WATERMARK) -> list[Shortage]:
    """Return where it does not fit: what is needed on one file system, from whichever folder, is added up.

    `watermark` is in per cent of the whole disk, 1 to 100.
    """
    rooms: dict[str, Room] = {}
    together: dict[str, int] = {}
    for room, needed in needs:
        first = rooms.setdefault(room.file_system, room)
        together[first.file_system] = together.get(first.file_system, 0) + needed
    found = []
    for name, room in rooms.items():
        usable = max(0, room.free_bytes - room.total_bytes * (100 - watermark) // 100)
        # Nothing to be written fits on a full disk too.
        if together[name] > usable and together[name] > 0:
            found.append(Shortage(room.where, together[name], usable, room.free_bytes))
    return found


def require_room(needs: Iterable[tuple[Room, int]], *, watermark: int = DEFAULT_WATERMARK) -> None:
    """Refuse what does not fit. Raises NoRoom, with the numbers."""
    if found := shortages(needs, watermark=watermark):
        raise NoRoom(found)


def aligned(size: int, block_bytes: int) -> int:
    """Return a size in whole blocks."""
    return -(-size // block_bytes) * block_bytes


def _unpacked(layer: LayerSize) -> int:
    known = [size for size in (layer.unpacked_bytes, layer.used_bytes) if size is not None]
    return max(known) if known else layer.archive_bytes * UNPACKED_PER_FETCHED


def _sentence(shortage: Shortage) -> str:
    kept = shortage.free_bytes - shortage.usable_bytes
    rest = f", of which {_words(kept)} stay free" if kept and shortage.free_bytes else ""
    return f"it needs {_words(shortage.needed_bytes)} on {shortage.where}, {_words(shortage.free_bytes)} free{rest}"


def _words(size: int) -> str:
    for unit, name in ((1024**3, "GiB"), (1024**2, "MiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{-(-size // 1024)} KiB"
