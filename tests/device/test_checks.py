"""What must be so before a Device can work: one clear sentence and a remedy for each."""

from pathlib import Path

import anyio
import pytest

from mosaic.adapters.docker.engine import DockerEngine
from mosaic.adapters.storage_client import StorageClient, StorageSilent
from mosaic.core.errors import MosaicError
from mosaic.device import checks
from mosaic.device.config import DeviceConfig
from mosaic.device.identity import NotEnrolled
from mosaic.device.serve import serve
from support.fake_engine import FakeEngine
from support.fake_storage import FakeStorage, FakeStore


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
    config = DeviceConfig("attic", tmp_path, tmp_path / "s", driver="other", front=False)

    said = anyio.run(checks.doctor, config, FakeEngine(compose="2.1.0"), storage())

    assert [line.split(":")[0].split(None, 1) for line in said.splitlines() if ":" in line][:3] == [
        ["ok", "engine"],
        ["problem", "compose"],
        ["problem", "storage"],
    ]


def test_a_folder_without_an_identity_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolled, match="belongs to no Device"):
        serve(DeviceConfig("attic", tmp_path, tmp_path / "s"))
