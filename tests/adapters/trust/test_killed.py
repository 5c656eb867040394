"""Killed before or after any write, publisher and Device have the older state or the newer one, and go on."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from securesystemslib.signer import Key

from mosaic.adapters.trust import ceremony, publishing
from mosaic.adapters.trust.ceremony import RepositoryExists
from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.adapters.trust.public_files import PublicFiles
from mosaic.adapters.trust.refusals import TrustUnsigned
from mosaic.adapters.trust.repository import Repository
from support.kill_points import Killed, KillPoints
from support.target_world import NOW_NS, Device, Mirror, Publisher, release

pytestmark = pytest.mark.long

Operation = Callable[[Repository], object]

OPERATIONS: dict[str, Operation] = {
    "publish": lambda repository: publishing.publish(
        repository,
        channel="stable",
        hardware=["generic-amd64"],
        apps={"web": release("web", "two")},
        now_ns=NOW_NS,
    ),
    "refresh": lambda repository: publishing.refresh(repository, now_ns=NOW_NS),
    "add a channel": lambda repository: ceremony.add_channel(repository, "nightly", now_ns=NOW_NS),
    "add a key": lambda repository: ceremony.add_key(repository, "timestamp", now_ns=NOW_NS),
    **{
        f"rotate {role}": lambda repository, role=role: ceremony.rotate(repository, role, now_ns=NOW_NS)  # type: ignore[misc] # mypy infers no type for a lambda with a default
        for role in ("root", "targets", "channel-stable", "snapshot", "timestamp")
    },
}


class FilesThatDie(PublicFiles):
    """A served folder whose writer can be killed before and after each file."""

    def __init__(self, folder: Path, kill: KillPoints) -> None:
        super().__init__(folder)
        self._kill = kill

    def put(self, name: str, content: bytes) -> None:
        """Put a file, if nothing happens."""
        with self._kill.around():
            super().put(name, content)


class KeysThatDie(KeyFolder):
    """A folder of keys whose writer can be killed before and after each file."""

    def __init__(self, folder: Path, kill: KillPoints) -> None:
        super().__init__(folder)
        self._kill = kill

    def draw(self, role: str) -> Key:
        """Draw a key, if nothing happens."""
        with self._kill.around():
            return super().draw(role)

    def keep_root(self, root: bytes) -> None:
        """Keep a root, if nothing happens."""
        with self._kill.around():
            super().keep_root(root)

    def forget_root(self) -> None:
        """Forget a root, if nothing happens."""
        with self._kill.around():
            super().forget_root()


def _dying(publisher: Publisher, kill: KillPoints) -> Repository:
    return Repository(
        FilesThatDie(publisher.public, kill),
        KeysThatDie(publisher.folder / "online", kill),
        KeysThatDie(publisher.folder / "drawer", kill),
    )


def _killed_everywhere(first: Publisher, operation: Operation, tmp_path: Path) -> Iterator[Publisher]:
    """Yield a copy of the repository for each point at which the operation can be killed, killed there."""
    whole = KillPoints()
    operation(_dying(first.copy(tmp_path / "whole"), whole))
    for at in _moments(whole):
        publisher = first.copy(tmp_path / str(at))
        kill = KillPoints()
        kill.at = at
        with pytest.raises(Killed):
            operation(_dying(publisher, kill))
        yield publisher


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_publisher_killed_anywhere_leaves_what_every_client_reads_and_goes_on(
    first_edition: Publisher, tmp_path: Path, name: str
) -> None:
    known = Device(tmp_path / "known", first_edition, first_edition.public.as_uri())
    known.refresh()
    for publisher in _killed_everywhere(first_edition, OPERATIONS[name], tmp_path / "killed"):
        shutil.copytree(known.folder, publisher.folder / "known")
        newcomer = Device(publisher.folder / "newcomer", publisher, publisher.public.as_uri())
        for device in (replace(newcomer, folder=publisher.folder / "known"), newcomer):
            device.refresh()
            assert device.version() in ((1, 2) if name == "publish" else (1,))
        with suppress(RepositoryExists):
            OPERATIONS[name](publisher.with_drawer)
        publisher.publish("three")
        newcomer.refresh()
        assert newcomer.version() == (3 if name == "publish" else 2)


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_a_lost_key_that_is_replaced_by_a_publisher_killed_anywhere_is_replaced_in_the_end(
    first_edition: Publisher, tmp_path: Path, role: str
) -> None:
    bereft = first_edition.copy(tmp_path / "bereft")
    for key in bereft.folder.glob(f"*/{role}-*.key"):
        key.unlink()
    known = Device(tmp_path / "known", first_edition, first_edition.public.as_uri())
    known.refresh()
    for publisher in _killed_everywhere(bereft, OPERATIONS[f"rotate {role}"], tmp_path / "killed"):
        shutil.copytree(known.folder, publisher.folder / "known")
        device = Device(publisher.folder / "known", publisher, publisher.public.as_uri())
        # Between the root and what its new key signs there is a moment; who looks then keeps what he has.
        with suppress(TrustUnsigned):
            device.refresh()
        assert device.version() == 1
        OPERATIONS[f"rotate {role}"](publisher.with_drawer)
        publisher.publish("two")
        device.refresh()
        assert device.version() == 2


def test_a_repository_whose_making_was_killed_anywhere_can_be_made_again(tmp_path: Path) -> None:
    def make(repository: Repository) -> object:
        return ceremony.create(repository, channels=["stable"], now_ns=NOW_NS)

    nothing = Publisher(tmp_path / "nothing")
    nothing.folder.mkdir()
    for publisher in _killed_everywhere(nothing, make, tmp_path / "killed"):
        with suppress(RepositoryExists):
            make(publisher.with_drawer)
        publisher.root = publisher.with_drawer.online.root() or b""
        publisher.publish("one")
        device = Device(publisher.folder / "device", publisher, publisher.public.as_uri())
        device.refresh()
        assert device.version() == 1


def test_a_device_killed_anywhere_in_a_refresh_trusts_the_older_version_or_the_newer_one(
    publisher: Publisher, device: Device, mirror: Mirror, tmp_path: Path
) -> None:
    publisher.publish("two")
    for role in ("root", "timestamp", "channel-stable"):
        ceremony.rotate(publisher.with_drawer, role, now_ns=NOW_NS)
    whole = KillPoints()
    with _dying_disk(whole):
        replace(device, folder=Path(shutil.copytree(device.folder, tmp_path / "whole"))).refresh()
    seen: list[int | None] = []
    for at in _moments(whole):
        killed = replace(device, folder=Path(shutil.copytree(device.folder, tmp_path / str(at))))
        kill = KillPoints()
        kill.at = at
        with _dying_disk(kill), pytest.raises(Killed):
            killed.refresh()
        seen.append(killed.version())
        killed.refresh()
        assert killed.version() == 2
        assert not list(killed.folder.rglob("tmp*"))
    assert set(seen) == {1, 2}
    assert seen == sorted(seen, key=lambda version: version or 0)


def _moments(whole: KillPoints) -> list[int]:
    """Return the points before each write, and the one after the last: after one write is before the next."""
    assert whole.passed > 0
    return [*range(1, whole.passed, 2), whole.passed]


@contextmanager
def _dying_disk(kill: KillPoints) -> Iterator[None]:
    """Kill before or after any name on the disk changes."""

    def around(change: Callable[..., None]) -> Callable[..., None]:
        def dying(*args: object, **named: object) -> None:
            with kill.around():
                change(*args, **named)

        return dying

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "rename", "symlink", "remove"):
            patch.setattr(os, name, around(getattr(os, name)))
        yield
