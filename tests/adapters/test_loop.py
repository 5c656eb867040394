"""The pool image: made once, adopted ever after."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters import loop

pytestmark = pytest.mark.btrfs

SIZE = loop.MIN_IMAGE_BYTES


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    image, mountpoint = tmp_path / "pool.img", tmp_path / "my pool"
    yield image, mountpoint
    loop.close_image(image, mountpoint)


def test_a_new_image_is_preallocated_and_mounted(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    assert image.stat().st_blocks * 512 >= SIZE
    assert image.stat().st_mode & 0o777 == 0o600
    (mountpoint / "file").write_text("kept")
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    assert (mountpoint / "file").read_text() == "kept"


def test_what_was_written_is_there_after_closing_and_opening(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    (mountpoint / "file").write_text("kept")
    loop.close_image(image, mountpoint)
    assert loop.attached_device(image) is None
    assert list(mountpoint.iterdir()) == []
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    assert (mountpoint / "file").read_text() == "kept"


def test_a_loop_device_left_over_is_used_again(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    device = loop.attached_device(image)
    subprocess.run(["umount", str(mountpoint)], check=True, timeout=60)
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    assert loop.attached_device(image) == device
    assert loop.mounted_source(mountpoint) == str(device)


def test_a_device_that_somebody_looks_at_just_then_is_gone_after_closing_all_the_same(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    device = loop.attached_device(image)
    assert device is not None
    looking = os.open(device, os.O_RDONLY)
    timer = threading.Timer(0.3, os.close, [looking])
    timer.start()
    loop.close_image(image, mountpoint)
    assert loop.attached_device(image) is None
    timer.join()


def test_an_image_that_was_not_finished_is_made_anew(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    image.with_suffix(".making").write_bytes(b"half")
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    assert not image.with_suffix(".making").exists()


def test_a_disk_without_the_room_is_refused_with_numbers_and_nothing_made(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    disk = os.statvfs(image.parent)
    with pytest.raises(loop.DiskTooSmall, match=r"needs \d+ MiB, and its disk has \d+ MiB free"):
        loop.open_image(image, mountpoint, size_bytes=disk.f_bavail * disk.f_frsize)
    assert list(image.parent.iterdir()) == []


def test_a_first_superblock_that_a_power_cut_tore_is_replaced_by_its_copy(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    (mountpoint / "page").write_text("kept")
    loop.close_image(image, mountpoint)
    with image.open("r+b") as file:
        # The half of it that did not reach the disk.
        file.seek(64 * 1024 + 512)
        file.write(bytes(2048))
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    assert (mountpoint / "page").read_text() == "kept"
