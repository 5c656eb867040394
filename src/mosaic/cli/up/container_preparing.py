"""What a Device in a container does for its upgrade: have the new image here, and a replacer beside itself."""

import os
from pathlib import Path

from mosaic import __version__
from mosaic.adapters.docker import standing, succession
from mosaic.adapters.docker.api import Api
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.adapters.docker.own_container import OwnContainer, own_container
from mosaic.adapters.machine import own_architecture
from mosaic.cli.up import device_contained, front_contained, settings
from mosaic.cli.up.container_switch import ID, IMAGE_FILE, NAME, RESTART
from mosaic.cli.up.layout import Layout
from mosaic.core.device_container import DEVICE_NAME, ENGINE_SOCKET, KEEPER_LABEL, replacer
from mosaic.core.device_upgrade import Form, Journal, Program
from mosaic.device.outside import ask
from mosaic.device.upgrading.package import UpgradeUnusable, read_image
from mosaic.device.upgrading.upgrader import NotUpgradable


class ContainerPreparer:
    """A Device in a container, which knows its own container."""

    def __init__(self, layout: Layout) -> None:
        """Ask the engine. Raises ContainerUnrecognised, EngineSilent."""
        self._layout = layout
        self._address = f"unix://{ENGINE_SOCKET}"
        self._engine = Api(self._address)
        self._own: OwnContainer = own_container(self._engine)
        seen = succession.see(self._engine, self._own.id)
        self._name = seen.name if seen is not None else DEVICE_NAME
        self._restart = seen.restart if seen is not None else "unless-stopped"
        self._image_file = seen.labels.get(KEEPER_LABEL, "") if seen is not None else ""
        self._is_kept = bool(self._image_file) or (seen is not None and not seen.is_removed_at_its_end)

    @property
    def form(self) -> Form:
        """By whom its container is started again."""
        return "unit" if self._image_file else "container"

    @property
    def running(self) -> Program:
        """The image that this container is of."""
        return Program(__version__, self._own.image)

    async def prepare(self, folder: Path, version: str) -> Program:
        """Have the image here that the package pins. The engine checks it against the digest."""
        if not self._is_kept:
            raise NotUpgradable("its container is removed when it ends, and no file names the image to start it from")
        reference = await ask(read_image, folder)
        engine = DockerEngine(self._address)
        image = (await engine.images([reference])).get(reference) or await engine.pull(reference)
        here = own_architecture()
        if (image.os, image.architecture) != ("linux", here):
            raise UpgradeUnusable(f"its image is for {image.os}/{image.architecture}, and this machine is linux/{here}")
        return Program(version, image.id)

    def notes(self) -> dict[str, str]:
        """Return which container is replaced, and how it is kept."""
        named = {IMAGE_FILE: self._image_file} if self._image_file else {}
        return {NAME: self._name, ID: self._own.id, RESTART: self._restart, **named}

    def have_replacer(self, journal: Journal) -> None:
        """Have the replacer's container run, of the image before."""
        made = replacer(
            image=journal.old.start,
            device=journal.notes[NAME],
            state=str(self._layout.state),
            engine_socket=self._own.mounts.get(ENGINE_SOCKET, ENGINE_SOCKET),
            trial_seconds=os.environ.get("MOSAIC_UPGRADE_SECONDS", ""),
        )
        standing.awake(self._engine, made)

    def settle(self, journal: Journal) -> None:  # noqa: ARG002 (as every form has it)
        """Have the containers of the storage daemon and the LAN front be of this image."""
        chosen = settings.load(self._layout.settings)
        device_contained.have_storage(self._engine, self._own, self._layout, chosen)
        front_contained.have_front(self._engine, self._own.image, self._layout, chosen.driver)
