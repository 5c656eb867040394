"""A Hive that was away for a day, and clocks that are set a day wrong: the app runs on, and all is known afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.clock import SystemClock
from mosaic.device.enrol import enrol
from mosaic.wire.api import Logs
from support import running_device as running_devices
from support.running_device import Running, running_device
from support.running_hive import PASSPHRASE, Owner, RunningHive, running_hive
from support.unshared import free_port
from support.waiting import eventually

pytestmark = pytest.mark.long

DAY_SECONDS = 86400


class SetClock(SystemClock):
    """`wrong_seconds` is how far somebody set it, `passed_seconds` what has passed unseen."""

    wrong_seconds = passed_seconds = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + (self.wrong_seconds + self.passed_seconds) * 10**9

    def boot_ns(self) -> int:
        return super().boot_ns() + self.passed_seconds * 10**9


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[RunningHive]:
    (tmp_path / "hive").mkdir()
    with running_hive(tmp_path / "hive", clock=SetClock(), port=free_port()) as running:
        yield running


@pytest.fixture
def running(tmp_path: Path, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A Device with an app that runs, and a clock that can be set."""
    own = SetClock()
    monkeypatch.setattr(running_devices, "SystemClock", lambda: own)
    folder = tmp_path / "device"
    folder.mkdir()
    with running_device(folder, enrol(folder, owner.join_token(), "attic", passphrase=PASSPHRASE)) as made:
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: is_well(owner), seen=owner.installation)
        yield made


def is_well(owner: Owner) -> bool:
    """Whether its owner sees the Device and the app green."""
    return (owner.devices()[0].health.colour, owner.installation().health.colour) == ("green", "green")


@pytest.mark.parametrize("seconds", [DAY_SECONDS, -DAY_SECONDS])
@pytest.mark.parametrize("whose", ["hive", "device"])
def test_a_clock_that_is_set_a_day_wrong_stops_nothing_and_hides_nothing(
    hive: RunningHive, running: Running, owner: Owner, whose: str, seconds: int
) -> None:
    before = running.engine.ups
    assert running.device is not None
    clock = hive.clock if whose == "hive" else running.device.means.clock
    assert isinstance(clock, SetClock)

    clock.wrong_seconds = seconds

    assert is_well(owner)
    assert running.engine.ups == before
    owner.do("restart")
    eventually(lambda: running.engine.ups > before and is_well(owner), seen=owner.installation)
    with owner.client() as client:
        assert client.get("/api/installations/notes/logs", Logs).text


def test_while_the_hive_is_away_for_a_day_the_app_is_looked_after_and_afterwards_all_is_known(
    hive: RunningHive, running: Running, owner: Owner
) -> None:
    before = running.engine.ups
    assert running.device is not None

    hive.stop()
    for clock in (hive.clock, running.device.means.clock):
        assert isinstance(clock, SetClock)
        clock.passed_seconds = DAY_SECONDS
    running.engine.crash("web")
    eventually(lambda: running.engine.ups > before)
    hive.start()

    eventually(lambda: owner.devices()[0].connected and is_well(owner), seen=owner.devices)
    assert [one.state for found in running.engine.running.values() for one in found] == ["running"]
    assert running.engine.ups == before + 1
