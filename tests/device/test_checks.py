"""What must be so before a Device can work: one clear sentence and a remedy for each."""

import re
import socket
from pathlib import Path

import anyio
import pytest

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.adapters.freezer import Mounted
from mosaic.adapters.storage_client import StorageClient, StorageSilent
from mosaic.core.disk_forecast import Room
from mosaic.core.errors import MosaicError
from mosaic.device import checks, hive_check, machine_checks
from mosaic.device.config import DeviceConfig
from mosaic.device.hive_check import HiveAddress
from mosaic.device.hive_clock import ClockSkewed
from mosaic.device.identity import NotEnrolled
from mosaic.device.serve import serve
from support.fake_engine import FakeEngine
from support.fake_storage import FakeStorage, FakeStore
from support.manual_clock import ManualClock
from support.running_hive import Owner


def require(folder: Path, engine: FakeEngine, storage: FakeStorage) -> checks.Found:
    config = DeviceConfig("attic", folder, folder / "storage.sock", driver="mosaic-attic")
    return anyio.run(checks.require, config, engine, storage)


def storage(driver: str = "mosaic-attic") -> FakeStorage:
    return FakeStorage(FakeStore(), driver=driver)


def test_a_machine_that_has_everything_passes(tmp_path: Path) -> None:
    assert require(tmp_path, FakeEngine(), storage()).engine_version == "20.10.24"


@pytest.mark.parametrize(
    ("engine", "found", "code"),
    [
        (FakeEngine(api=(1, 40)), storage(), "engine-too-old"),
        (FakeEngine(compose="2.19.1"), storage(), "compose-too-old"),
        (FakeEngine(compose="1.29.2"), storage(), "compose-too-old"),
        (FakeEngine(), storage("mosaic"), "driver-differs"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    tmp_path: Path, engine: FakeEngine, found: FakeStorage, code: str
) -> None:
    with pytest.raises(MosaicError) as refused:
        require(tmp_path, engine, found)

    assert refused.value.code == code
    assert refused.value.hint and "\n" not in refused.value.message


@pytest.mark.parametrize("compose", ["2.20.0", "2.26.1-4", "v2.39.4", "5.0.0"])
def test_every_compose_since_the_floor_is_taken(tmp_path: Path, compose: str) -> None:
    assert require(tmp_path, FakeEngine(compose=compose.removeprefix("v")), storage()).engine_version == "20.10.24"


def test_no_engine_is_said_in_one_sentence(tmp_path: Path) -> None:
    engine = DockerEngine(f"unix://{tmp_path}/nothing.sock")

    with pytest.raises(MosaicError, match="does not answer") as refused:
        anyio.run(engine.version)

    assert refused.value.code == "engine-silent"


def test_an_engine_elsewhere_is_refused() -> None:
    with pytest.raises(MosaicError, match="its own machine"):
        anyio.run(DockerEngine("tcp://10.0.0.1:2375").version)


def test_no_storage_daemon_is_said_in_one_sentence(tmp_path: Path) -> None:
    from mosaic.wire.storage import StateRequest

    with pytest.raises(StorageSilent, match="does not answer"):
        StorageClient(tmp_path / "nothing.sock").state(StateRequest())


def test_a_doctor_says_everything_at_once(tmp_path: Path) -> None:
    config = DeviceConfig("attic", tmp_path, tmp_path / "s", driver="other")

    every = checks.all_checks(config, FakeEngine(compose="2.1.0"), storage(), None, ManualClock())
    said = {one.name: one for one in anyio.run(checks.make, every)}

    assert [said[name].held for name in ("engine", "compose", "storage", "volume driver")] == [
        True,
        False,
        False,
        False,
    ]
    assert all(one.held or one.hint for one in said.values())


def test_a_folder_without_an_identity_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolled, match="belongs to no Device"):
        serve(DeviceConfig("attic", tmp_path, tmp_path / "s"))


def hive_time(owner: Owner, *, ahead_seconds: float) -> str:
    clock = ManualClock(SystemClock().wall_ns() + int(ahead_seconds * 1e9))
    address = HiveAddress(owner.hive.url, None)
    return anyio.run(hive_check.check_clock, address, clock)


def test_a_clock_that_is_right_is_said_to_be(owner: Owner) -> None:
    assert hive_time(owner, ahead_seconds=0).endswith("s of the Hive's")


@pytest.mark.parametrize(("ahead_seconds", "said"), [(86400, "1 d ahead of"), (-86400, "1 d behind")])
def test_a_clock_that_is_a_day_wrong_is_said_with_the_remedy(owner: Owner, ahead_seconds: float, said: str) -> None:
    with pytest.raises(ClockSkewed, match=said) as refused:
        hive_time(owner, ahead_seconds=ahead_seconds)

    assert "timedatectl" in refused.value.hint


def test_the_way_to_the_hive_is_measured(owner: Owner) -> None:
    assert "answers in" in anyio.run(hive_check.check_way, HiveAddress(owner.hive.url, None))


def test_a_hive_that_is_away_is_one_line_of_the_doctor(tmp_path: Path) -> None:
    config = DeviceConfig("attic", tmp_path, tmp_path / "s", driver="mosaic-attic")
    away = HiveAddress("http://127.0.0.1:9", None)

    made = anyio.run(checks.make, checks.all_checks(config, FakeEngine(), storage(), away, ManualClock()))

    assert {one.name for one in made if not one.held} >= {"way to the Hive", "clock"}


def test_what_cannot_be_looked_at_is_a_line_and_not_the_end(tmp_path: Path) -> None:
    async def look() -> str:
        raise PermissionError(13, "Permission denied")

    (made,) = anyio.run(checks.make, [checks.Check("kernel", look)])

    assert (made.held, "Permission denied" in made.detail, made.hint != "") == (False, True, True)


def test_a_disk_that_is_nearly_full_is_said_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.adapters.disk_room.room_of", lambda where: Room(str(where), "8:1", 4096, 4, 100))

    with pytest.raises(machine_checks.DiskNearlyFull, match="more than 95 % full"):
        machine_checks.check_room([tmp_path])
    assert require(tmp_path, FakeEngine(), storage()).engine_version


def test_room_is_looked_at_where_a_folder_will_be(tmp_path: Path) -> None:
    """A Device in a container does not see the engine's folder, and a new one has no state yet."""
    assert "free at " in machine_checks.check_room([tmp_path / "not" / "yet"])


def test_a_driver_that_the_engine_would_not_find_is_said(tmp_path: Path) -> None:
    with pytest.raises(machine_checks.DriverUnfound, match=re.escape(str(tmp_path / "mosaic.sock"))):
        machine_checks.check_driver("mosaic", tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "mosaic.sock"))
        assert "mosaic.sock" in machine_checks.check_driver("mosaic", tmp_path)


def test_a_freezer_is_missed_only_where_volumes_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosaic.adapters.freezer.mounted", lambda: Mounted(None, None))

    assert "not needed" in machine_checks.check_freezer(is_needed=False)
    with pytest.raises(machine_checks.FreezerMissing):
        machine_checks.check_freezer(is_needed=True)
