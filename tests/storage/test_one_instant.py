"""A snapshot is one instant of all files of an app, on btrfs and, by holding the app still, where there is none."""

import itertools
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mosaic.core.consistency import label
from mosaic.storage.on_folders import OnFolders
from mosaic.storage.serve import serving
from mosaic.wire.head import parse
from mosaic.wire.storage import SnapshotNow
from support.at_engine import BASE, at_the_engine, docker
from support.control_groups import Sleeper, control_group
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.waiting import eventually

WRITER = """
number=0
while :; do
    number=$((number + 1))
    printf '%012d' $number 1<>/one/counter
    printf '%012d' $number 1<>/other/counter
done
"""


@contextmanager
def lock_step(first: Path, second: Path) -> Iterator[None]:
    """Write a counter into both files, one after the other, each durable before the next is begun.

    As databases do: what nobody synced may be missing from a snapshot as it may after a power cut, in any order.
    """
    ended = threading.Event()
    files = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_DSYNC, 0o644) for path in (first, second)]

    def write() -> None:
        for number in itertools.count():
            for file in files:
                if ended.is_set():
                    return
                os.pwrite(file, b"%012d" % number, 0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        for file in files:
            os.close(file)


def consistent(daemon: TestDaemon, epoch: str) -> Path:
    """Have a snapshot cut at once, and return where it lies."""
    cut = daemon.client.snapshot(SnapshotNow(VOLUME, epoch, consistent=True)).cut_ns
    return daemon.pool / "snap" / VOLUME / str(cut)


def apart(one: Path, other: Path) -> int:
    return int(one.read_bytes()) - int(other.read_bytes())


@pytest.mark.btrfs
def test_one_snapshot_cuts_two_docker_volumes_of_an_app_at_one_instant(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.create("one", "one")
    here.create("other", "other")
    one, other = here.mount("one") / "counter", here.mount("other", "two") / "counter"
    hive.is_down = True
    with lock_step(one, other):
        eventually(lambda: other.exists() and other.read_bytes() > b"%012d" % 50)
        seen = set()
        for _ in range(25):
            cut = consistent(here, epoch)
            seen.add(apart(cut / "one" / "counter", cut / "other" / "counter"))
    assert seen <= {0, 1}


@pytest.fixture
def scanned(tmp_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    """A daemon without btrfs, on a real engine."""
    with at_the_engine(tmp_path, hive, interval_seconds=0.05) as made:
        yield made


@contextmanager
def writing(daemon: TestDaemon) -> Iterator[str]:
    """A container that counts in two volumes in lock step; yields its id."""
    volumes = []
    for folder in ("one", "other"):
        name = f"{daemon.config.driver}_{secrets.token_hex(4)}_{folder}"
        options = ("--opt", f"volume={VOLUME}", "--opt", f"folder={folder}")
        docker("volume", "create", "--driver", daemon.config.driver, *options, name)
        volumes += ["--volume", f"{name}:/{folder}"]
    container = docker("run", "--detach", "--network", "none", *volumes, BASE, "sh", "-c", WRITER).strip()
    try:
        counter = daemon.pool / "live" / VOLUME / "other" / "counter"
        eventually(lambda: counter.exists() and counter.read_bytes() > b"%012d" % 20)
        yield container
    finally:
        docker("rm", "--force", container)


def labels(hive: FakeHive) -> list[str]:
    return [label(parse(signed)[0].flags) for signed in hive.volume(VOLUME).heads]


@pytest.mark.engine
@pytest.mark.cgroup
def test_without_btrfs_what_is_not_called_fuzzy_is_one_instant_of_a_container_that_goes_on_writing(
    scanned: TestDaemon, hive: FakeHive
) -> None:
    epoch = scanned.take(hive)
    with writing(scanned):
        hive.is_down = True
        seen = []
        for _ in range(20):
            cut = consistent(scanned, epoch)
            assert scanned.inside is not None
            record = scanned.inside.volumes[next(iter(scanned.inside.volumes))].record
            assert record.cut is not None
            if label(record.cut.flags) == "app-consistent":
                seen.append(apart(cut / "tree" / "one" / "counter", cut / "tree" / "other" / "counter"))
        hive.is_down = False
        counter = scanned.pool / "live" / VOLUME / "other" / "counter"
        before = counter.read_bytes()
        eventually(lambda: counter.read_bytes() > before)
    assert len(seen) >= 10
    assert set(seen) <= {0, 1}
    eventually(lambda: "crash-consistent" in labels(hive), seen=lambda: labels(hive))


@pytest.mark.engine
@pytest.mark.cgroup
def test_without_btrfs_what_takes_longer_than_two_seconds_is_fuzzy_and_the_app_runs_on(
    scanned: TestDaemon, hive: FakeHive
) -> None:
    epoch = scanned.take(hive)
    counter = scanned.pool / "live" / VOLUME / "other" / "counter"
    assert scanned.inside is not None
    subvolumes = scanned.inside.pool.subvolumes
    assert isinstance(subvolumes, OnFolders)
    waited = []

    def slow(_: int) -> None:
        """A disk that takes so long for one file that the app has to run on before."""
        if any(subvolumes.notes.iterdir()):
            before = counter.read_bytes()
            eventually(lambda: counter.read_bytes() > before)
            waited.append(before)

    with writing(scanned):
        subvolumes.check_room = slow
        scanned.client.snapshot(SnapshotNow(VOLUME, epoch, consistent=True))
        subvolumes.check_room = lambda _: None
        assert waited
        eventually(lambda: "fuzzy" in labels(hive), seen=lambda: labels(hive))
        assert "app-consistent" not in labels(hive)


@pytest.mark.cgroup
def test_a_daemon_that_starts_thaws_what_a_killed_one_held_still(tmp_path: Path) -> None:
    with control_group("first") as folder, Sleeper(folder) as sleeper, place(tmp_path, "here", "token-a") as here:
        held = here.config.state / "held"
        held.mkdir()
        (held / VOLUME).write_text(f"{sleeper.group.switch}\t{sleeper.group.thaw}\n")
        sleeper.group.switch.write_text(sleeper.group.freeze)
        eventually(lambda: sleeper.is_held)
        with serving(here.config):
            eventually(lambda: not sleeper.is_held)
        assert list(held.iterdir()) == []
