"""A Docker engine with compose, simulated: containers, images, volumes, ports and events.

It outlives a kill of the Device. `up` reads the rendered file and refuses what
a real engine refuses: a missing image, a missing volume, a volume that its
driver does not mount.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import anyio
import msgspec

from mosaic.adapters.docker import compose
from mosaic.adapters.docker.engine import AppNotStarted, ImageMissing
from mosaic.adapters.docker.execution import Executed
from mosaic.adapters.docker.sights import CONFIG_LABEL, PROJECT_LABEL, Container, EngineVersion, Image, Published
from mosaic.adapters.process import Finished
from support.fake_storage import FakeStorage
from support.kill_points import KillPoints


@dataclass(frozen=True)
class FakeVolume:
    """A Docker volume, as it was created."""

    driver: str
    options: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass
class FakeEngine:
    """One engine. `drivers` are the daemons behind volume drivers; `unhealthy` are services that never get well.

    `health_of` is that of every container of an image (by name), `when_up` what apps do as soon as they were started,
    `when_down` what they do as they are stopped, `said` what a service has logged.

    `acted` are the words and the standard input of apps' actions, and `action_ends` is how each of them ends.
    `executed` are the commands that were run in containers, `answers` how a program ends that does not end well.
    """

    drivers: dict[str, FakeStorage] = field(default_factory=dict)
    known_images: dict[str, Image] = field(default_factory=dict)
    points: KillPoints = field(default_factory=KillPoints)
    running: dict[str, list[Container]] = field(default_factory=dict)
    docker_volumes: dict[str, FakeVolume] = field(default_factory=dict)
    unhealthy: set[str] = field(default_factory=set)
    health_of: dict[str, Literal["starting", "unhealthy"]] = field(default_factory=dict)
    when_up: Callable[[], None] = field(default=lambda: None)
    when_down: Callable[[], None] = field(default=lambda: None)
    said: dict[str, str] = field(default_factory=dict)
    api: tuple[int, int] = (1, 41)
    compose: str = "2.26.1"
    ups: int = 0
    root: Path = Path("/")
    executed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    answers: dict[str, Executed] = field(default_factory=dict)
    acted: list[tuple[list[str], bytes]] = field(default_factory=list)
    action_ends: Finished = field(default_factory=lambda: Finished((), 0, b"", b"", False))
    _watchers: list[Callable[[], None]] = field(default_factory=list)

    def have(self, *references: str, architecture: str = "amd64") -> None:
        """Put images on the engine."""
        for reference in references:
            made = Image(f"sha256:{reference.encode().hex():0<64.64}", architecture, "linux", ())
            self.known_images[reference] = made
            self.known_images[made.id] = made

    def crash(self, service: str, code: int = 1) -> None:
        """Let a service end."""
        for project, containers in self.running.items():
            self.running[project] = [
                replace(one, state="exited", exit_code=code, health=None, ports=()) if one.service == service else one
                for one in containers
            ]
        self._tell()

    def replace(self, service: str, *, image: str | None = None, config_hash: str | None = None) -> None:
        """Put another container in the place of a service's, as somebody on the machine may; no event says so."""
        for project, containers in self.running.items():
            self.running[project] = [
                replace(
                    one,
                    image=image or one.image,
                    labels={**one.labels, **({CONFIG_LABEL: config_hash} if config_hash else {})},
                )
                if one.service == service
                else one
                for one in containers
            ]

    async def version(self) -> EngineVersion:
        return EngineVersion("20.10.24", self.api, "amd64")

    async def root_folder(self) -> Path:
        return self.root

    async def compose_version(self) -> str:
        return self.compose

    async def containers(self, label: str) -> list[Container]:
        key, _, value = label.partition("=")
        return [one for containers in self.running.values() for one in containers if one.labels.get(key) == value]

    async def published_ports(self) -> set[tuple[str, int]]:
        every = (one for containers in self.running.values() for one in containers)
        return {(port.protocol, port.host_port) for one in every for port in one.ports}

    async def images(self, references: Iterable[str]) -> dict[str, Image]:
        return {name: self.known_images[name] for name in references if name in self.known_images}

    async def pull(self, reference: str) -> Image:
        raise ImageMissing(reference, "there is no registry")

    async def create_volume(
        self, name: str, *, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        with self.points.around():
            self.docker_volumes.setdefault(name, FakeVolume(driver, dict(options), dict(labels)))

    async def remove_volume(self, name: str) -> None:
        with self.points.around():
            self.docker_volumes.pop(name, None)

    async def end_containers(self, label: str, *, grace_seconds: int) -> None:
        for found in await self.containers(label):
            self.running.pop(found.project, None)
        self._tell()

    async def up(self, project: str, file: Path, *, deadline_seconds: float) -> None:
        with self.points.around():
            document = msgspec.json.decode(file.read_bytes())
            self._check_volumes(document)
            here = {one.service: one for one in self.running.get(project, [])}
            self.running[project] = [
                kept
                if (kept := here.get(name)) is not None
                and kept.state == "running"
                and kept.labels.get(CONFIG_LABEL) == hash_of(service)
                else self._container(project, name, service)
                for name, service in document["services"].items()
                if service.get("scale") != 0
            ]
            self.ups += 1
            self.when_up()
        self._tell()
        await anyio.sleep(0)

    async def down(self, project: str, file: Path, *, grace_seconds: int) -> None:
        with self.points.around():
            if self.running.pop(project, None):
                self.when_down()
        self._tell()

    async def logs(self, project: str, file: Path, *, service: str | None, lines: int) -> str:
        return self.said.get(service or "", f"{project} {service} {lines}")

    async def execute(self, container: str, command: Sequence[str], *, deadline_seconds: float) -> Executed:
        with self.points.around():
            self.executed.append((container, tuple(command)))
            return self.answers.get(command[0], Executed(0, ""))

    async def act(
        self, project: str, file: Path, *, service: str, command: Sequence[str], stdin: bytes, deadline_seconds: float
    ) -> Finished:
        self.acted.append((compose.execute("unix:///e", project, file, service=service, command=list(command)), stdin))
        return self.action_ends

    async def watch(self, label: str, on_event: Callable[[], None]) -> None:
        self._watchers.append(on_event)
        try:
            await anyio.sleep_forever()
        finally:
            self._watchers.remove(on_event)

    def _check_volumes(self, document: dict[str, dict[str, dict[str, str]]]) -> None:
        for entry in document["volumes"].values():
            made = self.docker_volumes.get(entry["name"])
            if made is None:
                raise AppNotStarted(f"external volume {entry['name']!r} not found")
            volume = made.options.get("volume")
            if volume is not None and not self.drivers[made.driver].is_ready(volume):
                raise AppNotStarted(f"{entry['name']} is not held here")

    def _container(self, project: str, name: str, service: dict[str, object]) -> Container:
        image = msgspec.convert(service["image"], str)
        if image not in self.known_images:
            raise AppNotStarted(f"no such image: {image}")
        ports = msgspec.convert(service.get("ports", []), list[dict[str, object]])
        labels = msgspec.convert(service["labels"], dict[str, str])
        return Container(
            id=f"{project}-{name}",
            project=project,
            service=name,
            image=image,
            state="running",
            health=self._health(name, image),
            exit_code=None,
            labels={**labels, PROJECT_LABEL: project, CONFIG_LABEL: hash_of(service)},
            ports=tuple(
                Published(
                    str(port.get("host_ip", "0.0.0.0")), int(str(port["published"])), int(str(port["target"])), "tcp"
                )
                for port in ports
            ),
        )

    def _health(self, name: str, image: str) -> Literal["starting", "healthy", "unhealthy"]:
        if name in self.unhealthy:
            return "unhealthy"
        ids = {self.known_images[reference].id: health for reference, health in self.health_of.items()}
        return ids.get(image, "healthy")

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher()


def hash_of(service: dict[str, object]) -> str:
    """Return what compose would call the settings of a service."""
    return hashlib.sha256(msgspec.json.encode(service, order="sorted")).hexdigest()
