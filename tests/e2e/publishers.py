"""Who publishes by the command line, in the stories of packages."""

from dataclasses import dataclass
from pathlib import Path

from e2e.world import World
from support.registry_server import RegistryServer

DEVICE_COMPOSE = """\
x-mosaic: {{title: Mosaic, summary: The Device itself}}
services:
  device:
    image: {image}
"""
"""The package `mosaic-device`, which a Device upgrades itself by."""


@dataclass(frozen=True)
class CommandLinePublisher:
    """Somebody who publishes to a registry and a repository from `folder`."""

    world: World
    folder: Path
    server: RegistryServer

    @property
    def places(self) -> tuple[str, ...]:
        """Where the repository and the keys of every day are."""
        return ("--repo", str(self.folder / "public"), "--keys", str(self.folder / "keys"))
