"""What an app can learn from compose about the environment of the Device: nothing that is secret."""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from mosaic.adapters import process
from mosaic.adapters.docker import compose
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.cli.up.settle import settle
from mosaic.device.config import DEFAULT_ENGINE

IMAGES = ("mosaic/base:12", "debian:12-slim", "mosaic/notes-nginx:1")
SHELLS_OWN = {"PWD", "OLDPWD", "SHLVL", "_"}

Call = Callable[[DockerEngine, Path], object]

CALLS: dict[str, Call] = {
    "version": lambda engine, _: anyio.run(engine.compose_version),
    "up": lambda engine, file: anyio.run(lambda: engine.up("p", file, deadline_seconds=60)),
    "down": lambda engine, file: anyio.run(lambda: engine.down("p", file, grace_seconds=1)),
    "logs": lambda engine, file: anyio.run(lambda: engine.logs("p", file, service=None, lines=5)),
    "settle": lambda engine, file: settle(file.parent.parent, file / "no-socket", engine=engine.address),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "projects" / "app" / "compose.json"
    made.parent.mkdir(parents=True)
    made.write_text(json.dumps({"name": "p"}))
    return made


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    made = secrets.token_hex(8)
    monkeypatch.setenv("MOSAIC_TEST_TOKEN", made)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{made}@proxy")
    return made


@pytest.mark.parametrize("name", CALLS)
def test_compose_sees_only_where_to_find_itself_whatever_it_is_to_do(
    name: str, file: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found instead of the real one; it writes down what it sees.
    seen, docker = file.parent / "seen", file.parent / "docker"
    docker.write_text(f"#!/bin/sh\nenv > {seen}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:/usr/bin:/bin")

    CALLS[name](DockerEngine("unix:///nowhere"), file)

    assert token not in seen.read_text()
    assert {line.partition("=")[0] for line in seen.read_text().splitlines()} <= compose.INHERITED | SHELLS_OWN


@pytest.fixture
def running(file: Path, token: str) -> Iterator[tuple[DockerEngine, str]]:
    """A project of one container whose author asks for the Device's environment, in both ways that there are."""
    engine, project = DockerEngine(DEFAULT_ENGINE), f"mosaic-test-{secrets.token_hex(4)}"
    found = anyio.run(engine.images, IMAGES)
    assert found, "script/images has not built a base image"
    (file.parent / "app.env").write_text("STOLEN=x${MOSAIC_TEST_TOKEN}${HTTPS_PROXY}\n")
    asking = {"env_file": [str(file.parent / "app.env")], "environment": ["MOSAIC_TEST_TOKEN", "OWN=mine"]}
    service = {"image": next(iter(found)), "command": ["true"], "network_mode": "none", **asking}
    file.write_text(json.dumps({"name": project, "services": {"web": service}}))
    anyio.run(lambda: engine.up(project, file, deadline_seconds=60))
    yield engine, project
    anyio.run(lambda: engine.down(project, file, grace_seconds=0))


@pytest.mark.engine
def test_an_app_that_asks_for_the_devices_environment_gets_nothing(
    running: tuple[DockerEngine, str], token: str
) -> None:
    engine, project = running
    words = ["docker", "--host", engine.address, "inspect", "--format", "{{json .Config.Env}}", f"{project}-web-1"]
    environment: list[str] = json.loads(process.run(words, deadline_seconds=30).text)

    assert "STOLEN=x" in environment and "OWN=mine" in environment
    assert not [entry for entry in environment if token in entry]
