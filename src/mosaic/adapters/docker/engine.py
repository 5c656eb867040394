"""The Docker engine: questions by the SDK in threads, whole apps by `docker compose`.

`mosaic.device.outside.Engine` is what a Device expects of it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import from_thread, to_thread

from mosaic.adapters import process
from mosaic.adapters.docker import compose, sdk, sights
from mosaic.adapters.docker.sights import Container, EngineVersion, Image
from mosaic.core.errors import Refused

if TYPE_CHECKING:
    from docker.api import APIClient

T = TypeVar("T")

_COMPOSE_SECONDS = 60


class AppNotStarted(Refused):
    """`docker compose up` failed. The sentence is its own."""

    code = "app-not-started"

    def __init__(self, sentence: str) -> None:
        super().__init__(
            f"the app's containers could not be started: {sentence}",
            hint="`mosaic logs NAME` shows what its services said; the next attempt is made by itself",
        )


class DockerEngine:
    """One engine, by its address. May be shared; asks at most four things at once."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client: APIClient | None = None
        self._asking = anyio.CapacityLimiter(4)

    async def version(self) -> EngineVersion:
        """Return what the engine is."""
        return await self._ask(lambda client: sights.engine_version(client.version(api_version=False)))

    async def compose_version(self) -> str:
        """Return the compose plugin's version. Raises CommandFailed when there is none."""
        done = await process.run_async(compose.version(self.address), deadline_seconds=_COMPOSE_SECONDS)
        return done.text.strip().removeprefix("v")

    async def containers(self, label: str) -> list[Container]:
        """Return all containers with the label (`key=value`), those that ended included."""
        return await self._ask(
            lambda client: sights.containers(client.containers(all=True, filters={"label": [label]}))
        )

    async def published_ports(self) -> set[tuple[str, int]]:
        """Return the (protocol, port) pairs that any running container publishes here."""
        found = await self._ask(lambda client: sights.containers(client.containers()))
        return {(port.protocol, port.host_port) for container in found for port in container.ports}

    async def images(self, references: Iterable[str]) -> dict[str, Image]:
        """Return those images that are here, by the name that was asked for."""
        wanted = sorted(set(references))
        return await self._ask(lambda client: sdk.inspect_images(client, wanted))

    async def pull(self, reference: str) -> Image:
        """Fetch an image. Raises ImageMissing with the registry's sentence."""
        return await self._ask(lambda _: sdk.pull(self.address, reference))

    async def create_volume(
        self, name: str, *, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Create a Docker volume; one that is there already is fine."""
        opts, tags = dict(options), dict(labels)
        await self._ask(lambda client: client.create_volume(name=name, driver=driver, driver_opts=opts, labels=tags))

    async def volumes(self, label: str) -> list[str]:
        """Return the names of the Docker volumes with the label (`key=value`)."""
        return await self._ask(lambda client: sights.volume_names(client.volumes(filters={"label": [label]})))

    async def remove_volume(self, name: str) -> None:
        """Forget a Docker volume; what its driver does with what is in it is the driver's."""
        await self._ask(lambda client: sdk.remove_volume(client, name))

    async def end_containers(self, label: str, *, grace_seconds: int) -> None:
        """Stop and remove all containers with the label, and their networks; for when no compose file is left."""
        found = await self.containers(label)
        for container in found:
            await self._ask(partial(sdk.end_container, container=container.id, grace_seconds=grace_seconds))
        for project in {container.project for container in found if container.project}:
            await self._ask(partial(sdk.remove_networks, project=project))

    async def up(self, project: str, file: Path, *, deadline_seconds: float) -> None:
        """Create and start an app's containers, in the order that it asks for. Raises AppNotStarted."""
        await self._compose(compose.up(self.address, project, file), deadline_seconds)

    async def down(self, project: str, file: Path, *, grace_seconds: int) -> None:
        """Stop and remove an app's containers. Volumes stay."""
        words = compose.down(self.address, project, file, grace_seconds=grace_seconds)
        await process.run_async(words, deadline_seconds=_COMPOSE_SECONDS + 4 * grace_seconds)

    async def logs(self, project: str, file: Path, *, service: str | None, lines: int) -> str:
        """Return the last lines of one service, or of all."""
        words = compose.logs(self.address, project, file, service=service, lines=lines)
        return (await process.run_async(words, deadline_seconds=_COMPOSE_SECONDS)).text

    async def watch(self, label: str, on_event: Callable[[], None]) -> None:
        """Call `on_event` for every change of a container with the label, until the stream ends.

        Raises EngineSilent when the engine does not answer. Either way the caller looks, and watches again.
        """
        stream = await self._ask(lambda client: sdk.events(client, label))

        def read() -> None:
            with sdk.translated(self.address):
                for _ in stream:
                    from_thread.run_sync(on_event)

        try:
            # Its own limiter: the stream keeps its thread for as long as it lasts.
            await to_thread.run_sync(read, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
        finally:
            stream.close()

    async def _compose(self, words: list[str], deadline_seconds: float) -> None:
        try:
            await process.run_async(words, deadline_seconds=deadline_seconds)
        except process.CommandFailed as error:
            raise AppNotStarted(error.finished.last_lines()) from error

    async def _ask(self, question: "Callable[[APIClient], T]") -> T:
        def ask() -> T:
            with sdk.translated(self.address):
                return question(self._connected())

        return await to_thread.run_sync(ask, limiter=self._asking)

    def _connected(self) -> "APIClient":
        if self._client is None:
            self._client = sdk.connect(self.address)
        return self._client
