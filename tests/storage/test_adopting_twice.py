"""Several forks of one volume on a Device that does not have that volume."""

import contextlib
from pathlib import Path

from msgspec.structs import replace

from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.storage import adopting
from mosaic.storage.books import Books
from mosaic.storage.on_btrfs import OnBtrfs
from mosaic.storage.places import Places
from mosaic.storage.records import Origin, VolumeRecord
from mosaic.storage.volume import Volume

ORIGIN = Origin(VolumeId("0" * 64), HeadHash("1" * 64))


def test_the_key_of_two_forks_origin_stays_until_the_second_one_is_there(tmp_path: Path) -> None:
    with contextlib.closing(Books(tmp_path / "storage.db")) as books:
        books.seeds.put(ORIGIN.volume, "seed")
        first, second = begun(books, "a", tmp_path), begun(books, "b", tmp_path)
        first.update(replace(first.record, phase="ready"))
        adopting.forget_seed(first)
        assert books.seeds.get(ORIGIN.volume) == "seed"
        second.update(replace(second.record, phase="ready"))
        adopting.forget_seed(second)
        assert books.seeds.get(ORIGIN.volume) is None


def begun(books: Books, name: str, folder: Path) -> Volume:
    """Return a fork that is being restored."""
    record = VolumeRecord(VolumeId(name * 64), InstallationId(name), "data", phase="restoring", origin=ORIGIN)
    volume = Volume(
        record,
        books=books,
        places=Places(folder),
        subvolumes=OnBtrfs(),
        changed=lambda: None,
        fence_confirm_seconds=1,
    )
    volume.update(record)
    return volume
