"""A disk without room for the Device's own files: apps run on, the owner is told, and room is all that is needed."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mosaic.adapters.ledger import LedgerNotWritten
from mosaic.core.audit_compare import inspect
from mosaic.core.errors import MosaicError
from mosaic.device.enrol import enrol
from mosaic.device.records import Records
from mosaic.wire.api import Logs
from support.running_device import Running, running_device
from support.running_hive import PASSPHRASE, Owner
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

READ = "mosaic-"
"""What the simulated engine's logs begin with."""


@dataclass
class SmallDisk:
    """A file system of 2 MiB."""

    folder: Path
    _fillers: list[Path] = field(default_factory=list)

    def fill(self) -> None:
        """Take all room that is left, to the last byte."""
        filler = self.folder / f"filler-{len(self._fillers)}"
        self._fillers.append(filler)
        with filler.open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def make_room(self) -> None:
        """Give it back."""
        while self._fillers:
            self._fillers.pop().unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "mosaic-test", folder], check=True)
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def running(disk: SmallDisk, owner: Owner) -> Iterator[Running]:
    """A Device whose state is on that disk, with an app that runs."""
    identity = enrol(disk.folder, owner.join_token(), "attic", passphrase=PASSPHRASE)
    with running_device(disk.folder, identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: owner.installation().health.colour == "green", seen=owner.installation)
        yield running


def problem(owner: Owner) -> str:
    """Return the code of what the Device says is wrong."""
    found = owner.devices()[0].problem
    return found.code if found else ""


def read_logs(owner: Owner) -> str:
    """Read the app's logs, or return why not."""
    with owner.client() as client:
        try:
            return client.get("/api/installations/notes/logs", Logs).text
        except MosaicError as error:
            return error.code


def test_apps_run_on_without_room_the_owner_is_told_and_room_is_all_it_needs(
    disk: SmallDisk, running: Running, owner: Owner
) -> None:
    before = running.engine.ups

    disk.fill()
    owner.do("restart")

    eventually(lambda: problem(owner) == "ledger-not-written", seen=owner.devices)
    assert read_logs(owner) == "logs-unavailable"
    assert owner.devices()[0].health.colour == "green"
    assert [one.state for found in running.engine.running.values() for one in found] == ["running"]
    assert (running.engine.ups, running.is_over) == (before, False)

    disk.make_room()

    eventually(lambda: running.engine.ups > before and problem(owner) == "", seen=owner.devices)
    eventually(lambda: owner.installation().health.colour == "green", seen=owner.installation)
    assert read_logs(owner).startswith(READ)


def test_a_start_without_room_leaves_everything_as_it_is_and_the_next_one_goes_on(
    disk: SmallDisk, running: Running, owner: Owner
) -> None:
    running.stop()
    before = (disk.folder / "identity.json").read_bytes()
    disk.fill()
    with running_device(disk.folder, running.identity, session="session-two-of-attic", before=running) as without:
        eventually(lambda: without.is_over)
    assert isinstance(without.ended, LedgerNotWritten)
    assert [one.state for found in running.engine.running.values() for one in found] == ["running"]

    disk.make_room()

    with running_device(disk.folder, running.identity, session="session-three-of-attic", before=running):
        eventually(lambda: owner.devices()[0].connected and problem(owner) == "", seen=owner.devices)
        eventually(lambda: read_logs(owner).startswith(READ))
    assert (disk.folder / "identity.json").read_bytes() == before


def test_an_order_that_cannot_be_noted_is_not_carried_out_and_one_that_was_begun_is_answered(
    disk: SmallDisk, running: Running, owner: Owner
) -> None:
    disk.fill()
    assert read_logs(owner) == "logs-unavailable"
    disk.make_room()
    assert read_logs(owner).startswith(READ)
    running.stop()

    with contextlib.closing(Records(disk.folder / "device.ledger")) as records:
        page = records.audit.page(0)
    ordered = [row.entry.outcome for row in page.rows if row.entry.kind == "read-logs"]
    assert ordered == ["begun", "done"]
    assert inspect("attic", page.rows) == []
