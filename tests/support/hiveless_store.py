"""The folder that keeps a volume without a Hive, looked at from outside, and a pace at which all is let go at once."""

from pathlib import Path

from mosaic.adapters.blobs import FolderBlobs
from mosaic.core.collecting import Limits
from mosaic.core.errors import Corrupt, NotFound
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage.config import CollectPace
from mosaic.storage.engine.heads import open_head, root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.verify import verify
from mosaic.storage.hiveless.key_file import read_key
from mosaic.wire.hiveless import HivelessVolume

FEW = "last=2,hourly=0,daily=0,weekly=0,monthly=0"
ALWAYS = CollectPace(
    first_seconds=0,
    every_seconds=0.3,
    again_seconds=0.3,
    limits=Limits(settled_seconds=-5, small_bytes=100_000, merged=3),
)


def names(store: Path, made: HivelessVolume, prefix: str) -> set[str]:
    """Return the objects of a kind, without what is just being written."""
    return {path.name for path in (store / made.public_key).glob(f"{prefix}-*") if "." not in path.name}


def pack_bytes(store: Path, made: HivelessVolume) -> int:
    """Return what the packs take in all."""
    return sum(_size(store / made.public_key / name) for name in names(store, made, "p"))


def assert_all_read(store: Path, made: HivelessVolume) -> None:
    """Every snapshot that lies there is whole, as somebody reads it who knows nothing but the store."""
    seed = read_key(Path(made.key_file))
    assert seed is not None
    keys, volume = volume_keys(seed), FolderBlobs(store).volume(volume_keys(seed).volume)
    for name in sorted(names(store, made, "h")):
        known = ChunkIndex()
        try:
            known.load(volume, keys)
            damaged = verify(root_of(open_head(volume.get(name), keys.volume)), keys, volume, known=known).damaged
        except (Corrupt, NotFound) as error:
            damaged = (str(error),)
        # It may have been let go since it was listed: what is not there any more, nobody counts on.
        assert not damaged or name not in names(store, made, "h"), name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        # It was let go since it was listed.
        return 0
