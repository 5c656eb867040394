"""Turning an app's compose file into the one that a Device runs.

What differs from the file as published, and why:

- every service has `restart: "no"` and mounts the guard volume, so that after
  a reboot nothing starts that the Device does not hold;
- every volume is a folder of a Mosaic volume, so that it is snapshotted;
- images are the ids that were checked; nothing is pulled at start;
- ports are bound to loopback unless opened, at the host ports that were chosen;
- names that two Devices on one engine would fight over are gone;
- a link is Mosaic's own (`render_link`).

No container is made for one epoch: an app runs on when its Device gets another.

The result is a function of its arguments alone. Reading, filling in and
checking the file is `app.open_app`'s.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from mosaic.core.compose_document import Compose, Json
from mosaic.core.compose_keys import is_link_image
from mosaic.core.compose_ports import MOST_PORTS, read_ports
from mosaic.core.compose_variables import escape
from mosaic.core.errors import Refused
from mosaic.core.folders import GUARD, Folder, docker_volume
from mosaic.core.ids import AppDigest, DeviceId, ImageId, InstallationId, ServiceName
from mosaic.core.ports import Assigned, Wanted
from mosaic.core.render_link import PublicWay, render_link, without_waiting
from mosaic.core.render_mounts import GUARD_TARGET, Mounts, render_mounts
from mosaic.core.render_service import awaited_services, render_service
from mosaic.core.render_top import render_files, render_networks


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known where the app will run.

    `bundle` is the path of the extracted package, `package` every path in it
    (files and folders, relative). `image_volumes` are the `VOLUME`s of each
    service's image. `ports` is what `ports.allocate` gave for `wanted_ports`.
    `open` binds ports beyond loopback. `way` is the app's public way, None for
    LAN mode, and `has_tun` says that the machine has the device of tunnels.
    """

    device: DeviceId
    installation: InstallationId
    app_digest: AppDigest
    config_revision: int
    project: str
    driver: str
    bundle: str
    package: Set[str]
    images: Mapping[ServiceName, ImageId]
    image_volumes: Mapping[ServiceName, Sequence[str]] = field(default_factory=dict)
    ports: Sequence[Assigned] = ()
    open: bool = False
    way: PublicWay | None = None
    has_tun: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    """The compose file to run, and what it needs to exist first: every folder's Docker volume, and the guard's."""

    compose: dict[str, Json]
    folders: tuple[Folder, ...]
    guard: str


class ImageNotPinned(Refused):
    """A service has no image id."""

    code = "image-not-pinned"

    def __init__(self, service: ServiceName, image: str) -> None:
        super().__init__(
            f"nobody has said which image {image} of service {service} is",
            hint=f"see whether the device can get it: `docker pull {image}`",
        )


def wanted_ports(compose: Compose) -> list[Wanted]:
    """Return every port that the app publishes, in the file's order.

    Raises:
        ComposeInvalid: an entry that is no port, or more of them than an app may publish.
    """
    found: list[Wanted] = []
    for name, service in compose.services.items():
        found += read_ports(name, service.get("ports"), most=MOST_PORTS - len(found))
    return found


def render(compose: Compose, facts: Facts) -> Rendered:
    """Return what the Device runs.

    Raises:
        ImageNotPinned: `facts.images` lacks a service.
        ComposeInvalid: a mount or a file that cannot be.
    """
    mounts = render_mounts(compose, facts.driver, facts.installation, facts.package, facts.bundle, facts.image_volumes)
    awaited = awaited_services(compose.services)
    services: dict[str, Json] = {
        name: _render_service(name, compose.services, facts, mounts, awaited) for name in compose.services
    }
    guard = docker_volume(facts.driver, facts.installation, GUARD)
    volumes = {folder.folder: _external(folder.docker_volume) for folder in mounts.folders} | {GUARD: _external(guard)}
    document: dict[str, Json] = {"name": facts.project, "services": services, "volumes": dict(sorted(volumes.items()))}
    networks = render_networks(compose.networks)
    if networks:
        document["networks"] = networks
    for section, entries in (("secrets", compose.secrets), ("configs", compose.configs)):
        if entries:
            document[section] = render_files(section, entries, facts.bundle, facts.package)
    escaped = escape(document)
    assert isinstance(escaped, dict)
    return Rendered(escaped, mounts.folders, guard)


def _external(name: str) -> Json:
    return {"external": True, "name": name}


def _render_service(
    name: ServiceName,
    services: Mapping[ServiceName, Mapping[str, Json]],
    facts: Facts,
    mounts: Mounts,
    awaited: Set[ServiceName],
) -> Json:
    service = services[name]
    image = facts.images.get(name)
    if image is None:
        raise ImageNotPinned(name, str(service["image"]))
    labels = {
        "mosaic.device": facts.device,
        "mosaic.installation": facts.installation,
        "mosaic.app-digest": facts.app_digest,
        "mosaic.config-revision": str(facts.config_revision),
    }
    rendered = render_service(
        name, service, image=image, labels=labels, bundle=facts.bundle, package=facts.package, awaited=awaited
    )
    links = frozenset(other for other, entry in services.items() if is_link_image(str(entry["image"])))
    rendered = without_waiting(rendered, links)
    if name in links:
        rendered = render_link(name, rendered, way=facts.way, has_tun=facts.has_tun)
    guard: Json = {"type": "volume", "source": GUARD, "target": GUARD_TARGET, "read_only": True}
    rendered["volumes"] = [*mounts.entries[name], guard]
    ports = [_port(assigned, facts) for assigned in facts.ports if assigned.key.service == name]
    if ports:
        rendered["ports"] = list(ports)
    return rendered


def _port(assigned: Assigned, facts: Facts) -> Json:
    # Without host_ip the engine binds every address, both families.
    bound: dict[str, Json] = {} if facts.open else {"host_ip": "127.0.0.1"}
    return {
        **bound,
        "target": assigned.key.container_port,
        "published": str(assigned.host_port),
        "protocol": assigned.key.protocol,
    }
