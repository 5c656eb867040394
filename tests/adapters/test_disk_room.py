"""How much room there is, and which folders share it."""

import os
from pathlib import Path

from mosaic.adapters.disk_room import room_of


def test_a_folder_that_is_not_there_yet_has_the_room_of_the_one_above(tmp_path: Path) -> None:
    room = room_of(tmp_path / "not" / "yet")
    assert room.where == str(tmp_path / "not" / "yet")
    assert room.total_bytes == os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    assert 0 <= room.free_bytes <= room.total_bytes
    assert room.file_system == room_of(tmp_path).file_system


def test_folders_below_one_mount_share_its_room_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "an other" / "sub").mkdir(parents=True)
    table = tmp_path / "mountinfo"
    other = str(tmp_path / "an other").replace(" ", "\\040")
    mounts = (("8:1 /", "/", "ext4"), ("0:40 /@", tmp_path, "btrfs"), ("8:3 /", other, "ext4"))
    table.write_text("".join(f"7 1 {root} {point} rw - {kind} /dev/x rw\n" for root, point, kind in mounts))
    found = [
        room_of(path, table=table).file_system
        for path in (Path("/"), tmp_path, tmp_path / "x", tmp_path / "an other" / "sub")
    ]
    assert found == ["8:1", "0:40", "0:40", "8:3"]
