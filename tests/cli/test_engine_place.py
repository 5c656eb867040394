"""The checks look at the engine that runs the apps, and where that one finds its volume driver."""

import socket
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from mosaic.adapters.machine import has_tun
from mosaic.cli.main import mosaic
from mosaic.cli.up import settings
from mosaic.cli.up.engine_place import engine_place
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.settings import Settings
from mosaic.core.device_container import PLUGINS
from mosaic.device.config import DeviceConfig
from support.fake_engine import FakeEngine


@pytest.mark.parametrize("has_own_engine", [False, True])
def test_the_volume_driver_is_looked_for_where_the_engine_does(tmp_path: Path, has_own_engine: bool) -> None:
    layout = Layout(tmp_path)
    usual = DeviceConfig("attic", layout.device, layout.storage_socket)
    place = engine_place(layout, driver="mosaic", has_own_engine=has_own_engine)
    wanted = (f"unix://{layout.engine_socket}", layout.engine_plugins, layout.engine_ports)
    assert (place.engine, place.plugins, place.lent_ports) == (
        wanted if has_own_engine else (usual.engine, usual.plugins, None)
    )


def test_a_device_in_a_container_looks_where_the_engines_folder_is_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSAIC_CONTAINER", "1")
    assert engine_place(Layout(tmp_path), driver="mosaic", has_own_engine=False).plugins == Path(PLUGINS)


def test_a_device_in_a_container_keeps_the_container_of_its_own_engine_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    assert engine_place(layout, driver="mosaic-pod", has_own_engine=True).own_engine is None
    monkeypatch.setenv("MOSAIC_CONTAINER", "1")
    place = engine_place(layout, driver="mosaic-pod", has_own_engine=True)
    assert place.own_engine is not None
    assert place.own_engine.name == "mosaic-pod-engine"
    assert (place.engine, place.plugins) == (f"unix://{layout.engine_socket}", layout.engine_plugins)


def test_doctor_looks_at_the_engine_of_the_devices_own_and_at_the_machines_and_says_which_is_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def engine(address: str) -> FakeEngine:
        asked.append(address)
        return FakeEngine()

    monkeypatch.setattr("mosaic.adapters.docker.engine.DockerEngine", engine)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    # The path of a socket has room for a hundred bytes, and not for a test's name.
    short = tempfile.TemporaryDirectory(prefix="mosaic-")
    layout = Layout(Path(short.name))
    for folder in (layout.storage, layout.engine_plugins):
        folder.mkdir(parents=True)
    settings.save(layout.settings, Settings(own_engine=True))
    with short, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(layout.engine_plugins / "mosaic.sock"))
        said = CliRunner().invoke(mosaic, ["doctor", "--state", str(layout.state)], standalone_mode=False).stdout
    assert sorted(asked) == sorted([f"unix://{layout.engine_socket}", DeviceConfig("", tmp_path, tmp_path).engine])
    assert [line for line in said.splitlines() if line.startswith("✓ own engine:")], said
    assert [line for line in said.splitlines() if line.startswith("✓ machine's engine:")], said
    assert [line for line in said.splitlines() if line.startswith("✓ volume driver:")], said


def test_only_the_machines_engine_has_the_device_of_tunnels(tmp_path: Path) -> None:
    node, of_kernel = tmp_path / "node", tmp_path / "kernel"
    assert not has_tun(is_contained=False, node=node, of_kernel=of_kernel)
    node.touch()
    assert has_tun(is_contained=False, node=node, of_kernel=of_kernel)
    assert not has_tun(is_contained=True, node=node, of_kernel=of_kernel)
    of_kernel.mkdir()
    assert has_tun(is_contained=True, node=node, of_kernel=of_kernel)
    assert not engine_place(Layout(tmp_path), driver="mosaic", has_own_engine=True).has_tun
