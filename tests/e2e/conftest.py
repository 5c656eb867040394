"""One world for all stories: starting it costs more than most of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.world import EXAMPLES, World
from support.unshared import free_port

BROKEN = {
    "not-yaml": "services: [\n  this: is not\n: yaml",
    "no-services": "name: nothing\nvolumes: {}\n",
    "privileged": "services:\n  web:\n    image: mosaic/notes-web:1\n    privileged: true\n",
    "host-path": "services:\n  web:\n    image: mosaic/notes-web:1\n    volumes: ['/etc:/etc']\n",
    "docker-socket": (
        "services:\n  web:\n    image: mosaic/notes-web:1\n    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n"
    ),
    "host-network": "services:\n  web:\n    image: mosaic/notes-web:1\n    network_mode: host\n",
}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """`mosaic up --demo`, as a first user starts it, with a second catalog of broken apps."""
    folder = tmp_path_factory.mktemp("w")
    broken = _broken_catalog(folder / "broken")
    made = World(folder, [EXAMPLES, broken])
    try:
        made.start("--demo", "--port", str(free_port()))
        (folder / "passphrase").write_text(made.welcome["passphrase"])
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def attic(world: World) -> World:
    """The same world with a second Device, `attic`, on the same engine."""
    world.start_device("attic", "--passphrase-file", str(world.folder / "passphrase"))
    return world


def _broken_catalog(folder: Path) -> Path:
    for name, compose in BROKEN.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "docker-compose.yml").write_text(compose)
    return folder
