"""A volume with a million files, and one file of 10 GiB: how much memory the engine has at most.

The content is cheap to make and to keep, and real to the engine: every chunk of
the big file is another one, and compresses well; every small file differs.
"""

from pathlib import Path

from mosaic.adapters import btrfs

FILES = 1_000_000
BIG_BYTES = 10 * 1024**3
_A_FOLDER = 1000
_CHUNK = 65_536


def fill(live: Path, files: int, big_bytes: int) -> None:
    """Fill a new subvolume."""
    btrfs.create(live)
    for first in range(0, files, _A_FOLDER):
        folder = live / f"folder{first // _A_FOLDER:04}"
        folder.mkdir()
        for number in range(first, min(files, first + _A_FOLDER)):
            (folder / f"file{number:07}").write_bytes(b"%d\n" % number)
    with (live / "big").open("wb") as file:
        for number in range(big_bytes // _CHUNK):
            # One page differs; the rest is a hole, so that 10 GiB fit where there is no such room.
            file.seek(number * _CHUNK)
            file.write(number.to_bytes(8, "big") * 512)
        file.truncate(big_bytes)
