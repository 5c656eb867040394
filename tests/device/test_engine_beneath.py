"""A whole Device with an app and its volume on an engine that hangs and is restarted: the app goes on, nobody helps."""

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio.from_thread
import pytest

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.docker import api
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.core.ids import SessionId
from mosaic.device import lookout
from mosaic.device.config import DeviceConfig
from mosaic.device.device import Device
from mosaic.device.enrol import enrol
from mosaic.storage.config import PLUGIN_DIR
from mosaic.storage.serve import serving
from support.absent_drivers import stand_aside, stand_in
from support.at_engine import BASE
from support.own_engine import OwnEngine, own_engine
from support.running_hive import PASSPHRASE, Owner, write_app
from support.storage_daemon import TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.engine

DRIVER = "mosaic-beneath"
"""One name for all runs: an engine never forgets a driver, and waits for each that has gone."""

COMPOSE = f"""\
x-mosaic: {{title: Beats, summary: Writes a line as long as it lives.}}
services:
  web:
    image: {BASE}
    command: [sh, -c, "while :; do echo beat >> /data/beats; sleep 0.1; done"]
    network_mode: none
    init: true
    volumes: [data:/data]
volumes:
  data: {{}}
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngine]:
    with own_engine() as engine:
        yield engine


@pytest.fixture
def daemon() -> Iterator[TestDaemon]:
    """A storage daemon that keeps plain folders, where every engine of this machine finds its driver."""
    with tempfile.TemporaryDirectory(prefix="m-", dir="/tmp") as folder, place(Path(folder), DRIVER, "") as made:
        made.config = replace(made.config, driver=DRIVER, plugin_dir=PLUGIN_DIR, pool=None, scan=Path(folder))
        stand_aside(DRIVER)
        try:
            with serving(made.config) as inside:
                made.inside = inside
                yield made
        finally:
            stand_in(DRIVER)


@pytest.fixture
def beats(
    engine: OwnEngine, daemon: TestDaemon, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Where the app of a Device that runs writes its lines."""
    monkeypatch.setattr(api, "DEADLINE_SECONDS", 2.0)
    monkeypatch.setattr(lookout, "RETRY_SECONDS", 0.2)
    catalog = tmp_path / "hive" / "catalog"
    write_app(catalog, "beats", COMPOSE)
    state = tmp_path / "device"
    state.mkdir()
    identity = enrol(state, owner.join_token(), "attic", passphrase=PASSPHRASE)
    config = DeviceConfig(
        identity.name,
        state,
        daemon.config.control_socket,
        driver=DRIVER,
        engine=engine.address,
        stop_seconds=5,
        trusted=(catalog,),
    )

    async def run() -> None:
        device = Device(
            config,
            identity,
            SessionId(secrets.token_hex(16)),
            engine=DockerEngine(engine.address),
            storage=daemon.client,
            clock=SystemClock(),
            draw=lambda: 0.01,
            engine_version="20.10.24",
        )
        await device.run()

    with anyio.from_thread.start_blocking_portal() as portal:
        running = portal.start_task_soon(run)
        eventually(lambda: owner.devices()[0].connected)
        owner.install("beats")
        eventually(lambda: colour(owner) == "green", seconds=120, seen=lambda: owner.installation("beats"))
        # Copies of it, for snapshots, lie in other folders.
        (found,) = daemon.pool.glob("live/*/*/beats")
        yield found
        owner.uninstall("beats")
        eventually(lambda: engine("ps", "--all", "--quiet") == "", seconds=120, seen=lambda: engine("ps", "--all"))
        running.cancel()


def colour(owner: Owner) -> str:
    """Return the app's colour, as its owner sees it."""
    return owner.installation("beats").health.colour


def problem(owner: Owner) -> str:
    """Return the code of what the Device says is wrong."""
    found = owner.devices()[0].problem
    return found.code if found else ""


def goes_on(beats: Path) -> None:
    """Wait for more lines than there are now."""
    before = beats.stat().st_size
    eventually(lambda: beats.stat().st_size > before)


def test_an_app_goes_on_while_its_engine_hangs_and_what_was_ordered_meanwhile_is_done_afterwards(
    engine: OwnEngine, beats: Path, owner: Owner
) -> None:
    before = engine("ps", "--quiet").strip()

    with engine.hanging():
        eventually(lambda: problem(owner) == "engine-silent", seen=owner.devices)
        owner.do("restart", "beats")
        goes_on(beats)
        assert owner.devices()[0].health.colour == "green"

    eventually(lambda: problem(owner) == "", seen=owner.devices)
    eventually(lambda: engine("ps", "--quiet").strip() not in ("", before), seconds=120, seen=lambda: engine("ps"))
    eventually(lambda: colour(owner) == "green", seconds=120, seen=lambda: owner.installation("beats"))
    goes_on(beats)


def test_an_app_is_back_with_its_data_after_its_engine_was_restarted(
    engine: OwnEngine, beats: Path, owner: Owner
) -> None:
    goes_on(beats)
    lines = beats.read_text()

    engine.stop()
    eventually(lambda: problem(owner) == "engine-silent", seen=owner.devices)
    engine.start()

    eventually(lambda: beats.stat().st_size > len(lines) + 100, seconds=120, seen=lambda: owner.installation("beats"))
    eventually(lambda: colour(owner) == "green" and problem(owner) == "", seconds=120, seen=owner.devices)
    assert beats.read_text().startswith(lines)
