"""What is restored is what was there, also by the word of a program that is none of ours."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from mosaic.adapters.blobs import FolderStore
from support.volumes import Machine

pytestmark = pytest.mark.btrfs


def differences(one: Path, other: Path) -> str:
    """Return what rsync would change, by content, owners, modes, times, links, ACLs and attributes."""
    words = ["rsync", "-aHAXn", "--checksum", "--delete", "--itemize-changes", f"{one}/", f"{other}/"]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_restored_volume_is_equal_to_the_live_one_for_rsync(btrfs_path: Path, tmp_path: Path) -> None:
    source, noise = btrfs_path / "source", random.Random(5)
    (source / "folder" / "inner").mkdir(parents=True)
    for number in range(40):
        (source / "folder" / f"file{number}").write_bytes(noise.randbytes(noise.choice((0, 10, 70_000, 400_000))))
        os.chown(source / "folder" / f"file{number}", 1000 + number % 3, 70)
    (source / "linked").hardlink_to(source / "folder" / "file1")
    (source / "symbolic").symlink_to("folder/file2")
    (source / "dangling").symlink_to("/nowhere")
    os.mkfifo(source / "folder" / "fifo")
    with (source / "sparse").open("wb") as file:
        file.seek(3_000_000)
        file.write(b"end")
    (source / "folder" / "file3").chmod(0o6755)
    (source / "folder").chmod(0o2770)
    os.setxattr(source / "folder" / "file4", "user.colour", b"blue\0green")
    os.setxattr(source / "folder", "trusted.kept", b"by root")
    subprocess.run(["setfacl", "-m", "u:1001:rwx,d:g:70:r-x", str(source / "folder" / "inner")], check=True, timeout=60)
    os.utime(source / "folder", ns=(0, 1_234_567_890_123_456_789))
    root = Machine(FolderStore(tmp_path / "store")).replicate(source).root
    restored = btrfs_path / "restored"
    Machine(FolderStore(tmp_path / "store")).restore(root, restored)
    assert differences(source, restored) == ""
    (restored / "folder" / "file5").write_bytes(b"another")
    (restored / "dangling").unlink()
    os.removexattr(restored / "folder" / "file4", "user.colour")
    assert len(differences(source, restored).splitlines()) >= 3
