"""The Docker engine: questions by its API in threads, whole apps by `docker compose`.

`mosaic.device.outside.Engine` is what a Device expects of it.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import msgspec
from anyio import from_thread, to_thread

from mosaic.adapters import process
from mosaic.adapters.docker import compose, execution, sights
from mosaic.adapters.docker.api import Api, EngineRefused, Events, quoted
from mosaic.adapters.docker.execution import Executed
from mosaic.adapters.docker.sights import Container, EngineVersion, Image
from mosaic.adapters.docker.words import Argv
from mosaic.core.errors import NotFound, Refused

P = ParamSpec("P")
T = TypeVar("T")

_COMPOSE_SECONDS = 60
_PULL_SECONDS = 1800
_EVENTS = ["create", "start", "die", "destroy", "pause", "unpause", "health_status"]


class AppNotStarted(Refused):
    """`docker compose up` failed. The sentence is its own."""

    code = "app-not-started"

    def __init__(self, sentence: str) -> None:
        super().__init__(
            f"the app's containers could not be started: {sentence}",
            hint="`mosaic logs NAME` shows what its services said; the next attempt is made by itself",
        )


class ImageMissing(NotFound):
    """The image is not on the engine, and could not be pulled."""

    code = "image-missing"

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(
            f"the image {reference} is not on this machine and cannot be pulled: {reason}",
            hint="check its name and the network, or build it on this machine under that name",
        )


class _NewVolume(msgspec.Struct, rename="pascal"):
    name: str
    driver: str
    driver_opts: dict[str, str]
    labels: dict[str, str]


class DockerEngine:
    """One engine, by its address. May be shared; asks at most four things at once."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._api = Api(address)
        self._asking = anyio.CapacityLimiter(4)

    async def version(self) -> EngineVersion:
        """Return what the engine is."""
        return sights.engine_version(await self._ask(self._api.brief, "/version"))

    async def root_folder(self) -> Path:
        """Return where the engine keeps images and containers on this machine."""
        return sights.root_folder(await self._ask(self._api.brief, "/info"))

    async def compose_version(self) -> str:
        """Return the compose plugin's version. Raises CommandFailed when there is none."""
        done = await _compose(compose.version(self.address), _COMPOSE_SECONDS)
        return done.text.strip().removeprefix("v")

    async def containers(self, label: str) -> list[Container]:
        """Return all containers with the label (`key=value`), those that ended included."""
        asked = partial(self._api.get, "/containers/json", all="true", filters={"label": [label]})
        return sights.containers(await self._ask(asked))

    async def published_ports(self) -> set[tuple[str, int]]:
        """Return the (protocol, port) pairs that any running container publishes here."""
        found = sights.containers(await self._ask(self._api.get, "/containers/json"))
        return {(port.protocol, port.host_port) for container in found for port in container.ports}

    async def images(self, references: Iterable[str]) -> dict[str, Image]:
        """Return those images that are here, by the name that was asked for."""
        wanted = sorted(set(references))

        def look() -> dict[str, Image]:
            answers = {name: self._api.find(f"/images/{quoted(name)}/json") for name in wanted}
            return {name: sights.image(answer) for name, answer in answers.items() if answer is not None}

        return await self._ask(look)

    async def pull(self, reference: str) -> Image:
        """Fetch an image. Raises ImageMissing with the registry's sentence."""
        try:
            await process.run_async(compose.pull(self.address, reference), deadline_seconds=_PULL_SECONDS)
        except process.CommandFailed as error:
            raise ImageMissing(reference, error.finished.last_lines()) from error
        found = (await self.images([reference])).get(reference)
        if found is None:
            raise ImageMissing(reference, "it was pulled, and is not there")
        return found

    async def create_volume(
        self, name: str, *, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Create a Docker volume; one that is there already is fine."""
        new = _NewVolume(name, driver, dict(options), dict(labels))
        await self._ask(self._api.post, "/volumes/create", new)

    async def remove_volume(self, name: str) -> None:
        """Forget a Docker volume; what its driver does with what is in it is the driver's."""
        await self._ask(partial(self._api.delete, f"/volumes/{quoted(name)}", force="true"))

    async def end_containers(self, label: str, *, grace_seconds: int) -> None:
        """Stop and remove all containers with the label, and their networks; for when no compose file is left."""
        found = await self.containers(label)
        for container in found:
            await self._ask(partial(self._end, container.id, grace_seconds))
        for project in {container.project for container in found if container.project}:
            await self._ask(partial(self._remove_networks, project))

    async def up(self, project: str, file: Path, *, deadline_seconds: float) -> None:
        """Create and start an app's containers, in the order that it asks for. Raises AppNotStarted."""
        try:
            await _compose(compose.up(self.address, project, file), deadline_seconds)
        except process.CommandFailed as error:
            raise AppNotStarted(error.finished.last_lines()) from error

    async def down(self, project: str, file: Path, *, grace_seconds: int) -> None:
        """Stop and remove an app's containers. Volumes stay."""
        words = compose.down(self.address, project, file, grace_seconds=grace_seconds)
        await _compose(words, _COMPOSE_SECONDS + 4 * grace_seconds)

    async def logs(self, project: str, file: Path, *, service: str | None, lines: int) -> str:
        """Return the last lines of one service, or of all."""
        words = compose.logs(self.address, project, file, service=service, lines=lines)
        return (await _compose(words, _COMPOSE_SECONDS)).text

    async def execute(self, container: str, command: Sequence[str], *, deadline_seconds: float) -> Executed:
        """Run a command in a running container. Raises ContainerGone, EngineRefused, EngineSilent."""
        asked = partial(execution.execute, self._api, container, command, deadline_seconds=deadline_seconds)
        # Its own thread: a command may take long, and nobody else's question should wait for it.
        return await to_thread.run_sync(asked, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))

    async def act(
        self, project: str, file: Path, *, service: str, command: Sequence[str], stdin: bytes, deadline_seconds: float
    ) -> process.Finished:
        """Run a command of an app in one of its services, with something on its standard input.

        Raises CommandTimedOut when the deadline passes: what runs in the container may go on for itself.
        """
        words = compose.execute(self.address, project, file, service=service, command=list(command))
        return await process.attempt_async(
            words, deadline_seconds=deadline_seconds, stdin=stdin, inherited=compose.INHERITED
        )

    async def watch(self, label: str, on_event: Callable[[], None]) -> None:
        """Call `on_event` for every change of a container with the label, until the stream ends.

        Raises EngineSilent when the engine does not answer. Either way the caller looks, and watches again.
        """
        filters = {"type": ["container"], "label": [label], "event": _EVENTS}
        stream: Events = await self._ask(partial(self._api.events, filters))

        def read() -> None:
            try:
                for _ in stream.lines():
                    from_thread.run_sync(on_event)
            finally:
                stream.release()

        try:
            # Its own limiter: the stream keeps its thread for as long as it lasts.
            await to_thread.run_sync(read, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
        finally:
            stream.close()

    async def _ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await to_thread.run_sync(partial(question, *args, **kwargs), limiter=self._asking)

    def _end(self, container: str, grace_seconds: int) -> None:
        path = f"/containers/{quoted(container)}"
        self._api.post(f"{path}/stop", seconds=grace_seconds, t=str(grace_seconds))
        self._api.delete(path, v="true", force="true")

    def _remove_networks(self, project: str) -> None:
        label = f"{sights.PROJECT_LABEL}={project}"
        for network in sights.network_ids(self._api.get("/networks", filters={"label": [label]})):
            with contextlib.suppress(EngineRefused):
                # Somebody else's container is in it.
                self._api.delete(f"/networks/{network}")


async def _compose(words: Argv, deadline_seconds: float) -> process.Finished:
    return await process.run_async(words, deadline_seconds=deadline_seconds, inherited=compose.INHERITED)
