"""Giving every mount of an app its place: a folder of a Mosaic volume, or a path of its package.

A volume that only link services mount is the link's; everything else is the
app's data, so that one snapshot cuts all of it at one instant.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from posixpath import join, normpath
from typing import assert_never

from mosaic.core import folders
from mosaic.core.compose_document import Compose, ComposeInvalid, Json, as_text, as_words
from mosaic.core.compose_keys import is_link_image
from mosaic.core.compose_mounts import AnonymousMount, BindMount, Mount, NamedMount, OtherMount, TmpfsMount, read_mounts
from mosaic.core.folders import Folder
from mosaic.core.ids import InstallationId, ServiceName
from mosaic.core.link_service import LINK_DATA
from mosaic.core.policy_mounts import is_outside

GUARD_TARGET = "/run/mosaic/guard"


@dataclass(frozen=True, slots=True)
class Mounts:
    """Each service's `volumes`, in long syntax, and the folders that they need."""

    entries: Mapping[ServiceName, list[Json]]
    folders: tuple[Folder, ...]


def render_mounts(
    compose: Compose,
    driver: str,
    installation: InstallationId,
    package: Set[str],
    bundle: str,
    image_volumes: Mapping[ServiceName, Sequence[str]],
) -> Mounts:
    """Return every service's mounts.

    A path beside the compose file that the package has is mounted read-only:
    the package is what was signed. One that it does not have is data that the
    app means to write, and gets a folder.

    Raises:
        ComposeInvalid: a mount of a volume that is declared nowhere, or over the guard.
    """
    place = _Place(compose, driver, installation, package, bundle)
    entries: dict[ServiceName, list[Json]] = {}
    users: dict[str, set[ServiceName]] = {}
    for name, service in compose.services.items():
        entries[name] = []
        for mount in [*read_mounts(name, service.get("volumes")), *_uncovered(name, service, image_volumes)]:
            _require_free_target(name, mount.target)
            entry, folder = place.entry(name, mount)
            entries[name].append(entry)
            if folder is not None:
                users.setdefault(folder, set()).add(name)
    links = {name for name, service in compose.services.items() if is_link_image(str(service["image"]))}
    named = (Folder(place.docker_volume(name), name, "link" if by <= links else "data") for name, by in users.items())
    return Mounts(entries, tuple(sorted(named)))


def _uncovered(
    name: ServiceName, service: Mapping[str, Json], image_volumes: Mapping[ServiceName, Sequence[str]]
) -> list[Mount]:
    """Return the image's `VOLUME`s that nothing is mounted on: the engine would make nameless volumes for them.

    So is a link's folder of certificates: without a volume each start would order new ones.
    """
    covered = {mount.target for mount in read_mounts(name, service.get("volumes"))}
    covered |= {normpath(word.partition(":")[0]) for word in as_words(service.get("tmpfs"), f"tmpfs of service {name}")}
    paths = {normpath(path) for path in image_volumes.get(name, ())}
    if is_link_image(str(service["image"])) and not any(_is_within(LINK_DATA, target) for target in covered):
        paths.add(LINK_DATA)
    return [AnonymousMount(path) for path in sorted(paths) if path not in covered]


def _is_within(path: str, folder: str) -> bool:
    return (path + "/").startswith(folder.rstrip("/") + "/")


def _require_free_target(service: ServiceName, target: str) -> None:
    if target == "/" or (target + "/").startswith(GUARD_TARGET + "/"):
        raise ComposeInvalid(
            f"service {service} mounts something at {target}, where Mosaic's guard volume goes",
            hint="mount it at another path of the container",
        )


@dataclass(frozen=True, slots=True)
class _Place:
    compose: Compose
    driver: str
    installation: InstallationId
    package: Set[str]
    bundle: str

    def docker_volume(self, folder: str) -> str:
        return folders.docker_volume(self.driver, self.installation, folder)

    def entry(self, service: ServiceName, mount: Mount) -> tuple[Json, str | None]:
        """Return the long syntax of a mount, and the folder that it needs (None: none)."""
        match mount:
            case NamedMount():
                folder = self._declared(service, mount.volume)
                options: dict[str, Json] = {"volume": mount.options} if mount.options else {}
                return _volume(folder, mount.target, read_only=mount.read_only) | options, folder
            case AnonymousMount():
                folder = folders.anonymous(service, mount.target)
                return _volume(folder, mount.target, read_only=mount.read_only), folder
            case BindMount():
                return self._bind(mount)
            case TmpfsMount():
                return mount.entry, None
            case OtherMount():
                raise ComposeInvalid(
                    f"service {service} mounts a {mount.kind}", hint="use a volume, a path of the package or tmpfs"
                )
            case _ as unreachable:
                assert_never(unreachable)

    def _declared(self, service: ServiceName, volume: str) -> str:
        if volume not in self.compose.volumes:
            raise ComposeInvalid(
                f"service {service} mounts the volume {volume}, which is declared nowhere",
                hint=f"add `{volume}:` under `volumes:`, or write ./{volume} for a path of the package",
            )
        entry = self.compose.volumes[volume]
        external = entry.get("external")
        name = external.get("name") if isinstance(external, dict) else entry.get("name")
        for folder in (folders.APP, folders.LINK):
            if name is not None and as_text(name, f"name of volume {volume}") == self.docker_volume(folder):
                return folder
        return folders.named(volume)

    def _bind(self, mount: BindMount) -> tuple[Json, str | None]:
        if is_outside(mount.source):
            # Only what the owner granted comes this far.
            return _path(mount.source, mount.target, read_only=mount.read_only), None
        if mount.source == "." or mount.source in self.package:
            return _path(normpath(join(self.bundle, mount.source)), mount.target, read_only=True), None
        folder = folders.package_data(mount.source)
        return _volume(folder, mount.target, read_only=mount.read_only), folder


def _volume(folder: str, target: str, *, read_only: bool) -> dict[str, Json]:
    entry: dict[str, Json] = {"type": "volume", "source": folder, "target": target}
    return {**entry, "read_only": True} if read_only else entry


def _path(source: str, target: str, *, read_only: bool) -> dict[str, Json]:
    entry: dict[str, Json] = {"type": "bind", "source": source, "target": target}
    # A missing path is an error, not a new folder that looks like lost data (G4).
    never: dict[str, Json] = {"bind": {"create_host_path": False}}
    return {**entry, **({"read_only": True} if read_only else {}), **never}
