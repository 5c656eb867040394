"""What the engine tells, parsed at the edge: containers, images, versions.

One list of containers has all that a Device looks at. Health and exit code
are only in the sentence that people read (`Up 3 minutes (healthy)`), which
spares one question per container; the engine's floor (20.10) and its newest
write it alike.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from mosaic.core.errors import Unavailable

State = Literal["created", "running", "paused", "restarting", "exited", "dead"]
Health = Literal["starting", "healthy", "unhealthy"]

SERVICE_LABEL = "com.docker.compose.service"
PROJECT_LABEL = "com.docker.compose.project"
CONFIG_LABEL = "com.docker.compose.config-hash"
"""Compose's own hash over the service that a container was made from."""

_HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")
_EXIT = re.compile(r"Exited \((\d+)\)")
_HEALTHS: Mapping[str, Health] = {"starting": "starting", "healthy": "healthy", "unhealthy": "unhealthy"}


class EngineUnreadable(Unavailable):
    """The engine answered with something that this program cannot read."""

    code = "engine-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the engine's answer cannot be read: {reason}", hint="is it a Docker engine 20.10 or newer?")


@dataclass(frozen=True, slots=True)
class Published:
    """A port of a container that is reached on the machine."""

    host_ip: str
    host_port: int
    container_port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Container:
    """One container. `health` is None without a healthcheck, `exit_code` while it has not ended."""

    id: str
    project: str
    service: str
    image: str
    state: State
    health: Health | None
    exit_code: int | None
    labels: Mapping[str, str]
    ports: tuple[Published, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """One image on the engine. `volumes` are the paths of its own `VOLUME` lines."""

    id: str
    architecture: str
    os: str
    volumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """`api` is the newest that the engine speaks, as (major, minor)."""

    version: str
    api: tuple[int, int]
    architecture: str


class _Port(msgspec.Struct, rename="pascal"):
    private_port: int
    type: str
    public_port: int | None = None
    ip: str = msgspec.field(default="", name="IP")


class _Container(msgspec.Struct, rename="pascal"):
    id: str
    state: State | Literal["removing"]
    status: str
    image_id: str = msgspec.field(name="ImageID")
    labels: dict[str, str] | None = None
    ports: list[_Port] | None = None


class _Config(msgspec.Struct, rename="pascal"):
    volumes: dict[str, object] | None = None


class _Image(msgspec.Struct, rename="pascal"):
    id: str
    architecture: str
    os: str
    config: _Config | None = None


class _Network(msgspec.Struct, rename="pascal"):
    id: str


class _Info(msgspec.Struct, rename="pascal"):
    docker_root_dir: str


class _Version(msgspec.Struct, rename="pascal"):
    version: str
    api_version: str
    arch: str


def containers(answer: bytes) -> list[Container]:
    """Read `GET /containers/json`. A container that is being removed counts as gone."""
    try:
        found = msgspec.json.decode(answer, type=list[_Container])
    except msgspec.MsgspecError as error:
        raise EngineUnreadable(str(error)) from error
    return [_container(raw, raw.state) for raw in found if raw.state != "removing"]


def image(answer: bytes) -> Image:
    """Read `GET /images/{name}/json`."""
    try:
        raw = msgspec.json.decode(answer, type=_Image)
    except msgspec.MsgspecError as error:
        raise EngineUnreadable(str(error)) from error
    volumes = (raw.config.volumes if raw.config else None) or {}
    return Image(raw.id, raw.architecture, raw.os, tuple(sorted(volumes)))


def engine_version(answer: bytes) -> EngineVersion:
    """Read `GET /version`."""
    try:
        raw = msgspec.json.decode(answer, type=_Version)
        major, minor = raw.api_version.split(".")[:2]
        return EngineVersion(raw.version, (int(major), int(minor)), raw.arch)
    except (msgspec.MsgspecError, ValueError) as error:
        raise EngineUnreadable(str(error)) from error


def root_folder(answer: bytes) -> Path:
    """Read `GET /info`: where the engine keeps images and containers."""
    try:
        return Path(msgspec.json.decode(answer, type=_Info).docker_root_dir)
    except msgspec.MsgspecError as error:
        raise EngineUnreadable(str(error)) from error


def network_ids(answer: bytes) -> list[str]:
    """Read `GET /networks`."""
    try:
        return sorted(network.id for network in msgspec.json.decode(answer, type=list[_Network]))
    except msgspec.MsgspecError as error:
        raise EngineUnreadable(str(error)) from error


def _container(raw: _Container, state: State) -> Container:
    labels = raw.labels or {}
    health = _HEALTH.search(raw.status)
    ended = _EXIT.match(raw.status)
    return Container(
        id=raw.id,
        project=labels.get(PROJECT_LABEL, ""),
        service=labels.get(SERVICE_LABEL, ""),
        image=raw.image_id,
        state=state,
        health=_HEALTHS[health[1]] if health else None,
        exit_code=int(ended[1]) if ended else None,
        labels=labels,
        ports=tuple(
            Published(port.ip, port.public_port, port.private_port, port.type)
            for port in raw.ports or []
            if port.public_port is not None
        ),
    )
