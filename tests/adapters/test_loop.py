"""The pool image: made once, adopted ever after."""

import os
import re
import subprocess
import sys
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


def test_a_new_images_own_records_have_more_room_than_is_kept_back_for_an_emergency(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    said = subprocess.run(
        ["btrfs", "filesystem", "df", "--raw", str(mountpoint)], capture_output=True, text=True, check=True, timeout=60
    )
    total = dict(re.findall(r"^(\w+), single: total=(\d+)", said.stdout, re.MULTILINE))
    assert int(total["Metadata"]) >= 4 * int(total["GlobalReserve"])
    assert int(total["System"]) < SIZE // 32


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


def test_a_device_that_a_container_attached_which_is_gone_is_found_although_its_path_means_nothing_here(
    place: tuple[Path, Path],
) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    loop.close_image(image, mountpoint)
    program = (
        "import subprocess, sys\n"
        "subprocess.run(['mount', '--bind', sys.argv[1], '/mnt'], check=True)\n"
        "subprocess.run(['losetup', '--find', '/mnt/pool.img'], check=True)"
    )
    words = ["unshare", "--mount", sys.executable, "-c", program, str(image.parent)]
    subprocess.run(words, check=True, timeout=60)
    device = loop.attached_device(image)
    assert device is not None
    assert not Path((Path("/sys/block") / device.name / "loop/backing_file").read_text().strip()).exists()
    loop.close_image(image, mountpoint)
    assert loop.attached_device(image) is None


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


@pytest.mark.parametrize("cut_short", ["never", "the file grew", "the device grew"])
def test_an_image_grows_under_who_uses_it_also_when_that_was_cut_short(
    place: tuple[Path, Path], cut_short: str
) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    with (mountpoint / "file").open("w") as used:
        if cut_short != "never":
            with image.open("r+b") as file:
                os.posix_fallocate(file.fileno(), SIZE, SIZE)
        if cut_short == "the device grew":
            subprocess.run(["losetup", "--set-capacity", str(loop.attached_device(image))], check=True, timeout=60)
        loop.grow_image(image, mountpoint, size_bytes=2 * SIZE)
        used.write("kept")
    disk = os.statvfs(mountpoint)
    assert disk.f_blocks * disk.f_frsize == image.stat().st_size == 2 * SIZE
    assert image.stat().st_blocks * 512 >= 2 * SIZE
    loop.close_image(image, mountpoint)
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    assert (mountpoint / "file").read_text() == "kept"


def test_an_image_that_is_larger_stays_as_it_is(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=2 * SIZE)
    loop.grow_image(image, mountpoint, size_bytes=SIZE)
    disk = os.statvfs(mountpoint)
    assert disk.f_blocks * disk.f_frsize == image.stat().st_size == 2 * SIZE


def test_an_image_that_the_disk_has_no_room_for_does_not_grow_and_is_used_on(place: tuple[Path, Path]) -> None:
    image, mountpoint = place
    loop.open_image(image, mountpoint, size_bytes=SIZE)
    disk = os.statvfs(image.parent)
    with pytest.raises(loop.DiskTooSmall, match=r"needs \d+ MiB"):
        loop.grow_image(image, mountpoint, size_bytes=SIZE + disk.f_bavail * disk.f_frsize)
    assert image.stat().st_size == SIZE
    (mountpoint / "file").write_text("more")


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
