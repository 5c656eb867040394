"""The images that an app repository builds itself: built where something changed, tagged with the short commit.

An image whose folder is what it was has been built before: it lies in the
registry under a tag that names the folder's content and the machines that it is
for, and only gets one more tag. So an app that did not change keeps its digest,
whichever machine publishes. What it is built on may have changed meanwhile:
`rebuild` asks for that.

For several kinds of machine each is built on its own, and an index that lists
them all is what apps are pinned to.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.docker.image_build import (
    PLATFORM,
    BuildFailed,
    build_image,
    engine_platform,
    push_image,
    require_buildx,
)
from mosaic.adapters.machine import own_architecture
from mosaic.adapters.oci import documents
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.core import image_ref
from mosaic.core.app_repository import IMAGE_FILE
from mosaic.core.errors import Corrupt, NotFound, Refused
from mosaic.core.image_ref import ImageRef, ImageRefUnreadable
from mosaic.core.oci_types import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, Descriptor, Image
from mosaic.core.pinning import OwnImage
from mosaic.packager.resolving import resolved

Tell = Callable[[str], None]

_MOST_PLATFORMS = 16


@dataclass(frozen=True, slots=True)
class Build:
    """How images are built. `registry` is where to, namespace included; `dockerfile` is taken where a folder has it.

    `platforms` are what they are for, as `linux/arm64`; none: what the engine runs on.
    """

    engine: str
    registry: str
    dockerfile: str = IMAGE_FILE
    network: str | None = None
    rebuild: bool = False
    platforms: tuple[str, ...] = ()


class BuildUnusable(Refused):
    """Nothing can be built, or pushed, as it was asked. Nothing was."""

    code = "build-unusable"

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(reason, hint=hint)


def require_usable(build: Build) -> None:
    """Raise BuildUnusable: no app could be pushed there, the Dockerfile is not one of a folder, a platform is none."""
    try:
        image_ref.parse(f"{build.registry}/app:tag")
    except ImageRefUnreadable:
        raise BuildUnusable(
            f"{build.registry[:120]!r} is no place in a registry",
            hint="write host and namespace: registry.example.org/team",
        ) from None
    # Its content is part of what names an image, so it has to lie in the folder.
    if build.dockerfile in ("", ".", "..") or "/" in build.dockerfile:
        raise BuildUnusable(
            f"{build.dockerfile[:120]!r} is no name of a file",
            hint=f"name a file as it is called in the folders, for instance {IMAGE_FILE}.debian",
        )
    wrong = next((one for one in build.platforms if not PLATFORM.fullmatch(one)), None)
    if wrong is not None or len(build.platforms) > _MOST_PLATFORMS:
        what = f"{len(build.platforms)} platforms are too many" if wrong is None else f"{wrong[:80]!r} is no platform"
        raise BuildUnusable(what, hint="write them as `--platform linux/amd64,linux/arm64`")


@dataclass(frozen=True, slots=True)
class Machines:
    """What images are built for. `chosen` are platforms that were asked for, in order; none: `own`, the engine's."""

    chosen: tuple[str, ...]
    own: str


def machines_for(build: Build) -> Machines:
    """Return what images will be for. Raises BuildxMissing: platforms are chosen, and nothing here builds for them."""
    if build.platforms:
        require_buildx(build.engine)
    # An engine that is silent is needed only where something has to be built.
    own = engine_platform(build.engine) or f"linux/{own_architecture()}"
    return Machines(tuple(sorted(set(build.platforms))), own)


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image of the app repository, as its registry has it."""

    name: str
    own: OwnImage
    image: Image
    is_new: bool


class OwnImages:
    """Builds and pushes. `commit` is the tag that its images get beside the one of their content."""

    def __init__(self, build: Build, machines: Machines, commit: str, registries: Registries, tell: Tell) -> None:
        self._build = build
        self._machines = machines
        self._commit = commit
        self._registries = registries
        self._tell = tell

    def keep(self, folder: Path, tree: str) -> BuiltImage:
        """Have the registry keep the folder's image. May be called again. `tree` is what git calls its content.

        Raises:
            BuildFailed, PushFailed: the engine's own words.
            ImageRefUnreadable: the registry's name cannot be one.
            MosaicError: what the registry says, see `Registry`.
        """
        reference = image_ref.parse(f"{self._build.registry}/{folder.name}:{self._commit}")
        registry = self._registries.at(reference.registry)
        file = self._build.dockerfile if (folder / self._build.dockerfile).is_file() else IMAGE_FILE
        chosen = self._machines.chosen
        tag = content_tag(tree, file, chosen or (self._machines.own,))
        is_new = self._build.rebuild or not _is_whole(registry, reference.repository, tag)
        if is_new and len(chosen) > 1:
            self._build_each(folder, tree, file, reference, tag)
        elif is_new:
            self._build_one(folder, file, reference, tag, next(iter(chosen), None))
        found = registry.manifest(reference.repository, tag)
        registry.push_manifest(reference.repository, found.content, found.media_type, tags=(self._commit,))
        # By its digest: another machine may give the commit's tag to its own image at this moment.
        image = registry.platforms(reference.repository, found.digest)
        return BuiltImage(reference.name, OwnImage(self._commit, resolved(image)), image, is_new)

    def _build_one(self, folder: Path, file: str, reference: ImageRef, tag: str, platform: str | None) -> None:
        self._tell(f"building {folder.name}" + (f" for {platform}" if platform else ""))
        build, name = self._build, f"{reference.name}:{tag}"
        build_image(build.engine, folder, name, dockerfile=file, network=build.network, platform=platform)
        push_image(build.engine, name)

    def _build_each(self, folder: Path, tree: str, file: str, reference: ImageRef, tag: str) -> None:
        """Build for each platform what is not there, and have the registry keep an index of them under the tag."""
        registry = self._registries.at(reference.registry)
        entries = []
        for platform in self._machines.chosen:
            part = content_tag(tree, file, (platform,))
            if self._build.rebuild or not _is_whole(registry, reference.repository, part):
                self._build_one(folder, file, reference, part, platform)
            entries.append(_entry(registry.platforms(reference.repository, part), platform, folder.name))
        # A list of Docker's own manifests is one of Docker's kind: some readers take no mixture.
        is_dockers = all(one.media_type == DOCKER_MANIFEST for one in entries)
        kind = DOCKER_INDEX if is_dockers else OCI_INDEX
        registry.push_manifest(reference.repository, documents.write_index(entries, kind), kind, tags=(tag,))


def content_tag(tree: str, file: str, platforms: Sequence[str]) -> str:
    """Return the tag of what is built from the folder's files as they are committed, for these machines."""
    named = "\0".join((tree, file, *platforms))
    return "built-from-" + hashlib.sha256(named.encode()).hexdigest()[:32]


def _is_whole(registry: Registry, repository: str, tag: str) -> bool:
    """Whether a registry has an image with all that belongs to it: one that lost a layer is no reason not to build."""
    try:
        image = registry.platforms(repository, tag)
    except (NotFound, Corrupt):
        return False
    blobs = {blob.digest: blob for one in image.platforms for blob in (one.config, *one.layers)}
    return all(registry.has_blob(repository, blob) for blob in blobs.values())


def _entry(image: Image, platform: str, name: str) -> Descriptor:
    """Return what an index says of the image for a platform. Raises BuildFailed: it is for another one."""
    os, _, machine = platform.partition("/")
    architecture, _, variant = machine.partition("/")
    for one in image.platforms:
        told = one.platform
        if (told.os, told.architecture) == (os, architecture) and told.variant in ("", variant or told.variant):
            return Descriptor(one.manifest.media_type, one.manifest.digest, one.manifest.size, platform=told)
    there = ", ".join(str(one.platform) for one in image.platforms)
    raise BuildFailed(f"{name} was built for {platform}", f"it is for {there or 'no platform'}")
