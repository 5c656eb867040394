"""Folders go whole, whatever somebody built in them."""

import os
from pathlib import Path

from mosaic.adapters.written_tree import remove

DEPTH = 3000


def test_folders_deeper_than_any_path_are_removed_and_nothing_behind_their_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_bytes(b"x")
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(DEPTH):
        os.mkdir("folder", dir_fd=here)
        os.symlink(tmp_path / "kept", "link", dir_fd=here)
        below = os.open("folder", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove(top)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").read_bytes() == b"x"
