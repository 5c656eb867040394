"""A Docker engine with compose, simulated: containers, images, volumes, ports and events.

It outlives a kill of the Device. `up` reads the rendered file and refuses what
a real engine refuses: a missing image, a missing volume, a volume that its
driver does not mount.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import msgspec

from mosaic.adapters.docker.engine import AppNotStarted, ImageMissing
from mosaic.adapters.docker.execution import Executed
from mosaic.adapters.docker.sights import PROJECT_LABEL, Container, EngineVersion, Image, Published
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

    `executed` are the commands that were run in containers, `answers` how a program ends that does not end well.
    """

    drivers: dict[str, FakeStorage] = field(default_factory=dict)
    known_images: dict[str, Image] = field(default_factory=dict)
    points: KillPoints = field(default_factory=KillPoints)
    running: dict[str, list[Container]] = field(default_factory=dict)
    docker_volumes: dict[str, FakeVolume] = field(default_factory=dict)
    unhealthy: set[str] = field(default_factory=set)
    api: tuple[int, int] = (1, 41)
    compose: str = "2.26.1"
    ups: int = 0
    executed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    answers: dict[str, Executed] = field(default_factory=dict)
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

    async def version(self) -> EngineVersion:
        return EngineVersion("20.10.24", self.api, "amd64")

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
                if (kept := here.get(name)) is not None and kept.state == "running"
                else self._container(project, name, service)
                for name, service in document["services"].items()
                if service.get("scale") != 0
            ]
            self.ups += 1
        self._tell()
        await anyio.sleep(0)

    async def down(self, project: str, file: Path, *, grace_seconds: int) -> None:
        with self.points.around():
            self.running.pop(project, None)
        self._tell()

    async def logs(self, project: str, file: Path, *, service: str | None, lines: int) -> str:
        return f"{project} {service} {lines}"

    async def execute(self, container: str, command: Sequence[str], *, deadline_seconds: float) -> Executed:
        with self.points.around():
            self.executed.append((container, tuple(command)))
            return self.answers.get(command[0], Executed(0, ""))

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
            health="unhealthy" if name in self.unhealthy else "healthy",
            exit_code=None,
            labels={**labels, PROJECT_LABEL: project},
            ports=tuple(
                Published(
                    str(port.get("host_ip", "0.0.0.0")), int(str(port["published"])), int(str(port["target"])), "tcp"
                )
                for port in ports
            ),
        )

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher()
