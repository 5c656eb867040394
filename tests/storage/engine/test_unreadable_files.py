"""A file that the local disk does not give costs a snapshot that file, and nothing else."""

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.storage.engine import ahead, attributes, content, recorder, staging
from mosaic.storage.engine.records import Xattrs
from mosaic.storage.engine.roots import Replication
from mosaic.storage.engine.staging import Staging
from support.trees import tree_difference
from support.volumes import Machine

pytestmark = pytest.mark.long

ODD = "odd"


class Disk:
    """What the tests' disk does not give: files of this name."""

    def __init__(self) -> None:
        self.unreadable: str | None = None

    def read(self, file: int | bytes) -> Xattrs:
        if isinstance(file, int) and self.unreadable == Path(f"/proc/self/fd/{file}").readlink().name:
            raise OSError(errno.EIO, "Input/output error")
        return attributes.read_xattrs(file)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    found = Disk()
    for module in (ahead, recorder, staging):
        monkeypatch.setattr(module, "read_xattrs", found.read)
    yield found


class World:
    """A folder that is replicated again and again, in one of the ways to look at it."""

    def __init__(self, folder: Path, way: str) -> None:
        self.live = folder / "live"
        self.here = Machine()
        self.way = way
        self._folder = folder
        self._rounds = 0
        (self.live / "inner").mkdir(parents=True)
        (self.live / "inner" / "page").write_bytes(b"one")

    def snapshot(self) -> tuple[Replication, Path]:
        """Replicate, and restore what was replicated."""
        self._rounds += 1
        done = self._staged() if self.way == "staged" else self._read()
        assert Machine(self.here.store).verify(done.root).damaged == ()
        target = self._folder / f"restored-{self._rounds}"
        Machine(self.here.store).restore(done.root, target)
        return done, target

    def _read(self) -> Replication:
        if self.way == "forgotten":
            self.here.nodes.distrust()
        return self.here.replicate(self.live, settled=True)

    def _staged(self) -> Replication:
        target, here = self._folder / f"staged-{self._rounds}", self.here
        known = here.nodes.recognised(here.newest.root) if here.newest else None
        with Staging(self.live, target, is_known=known, check_room=lambda _: None) as making:
            making.copy_ahead()
            making.copy_rest()
            making.finish()
        return here.replicate_copies(target, time.time_ns() + 10**10)


@pytest.fixture(params=["remembered", "forgotten", "staged"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    way: str = request.param
    return World(tmp_path, way)


def paths(done: Replication) -> list[str]:
    return [one.path for one in done.unread]


def test_a_changed_file_that_cannot_be_read_stays_as_it_was_until_it_can(world: World, disk: Disk) -> None:
    odd, page = world.live / "inner" / ODD, world.live / "inner" / "page"
    odd.write_bytes(b"before")
    world.snapshot()
    disk.unreadable = ODD
    for number in range(2):
        odd.write_bytes(b"after %d" % number)
        page.write_bytes(b"two %d" % number)
        done, back = world.snapshot()
        assert paths(done) == ["inner/odd"]
        assert (back / "inner" / ODD).read_bytes() == b"before"
        assert (back / "inner" / "page").read_bytes() == b"two %d" % number
        assert (done.files, done.content_bytes) == (2, len(b"before") + len(b"two 0"))
    disk.unreadable = None
    done, back = world.snapshot()
    assert (paths(done), tree_difference(world.live, back)) == ([], [])


def test_a_big_file_of_which_only_a_part_can_be_read_stays_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, before = world.live / ODD, os.urandom(6_000_000)
    odd.write_bytes(before)
    world.snapshot()
    odd.write_bytes(os.urandom(6_000_000))
    monkeypatch.setattr(recorder, "read_chunks", broken)
    done, back = world.snapshot()
    assert (paths(done), (back / ODD).read_bytes() == before) == (["odd"], True)
    monkeypatch.undo()
    done, back = world.snapshot()
    assert (paths(done), tree_difference(world.live, back)) == ([], [])


def broken(fd: int, size: int, first: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Read as ever, up to a sector that is gone."""
    for number, chunk in content.read_chunks(fd, size, first, end):
        if number > 80:
            raise OSError(errno.EIO, "Input/output error")
        yield number, chunk


def test_a_new_file_that_cannot_be_read_is_left_out_until_it_can(world: World, disk: Disk) -> None:
    world.snapshot()
    disk.unreadable = ODD
    (world.live / "inner" / ODD).write_bytes(b"new")
    os.link(world.live / "inner" / ODD, world.live / "inner" / "linked")
    (world.live / "inner" / "linked").unlink()
    (world.live / "other").write_bytes(b"other")
    for _ in range(2):
        done, back = world.snapshot()
        assert paths(done) == ["inner/odd"]
        assert sorted(path.name for path in back.rglob("*")) == ["inner", "other", "page"]
    disk.unreadable = None
    done, back = world.snapshot()
    assert (paths(done), tree_difference(world.live, back)) == ([], [])


@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_file_that_was_replaced_by_one_that_cannot_be_read_is_not_lost(
    world: World, disk: Disk, is_renamed: bool
) -> None:
    inner = world.live / "inner"
    (inner / ODD).write_bytes(b"before")
    world.snapshot()
    if is_renamed:
        (inner / ODD).rename(inner / "zebra")
    (inner / "draft").write_bytes(b"after")
    (inner / "draft").rename(inner / ODD)
    disk.unreadable = ODD
    for _ in range(2):
        done, back = world.snapshot()
        assert paths(done) == ["inner/odd"]
        assert (back / "inner" / ("zebra" if is_renamed else ODD)).read_bytes() == b"before"
    disk.unreadable = None
    done, back = world.snapshot()
    assert (paths(done), tree_difference(world.live, back)) == ([], [])
