"""A Hive on loopback with its owner, whose time stands still until a test moves it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.running_hive import Owner, RunningHive, running_hive


@pytest.fixture
def clock() -> ManualClock:
    """The Hive's clock."""
    return ManualClock()


@pytest.fixture
def hive(tmp_path: Path, clock: ManualClock) -> Iterator[RunningHive]:
    """A Hive without an account."""
    with running_hive(tmp_path, clock=clock) as running:
        yield running


@pytest.fixture
def owner(hive: RunningHive) -> Owner:
    """The account's owner."""
    return hive.set_up()


@pytest.fixture
def joined(owner: Owner) -> Iterator[Callable[[str], FakeDevice]]:
    """Make Devices that have joined, are admitted and connected."""
    made: list[FakeDevice] = []

    def join(name: str = "attic") -> FakeDevice:
        device = FakeDevice(name)
        device.join(owner.join_token())
        device.connect()
        made.append(device)
        return device

    yield join
    for device in made:
        device.disconnect()
